//! A page load through the dispatcher becomes a live cockpit.

use std::net::SocketAddr;
use std::time::Instant;

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::Message;

use crate::common::process::Process;
use crate::common::{PAGE, PATIENCE, request};
use crate::t3::T3;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a real t3: set LIVE_T3_BIN to its path"]
async fn a_page_load_ends_in_a_live_cockpit() {
    let t3 = T3::start().await;
    let dispatcher = Process::start(&mut t3.dispatcher());

    let start = Instant::now();
    let paired = request(dispatcher.addr, &format!("GET /t/1?a=b%20c\n{PAGE}")).await;
    println!("paired in {:?}", start.elapsed());
    assert_eq!(
        (paired.status, paired.header("location").as_str()),
        (302, "/t/1?a=b%20c")
    );
    let cookie = paired.cookie();
    let session = format!("GET /api/auth/session\nCookie: {cookie}");
    let session = request(dispatcher.addr, &session).await.json();
    assert_eq!(session["authenticated"], true);
    let name = session["auth"]["sessionCookieName"].as_str();
    let name = name.expect("a name");
    assert!(cookie.starts_with(&format!("{name}=")), "{name}");
    let page = format!("GET /t/1?a=b%20c\n{PAGE}\nCookie: {cookie}");
    let page = request(dispatcher.addr, &page).await;
    assert_eq!((page.status, page.complete), (200, true));
    assert!(page.text().contains("<html"), "{}", page.text());
    assert_eq!(page.header("set-cookie"), "", "a session is made once");

    let pong = ping(dispatcher.addr, &cookie).await;
    assert_eq!(pong["_tag"], "Pong");
}

/// What the WebSocket says to the heartbeat of t3's page.
async fn ping(dispatcher: SocketAddr, cookie: &str) -> Value {
    let mut upgrade = format!("ws://{dispatcher}/ws")
        .into_client_request()
        .expect("a URL");
    let value = cookie.parse().expect("a header value");
    upgrade.headers_mut().insert("cookie", value);
    let connected = tokio::time::timeout(PATIENCE, tokio_tungstenite::connect_async(upgrade)).await;
    let (mut socket, _) = connected.expect("in time").expect("a 101");
    let ping = Message::text(r#"{"_tag":"Ping"}"#);
    socket.send(ping).await.expect("an open socket");
    let pong = tokio::time::timeout(PATIENCE, socket.next()).await;
    let pong = pong.expect("in time").expect("open").expect("a frame");
    serde_json::from_str(pong.to_text().expect("text")).expect("JSON")
}
