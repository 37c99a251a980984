//! Healing: a dead session is replaced on a page load, a WebSocket reconnect or a session request.

use std::time::{Duration, Instant};

use t3_standin::seen::Seen;

use crate::common::http::Response;
use crate::common::{
    Client, Edition, HANDSHAKE, PAGE, PATIENCE, World, in_front_of_each_t3, request, websocket_of,
};

in_front_of_each_t3!(
    a_page_load_with_a_dead_session_gets_a_new_one,
    the_reconnect_of_an_open_tab_is_a_101_with_a_new_session,
    a_script_s_request_for_a_dead_session_gets_a_new_one,
);

async fn load(world: &World, further: &str) -> Response {
    load_by(world, "(test)", further).await
}

/// By a browser of another name, as the loop guard limits what one browser gets.
async fn load_by(world: &World, browser: &str, further: &str) -> Response {
    let page = PAGE.replace("(test)", browser);
    request(world.addr(), &format!("GET /\n{page}{further}")).await
}

async fn upgrade(world: &World, further: &str) -> Response {
    upgrade_at(world, "/ws", further).await
}

async fn upgrade_at(world: &World, target: &str, further: &str) -> Response {
    let mut client = Client::connect(world.addr()).await;
    let head = format!("GET {target}\n{HANDSHAKE}{further}");
    client.send_head(&head).await;
    client.head().await.expect("a response")
}

async fn is_alive(world: &World, cookie: &str) -> bool {
    let head = format!("GET /api/auth/session\nCookie: {cookie}");
    request(world.standin.addr(), &head).await.json()["authenticated"] == true
}

async fn a_page_load_with_a_dead_session_gets_a_new_one(edition: Edition) {
    let world = World::of(edition, &[]).await;
    let name = world.cookie_name().await;
    let old = load(&world, "").await.cookie();
    assert_eq!(load(&world, &format!("\nCookie: {old}")).await.status, 200);
    world.standin.wipe_sessions();
    for dead in [
        format!("{name}=rubbish"),
        format!("{name}="),
        format!("{name}={}", "x".repeat(8_400)),
    ] {
        let browser = dead.len().to_string();
        let response = load_by(&world, &browser, &format!("\nCookie: {dead}")).await;
        assert_eq!(response.status, 302, "{}", dead.len());
        assert!(is_alive(&world, &response.cookie()).await);
    }
}

#[tokio::test]
async fn a_live_session_is_checked_once_and_a_failed_check_leaves_it_alone() {
    let world = World::start().await;
    let session = world
        .standin
        .issue_browser_session("test")
        .expect("a session");
    let head = format!("\nCookie: a=b; t3_session={session}");
    assert_eq!(
        request(world.addr(), "GET /standin/1k").await.status,
        200,
        "t3 is up"
    );
    world.standin.clear_requests();
    for _ in 0..5 {
        assert_eq!(load(&world, &head).await.status, 200);
    }
    let asked = world
        .standin
        .requests()
        .iter()
        .filter(|seen| seen.target == b"/api/auth/session")
        .count();
    assert_eq!(asked, 1);
    world.standin.wipe_sessions();
    world
        .standin
        .set_faults(|faults| faults.session_status = Some(500));
    let other = load(&world, "\nCookie: t3_session=another").await;
    assert_eq!(other.status, 200, "nothing definite was said");
}

