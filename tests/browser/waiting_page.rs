//! The page that waits for t3, in a real browser: it opens the cockpit by itself, whatever happens meanwhile.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use t3_standin::server::Options as StandinOptions;
use tokio::io::AsyncWriteExt;
use tokio::sync::Mutex;

use crate::common::browser::{Browser, Page};
use crate::common::listener::listener_at;
use crate::common::raw_upstream::{RawUpstream, target_of};
use crate::common::{Dispatcher, World, config, start_again};
use crate::sign_on_gate::Gate;

const LIVE: &str = "document.documentElement.dataset.state === 'live'";
const WAITS: &str = "document.title === 'T3 Code is not running'";
const PROGRESS: &str = "document.getElementById('progress').textContent";

/// Several tries, the last of which are 15 s apart.
const LIMIT: Duration = Duration::from_secs(60);

const BAD_GATEWAY: &[u8] = b"HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\n\
    Connection: close\r\nContent-Length: 11\r\n\r\nBad Gateway";

const BROKEN: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n";

const PAGE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\
    Content-Length: 23\r\n\r\n<title>the page</title>";

/// A world in which a page is shown the one that waits after a moment.
async fn impatient_world() -> World {
    World::timed(&[], |timing| {
        timing.page_patience = Duration::from_millis(300);
    })
    .await
}

