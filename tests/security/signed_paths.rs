//! t3's signed paths (contract §6): their tokens are in no log, and what they carry passes untouched.

use rustix::process::Signal;
use tokio::io::AsyncWriteExt;

use crate::common::process::{Process, command};
use crate::common::raw_upstream::{RawUpstream, read_until_closed, target_of};
use crate::common::{Client, Dispatcher, request};

const TOKEN: &str = "v1~c2lnbmVkLXRva2Vu_0123-secret";

/// Spellings of paths with a token, and methods.
const PATHS: [&str; 8] = [
    "/api/assets/TOKEN/a.png",
    "/API/assets/TOKEN/a.png",
    "/%61pi/assets/TOKEN/a.png",
    "/api//assets/TOKEN",
    "/x/../api/assets/TOKEN",
    "/api/attachments/upload/TOKEN",
    "/api/hooks/hook-1/TOKEN",
    "/api/assets/TOKEN?wsTicket=TOKEN",
];

#[tokio::test(flavor = "multi_thread")]
async fn row_34_a_token_in_a_path_is_in_no_log() {
    let t3 = RawUpstream::sending(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    for fast_path in ["on", "off"] {
        let mut start = command();
        start
            .env("T3_UPSTREAM_PORT", t3.addr.port().to_string())
            .env("T3_BIN", "/nonexistent")
            .env("DISPATCHER_FAST_PATH", fast_path)
            .env("RUST_LOG", "trace");
        let process = Process::start(&mut start);
        for path in PATHS {
            let path = path.replace("TOKEN", TOKEN);
            for method in ["GET", "HEAD"] {
                let head = format!("{method} {path}");
                assert_eq!(request(process.addr, &head).await.status, 200, "{head}");
            }
            let mut client = Client::connect(process.addr).await;
            client
                .send_head(&format!("POST {path}\nContent-Length: 1"))
                .await;
            client.send(b"x").await;
            assert_eq!(client.response(false).await.status, 200, "{path}");
        }
        assert_eq!(request(process.addr, "GET /api/shown/a").await.status, 200);
        process.signal(Signal::TERM);
        let (_, log) = process.end();
        assert!(
            log.contains("/api/shown/a") && log.contains("/api/assets/[…]"),
            "{log}"
        );
        assert!(!log.contains("c2lnbmVk"), "{log}");
    }
}

/// What t3 sends for a signed file: parts, refused ranges, a page in a sandbox; and a stream of pictures
/// that never ends.
#[tokio::test]
async fn other_routes_pass_untouched() {
    let t3 = RawUpstream::of_files(|mut stream, head, _| async move {
        let text = String::from_utf8_lossy(&head).to_lowercase();
        let response: &[u8] = match target_of(&head) {
            "/api/assets/t/a.mp4" if text.contains("range: bytes=0-3") => {
                b"HTTP/1.1 206 Partial Content\r\nConnection: close\r\nContent-Type: video/mp4\r\n\
                Cache-Control: private, no-store\r\nAccept-Ranges: bytes\r\n\
                Content-Range: bytes 0-3/9\r\nContent-Length: 4\r\n\r\nabcd"
            }
            "/api/assets/t/a.mp4" => {
                b"HTTP/1.1 416 Range Not Satisfiable\r\nConnection: close\r\nContent-Range: bytes */9\r\n\
                Content-Length: 0\r\n\r\n"
            }
            "/mcp" => {
                b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/html\r\nCache-Control: no-cache\r\n\
                Content-Length: 4\r\n\r\n<p>x"
            }
            "/api/device-hub/stream" => {
                b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=f\r\n\
                Cache-Control: no-store, no-transform\r\nTransfer-Encoding: chunked\r\n\r\n\
                5\r\n--f\r\n\r\n"
            }
            _ => b"HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        };
        let is_endless = response.ends_with(b"--f\r\n\r\n");
        let _ = stream.write_all(response).await;
        if is_endless {
            read_until_closed(&mut stream).await;
        }
    })
    .await;
    let dispatcher = Dispatcher::in_front_of(t3.addr, &[]).await;
    let page = "Sec-Fetch-Dest: document\nAccept-Encoding: br";
    for (target, lines, status, body) in [
        ("/api/assets/t/a.mp4", "Range: bytes=0-3", 206, "abcd"),
        ("/api/assets/t/a.mp4", "Range: bytes=9-", 416, ""),
        ("/mcp", page, 200, "<p>x"),
    ] {
        for _ in 0..2 {
            let response = request(dispatcher.addr, &format!("GET {target}\n{lines}")).await;
            assert_eq!(
                (response.status, response.text().as_str()),
                (status, body),
                "{target}"
            );
            assert_eq!(response.header("content-encoding"), "", "{target}");
            assert_eq!(response.header("etag"), "", "{target}");
        }
        assert_eq!(t3.count_of("/api/assets/t/a.mp4") % 2, 0);
    }
    let mut client = Client::connect(dispatcher.addr).await;
    client
        .send_head("GET /api/device-hub/stream\nAccept-Encoding: br")
        .await;
    let head = client.head().await.expect("a head");
    assert_eq!(head.all("cache-control"), ["no-store, no-transform"]);
    assert_eq!(head.header("content-encoding"), "");
    let first = client.read_at_least(5).await;
    assert!(
        first.windows(3).any(|part| part == b"--f"),
        "before the end"
    );
}

/// t3 compares the length with the one that it has signed.
#[tokio::test]
async fn an_upload_keeps_its_length_and_its_bytes() {
    let t3 = RawUpstream::of_files(|mut stream, _, _| async move {
        let _ = stream
            .write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
            .await;
    })
    .await;
    let dispatcher = Dispatcher::in_front_of(t3.addr, &[]).await;
    for (target, content_type) in [
        ("/api/attachments/upload/t", "application/octet-stream"),
        (
            "/api/preview-stream/upload",
            "multipart/form-data; boundary=f",
        ),
    ] {
        let mut client = Client::connect(dispatcher.addr).await;
        let head = format!("POST {target}\nContent-Type: {content_type}\nContent-Length: 9");
        client.send_head(&head).await;
        client.send(b"--f\r\nabcd").await;
        assert_eq!(client.response(false).await.status, 204);
        let seen = t3.client_heads(target).pop().expect("asked").to_lowercase();
        assert!(seen.contains("\r\ncontent-length: 9\r\n"), "{seen}");
        assert!(
            seen.contains(&format!("\r\ncontent-type: {content_type}\r\n")),
            "{seen}"
        );
        assert!(!seen.contains("transfer-encoding"), "{seen}");
    }
}
