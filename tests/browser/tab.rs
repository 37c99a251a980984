//! An open tab whose session with single sign-on ends, or whose t3 or dispatcher goes away, in a real browser.

use std::time::Duration;

use serde_json::{Value, json};
use t3_standin::server::Options as StandinOptions;
use tokio::time::Instant;

use crate::common::browser::{Browser, Page};
use crate::common::listener::listener_at;
use crate::common::{Dispatcher, World, config, start_again};
use crate::sign_on_gate::Gate;

const HEADER: [&str; 2] = ["--identity-header", "X-authentik-username"];
const LIVE: &str = "document.documentElement.dataset.state === 'live'";
const PATIENCE: Duration = Duration::from_secs(30);

/// The client of the stand-in's page has tried seven times, and waits for its user.
const HAS_STOPPED: &str =
    "document.getElementById('trouble').textContent.includes('Reload to try')";

/// The bar, and what it says.
const BAR: &str = "document.querySelector('t3-dispatcher-bar')";
const TEXT: &str = "document.querySelector('t3-dispatcher-bar').shadowRoot.querySelector('[role=status]').textContent";

/// What the page has that a reload would lose.
const DRAFT: &str = "(() => { window.marker = 'kept'; const draft = document.createElement('textarea'); \
    draft.id = 'draft'; document.body.append(draft); draft.focus(); return true; })()";

/// Has the page's timers of a second and more run so many times as fast.
async fn hurry(page: &Page, times: u32) {
    let source = format!(
        "{{ const real = setTimeout; \
        window.setTimeout = (then, ms, ...rest) => real(then, ms >= 1000 ? ms / {times} : ms, ...rest); }}"
    );
    let added = page.command(
        "Page.addScriptToEvaluateOnNewDocument",
        json!({ "source": source }),
    );
    added.await.expect("it is added");
}

/// A live cockpit behind the gate, in which something has been typed.
async fn live(page: &Page, gate: &Gate) {
    page.navigate(&format!("http://{}/", gate.addr)).await;
    page.wait_for(LIVE, PATIENCE).await;
    page.evaluate(DRAFT).await;
    let typed = page.command("Input.insertText", json!({ "text": "half a thought" }));
    typed.await.expect("it is typed");
}

/// The page has neither been loaded again nor lost anything, and there is no bar.
async fn assert_kept(page: &Page, gate: &Gate) {
    page.wait_for(&format!("!{BAR}"), PATIENCE).await;
    assert_eq!(page.evaluate("window.marker").await, "kept");
    let draft = page
        .evaluate("document.getElementById('draft').value")
        .await;
    assert_eq!(draft, "half a thought");
    let url = format!("http://{}/", gate.addr);
    let responses = page.responses();
    let loads = responses
        .iter()
        .filter(|response| response.url == url && response.status == 200);
    assert_eq!(loads.count(), 1);
}

/// Ends the session of the gate's.
async fn sign_out(page: &Page, gate: &Gate) {
    let cookie = json!({ "name": "gate", "url": format!("http://{}/", gate.addr) });
    page.command("Network.deleteCookies", cookie)
        .await
        .expect("it is deleted");
}

async fn says(page: &Page, text: &str) {
    page.wait_for(&format!("{TEXT}.includes('{text}')"), PATIENCE)
        .await;
}

async fn key(page: &Page, key: &str, code: u32, text: &str) {
    for kind in ["keyDown", "keyUp"] {
        let text = if kind == "keyDown" { text } else { "" };
        let pressed = json!({
            "type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code, "text": text
        });
        page.command("Input.dispatchKeyEvent", pressed)
            .await
            .expect("it is pressed");
    }
}

