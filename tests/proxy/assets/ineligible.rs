//! Requests and responses that `--assets on` leaves byte for byte as they are.

use crate::assets::files::{file, file_with, script};
use crate::assets::site::Site;
use crate::common::http::Response;
use crate::common::raw_upstream::RawUpstream;
use crate::common::{Dispatcher, config, request};

const PATHS: [&str; 14] = [
    "/api/x",
    "/api",
    "/API/x",
    "/attachments/1",
    "/oauth/token",
    "/.well-known/x",
    "/ws",
    "/%61pi/x",
    "/assets/%2e%2e/api/x",
    "/assets/../x",
    "//x",
    "/x;y",
    "/x\\y",
    "/data.json",
];

/// The responses of both dispatchers must be the same, by the fast path too.
async fn assert_untouched(on: &Site, off: &Dispatcher, head: &str) {
    let (touched, plain) = (
        request(on.addr(), head).await,
        request(off.addr, head).await,
    );
    assert_eq!(touched.status, plain.status, "{head}");
    assert_eq!(fields(&touched), fields(&plain), "{head}");
    assert_eq!(touched.body, plain.body, "{head}");
}

fn fields(response: &Response) -> Vec<(String, Vec<u8>)> {
    let mut fields = response.fields();
    fields.retain(|(name, _)| !matches!(&**name, "connection" | "date" | "transfer-encoding"));
    fields.sort();
    fields
}

async fn both(files: Vec<(&'static str, Vec<u8>)>) -> (Site, Dispatcher) {
    let on = Site::with(files).await;
    let off = config(on.t3.addr, on.dir.path(), &["--assets", "off"]);
    (on, Dispatcher::start(off).await)
}

#[tokio::test]
async fn dynamic_prefixes_unusual_paths_and_unusual_requests_are_left_alone() {
    let body = script(5000);
    let script_at = |path| (path, file("text/javascript", &body));
    let mut files: Vec<_> = PATHS.map(script_at).to_vec();
    let json = file("application/json", &body);
    files.pop();
    files.extend([
        ("/data.json", json),
        script_at("/assets/a.js"),
        script_at("/sw.js"),
    ]);
    let (on, off) = both(files).await;
    for path in PATHS {
        assert_untouched(&on, &off, &format!("GET {path}\nAccept-Encoding: br")).await;
    }
    for path in ["/assets/a.js", "/sw.js"] {
        for lines in [
            "Authorization: Bearer x",
            "Range: bytes=0-9",
            "Range: bytes=0-9\nIf-Range: \"x\"",
            "If-Match: \"x\"",
            "Cache-Control: no-transform",
        ] {
            let head = format!("GET {path}\nAccept-Encoding: br\n{lines}");
            assert_untouched(&on, &off, &head).await;
        }
        for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"] {
            let head = format!("{method} {path}\nAccept-Encoding: br\nContent-Length: 0");
            assert_untouched(&on, &off, &head).await;
        }
        let seen = request(on.addr(), &format!("GET {path}\nAccept-Encoding: br")).await;
        assert_eq!(seen.header("content-encoding"), "br", "{path} otherwise");
    }
}

#[tokio::test]
async fn responses_with_caching_or_coding_of_their_own_are_left_alone() {
    let body = script(5000);
    for lines in [
        "Cache-Control: no-store\r\n",
        "Cache-Control: no-cache, no-transform\r\n",
        "Cache-Control: private, max-age=3600\r\n",
        "Expires: 0\r\n",
        "Pragma: no-cache\r\n",
        "Content-Encoding: gzip\r\n",
        "Set-Cookie: a=b\r\n",
        "WWW-Authenticate: Basic\r\n",
        "Content-Range: bytes 0-4999/5000\r\n",
        "Vary: *\r\n",
    ] {
        let response = file_with("text/javascript", lines, &body);
        let files = vec![("/assets/a.js", response.clone()), ("/x.js", response)];
        let (on, off) = both(files).await;
        for path in ["/assets/a.js", "/x.js"] {
            assert_untouched(&on, &off, &format!("GET {path}\nAccept-Encoding: br")).await;
        }
    }
}

/// t3 says so below /assets/ only (contract §6): elsewhere it is something else's rule.
#[tokio::test]
async fn an_immutable_file_elsewhere_is_left_alone() {
    let lines = "Cache-Control: public, max-age=31536000, immutable\r\n";
    let response = file_with("text/javascript", lines, &script(5000));
    let (on, off) = both(vec![("/x.js", response)]).await;
    assert_untouched(&on, &off, "GET /x.js\nAccept-Encoding: br").await;
}

#[tokio::test]
async fn other_statuses_and_responses_of_unknown_length_are_left_alone() {
    let chunked = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\
        Connection: close\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    let endless = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\nhello";
    let of_status = |status: &str| {
        let response = file("text/html", &script(5000));
        let text = String::from_utf8(response).expect("ASCII");
        text.replacen("200 OK", status, 1).into_bytes()
    };
    for response in [
        chunked.to_vec(),
        endless.to_vec(),
        of_status("404 Not Found"),
        of_status("203 Non-Authoritative Information"),
        of_status("500 Internal Server Error"),
        file("application/octet-stream", &script(5000)),
        file("text/html", &script(1_100_000)),
    ] {
        let (on, off) = both(vec![("/x.html", response)]).await;
        for method in ["GET", "HEAD"] {
            assert_untouched(&on, &off, &format!("{method} /x.html\nAccept-Encoding: br")).await;
        }
    }
}

#[tokio::test]
async fn with_assets_off_nothing_is_changed_or_fetched() {
    let body = script(5000);
    let t3 = RawUpstream::serving(vec![("/assets/a.js", file("text/javascript", &body))]).await;
    let world = Site::of(t3, &["--assets", "off"]).await;
    for turn in 1..=2 {
        let response = world.get("/assets/a.js", "br").await;
        assert!(response.body == body);
        for name in ["cache-control", "etag", "vary", "content-encoding"] {
            assert_eq!(response.header(name), "", "{name}");
        }
        assert_eq!(world.t3.client_heads("/assets/a.js").len(), turn);
    }
    assert_eq!(world.t3.count_of("/"), 0, "nothing is fetched ahead");
}

#[tokio::test]
async fn a_get_with_a_body_is_left_alone() {
    let (on, off) = both(vec![("/sw.js", file("text/javascript", &script(5000)))]).await;
    for addr in [on.addr(), off.addr] {
        let mut client = crate::common::Client::connect(addr).await;
        client
            .send_head("GET /sw.js\nAccept-Encoding: br\nContent-Length: 1")
            .await;
        client.send(b"x").await;
        assert_eq!(client.response(false).await.header("content-encoding"), "");
    }
}
