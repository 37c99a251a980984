//! A kept file by the fast path and by hyper's way: one response, whatever is asked.

use tokio::io::AsyncReadExt;
use tokio::time::timeout;

use crate::assets::files::{decoded, file, file_with, script};
use crate::assets::site::Site;
use crate::common::{Client, PATIENCE, Scrape, request};

/// Compressible, as it is for every client, too short to be compressed.
const PATHS: [&str; 3] = ["/assets/a.js", "/assets/a.woff2", "/assets/small.js"];

/// A field that has no effect, but makes a request take hyper's way.
const BY_HYPER: &str = "Connection: keep-alive, x-nothing";

/// What a browser says of the codings that it accepts.
const BROWSER: &str = "Accept-Encoding: gzip, deflate, br, zstd";

async fn site(args: &[&str]) -> Site {
    let digest = "Accept-Ranges: bytes\r\nRepr-Digest: sha-256=:x:\r\nX-Of-T3: 1\r\n";
    let files = vec![
        (
            PATHS[0],
            file_with("text/javascript", digest, &script(5000)),
        ),
        (PATHS[1], file_with("font/woff2", digest, &script(6000))),
        (PATHS[2], file("text/javascript", b"tiny")),
        (
            "/assets/a.xhtml",
            file("application/xhtml+xml", &script(5000)),
        ),
        ("/assets/page.js", file("text/html", &script(5000))),
        ("/assets/a.js?x", file("text/javascript", &script(5000))),
        ("/api/x", file("application/json", b"{}")),
    ];
    let t3 = crate::common::raw_upstream::RawUpstream::serving(files).await;
    let site = Site::of(t3, args).await;
    for path in PATHS.iter().chain(&["/assets/a.xhtml"]) {
        for coding in ["br", "zstd", "gzip", "identity"] {
            assert_eq!(site.get(path, coding).await.status, 200);
        }
    }
    site
}

/// How many requests have gone by the fast path.
async fn by_fast_path(site: &Site) -> f64 {
    let scrape = Scrape::of(site.dispatcher.metrics).await;
    scrape.get("requests_by_way_total{way=\"fast_path\"}")
}

/// The bytes of the response to a request, with a date that is always the same.
async fn bytes(site: &Site, head: &str) -> Vec<u8> {
    let mut client = Client::connect(site.addr()).await;
    let head = format!("{head}\nX-Request-Id: of-both");
    client.send_head(&head).await;
    let mut bytes = Vec::new();
    let read = async {
        while !is_whole(&bytes, head.starts_with("HEAD ")) {
            assert_ne!(client.stream.read_buf(&mut bytes).await.unwrap_or(0), 0);
        }
    };
    timeout(PATIENCE, read).await.expect("all of it in time");
    let at = bytes.windows(6).position(|window| window == b"date: ");
    let at = at.expect("a date") + 6;
    bytes.splice(at..at + 29, b"now".iter().copied());
    bytes
}

fn is_whole(bytes: &[u8], is_head: bool) -> bool {
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
        return false;
    };
    let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
    let mut lines = head.lines();
    let length = lines.find_map(|line| line.strip_prefix("content-length: "));
    let is_bodiless = is_head || head.starts_with("http/1.1 304");
    let length = length.filter(|_| !is_bodiless).unwrap_or("0");
    bytes.len() >= end + 4 + length.parse::<usize>().expect("a number")
}

/// Asserts that `head` gets the same bytes by both ways, and whether it goes by the fast path, if that is known.
async fn assert_same(site: &Site, head: &str, is_fast: Option<bool>) {
    loop {
        let before = bytes(site, &format!("{head}\n{BY_HYPER}")).await;
        let count = by_fast_path(site).await;
        let fast = bytes(site, head).await;
        let is_counted = by_fast_path(site).await > count;
        let after = bytes(site, &format!("{head}\n{BY_HYPER}")).await;
        // A better encoded body may take the place of another one meanwhile.
        if before == after {
            let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
            assert_eq!(text(&fast), text(&before), "{head}");
            assert_eq!(is_counted, is_fast.unwrap_or(is_counted), "{head}");
            return;
        }
    }
}

