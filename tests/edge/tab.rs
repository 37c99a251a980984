//! A tab that single sign-on signs out under its person, behind Traefik: what its bar offers makes it live again.

use std::time::Duration;

use serde_json::json;
use t3_standin::server::{Options as StandinOptions, Standin};
use tempfile::TempDir;
use tokio::time::Instant;

use crate::certificate::Certificate;
use crate::common::browser::Page;
use crate::common::process::{Process, standin_and_command};
use crate::outpost::{APPLICATION, Manner, Outpost};
use crate::programs::named_by;
use crate::stack::{PATIENCE, SECRET, Stack, browser_that_trusts, sign_in};
use crate::traefik::{Behind, Traefik};

/// How long after the sign-in the tab may take to be live.
const LIMIT: Duration = Duration::from_secs(2);

/// What says so, and its button.
const TEXT: &str = "document.querySelector('t3-dispatcher-bar').shadowRoot.querySelector('[role=status]').textContent";
const BUTTON: &str =
    "document.querySelector('t3-dispatcher-bar').shadowRoot.querySelector('button')";

/// What the page has that a reload would lose.
const DRAFT: &str = "(() => { window.marker = 'kept'; const draft = document.createElement('textarea'); \
    draft.id = 'draft'; document.body.append(draft); draft.focus(); return true; })()";

async fn type_a_draft(page: &Page) {
    page.evaluate(DRAFT).await;
    let typed = json!({ "text": "half a thought" });
    let typed = page.command("Input.insertText", typed).await;
    typed.expect("it is typed");
}

/// Signs in in the small window that the bar offers; returns when the form was sent.
async fn sign_in_again(page: &Page) -> Instant {
    page.wait_for(&format!("{TEXT}.includes('signed out')"), PATIENCE)
        .await;
    page.evaluate(&format!("{BUTTON}.click()")).await;
    let window = page.opened(PATIENCE).await;
    sign_in(&window, "ada@example.org").await;
    Instant::now()
}

/// There is no bar, the small window has gone, and the page was not loaded again.
async fn assert_kept(page: &Page) {
    page.wait_for("!document.querySelector('t3-dispatcher-bar')", PATIENCE)
        .await;
    assert_eq!(page.evaluate("window.marker").await, "kept");
    let draft = page
        .evaluate("document.getElementById('draft').value")
        .await;
    assert_eq!(draft, "half a thought");
    let closed = async {
        while !page.others().await.is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let closed = tokio::time::timeout(PATIENCE, closed).await;
    closed.expect("the small window closes itself");
}

/// The real t3's client tries for ever, ever more slowly.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a real t3 and a real Traefik: .ci/edge"]
async fn a_tab_of_the_real_t3_that_was_signed_out_is_live_within_2_s_of_signing_in() {
    let Some(mut stack) = Stack::start().await else {
        return;
    };
    let Some(browser) = stack.door.browser().await else {
        return stack.finish().await;
    };
    let page = stack.signed_in(&browser).await;
    type_a_draft(&page).await;
    stack.door.outpost.sign_out();
    stack.door.restart_dispatcher().await;
    let tried = page.events("Network.webSocketCreated").len();
    let until_it_waits = async {
        while page.events("Network.webSocketCreated").len() < tried + 3 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let waits = tokio::time::timeout(PATIENCE, until_it_waits).await;
    waits.expect("its client tries in vain");
    let frames = page.events("Network.webSocketFrameReceived").len();
    // The person comes back to the tab.
    page.evaluate("dispatchEvent(new Event('focus'))").await;
    let start = sign_in_again(&page).await;
    while page.events("Network.webSocketFrameReceived").len() == frames {
        assert!(start.elapsed() < PATIENCE, "not live");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let took = start.elapsed();
    println!("signed out, the real t3: live {took:?} after the form");
    assert!(took < LIMIT, "{took:?}");
    assert_kept(&page).await;
    drop((page, browser));
    stack.finish().await;
}

/// The stand-in's client tries seven times, and then waits for its user.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a real Traefik: .ci/edge"]
async fn a_tab_whose_client_has_stopped_trying_is_live_within_2_s_of_signing_in() {
    const LIVE: &str = "document.documentElement.dataset.state === 'live'";
    const HAS_STOPPED: &str =
        "document.getElementById('trouble').textContent.includes('Reload to try')";
    /// Timers of a second and more run twenty times as fast: two minutes of trying are six seconds.
    const HURRY: &str = "{ const real = setTimeout; window.setTimeout = (then, ms, ...rest) => \
        real(then, ms >= 1000 ? ms / 20 : ms, ...rest); }";
    let Some(program) = named_by("EDGE_TRAEFIK") else {
        return;
    };
    let dir = TempDir::new().expect("a temporary directory");
    let (standin, mut command) = standin_and_command(dir.path()).await;
    command.env("DISPATCHER_GATE", Manner::default().gate());
    let dispatcher = Process::start(&mut command);
    let (certificate, outpost) = (Certificate::new(), Outpost::start(Manner::default()).await);
    let behind = Behind {
        dispatcher: dispatcher.addr,
        outpost: outpost.addr,
        secret: SECRET.to_owned(),
    };
    let traefik = Traefik::start(&program, &certificate, &behind).await;
    let Some(browser) = browser_that_trusts(&certificate).await else {
        return;
    };
    let page = browser.page().await;
    let hurry = json!({ "source": HURRY });
    let hurry = page.command("Page.addScriptToEvaluateOnNewDocument", hurry);
    hurry.await.expect("it is added");
    let port = traefik.secure.port();
    page.navigate(&format!("https://{APPLICATION}:{port}/"))
        .await;
    sign_in(&page, "ada@example.org").await;
    page.wait_for(LIVE, PATIENCE).await;
    type_a_draft(&page).await;
    outpost.sign_out();
    let mut options = StandinOptions::new(dir.path().join("t3"));
    options.listen = standin.addr();
    standin.kill();
    let _standin = Standin::start(options).await.expect("the port is free");
    page.wait_for(HAS_STOPPED, PATIENCE).await;
    let start = sign_in_again(&page).await;
    page.wait_for(LIVE, PATIENCE).await;
    let took = start.elapsed();
    println!("signed out, a client that has stopped: live {took:?} after the form");
    assert!(took < LIMIT, "{took:?}");
    assert_kept(&page).await;
}
