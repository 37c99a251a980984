//! The sockets of newer t3 besides `/ws`, the preview's stream and the device hub: healed and refused as `/ws` is.

use t3_standin::edition::Edition;
use t3_standin::server::{Options, Standin};

use crate::common::http::Response;
use crate::common::{Client, Dispatcher, HANDSHAKE, config, request};

const PATHS: [&str; 3] = [
    "/ws?orchestrationProtocol=2",
    "/api/preview-stream/ws?threadId=a&tabId=b",
    "/api/device-hub/ws",
];
const OWN: &str = "Origin: http://t3.localhost\nSec-Fetch-Site: same-origin";

async fn upgrade(dispatcher: &Dispatcher, path: &str, further: &str) -> Response {
    let mut client = Client::connect(dispatcher.addr).await;
    let head = format!("GET {path}\n{HANDSHAKE}\n{further}");
    client.send_head(&head).await;
    client.head().await.expect("a response")
}

#[tokio::test]
async fn every_socket_with_a_dead_session_gets_a_new_one_for_its_own_page_only() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let options = Options::of(Edition::Protocol2, dir.path().join("t3"));
    let standin = Standin::start(options).await.expect("a free port");
    let dispatcher = Dispatcher::start(config(standin.addr(), dir.path(), &[])).await;
    let state = request(standin.addr(), "GET /api/auth/session")
        .await
        .json();
    let name = state["auth"]["sessionCookieName"].as_str().expect("a name");
    for (number, path) in PATHS.iter().enumerate() {
        // By a browser of another name each, as the loop guard limits what one gets.
        let dead = format!("Cookie: {name}=dead\nUser-Agent: {number}");
        let separator = if path.contains('?') { '&' } else { '?' };
        for (target, further, expected) in [
            (
                path.to_string(),
                format!("Origin: http://evil.test\n{dead}"),
                403,
            ),
            (
                format!("{path}{separator}wsTicket=x"),
                format!("{OWN}\n{dead}"),
                401,
            ),
            (
                path.to_string(),
                format!("{OWN}\nAuthorization: Bearer x\n{dead}"),
                401,
            ),
        ] {
            let response = upgrade(&dispatcher, &target, &further).await;
            assert_eq!(response.status, expected, "{target} {further}");
            assert_eq!(response.header("set-cookie"), "", "{target} {further}");
        }
        let healed = upgrade(&dispatcher, path, &format!("{OWN}\n{dead}")).await;
        assert_eq!(healed.status, 101, "{path}");
        let cookie = healed.cookie();
        assert!(cookie.starts_with(&format!("{name}=")), "{path}: {cookie}");
        let living = upgrade(&dispatcher, path, &format!("{OWN}\nCookie: {cookie}")).await;
        assert_eq!(
            (living.status, living.header("set-cookie").as_str()),
            (101, ""),
            "{path}"
        );
    }
}
