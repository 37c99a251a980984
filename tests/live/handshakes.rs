//! WebSocket handshakes that keep t3 from ending when it gets them (contract §7 and §10).

use crate::common::process::Process;
use crate::common::{Client, HANDSHAKE};
use crate::t3::T3;
use crate::tab::{Tab, load, pair};

const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
const VERSION: &str = "Sec-WebSocket-Version: 13";

/// Each with a session, as without one t3 refuses it before it reads the handshake.
fn hostile() -> Vec<String> {
    let mut handshakes = Vec::new();
    for version in ["", "Sec-WebSocket-Version: 12", "Sec-WebSocket-Version: 99"] {
        handshakes.push(HANDSHAKE.replace(VERSION, version));
    }
    for version in ["13, 13", "x", ""] {
        let version = format!("Sec-WebSocket-Version: {version}");
        handshakes.push(HANDSHAKE.replace(VERSION, &version));
    }
    handshakes.push(format!("{HANDSHAKE}\n{VERSION}"));
    for key in ["", "Sec-WebSocket-Key:", "Sec-WebSocket-Key: short"] {
        handshakes.push(HANDSHAKE.replace(KEY, key));
    }
    for key in [
        "dGhlIHNhbXBsZSBub25jZQ",
        "dGhlIHNhbXBsZSBub25jZQ===",
        "????????????????????????",
    ] {
        let key = format!("Sec-WebSocket-Key: {key}");
        handshakes.push(HANDSHAKE.replace(KEY, &key));
    }
    handshakes.push(format!("{HANDSHAKE}\n{KEY}"));
    for protocols in [
        "a, a",
        "a,,b",
        "",
        "a b",
        ",",
        "a,",
        "é",
        "a\nSec-WebSocket-Protocol: a",
    ] {
        handshakes.push(format!("{HANDSHAKE}\nSec-WebSocket-Protocol: {protocols}"));
    }
    let deflate = "permessage-deflate";
    for extensions in [
        String::new(),
        ",".to_owned(),
        "a b".to_owned(),
        format!("{deflate}; unknown"),
        format!("{deflate}; server_max_window_bits=99"),
        format!("{deflate}; server_max_window_bits"),
        format!("{deflate}; client_max_window_bits=x"),
        format!("{deflate}; server_no_context_takeover; server_no_context_takeover"),
        format!("{deflate}; server_no_context_takeover=1"),
        format!("{deflate}; client_max_window_bits=\"8"),
        format!("{deflate}, {deflate}; unknown"),
        format!("{deflate}\nSec-WebSocket-Extensions: {deflate}; unknown"),
    ] {
        handshakes.push(format!(
            "{HANDSHAKE}\nSec-WebSocket-Extensions: {extensions}"
        ));
    }
    handshakes
}

/// The request lines of upgrades that are none for a cockpit's WebSocket.
const TARGETS: [&str; 8] = [
    "POST /ws",
    "HEAD /ws",
    "OPTIONS /ws",
    "GET /ws/",
    "GET /ws?wsTicket=rubbish",
    "GET /ws?orchestrationProtocol=2",
    "GET /",
    "GET /api/auth/session",
];

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a real t3: set LIVE_T3_BIN to its path"]
async fn t3_exits_when_told_to_after_every_bad_handshake() {
    let t3 = T3::start().await;
    for path in ["on", "off"] {
        let dispatcher = Process::start(t3.dispatcher().args(["--fast-path", path]));
        let cookie = pair(dispatcher.addr).await;
        let session = format!("Origin: http://t3.localhost\nCookie: {cookie}");
        let mut tab = Tab::open(dispatcher.addr, &cookie).await;
        assert_eq!(tab.ping().await["_tag"], "Pong");
        let mut heads: Vec<_> = hostile()
            .into_iter()
            .map(|handshake| format!("GET /ws\n{handshake}\n{session}"))
            .collect();
        heads.extend(TARGETS.map(|target| format!("{target}\n{HANDSHAKE}\n{session}")));
        for head in heads {
            let mut client = Client::connect(dispatcher.addr).await;
            client.send_head(&head.replace("\n\n", "\n")).await;
            let response = client.head().await.expect("a response");
            assert!(response.status < 500, "{head}");
        }
        // And one that is aborted before its response.
        let mut client = Client::connect(dispatcher.addr).await;
        client
            .send_head(&format!("GET /ws\n{HANDSHAKE}\n{session}"))
            .await;
        drop(client);
        assert_eq!(
            load(dispatcher.addr, &format!("\nCookie: {cookie}"))
                .await
                .status,
            200
        );
        assert_eq!(tab.ping().await["_tag"], "Pong", "t3 and the tab go on");
        tab.close().await;
    }
    t3.finish().await;
}
