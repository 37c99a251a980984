//! Hop-by-hop fields: rows 13 and 14.

use crate::common::{World, request};
use crate::harness::{load, seen_last};

#[tokio::test]
async fn row_13_what_the_dispatcher_sets_cannot_be_nominated_away() {
    let world = World::start().await;
    let nominated = "Connection: X-Forwarded-For, X-Forwarded-Proto, X-Forwarded-Host, Host, \
        Content-Length, X-Real-IP\nX-Forwarded-For: 203.0.113.99";
    let response = request(world.addr(), &format!("GET /standin/head\n{nominated}")).await;
    assert_eq!(response.status, 200);
    assert_eq!(seen_last(&world, "host"), ["t3.localhost"]);
    assert_eq!(seen_last(&world, "x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(seen_last(&world, "x-forwarded-proto"), ["http"]);
    assert_eq!(seen_last(&world, "x-forwarded-host"), ["t3.localhost"]);
}

/// A field that is removed must not count for the session, and one that counts must not be removed.
#[tokio::test]
async fn row_13_a_session_is_judged_on_what_is_forwarded() {
    for field in ["Cookie: t3_session=x", "Authorization: Bearer x"] {
        let world = World::start().await;
        let name = field.split(':').next().unwrap_or_default();
        let response = load(world.addr(), &format!("Connection: {name}\n{field}\n")).await;
        match response.status {
            302 => assert_eq!(world.exchanges(), 1),
            200 => assert_eq!(seen_last(&world, name).len(), 1, "{name} was not looked at"),
            other => panic!("{other} to a nominated {name}"),
        }
    }
}

#[tokio::test]
async fn row_14_fields_of_a_proxy_s_hop() {
    let world = World::start().await;
    let fields = "Proxy-Connection: keep-alive\nProxy-Authorization: Basic eA==\n\
        Proxy-Authenticate: Basic\nProxy-Authentication-Info: x\nKeep-Alive: timeout=9\n\
        TE: gzip\nUpgrade: h2c\nX-Kept: yes";
    let response = request(world.addr(), &format!("GET /standin/hop\n{fields}")).await;
    assert_eq!(response.header("x-kept"), "yes");
    let gone = |name: &str| {
        name.starts_with("proxy-")
            || matches!(
                name,
                "keep-alive" | "te" | "upgrade" | "x-hop-one" | "x-hop-two"
            )
    };
    let back: Vec<_> = response.headers.iter().map(|(name, _)| name).collect();
    assert!(!back.iter().any(|name| gone(name)), "{back:?}");
    let seen = world.asked().pop().expect("a request");
    let there: Vec<_> = seen
        .headers
        .iter()
        .map(|(name, _)| name.to_lowercase())
        .collect();
    assert!(!there.iter().any(|name| gone(name)), "{there:?}");
    assert_eq!(seen_last(&world, "x-kept"), ["yes"]);
}

/// Removing a field must not move another into its place.
#[tokio::test]
async fn removed_fields_leave_the_order_of_the_rest() {
    let world = World::start().await;
    let fields = "X-A: 1\nCookie: authentik_x=1\nX-B: 2\nX-authentik-uid: 3\nX-C: 4\n\
        X-Forwarded-For: 203.0.113.9\nX-D: 5\nConnection: X-Hop\nX-Hop: 6\nX-E: 7\nX-F: 8";
    let response = request(world.addr(), &format!("GET /standin/head\n{fields}")).await;
    assert_eq!(response.status, 200);
    let seen = world.asked().pop().expect("a request");
    let names = seen.headers.iter().map(|(name, _)| name.to_lowercase());
    let kept: Vec<_> = names.filter(|name| name.len() == 3).collect();
    assert_eq!(kept, ["x-a", "x-b", "x-c", "x-d", "x-e", "x-f"]);
}