#[tokio::test]
async fn whatever_coding_is_asked_for() {
    let site = site(&[]).await;
    for path in PATHS {
        for (codings, is_compressed) in [
            ("", false),
            (BROWSER, true),
            ("Accept-Encoding: ", false),
            ("Accept-Encoding: br;q=0, gzip", true),
            ("Accept-Encoding: BR ; Q=0.5 , gzip;\tq=0.4", true),
            ("Accept-Encoding: br;q=1.001, zstd;q=0.1", true),
            ("Accept-Encoding: identity", false),
            ("Accept-Encoding: identity;q=0", false),
            ("Accept-Encoding: identity;q=0, *;q=0", false),
            ("Accept-Encoding: identity;q=0.5, gzip;q=0.4", false),
            ("Accept-Encoding: *", true),
            ("Accept-Encoding: br;q=0, *", true),
            ("Accept-Encoding: deflate, compress", false),
            ("Accept-Encoding: br q=1", false),
            ("Accept-Encoding: gzip\nAccept-Encoding: br;q=0.9", true),
        ] {
            // Once a file is compressed, its bytes without a coding are made again by hyper's way.
            let is_certain = is_compressed || path != PATHS[0];
            let is_fast = is_certain.then_some(true);
            for method in ["GET", "HEAD"] {
                let lines = if codings.is_empty() {
                    "X-A: b"
                } else {
                    codings
                };
                let head = format!("{method} {path}\n{lines}");
                assert_same(&site, &head, is_fast).await;
            }
        }
    }
}

#[tokio::test]
async fn whatever_the_client_says_that_it_has() {
    let site = site(&[]).await;
    for path in PATHS {
        let tag = site.get(path, "br").await.header("etag");
        assert_eq!((tag.len(), &tag[..3]), (36, "W/\""), "{tag}");
        let gzip = site.get(path, "gzip").await.header("etag");
        assert_eq!(gzip, tag, "the same in each coding");
        for (line, status) in [
            (tag.clone(), 304),
            (tag[2..].to_owned(), 304),
            ("*".to_owned(), 304),
            (format!("\"a\", W/\"b,c\", {tag}"), 304),
            (format!("\"a\"\nIf-None-Match: {tag}"), 304),
            (
                format!("{tag}\nIf-Modified-Since: Sun, 22 Nov 2026 14:00:00 GMT"),
                304,
            ),
            (tag.replace("W/", "w/"), 200),
            (tag.replace('"', ""), 200),
            (tag.to_uppercase(), 200),
            ("W/\"1388-19a\"".to_owned(), 200),
            ("\"*\"".to_owned(), 200),
            (String::new(), 200),
        ] {
            for method in ["GET", "HEAD"] {
                let head = format!("{method} {path}\n{BROWSER}\nIf-None-Match: {line}");
                assert_same(&site, &head, Some(true)).await;
                let response = request(site.addr(), &head).await;
                assert_eq!(response.status, status, "{head}");
                let caching = response.header("cache-control");
                assert_eq!(caching, "private, max-age=31536000, immutable", "{head}");
                let length = response.header("content-length");
                assert_eq!(length.is_empty(), status == 304, "{head}");
            }
        }
        // What is sent as no client asks for it any more is the same file still.
        let head = format!("GET {path}\nAccept-Encoding: identity\nIf-None-Match: {tag}");
        assert_eq!(request(site.addr(), &head).await.status, 304);
        assert_eq!(site.t3.count_of(path), 1, "{path}");
    }
}

