//! Revalidation: a file without a hash in its name is sent again only if it has changed.

use std::sync::{Arc, Mutex};

use tokio::io::AsyncWriteExt;

use crate::assets::files::{decoded, file, script};
use crate::assets::site::Site;
use crate::common::raw_upstream::{RawUpstream, target_of};
use crate::common::{PAGE, Scrape, request};

#[tokio::test]
async fn a_file_that_the_client_has_is_a_304() {
    let icon = script(5000);
    let world = Site::with(vec![
        ("/", file("text/html; charset=utf-8", &script(3391))),
        ("/icon.png", file("image/png", &icon)),
    ])
    .await;
    let mut tags = Vec::new();
    for (path, codings) in [
        ("/", "br"),
        ("/", "zstd"),
        ("/", "gzip"),
        ("/", "identity"),
        ("/icon.png", "br"),
    ] {
        let first = world.get(path, codings).await;
        let tag = first.header("etag");
        assert!(tag.starts_with('"') && tag.len() > 33, "strong: {tag}");
        let again = world.get(path, codings).await;
        assert_eq!(
            (again.header("etag"), again.body),
            (tag.clone(), first.body.clone())
        );
        for (line, expected) in [
            (tag.clone(), 304),
            (format!("W/{tag}"), 304),
            (format!("\"x\", {tag}"), 304),
            ("*".to_owned(), 304),
            ("\"x\"".to_owned(), 200),
            (tag.trim_matches('"').to_owned(), 200),
        ] {
            for method in ["GET", "HEAD"] {
                let head =
                    format!("{method} {path}\nAccept-Encoding: {codings}\nIf-None-Match: {line}");
                let response = request(world.addr(), &head).await;
                let what = format!("{method} {path} {codings} {line}");
                assert_eq!(response.status, expected, "{what}");
                assert_eq!(response.header("etag"), tag, "{what}");
                assert_eq!(response.header("cache-control"), "no-cache", "{what}");
                assert_eq!(response.header("vary"), first.header("vary"), "{what}");
                assert_eq!(response.all("date").len(), 1, "{what}");
                let has_type = !response.header("content-type").is_empty();
                assert_eq!(has_type, expected == 200, "{what}");
            }
        }
        tags.push(tag);
    }
    tags.sort();
    tags.dedup();
    assert_eq!(tags.len(), 5, "each representation has its own");
}

#[tokio::test]
async fn a_changed_page_is_sent() {
    let page = Arc::new(Mutex::new(script(2000)));
    let served = Arc::clone(&page);
    let t3 = RawUpstream::of_files(move |mut stream, _, _| {
        let response = file("text/html", &served.lock().expect("no panic"));
        async move {
            let _ = stream.write_all(&response).await;
        }
    })
    .await;
    let world = Site::of(t3, &[]).await;
    let cookie = format!("{PAGE}\nCookie: t3_session=x\nAccept-Encoding: br");
    let first = request(world.addr(), &format!("GET /t/1?a=b\n{cookie}")).await;
    assert_eq!(
        (first.status, first.header("content-encoding").as_str()),
        (200, "br")
    );
    let again = format!(
        "GET /t/1?a=b\n{cookie}\nIf-None-Match: {}",
        first.header("etag")
    );
    assert_eq!(request(world.addr(), &again).await.status, 304);
    let new = script(2001);
    *page.lock().expect("no panic") = new.clone();
    let response = request(world.addr(), &again).await;
    assert_eq!(response.status, 200);
    assert!(decoded(&response) == new);
    assert_ne!(response.header("etag"), first.header("etag"));
}

#[tokio::test]
async fn only_the_dispatcher_s_own_validators_are_withheld_from_t3() {
    let world = Site::with(vec![("/", file("text/html", &script(2000)))]).await;
    let tag = world.get("/", "br").await.header("etag");
    for (line, reaches_t3) in [(tag.as_str(), false), ("*", false), ("\"t3-s\"", true)] {
        let head = format!("GET /\nIf-None-Match: {line}\nIf-Modified-Since: yesterday");
        request(world.addr(), &head).await;
        let seen = world
            .t3
            .client_heads("/")
            .pop()
            .expect("asked")
            .to_lowercase();
        assert_eq!(seen.contains("if-none-match"), reaches_t3, "{line}");
        // The date goes with the tag: alone it would say less than the client asked.
        let has_date = seen.contains("if-modified-since: yesterday");
        assert_eq!(has_date, reaches_t3, "{line}");
    }
}

#[tokio::test]
async fn a_304_of_t3_s_own_is_forwarded() {
    let t3 = RawUpstream::of_files(|mut stream, head, _| async move {
        let response = match target_of(&head) {
            "/" => &b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"[..],
            _ => b"HTTP/1.1 304 Not Modified\r\nETag: \"t3-s\"\r\nConnection: close\r\n\r\n",
        };
        let _ = stream.write_all(response).await;
    })
    .await;
    let world = Site::of(t3, &[]).await;
    let response = request(world.addr(), "GET /x.js\nIf-None-Match: \"t3-s\"").await;
    assert_eq!(
        (response.status, response.header("etag").as_str()),
        (304, "\"t3-s\"")
    );
    assert_eq!(response.header("cache-control"), "");
}

#[tokio::test]
async fn files_and_page_loads_are_counted_by_how_they_were_served() {
    let world = Site::with(vec![
        ("/", file("text/html", &script(2000))),
        ("/assets/a.js", file("text/javascript", &script(2000))),
    ])
    .await;
    let session = "Cookie: t3_session=x\nAccept-Encoding: br";
    let load = format!("{PAGE}\n{session}");
    let page = request(world.addr(), &format!("GET /\n{load}")).await;
    let tag = page.header("etag");
    for (head, expected) in [
        (format!("GET /assets/a.js\n{session}"), "miss"),
        (format!("GET /assets/a.js\n{session}"), "hit"),
        (format!("GET /assets/a.js\n{load}"), "hit"),
        (format!("GET /\n{load}"), "miss"),
        (
            format!("GET /\n{load}\nIf-None-Match: {tag}"),
            "not_modified",
        ),
        (
            format!("GET /\n{session}\nIf-None-Match: {tag}"),
            "not_modified",
        ),
    ] {
        let before = Scrape::of(world.dispatcher.metrics).await;
        request(world.addr(), &head).await;
        let after = Scrape::of(world.dispatcher.metrics).await;
        for outcome in ["hit", "miss", "not_modified"] {
            let series = format!("asset_requests_total{{outcome=\"{outcome}\"}}");
            let counted = after.get(&series) - before.get(&series);
            let is_expected = f64::from(u8::from(outcome == expected));
            assert_eq!(counted, is_expected, "{outcome} of {head}");
        }
    }
}