/// How many documents of `path` the tab has received.
fn loads(page: &Page, addr: SocketAddr, path: &str) -> usize {
    let url = format!("http://{addr}{path}");
    let responses = page.responses();
    responses
        .iter()
        .filter(|response| response.url == url)
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_waits_opens_the_cockpit_whatever_happens_meanwhile() {
    let Some(browser) = Browser::launch().await else {
        return;
    };
    let world = impatient_world().await;
    let addr = world.addr();
    let World {
        standin,
        dir,
        dispatcher,
    } = world;
    let upstream = standin.addr();
    standin.kill();
    let page = browser.page().await;
    page.navigate(&format!("http://{addr}/t/1?a=b#part")).await;
    page.wait_for(WAITS, LIMIT).await;
    page.wait_for(&format!("{PROGRESS}.startsWith('Waiting since')"), LIMIT)
        .await;
    let detail = page
        .evaluate("document.querySelector('pre').textContent")
        .await;
    let detail = detail.as_str().expect("a text");
    assert!(detail.contains(&upstream.to_string()), "{detail}");
    assert!(detail.contains("\nRequest "), "{detail}");
    let refresh = "document.querySelector('meta[http-equiv]')";
    assert!(page.evaluate(refresh).await.is_null(), "a script runs");

    dispatcher.drain().await;
    page.wait_for(&format!("{PROGRESS}.includes('cannot be reached')"), LIMIT)
        .await;
    let proxy = RawUpstream::of_files_at(addr, |mut stream, _, _| async move {
        let _ = stream.write_all(BAD_GATEWAY).await;
    })
    .await;
    page.wait_for(
        &format!("!{PROGRESS}.includes('cannot be reached') && {PROGRESS}.includes('Next')"),
        LIMIT,
    )
    .await;
    assert_eq!(loads(&page, addr, "/t/1?a=b"), 1, "it has stayed");
    drop(proxy);

    let listener = listener_at(addr).await;
    let _dispatcher = Dispatcher::on(listener, config(upstream, dir.path(), &[])).await;
    let options = StandinOptions::new(dir.path().join("t3"));
    let _standin = start_again(options, upstream, Duration::ZERO).await;
    page.wait_for(LIVE, LIMIT).await;
    let place = "location.pathname + location.search + location.hash";
    assert_eq!(page.evaluate(place).await, "/t/1?a=b#part");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_reloads_where_no_script_runs_and_is_readable_on_a_phone_in_the_dark() {
    let Some(browser) = Browser::launch().await else {
        return;
    };
    let world = impatient_world().await;
    let addr = world.addr();
    let World { standin, .. } = world;
    standin.kill();
    let page = browser.page().await;
    page.set_viewport(360, 640, 3.0, true).await;
    let dark = json!({ "features": [{ "name": "prefers-color-scheme", "value": "dark" }] });
    let is_set = page.command("Emulation.setEmulatedMedia", dark).await;
    is_set.expect("it can be emulated");
    let off = json!({ "value": true });
    let is_off = page
        .command("Emulation.setScriptExecutionDisabled", off)
        .await;
    is_off.expect("it can be switched off");
    page.navigate(&format!("http://{addr}/")).await;
    page.wait_for(WAITS, LIMIT).await;
    let fits = "document.documentElement.scrollWidth <= 360";
    assert_eq!(page.evaluate(fits).await, true);
    let size = "parseFloat(getComputedStyle(document.body).fontSize) >= 16";
    assert_eq!(page.evaluate(size).await, true);
    let text = page.evaluate("getComputedStyle(document.body).color").await;
    assert_eq!(text, "rgb(255, 255, 255)", "in the dark");
    let told = page.evaluate(PROGRESS).await;
    assert_eq!(told, "This page tries again by itself.");
    let again = async {
        while loads(&page, addr, "/") < 3 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LIMIT, again)
        .await
        .expect("it reloads");
}

/// t3 is up but breaks off: the page is loaded again, each time after a longer while.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_broke_off_is_loaded_again_ever_more_slowly() {
    let Some(browser) = Browser::launch().await else {
        return;
    };
    // Each load has an id, however often t3 is asked for it.
    let ids = Arc::<Mutex<HashSet<String>>>::default();
    let upstream = RawUpstream::start(move |mut stream, head, _| {
        let ids = Arc::clone(&ids);
        async move {
            if target_of(&head) != "/" {
                return;
            }
            let head = String::from_utf8_lossy(&head).to_lowercase();
            let id = head.lines().find(|line| line.starts_with("x-request-id:"));
            let mut ids = ids.lock().await;
            ids.insert(id.expect("an id").to_owned());
            let response = match ids.len() {
                0..=3 => BROKEN,
                _ => PAGE,
            };
            let _ = stream.write_all(response).await;
        }
    })
    .await;
    let dispatcher = Dispatcher::in_front_of(upstream.addr, &["--pwa", "off"]).await;
    let page = browser.page().await;
    page.navigate(&format!("http://{}/", dispatcher.addr)).await;
    page.wait_for("document.title === 'T3 Code did not answer'", LIMIT)
        .await;
    page.wait_for("document.title === 'the page'", LIMIT).await;
    let times: Vec<_> = page
        .events("Network.requestWillBeSent")
        .iter()
        .filter(|sent| sent["type"] == "Document")
        .filter_map(|sent| sent["timestamp"].as_f64())
        .collect();
    let pauses: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(pauses.len() >= 3, "{pauses:?}");
    for (number, pause) in (0..).zip(&pauses) {
        assert!(*pause >= 1.5_f64.powi(number), "{pauses:?}");
    }
}

/// The session with single sign-on has ended meanwhile: the page is loaded, so that a person can sign in.
#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_that_is_asked_for_meanwhile_is_shown() {
    let Some(browser) = Browser::launch().await else {
        return;
    };
    let world = impatient_world().await;
    let gate = Gate::before(world.addr()).await;
    let World { standin, .. } = world;
    standin.kill();
    let page = browser.page().await;
    page.navigate(&format!("http://{}/", gate.addr)).await;
    page.wait_for(WAITS, LIMIT).await;
    let before = page.cookies().await;
    assert_eq!(before.len(), 1, "{before:?}");
    page.clear_cookies().await;
    let signed_in = async {
        while page.cookies().await.is_empty() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(LIMIT, signed_in)
        .await
        .expect("it is loaded");
    assert!(gate.turned_away().iter().any(|path| path == "/readyz"));
    page.wait_for(WAITS, LIMIT).await;
}
