//! A page of another origin that shows the cockpit in a frame.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

use crate::common::World;
use crate::common::browser::{Browser, Page};
use crate::common::raw_upstream::read_head;

const LIVE: &str = "document.documentElement.dataset.state === 'live'";
const PATIENCE: Duration = Duration::from_secs(30);

/// A server on another port, so of another origin of the same site: a browser sends t3's cookie along.
struct Foreign {
    addr: SocketAddr,
    serving: AbortHandle,
}

impl Foreign {
    /// Serves a page that frames the address in its query.
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let addr = listener.local_addr().expect("a bound socket");
        let serving = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let head = read_head(&mut stream).await;
                let head = String::from_utf8_lossy(&head).into_owned();
                let target = head.split(' ').nth(1).unwrap_or_default();
                let framed = target.strip_prefix("/?").unwrap_or("about:blank");
                let page = format!(
                    "<!doctype html><iframe src=\"{framed}\" onload=\"document.title = 'loaded'\"></iframe>"
                );
                let length = page.len();
                let response = format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {length}\r\n\
                     Connection: close\r\n\r\n{page}"
                );
                let _ = stream.write_all(response.as_bytes()).await;
            }
        });
        Self {
            addr,
            serving: serving.abort_handle(),
        }
    }

    /// Shows the page that frames `world` in a tab of `page`'s browser, until its frame has loaded.
    async fn frame(&self, page: &Page, world: &World) -> Page {
        let tab = page.sibling().await;
        let url = format!("http://{}/?http://{}/", self.addr, world.addr());
        tab.navigate(&url).await;
        tab.wait_for("document.title === 'loaded'", PATIENCE).await;
        tab
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// How many requests for a WebSocket, and how many for a page in a frame, t3 has got.
fn asked(world: &World) -> [usize; 2] {
    let asked = world.asked();
    let sockets = asked.iter().filter(|seen| seen.target.starts_with(b"/ws"));
    let is_framed = |dest: Option<&[u8]>| dest == Some(b"iframe");
    let frames = asked
        .iter()
        .filter(|seen| is_framed(seen.header("sec-fetch-dest")));
    [sockets.count(), frames.count()]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_origin_that_frames_the_cockpit_gets_nothing() {
    let Some(browser) = Browser::launch().await else {
        return;
    };
    let (world, foreign) = (World::start().await, Foreign::start().await);
    let page = browser.page().await;
    page.navigate(&format!("http://{}/", world.addr())).await;
    page.wait_for(LIVE, PATIENCE).await;
    assert_eq!(asked(&world), [1, 0]);
    let tab = foreign.frame(&page, &world).await;
    assert_eq!(asked(&world), [1, 1], "no script ran in the frame");
    let told = tab.console_errors().join("\n");
    assert!(told.contains("frame-ancestors 'self'"), "{told}");
    assert_eq!(world.exchanges(), 1, "nothing was paired in it");
}

/// The counter-test: with a policy that names the other origin its frame becomes live.
#[tokio::test(flavor = "multi_thread")]
async fn a_dashboard_that_the_options_name_shows_the_cockpit() {
    let Some(browser) = Browser::launch().await else {
        return;
    };
    let foreign = Foreign::start().await;
    let sources = format!("'self' http://{}", foreign.addr);
    let world = World::with(&["--frame-ancestors", &sources]).await;
    let page = browser.page().await;
    page.navigate(&format!("http://{}/", world.addr())).await;
    page.wait_for(LIVE, PATIENCE).await;
    foreign.frame(&page, &world).await;
    let both = async {
        while asked(&world) != [2, 1] {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let both = tokio::time::timeout(PATIENCE, both).await;
    both.expect("the frame opens its WebSocket");
}
