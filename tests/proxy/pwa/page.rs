//! The page with its tags: length, validators and codings are those of the changed page.

use std::sync::Arc;

use tokio::io::AsyncWriteExt;
use tokio::sync::Semaphore;

use super::{TAGS, load};
use crate::assets::files::{decoded, file_with, script};
use crate::assets::site::Site;
use crate::common::raw_upstream::RawUpstream;
use crate::common::{Client, World, request};

const HTML: &str = "text/html; charset=utf-8";

/// A page of `length` bytes and more.
fn page(length: usize) -> String {
    let script = String::from_utf8(script(length)).expect("ASCII");
    format!(
        "<!doctype html><html><head><meta charset=utf-8><script nonce=\"r4nd0m\">1</script>\
         </head><body>{script}</body></html>"
    )
}

fn tagged(page: &str) -> String {
    page.replacen("</head>", &format!("{TAGS}</head>"), 1)
}

/// t3 v0.0.42 has a manifest of its own, and compresses a page unless it is asked for it as it is.
#[tokio::test]
async fn a_manifest_of_t3_s_own_is_fetched_with_cookies_and_nothing_is_added() {
    let own = "<link rel=\"manifest\" href=\"/manifest.webmanifest\" />";
    let amended = own.replace(" />", " crossorigin=\"use-credentials\" />");
    let plain = page(3000).replacen("<script", &format!("{own}<script"), 1);
    let response = file_with(
        HTML,
        "cache-control: no-cache\r\nvary: Accept-Encoding\r\n",
        plain.as_bytes(),
    );
    for args in [&["--assets", "on"][..], &["--assets", "off"]] {
        let t3 = RawUpstream::serving(vec![("/", response.clone())]).await;
        let world = Site::of(t3, args).await;
        let head = format!("{}\nAccept-Encoding: gzip, br", load("/"));
        let response = request(world.addr(), &head).await;
        assert_eq!(
            decoded(&response),
            plain.replacen(own, &amended, 1).as_bytes(),
            "{args:?}"
        );
        for head in world.t3.client_heads("/") {
            assert!(
                head.to_lowercase()
                    .contains("\r\naccept-encoding: identity\r\n"),
                "{head}"
            );
        }
    }
}

#[tokio::test]
async fn length_and_validators_are_those_of_the_tagged_page() {
    let plain = page(3000);
    let policy =
        "content-security-policy: script-src 'nonce-r4nd0m'\r\nrepr-digest: sha-256=:x:\r\n";
    let world = Site::with(vec![("/", file_with(HTML, policy, plain.as_bytes()))]).await;
    let mut tags = Vec::new();
    for codings in ["br", "zstd", "gzip", "identity"] {
        let head = format!("{}\nAccept-Encoding: {codings}", load("/"));
        let response = request(world.addr(), &head).await;
        assert!(response.status == 200 && response.complete, "{codings}");
        assert_eq!(decoded(&response), tagged(&plain).as_bytes(), "{codings}");
        let length = response.body.len().to_string();
        assert_eq!(response.all("content-length"), [length], "{codings}");
        assert_eq!(
            response.header("content-security-policy"),
            "script-src 'nonce-r4nd0m'"
        );
        assert_eq!(response.header("cache-control"), "no-cache");
        let tag = response.header("etag");
        assert!(tag.starts_with('"'), "strong: {tag}");
        let asked_again = request(world.addr(), &format!("{head}\nIf-None-Match: {tag}")).await;
        assert_eq!(
            (asked_again.status, asked_again.header("etag")),
            (304, tag.clone())
        );
        let only_head = request(world.addr(), &head.replacen("GET", "HEAD", 1)).await;
        assert_eq!(
            (only_head.status, only_head.body.len()),
            (200, 0),
            "{codings}"
        );
        for name in [
            "etag",
            "content-length",
            "content-encoding",
            "content-type",
            "vary",
        ] {
            assert_eq!(only_head.all(name), response.all(name), "{codings} {name}");
        }
        tags.push(tag);
    }
    // A script that fetches the page gets it unchanged: another representation.
    let fetched = world.get("/", "identity").await;
    assert_eq!(fetched.text(), plain);
    assert!(!tags.contains(&fetched.header("etag")));
}

