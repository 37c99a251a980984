//! What an exchange carries of the browser's cookie: the session that is paired over, and no other, as
//! protocol 2 revokes it (contract §2).

use std::time::Duration;

use crate::common::http::Response;
use crate::common::{HANDSHAKE, PAGE, World, request};

const HEADER: [&str; 2] = ["--identity-header", "X-User"];

/// The `Cookie` of each exchange of a credential, in their order.
fn carried(world: &World) -> Vec<Option<String>> {
    let requests = world.standin.requests();
    let exchanges = requests
        .iter()
        .filter(|seen| seen.target.starts_with(b"/api/auth/browser-session"));
    let cookie = exchanges.map(|seen| seen.header("cookie"));
    cookie
        .map(|line| line.map(|line| String::from_utf8_lossy(line).into_owned()))
        .collect()
}

async fn load(world: &World, user: &str, cookie: &str) -> Response {
    let head = format!("GET /t/1\nX-User: {user}\nCookie: a=1; {cookie}; b=2\n{PAGE}");
    request(world.addr(), &head).await
}

/// A session of `user`'s that the dispatcher made, as `name=value`.
async fn sign_in(world: &World, user: &str) -> String {
    let response = load(world, user, "c=3").await;
    assert_eq!(response.status, 302, "{user}");
    response.cookie()
}

#[tokio::test]
async fn a_session_that_is_dead_is_carried_and_what_is_none_is_not() {
    let world = World::with(&HEADER).await;
    let dead = sign_in(&world, "ada").await;
    assert_eq!(carried(&world), [None]);
    world.standin.wipe_sessions();
    assert_eq!(load(&world, "ada", &dead).await.status, 302);
    assert_eq!(carried(&world), [None, Some(dead.clone())]);
    let (_, value) = dead.split_once('=').expect("a cookie");
    for (number, none) in [
        "t3_session=rubbish".to_owned(),
        "t3_session=".to_owned(),
        format!("t3_session=\"{value}\""),
        format!("t3_session_x={value}"),
        format!("t3_session={}", "x".repeat(5000)),
    ]
    .into_iter()
    .enumerate()
    {
        let user = format!("user-{number}");
        assert_eq!(load(&world, &user, &none).await.status, 302, "{none}");
        assert_eq!(carried(&world).last(), Some(&None), "{none}");
    }
}

#[tokio::test]
async fn somebody_else_s_session_that_the_dispatcher_made_is_carried() {
    let world = World::with(&HEADER).await;
    let ada = sign_in(&world, "ada").await;
    let by_hand = world.standin.issue_browser_session("a phone");
    let by_hand = format!("t3_session={}", by_hand.expect("writable"));
    assert_eq!(load(&world, "bob", &by_hand).await.status, 200);
    assert_eq!(carried(&world), [None], "whoever has it keeps it");
    assert_eq!(load(&world, "bob", &ada).await.status, 302);
    assert_eq!(carried(&world), [None, Some(ada.clone())]);

    // By an open tab, with an upgrade and with a query.
    let own = format!("Host: {0}\nOrigin: http://{0}", world.addr());
    let head = format!("GET /ws\n{own}\nX-User: carl\nCookie: {ada}\n{HANDSHAKE}");
    let mut client = crate::common::Client::connect(world.addr()).await;
    client.send_head(&head).await;
    assert_eq!(client.head().await.expect("a response").status, 101);
    assert_eq!(carried(&world).last(), Some(&Some(ada.clone())));
    let fetch = "Sec-Fetch-Site: same-origin\nSec-Fetch-Dest: empty";
    let head = format!("GET /api/auth/session\n{own}\nX-User: dora\nCookie: {ada}\n{fetch}");
    let state = request(world.addr(), &head).await;
    assert_eq!(state.json()["authenticated"], true);
    assert_eq!(carried(&world).last(), Some(&Some(ada)));
    assert_eq!(carried(&world).len(), 4);
}

#[tokio::test]
async fn a_living_session_of_the_person_s_own_is_never_carried() {
    let world = World::with(&HEADER).await;
    let dead = sign_in(&world, "ada").await;
    world.standin.wipe_sessions();
    let own = sign_in(&world, "ada").await;
    let bob = sign_in(&world, "bob").await;
    let before = carried(&world);
    for cookies in [
        own.clone(),
        format!("{dead}; {own}"),
        format!("{bob}; {own}"),
        format!("{own}; {bob}"),
        format!("t3_session=rubbish; {own}"),
    ] {
        let response = load(&world, "ada", &cookies).await;
        assert_eq!(response.status, 200, "{cookies}");
    }
    assert_eq!(carried(&world), before);
    // Without any session of the own: the living one of the two others.
    assert_eq!(
        load(&world, "carl", &format!("{dead}; {bob}")).await.status,
        302
    );
    assert_eq!(carried(&world).last(), Some(&Some(bob)));
    // Where t3 cannot say whether a session lives, nothing is paired over it.
    world
        .standin
        .set_faults(|faults| faults.session_status = Some(500));
    assert_eq!(load(&world, "ada", &dead).await.status, 200);
    world
        .standin
        .set_faults(|faults| faults.session_status = None);
    assert_eq!(carried(&world).len(), before.len() + 1);
}

#[tokio::test]
async fn without_an_identity_a_dead_session_is_carried_and_a_living_one_is_kept() {
    let world = World::timed(&[], |timing| timing.session_alive = Duration::ZERO).await;
    let load = async |cookie: &str| {
        let head = format!("GET /t/1\nCookie: {cookie}\n{PAGE}");
        request(world.addr(), &head).await
    };
    let old = load("a=1").await.cookie();
    assert_eq!(load(&old).await.status, 200);
    assert_eq!(carried(&world), [None]);
    world.standin.wipe_sessions();
    let response = load(&old).await;
    assert_eq!(response.status, 302);
    assert_eq!(carried(&world), [None, Some(old)]);
}