/// How many questions have been answered to the tab.
fn questions(page: &Page) -> usize {
    let responses = page.events("Network.requestWillBeSent");
    let of_alive = |sent: &&Value| {
        sent["request"]["url"]
            .as_str()
            .is_some_and(|url| url.ends_with("/dispatcher/alive"))
    };
    responses.iter().filter(of_alive).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tab_that_was_signed_out_is_live_again_after_a_sign_in_in_a_small_window() {
    let Some(browser) = Browser::launch().await else {
        return;
    };
    let World {
        standin,
        dir,
        dispatcher,
    } = World::with(&HEADER).await;
    let gate = Gate::before(dispatcher.addr).await;
    let page = browser.page().await;
    hurry(&page, 20).await;
    live(&page, &gate).await;
    let children = page
        .evaluate("document.documentElement.children.length")
        .await;
    sign_out(&page, &gate).await;
    let addr = standin.addr();
    standin.kill();
    let options = StandinOptions::new(dir.path().join("t3"));
    let _standin = start_again(options, addr, Duration::ZERO).await;
    says(&page, "You have been signed out").await;
    page.wait_for(HAS_STOPPED, PATIENCE).await;
    let live_region = format!("{BAR}.shadowRoot.querySelector('[role=status]').ariaLive");
    assert_eq!(page.evaluate(&live_region).await, "polite");
    let more = page
        .evaluate("document.documentElement.children.length")
        .await;
    assert_eq!(
        more.as_u64(),
        children.as_u64().map(|count| count + 1),
        "only the bar"
    );
    let focused = page.evaluate("document.activeElement.id").await;
    assert_eq!(focused, "draft", "it takes no focus");

    // By the keyboard alone.
    let on_button =
        format!("document.activeElement === {BAR} && {BAR}.shadowRoot.activeElement.textContent");
    while page.evaluate(&on_button).await != "Sign in" {
        key(&page, "Tab", 9, "").await;
    }
    let start = Instant::now();
    key(&page, "Enter", 13, "\r").await;
    page.wait_for(LIVE, PATIENCE).await;
    let took = start.elapsed();
    println!("live {took:?} after the button, whose sign-in asks nothing");
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert_kept(&page, &gate).await;
    let closed = async {
        while !page.others().await.is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, closed)
        .await
        .expect("the small window closes itself");
    assert_eq!(
        page.console_errors()
            .iter()
            .filter(|error| error.contains("/dispatcher/"))
            .count(),
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn where_no_window_can_be_opened_a_new_tab_is_offered_and_heard() {
    let Some(browser) = Browser::launch().await else {
        return;
    };
    let world = World::with(&HEADER).await;
    let gate = Gate::before(world.addr()).await;
    let page = browser.page().await;
    hurry(&page, 20).await;
    live(&page, &gate).await;
    sign_out(&page, &gate).await;
    says(&page, "You have been signed out").await;
    let blocked =
        format!("window.open = () => null, {BAR}.shadowRoot.querySelector('button').click()");
    page.evaluate(&blocked).await;
    says(&page, "in a new tab").await;
    let link = format!("{BAR}.shadowRoot.querySelector('a:not([hidden])').href");
    let link = page.evaluate(&link).await;
    let tab = page.sibling().await;
    tab.navigate(link.as_str().expect("an address")).await;
    tab.wait_for("document.title === 'You are signed in'", PATIENCE)
        .await;
    assert_kept(&page, &gate).await;
    page.wait_for(LIVE, PATIENCE).await;
    let fits = "document.documentElement.scrollWidth <= innerWidth";
    assert_eq!(
        tab.evaluate(fits).await,
        true,
        "it stays open, and says what to do"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tab_asks_once_a_minute_while_it_is_seen_and_never_while_it_is_not() {
    const WINDOW: Duration = Duration::from_secs(3);
    let Some(browser) = Browser::launch().await else {
        return;
    };
    let world = World::with(&HEADER).await;
    let gate = Gate::before(world.addr()).await;
    let page = browser.page().await;
    // A minute is 0.6 s.
    hurry(&page, 100).await;
    live(&page, &gate).await;
    let before = questions(&page);
    tokio::time::sleep(WINDOW).await;
    let asked = questions(&page) - before;
    assert!((2..=6).contains(&asked), "{asked} in five minutes");

    let see = |state: &str| {
        format!(
            "Object.defineProperty(document, 'visibilityState', {{ value: '{state}', configurable: true }}); \
            document.dispatchEvent(new Event('visibilitychange'));"
        )
    };
    page.evaluate(&see("hidden")).await;
    // What was under way is answered.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let before = questions(&page);
    page.evaluate("dispatchEvent(new Event('focus')), dispatchEvent(new Event('online'))")
        .await;
    tokio::time::sleep(WINDOW).await;
    assert_eq!(questions(&page), before, "while it is hidden");
    tokio::time::sleep(WINDOW).await;
    page.evaluate(&see("visible")).await;
    let asked = async {
        while questions(&page) == before {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let asked = tokio::time::timeout(Duration::from_millis(500), asked).await;
    asked.expect("it asks at once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tab_says_that_t3_or_the_dispatcher_is_away_and_no_more_once_it_is_back() {
    let Some(browser) = Browser::launch().await else {
        return;
    };
    let World {
        standin,
        dir,
        dispatcher,
    } = World::with(&HEADER).await;
    let (addr, upstream) = (dispatcher.addr, standin.addr());
    let gate = Gate::before(addr).await;
    let page = browser.page().await;
    hurry(&page, 20).await;
    live(&page, &gate).await;
    standin.kill();
    says(&page, "is not running").await;
    let options = StandinOptions::new(dir.path().join("t3"));
    let standin = start_again(options, upstream, Duration::from_secs(3)).await;
    says(&page, "T3 Code is starting").await;
    page.wait_for(LIVE, PATIENCE).await;
    assert_kept(&page, &gate).await;

    dispatcher.drain().await;
    says(&page, "cannot be reached").await;
    let listener = listener_at(addr).await;
    let _dispatcher = Dispatcher::on(listener, config(upstream, dir.path(), &HEADER)).await;
    page.wait_for(LIVE, PATIENCE).await;
    assert_kept(&page, &gate).await;
    drop(standin);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bar_fits_a_phone_and_follows_the_colour_scheme() {
    let Some(browser) = Browser::launch().await else {
        return;
    };
    let world = World::with(&HEADER).await;
    let gate = Gate::before(world.addr()).await;
    let page = browser.page().await;
    hurry(&page, 20).await;
    page.set_viewport(360, 640, 2.0, true).await;
    live(&page, &gate).await;
    // A page that styles everything.
    let styles = "document.head.append(Object.assign(document.createElement('style'), { textContent: \
        '* { color: red !important } t3-dispatcher-bar { position: static; display: none }' }))";
    page.evaluate(styles).await;
    sign_out(&page, &gate).await;
    says(&page, "You have been signed out").await;
    let boxed = format!("{BAR}.shadowRoot.querySelector('div')");
    for (scheme, colour) in [("light", "rgb(24, 24, 27)"), ("dark", "rgb(250, 250, 250)")] {
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        page.command("Emulation.setEmulatedMedia", media)
            .await
            .expect("it can be emulated");
        let shown = page
            .evaluate(&format!("getComputedStyle({boxed}).color"))
            .await;
        assert_eq!(shown, colour, "{scheme}");
        if let Some(dir) = std::env::var_os("SCREENSHOTS") {
            page.screenshot(&std::path::Path::new(&dir).join(format!("tab-{scheme}.png")))
                .await;
        }
    }
    let place = format!(
        "(({{ left, right, top, bottom }}) => [left, 360 - right, top, 200 - bottom])({boxed}.getBoundingClientRect())"
    );
    let place = page.evaluate(&place).await;
    let place = place.as_array().expect("four sides");
    assert!(
        place.iter().all(|side| side.as_f64() >= Some(0.0)),
        "{place:?}"
    );
    let hide = format!("[...{BAR}.shadowRoot.querySelectorAll('button')].at(-1).click()");
    page.evaluate(&hide).await;
    page.wait_for(&format!("!{BAR}"), PATIENCE).await;
}
