//! The table of people changes: who is unchanged notices nothing, who moved is moved, who is gone is out.

use serde_json::json;
use tokio::time::timeout;

use crate::common::{PATIENCE, Scrape};
use crate::town::Town;

const QUICK: fn(&mut t3_dispatcher::config::timing::Timing) =
    |timing| timing.file_reread = std::time::Duration::from_millis(50);

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
    until(&town, "ada", &ada, 200).await;
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
