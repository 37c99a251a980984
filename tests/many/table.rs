//! The table of people changes: who is unchanged notices nothing, who moved is moved, who is gone is out.

use serde_json::json;
use t3_dispatcher::access::session_label::device_label;
use tokio::time::timeout;

use crate::common::{PATIENCE, Scrape, request};
use crate::town::Town;

const QUICK: fn(&mut t3_dispatcher::config::timing::Timing) =
    |timing| timing.routes_reread = std::time::Duration::from_millis(50);

/// Waits until `name` gets `status` for a page.
async fn until(town: &Town, name: &str, cookie: &str, status: u16) {
    let found = async {
        while town.page(name, "/", cookie).await.status != status {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, found)
        .await
        .unwrap_or_else(|_| panic!("{name} gets {status}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_gone_loses_tunnels_and_gets_403_and_others_notice_nothing() {
    let town = Town::timed(&["ada", "bob"], &[], QUICK).await;
    let (ada, bob) = (town.sign_in("ada").await, town.sign_in("bob").await);
    let (mut ada_s, opened) = town.websocket("ada", &ada).await;
    assert_eq!(opened.status, 101);
    let (mut bob_s, opened) = town.websocket("bob", &bob).await;
    assert_eq!(opened.status, 101);
    town.set_table(&json!({"bob": town.row("bob")}));
    // A close with 1008, and then the end.
    let rest = timeout(PATIENCE, ada_s.rest()).await.expect("it ends");
    assert!(
        rest.windows(4)
            .any(|bytes| bytes == [0x88, 2, 3, 0xf0] || bytes[..1] == [0x88])
    );
    let response = town.page("ada", "/", &ada).await;
    assert_eq!(response.status, 403);
    assert!(response.text().contains("ada"), "{}", response.text());
    assert_eq!(
        town.fetch("ada", "/api/auth/session", &ada).await.status,
        403
    );
    // Bob's tunnel still carries a ping.
    bob_s.send(&[0x89, 0x80, 0, 0, 0, 0]).await;
    let pong = timeout(PATIENCE, bob_s.read_at_least(2)).await;
    assert!(pong.expect("in time").contains(&0x8a));
    assert_eq!(town.page("bob", "/", &bob).await.status, 200);
    town.set_table(&json!({"ada": town.row("ada"), "bob": town.row("bob")}));
    // Her session of before was revoked.
    until(&town, "ada", &ada, 302).await;
}

/// Is `cookie` a living session of the t3 of `name`?
async fn is_session(town: &Town, name: &str, cookie: &str) -> bool {
    let head = format!("GET /api/auth/session\nCookie: {cookie}");
    let state = request(town.home(name).addr(), &head).await.json();
    state["authenticated"].as_bool().expect("a verdict")
}

/// Waits until so many people were offboarded by the table.
async fn until_offboarded(town: &Town, people: f64) {
    let series = "offboarded_total{cause=\"table\"}";
    Scrape::until(town.dispatcher.metrics, |scrape| {
        scrape.get(series) >= people
    })
    .await;
    let counted = Scrape::of(town.dispatcher.metrics).await.get(series);
    assert_eq!(counted, people);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_led_elsewhere_has_no_session_left_where_it_was() {
    let town = Town::timed(&["ada", "bob"], &[], QUICK).await;
    let [at_ada_s, at_bob_s] = ["ada", "bob"].map(|name| town.row(name));
    // Eve shares ada's t3.
    town.set_table(&json!({"ada": at_ada_s, "eve": at_ada_s, "bob": at_bob_s}));
    until(&town, "eve", "", 302).await;
    let [ada, eve, bob] = [
        town.sign_in("ada").await,
        town.sign_in("eve").await,
        town.sign_in("bob").await,
    ];
    let (mut eve_s, opened) = town.websocket("eve", &eve).await;
    assert_eq!(opened.status, 101);
    let device = |name| {
        let session = town
            .home("ada")
            .issue_browser_session(&device_label(name, "Pixel 9"));
        format!("t3_session={}", session.expect("writable"))
    };
    let (eve_s_phone, ada_s_phone) = (device("eve"), device("ada"));
    town.set_table(&json!({"ada": at_ada_s, "bob": at_bob_s}));
    timeout(PATIENCE, eve_s.rest()).await.expect("it ends");
    until_offboarded(&town, 1.0).await;
    assert!(!is_session(&town, "ada", &eve).await, "eve's is revoked");
    assert!(!is_session(&town, "ada", &eve_s_phone).await);
    assert!(is_session(&town, "ada", &ada_s_phone).await);
    assert!(is_session(&town, "ada", &ada).await, "ada's is not");
    assert!(is_session(&town, "bob", &bob).await);
    // Another row for the same t3 revokes nothing; another t3 does.
    let mut another = at_bob_s.clone();
    another["token_file"] = json!("/none");
    town.set_table(&json!({"ada": at_bob_s, "bob": at_bob_s}));
    until_offboarded(&town, 2.0).await;
    assert!(!is_session(&town, "ada", &ada).await);
    town.set_table(&json!({"bob": another}));
    until(&town, "ada", "", 403).await;
    assert!(is_session(&town, "bob", &bob).await);
}

/// She shared a t3 with ada, and nobody has come since the start of the dispatcher.
#[tokio::test(flavor = "multi_thread")]
async fn who_is_gone_from_another_s_t3_without_having_come_loses_sessions_and_devices() {
    let town = Town::timed(&["ada", "bob"], &[], QUICK).await;
    let [at_ada_s, at_bob_s] = ["ada", "bob"].map(|name| town.row(name));
    town.set_table(&json!({"ada": at_ada_s, "eve": at_ada_s, "cyd": at_ada_s, "bob": at_bob_s}));
    until(&town, "bob", "", 302).await;
    let reloaded = "routes_people";
    Scrape::until(town.dispatcher.metrics, |scrape| {
        scrape.get(reloaded) == 4.0
    })
    .await;
    let issue = |label: &str| {
        let session = town.home("ada").issue_browser_session(label);
        format!("t3_session={}", session.expect("writable"))
    };
    let left = ["eve@sso", "eve@sso Pixel 9", "cyd@sso"].map(issue);
    let kept = ["ada@sso", "ada@sso Pixel 9", "eve"].map(issue);
    town.set_table(&json!({"ada": at_ada_s, "cyd": at_bob_s, "bob": at_bob_s}));
    until_offboarded(&town, 2.0).await;
    for cookie in &left {
        assert!(!is_session(&town, "ada", cookie).await);
    }
    for cookie in &kept {
        assert!(is_session(&town, "ada", cookie).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_moved_is_moved_and_names_may_share() {
    let town = Town::timed(&["ada", "bob"], &[], QUICK).await;
    let (ada, bob) = (town.sign_in("ada").await, town.sign_in("bob").await);
    let (mut ada_s, _) = town.websocket("ada", &ada).await;
    town.set_table(&json!({"ada": town.row("bob"), "bob": town.row("bob")}));
    timeout(PATIENCE, ada_s.rest()).await.expect("it ends");
    // Another t3, which knows no session of hers.
    until(&town, "ada", &ada, 302).await;
    assert_eq!(town.page("bob", "/", &bob).await.status, 200);
    let new = town.sign_in("ada").await;
    assert_eq!(town.page("ada", "/", &new).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_cannot_be_used_leaves_the_last_one() {
    let town = Town::timed(&["ada"], &[], QUICK).await;
    let ada = town.sign_in("ada").await;
    let row = town.row("ada").to_string();
    for (number, text) in [
        "{".to_owned(),
        format!("{{\"ada\": {row}, \"ada\": {row}}}"),
        "{\"ada\": {}}".to_owned(),
        "[]".to_owned(),
        String::new(),
    ]
    .iter()
    .enumerate()
    {
        town.spoil_table(text);
        let failed = "routes_reloads_total{outcome=\"failed\"}";
        let least = number as f64 + 1.0;
        Scrape::until(town.dispatcher.metrics, |scrape| {
            scrape.get(failed) >= least
        })
        .await;
        assert_eq!(town.page("ada", "/", &ada).await.status, 200, "{text}");
    }
    town.set_table(&json!({}));
    until(&town, "ada", &ada, 403).await;
}