#[tokio::test]
async fn what_is_not_certain_goes_by_hyper_and_what_makes_no_difference_does_not() {
    let site = site(&[]).await;
    for (head, is_fast) in [
        ("GET /assets/a.woff2\nCookie: t3_session=x; b=c", true),
        (
            "GET /assets/a.woff2\nCookie: a=b\nOrigin: https://other.test",
            true,
        ),
        (
            "GET /assets/a.woff2\nSec-Fetch-Site: cross-site\nCookie: t3_session=x",
            true,
        ),
        (
            "GET /assets/a.woff2\nAccept: */*\nSec-Fetch-Dest: script",
            true,
        ),
        (
            "GET /assets/a.woff2\nCache-Control: no-cache\nPragma: no-cache",
            true,
        ),
        ("GET /assets/a.woff2\nConnection: keep-alive", true),
        ("GET /assets/a.woff2\nDPoP: x", true),
        ("GET /assets/a.woff2\nAuthorization: Bearer x", false),
        ("GET /assets/a.woff2\nRange: bytes=0-1", false),
        (
            "GET /assets/a.woff2\nRange: bytes=0-1\nIf-Range: \"x\"",
            false,
        ),
        ("GET /assets/a.woff2\nIf-Match: \"x\"", false),
        ("GET /assets/a.woff2\nIf-Unmodified-Since: x", false),
        (
            "GET /assets/a.woff2\nCache-Control: max-age=0, No-Transform",
            false,
        ),
        ("GET /assets/a.woff2\nAccept: text/html", false),
        ("GET /assets/a.woff2\nSec-Fetch-Dest: iframe", false),
        ("GET /assets/a.woff2\nContent-Length: 0", false),
        ("GET /assets/a.woff2\nUpgrade: h2c", false),
        ("GET /assets/a.js?x\nAccept-Encoding: br", false),
        ("GET //assets/a.js", false),
        ("GET /assets/", false),
        ("GET /assets/page.js", false),
        ("GET /assets/gone.js", false),
        ("GET /assets/a.xhtml", false),
        ("HEAD /assets/a.xhtml", false),
    ] {
        assert_same(&site, head, Some(is_fast)).await;
    }
}

#[tokio::test]
async fn one_connection_takes_both_ways_in_turn_and_in_order() {
    let site = site(&[]).await;
    let body = script(5000);
    let mut client = Client::connect(site.addr()).await;
    let heads: [&str; 6] = [
        "/assets/a.js",
        "/api/x",
        "/assets/small.js",
        "/assets/gone.js",
        "/api/x",
        "/assets/a.js",
    ];
    let one = |path: &&str| format!("GET {path} HTTP/1.1\r\nHost: t3.localhost\r\n\r\n");
    let all: String = heads.iter().map(one).collect();
    for _ in 0..2 {
        client.send(all.as_bytes()).await;
        for expected in [&body[..], b"{}", b"tiny", b"", b"{}", &body] {
            let response = client.response(false).await;
            assert!(response.complete && decoded(&response) == expected);
        }
    }
}

#[tokio::test]
async fn it_is_counted_as_by_hyper_and_served_without_t3() {
    let site = site(&[]).await;
    let names = [
        "asset_requests_total{outcome=\"hit\"}",
        "asset_requests_total{outcome=\"not_modified\"}",
        "asset_saved_bytes_total",
        "requests_total{class=\"2xx\",kind=\"asset\"}",
        "requests_total{class=\"3xx\",kind=\"asset\"}",
        "sent_bytes_total{stream=\"http\"}",
        "received_bytes_total{stream=\"http\"}",
    ];
    let Site {
        t3,
        dispatcher,
        dir,
    } = site;
    drop(t3);
    let mut grown = Vec::new();
    // Both heads are of one length.
    for by in ["Connection: keep-alive\nX-Abc: 12", BY_HYPER] {
        let before = Scrape::of(dispatcher.metrics).await;
        for lines in [BROWSER, "Accept-Encoding: gzip", "If-None-Match: *"] {
            for method in ["GET", "HEAD"] {
                let head = format!("{method} /assets/a.js\n{lines}\nX-Request-Id: x\n{by}");
                assert!(request(dispatcher.addr, &head).await.complete);
            }
        }
        let after = Scrape::of(dispatcher.metrics).await;
        grown.push(names.map(|name| after.get(name) - before.get(name)));
        let way = "requests_by_way_total{way=\"fast_path\"}";
        let by_fast_path = if by == BY_HYPER { 0.0 } else { 6.0 };
        assert_eq!(after.get(way) - before.get(way), by_fast_path, "{by}");
    }
    assert_eq!(grown[0][..2], [4.0, 2.0]);
    assert_eq!(grown[0], grown[1]);
    drop(dir);
}

#[tokio::test]
async fn switched_off_every_kept_file_goes_by_hyper() {
    let site = site(&["--fast-path", "off"]).await;
    for _ in 0..3 {
        assert_eq!(site.get("/assets/a.js", "br").await.status, 200);
    }
    assert_eq!(by_fast_path(&site).await, 0.0);
    assert_eq!(site.t3.count_of("/assets/a.js"), 1);
}