#[tokio::test]
async fn a_page_is_tagged_with_assets_on_and_off() {
    for args in [&[][..], &["--assets", "off"]] {
        let world = World::with(args).await;
        let first = request(world.addr(), &format!("GET /\n{}", crate::common::PAGE)).await;
        assert_eq!(first.status, 302);
        let cookie = first.cookie();
        for (line, count) in [
            ("Sec-Fetch-Dest: document\nSec-Fetch-Mode: navigate", 1),
            ("Accept: text/html", 1),
            (
                "Sec-Fetch-Dest: document\nSec-Purpose: prefetch;prerender",
                1,
            ),
            ("Sec-Fetch-Dest: empty\nAccept: text/html", 0),
            ("Accept: text/html\nAuthorization: Bearer x", 0),
            ("Accept: text/html\nCache-Control: no-transform", 0),
            ("Accept: */*", 0),
        ] {
            for path in ["/", "/t/1?a=b"] {
                let response = request(
                    world.addr(),
                    &format!("GET {path}\nCookie: {cookie}\n{line}"),
                )
                .await;
                let text = String::from_utf8(decoded(&response)).expect("text");
                assert!(
                    response.complete && text.ends_with("</html>\n"),
                    "{args:?} {line} {path}"
                );
                assert_eq!(text.matches(TAGS).count(), count, "{args:?} {line} {path}");
                assert_eq!(text.matches("</head>").count(), 1);
            }
        }
        let head = format!("HEAD /\nAccept: text/html\nCookie: {cookie}");
        let response = request(world.addr(), &head).await;
        assert!(response.status == 200 && response.header("content-type") == HTML);
        let length = response.header("content-length");
        // Not known without the body, and then left out (RFC 9110 §8.6).
        assert_eq!(length.is_empty(), !args.is_empty(), "{args:?} {length}");
    }
}

#[tokio::test]
async fn a_large_page_streams() {
    let (head, rest) = (
        "<html><head><title>x</title></head><body>",
        script(2_000_000),
    );
    let gate = Arc::new(Semaphore::new(0));
    let (body, closed) = (rest.clone(), Arc::clone(&gate));
    let t3 = RawUpstream::of_files(move |mut stream, _, _| {
        let (body, gate) = (body.clone(), Arc::clone(&closed));
        async move {
            let length = head.len() + body.len();
            let fields = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {length}\r\n\
                 Connection: close\r\n\r\n{head}"
            );
            let _ = stream.write_all(fields.as_bytes()).await;
            let _ = stream.write_all(&body[..1000]).await;
            let _ = gate.acquire().await;
            let _ = stream.write_all(&body[1000..]).await;
        }
    })
    .await;
    let world = Site::of(t3, &[]).await;
    let mut client = Client::connect(world.addr()).await;
    client.send_head(&load("/")).await;
    let response = client.head().await.expect("a head");
    assert_eq!(response.all("content-length"), [""; 0]);
    assert_eq!(response.header("transfer-encoding"), "chunked");
    let early = client.read_at_least(head.len() + TAGS.len() + 1000).await;
    let early = String::from_utf8_lossy(&early).into_owned();
    assert!(early.contains(&tagged(head)), "{early}");
    gate.add_permits(1000);
    drop(client);
    let whole = request(world.addr(), &load("/")).await;
    let expected = [tagged(head).as_bytes(), &rest].concat();
    assert!(whole.complete && whole.body == expected);
}

#[tokio::test]
async fn a_page_that_is_cut_short_stays_so() {
    let cut = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 5000\r\n\
        Connection: close\r\n\r\n<html><head></head><body>";
    for args in [&[][..], &["--assets", "off"]] {
        let t3 = RawUpstream::serving(vec![("/", cut.to_vec())]).await;
        let world = Site::of(t3, args).await;
        let response = request(world.addr(), &load("/")).await;
        assert!(
            response.status >= 500 || !response.complete,
            "{args:?}: {response:?}"
        );
        let again = request(world.addr(), &load("/")).await;
        assert_ne!(again.status, 304, "{args:?}");
    }
}

#[tokio::test]
async fn trailers_and_t3_s_etag_are_forwarded() {
    let response =
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nETag: \"t3-s\"\r\nTrailer: x-sum\r\n\
        Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n\
        6\r\n<head>\r\n7\r\n</head>\r\n4\r\n<bod\r\n0\r\nx-sum: 1\r\n\r\n";
    let world = Site::with(vec![("/", response.to_vec())]).await;
    let response = request(world.addr(), &format!("{}\nTE: trailers", load("/"))).await;
    assert_eq!(response.text(), format!("<head>{TAGS}</head><bod"));
    assert!(response.complete);
    assert_eq!(response.trailers, [("x-sum".to_owned(), b"1".to_vec())]);
    // Equivalent content, not the same bytes: a weak validator.
    assert_eq!(response.all("etag"), ["W/\"t3-s\""]);
}