#[tokio::test]
async fn a_living_session_is_remembered_for_its_time_and_no_longer() {
    let remembered = Duration::from_millis(300);
    let world = World::timed(&[], |timing| timing.session_alive = remembered).await;
    let session = world.standin.issue_browser_session("test");
    let head = format!("\nCookie: t3_session={}", session.expect("a session"));
    let start = Instant::now();
    assert_eq!(load(&world, &head).await.status, 200);
    world.standin.wipe_sessions();
    let healed = async { while load(&world, &head).await.status != 302 {} };
    let healed = tokio::time::timeout(PATIENCE, healed).await;
    healed.expect("its death is found");
    assert!(start.elapsed() >= remembered, "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_fetch_is_never_redirected() {
    let world = World::start().await;
    for head in [
        "GET /api/orchestration/snapshot\nSec-Fetch-Dest: empty\nSec-Fetch-Site: same-origin",
        "GET /api/auth/session\nSec-Fetch-Dest: empty\nSec-Fetch-Site: same-origin",
        "GET /api/auth/session\nSec-Fetch-Dest: empty\nSec-Fetch-Site: cross-site",
    ] {
        let response = request(world.addr(), &format!("{head}\nCookie: t3_session=dead")).await;
        assert_eq!(response.status, 200, "{head}");
    }
}

async fn the_reconnect_of_an_open_tab_is_a_101_with_a_new_session(edition: Edition) {
    let world = World::of(edition, &[]).await;
    let old = load(&world, "").await.cookie();
    world.standin.wipe_sessions();
    let own = format!(
        "\nOrigin: http://t3.localhost\nSec-Fetch-Site: same-origin\nCookie: a=b; {old}; c=d"
    );
    let target = websocket_of(edition);
    let response = upgrade_at(&world, target, &own).await;
    assert_eq!(response.status, 101);
    let cookie = response.cookie();
    assert!(is_alive(&world, &cookie).await);
    let seen = world.standin.requests();
    let is_try = |seen: &&Seen| seen.target == target.as_bytes();
    let tries: Vec<_> = seen.iter().filter(is_try).collect();
    assert_eq!(tries.len(), 2);
    let carried = tries[1].header("cookie").expect("a cookie");
    let carried = String::from_utf8_lossy(carried);
    assert_eq!(
        carried,
        format!("a=b; c=d; {cookie}"),
        "only the session is another"
    );
}

#[tokio::test]
async fn a_page_of_another_origin_heals_nothing() {
    let world = World::start().await;
    let sessions = world.standin.sessions().len();
    for further in [
        "\nOrigin: http://evil.test",
        "\nOrigin: null",
        "\nOrigin: http://t3.localhost\nSec-Fetch-Site: cross-site",
        "\nOrigin: http://t3.localhost\nSec-Fetch-Site: same-site",
        "\nOrigin: http://t3.localhost:81",
        "\nOrigin: http://t3.localhost\nSec-Fetch-Dest: document\nAccept: text/html",
        "\nOrigin: http://t3.localhost\nAuthorization: Bearer x",
        "",
    ] {
        let response = upgrade(&world, further).await;
        assert!(matches!(response.status, 401 | 403), "{further}");
        assert_eq!(response.header("set-cookie"), "", "{further}");
    }
    assert_eq!(world.exchanges(), 0);
    let made = world
        .standin
        .sessions()
        .iter()
        .skip(sessions)
        .filter(|made| made.label.as_deref() == Some("browser@sso"))
        .count();
    assert_eq!(made, 0);
}

async fn a_script_s_request_for_a_dead_session_gets_a_new_one(edition: Edition) {
    let world = World::of(edition, &[]).await;
    let dead = format!("{}=dead", world.cookie_name().await);
    let ask = "GET /api/auth/session\nSec-Fetch-Dest: empty\nSec-Fetch-Mode: cors";
    let own = format!("{ask}\nSec-Fetch-Site: same-origin\nCookie: {dead}");
    let response = request(world.addr(), &own).await;
    assert_eq!(response.json()["authenticated"], true);
    assert!(is_alive(&world, &response.cookie()).await);
    let foreign = format!("{ask}\nSec-Fetch-Site: cross-site\nCookie: {dead}");
    let response = request(world.addr(), &foreign).await;
    assert_eq!(response.json()["authenticated"], false);
    assert_eq!(response.header("set-cookie"), "");
}

/// Plain http names and old Safari have no `Sec-Fetch-*`.
#[tokio::test]
async fn a_script_s_request_without_fetch_metadata_is_own_by_origin_or_referer() {
    let world = World::with(&["--identity-header", "X-User"]).await;
    let pub_test = "X-Forwarded-Host: pub.test";
    for (number, (further, expected)) in [
        ("Referer: http://t3.localhost/t/1?a=b", true),
        ("Origin: http://t3.localhost", true),
        (&format!("{pub_test}\nReferer: https://pub.test/"), true),
        ("Referer: https://pub.test/", false),
        ("Referer: http://evil.test/http://t3.localhost/", false),
        (
            "Origin: http://evil.test\nReferer: http://t3.localhost/",
            false,
        ),
        ("Referer: http://t3.localhost/\nSec-Fetch-Mode: cors", false),
        ("", false),
    ]
    .into_iter()
    .enumerate()
    {
        let head = format!(
            "GET /api/auth/session\nX-User: ada{number}\nCookie: t3_session=dead\n{further}"
        );
        let response = request(world.addr(), &head).await;
        assert_eq!(response.json()["authenticated"], expected, "{further}");
        let is_healed = !response.header("set-cookie").is_empty();
        assert_eq!(is_healed, expected, "{further}");
    }
}

#[tokio::test]
async fn the_cookie_s_name_is_learned_and_learned_again() {
    let world = World::start().await;
    let first = load(&world, "").await.cookie();
    assert!(first.starts_with("t3_session="));
    // From the exchange alone.
    world
        .standin
        .set_faults(|faults| faults.cookie_name = "t3_session_0a1b2c3d4e5f".to_owned());
    let second = load(&world, &format!("\nCookie: {first}")).await;
    let second = match second.status {
        302 => second.cookie(),
        // The old one was found alive less than 30 s before.
        _ => load_by(&world, "other", "").await.cookie(),
    };
    assert!(second.starts_with("t3_session_0a1b2c3d4e5f="), "{second}");
    assert_eq!(
        load(&world, &format!("\nCookie: {second}")).await.status,
        200
    );
    let old = load_by(&world, "third", &format!("\nCookie: {first}")).await;
    assert_eq!(old.status, 302, "a cookie by the old name is none");
}

#[tokio::test]
async fn the_old_endpoint_is_used_if_there_is_no_new_one_and_remembered() {
    let world = World::start().await;
    world
        .standin
        .set_faults(|faults| faults.old_endpoint = true);
    for _ in 0..2 {
        let response = load(&world, "").await;
        assert_eq!(response.status, 302);
        assert!(is_alive(&world, &response.cookie()).await);
    }
    let seen = world.standin.requests();
    let count = |path: &[u8]| seen.iter().filter(|seen| seen.target == path).count();
    assert_eq!(count(b"/api/auth/browser-session"), 1);
    assert_eq!(count(b"/api/auth/bootstrap"), 2);
}

#[tokio::test]
async fn a_browser_that_keeps_no_cookie_is_forwarded_after_two_pairings() {
    let world = World::start().await;
    let mut statuses = Vec::new();
    for _ in 0..20 {
        statuses.push(load(&world, "").await.status);
    }
    assert_eq!(statuses[..2], [302, 302]);
    assert!(
        statuses[2..].iter().all(|status| *status == 200),
        "{statuses:?}"
    );
    assert_eq!(world.exchanges(), 2);
}

#[tokio::test]
async fn an_exchange_without_a_cookie_is_not_repeated_at_once() {
    let pause = Duration::from_secs(1);
    let world = World::timed(&[], |timing| timing.pairing_pause = pause).await;
    world
        .standin
        .set_faults(|faults| faults.no_set_cookie = true);
    let start = Instant::now();
    for _ in 0..4 {
        assert_eq!(load(&world, "").await.status, 200);
    }
    assert_eq!(world.exchanges(), 1);
    world
        .standin
        .set_faults(|faults| faults.no_set_cookie = false);
    let paired = async { while load(&world, "").await.status != 302 {} };
    let paired = tokio::time::timeout(PATIENCE, paired).await;
    paired.expect("after the pause it is tried again");
    assert!(start.elapsed() >= pause, "{:?}", start.elapsed());
}
