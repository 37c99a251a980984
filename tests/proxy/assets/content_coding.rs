//! Content negotiation: each client gets the coding that it prefers, and the same content.

use crate::assets::files::{decoded, file, script};
use crate::assets::site::Site;
use crate::common::{Client, request};

const FOREVER: &str = "private, max-age=31536000, immutable";

#[tokio::test]
async fn every_client_gets_the_same_content_in_its_preferred_coding() {
    let (body, page) = (script(200_000), script(3391));
    let world = Site::with(vec![
        ("/assets/a.js", file("text/javascript", &body)),
        ("/page.html", file("text/html; charset=utf-8", &page)),
    ])
    .await;
    for (path, plain) in [("/assets/a.js", &body), ("/page.html", &page)] {
        for (codings, expected) in [
            ("br", "br"),
            ("zstd", "zstd"),
            ("gzip", "gzip"),
            ("gzip, deflate", "gzip"),
            ("x-gzip;q=0.5, br;q=0", "gzip"),
            ("gzip;q=0.9, zstd;q=1.0, br;q=0.9", "zstd"),
            ("identity", ""),
            ("identity;q=0", ""),
            ("br;q=0, identity", ""),
            ("deflate", ""),
            ("", ""),
        ] {
            let what = format!("{path} {codings:?}");
            let response = world.get(path, codings).await;
            assert_eq!(response.status, 200, "{what}");
            assert_eq!(response.header("content-encoding"), expected, "{what}");
            assert_eq!(response.all("vary"), ["Accept-Encoding"], "{what}");
            assert!(response.complete && decoded(&response) == *plain, "{what}");
            if !expected.is_empty() {
                assert!(response.body.len() < plain.len() / 2, "{what}");
            }
        }
        let any = world.get(path, "gzip, deflate, br, zstd").await;
        assert!(!any.header("content-encoding").is_empty());
        assert!(decoded(&any) == *plain);
        let silent = request(world.addr(), &format!("GET {path}")).await;
        assert_eq!(silent.header("content-encoding"), "");
        assert_eq!(silent.all("vary"), ["Accept-Encoding"]);
        assert!(silent.body == *plain);
    }
}

#[tokio::test]
async fn hashed_names_are_immutable_and_others_are_not() {
    let icon = vec![7; 5000];
    let world = Site::with(vec![
        ("/assets/a.js", file("text/javascript", &script(5000))),
        ("/assets/small.js", file("text/javascript", b"tiny")),
        ("/assets/a.woff2", file("font/woff2", &icon)),
        ("/assets/a.js?x", file("text/javascript", &script(5000))),
        ("/sw.js", file("text/javascript", &script(5000))),
        ("/icon.png", file("image/png", &icon)),
    ])
    .await;
    for (path, caching, coding, vary) in [
        ("/assets/a.js", FOREVER, "br", "Accept-Encoding"),
        ("/assets/small.js", FOREVER, "", ""),
        ("/assets/a.woff2", FOREVER, "", ""),
        ("/assets/a.js?x", "no-cache", "br", "Accept-Encoding"),
        ("/sw.js", "no-cache", "br", "Accept-Encoding"),
        ("/icon.png", "no-cache", "", ""),
    ] {
        for turn in ["first", "again"] {
            let response = world.get(path, "br").await;
            assert_eq!(response.status, 200, "{path}");
            assert_eq!(response.all("cache-control"), [caching], "{path} {turn}");
            assert_eq!(response.header("content-encoding"), coding, "{path} {turn}");
            assert_eq!(response.header("vary"), vary, "{path} {turn}");
            assert_eq!(
                response.header("access-control-allow-origin"),
                "*",
                "{path}"
            );
            assert_eq!(response.all("date").len(), 1, "{path} {turn}");
            // What is sent while it is fetched has none: it is not known whole.
            let has_tag = !response.header("etag").is_empty();
            let expected = caching == "no-cache" || turn == "again";
            assert_eq!(has_tag, expected, "{path} {turn}");
        }
    }
}

#[tokio::test]
async fn a_head_is_answered_as_its_get_without_the_body() {
    let world = Site::with(vec![
        ("/assets/a.js", file("text/javascript", &script(5000))),
        ("/assets/a.png", file("image/png", &script(5000))),
        ("/page.html", file("text/html", &script(5000))),
    ])
    .await;
    for path in ["/assets/a.js", "/assets/a.png", "/page.html"] {
        for codings in ["br", "identity"] {
            let lines = format!("{path}\nAccept-Encoding: {codings}");
            let mut client = Client::connect(world.addr()).await;
            let get = client.exchange(&format!("GET {lines}")).await;
            let again = client.exchange(&format!("GET {lines}")).await;
            let head = client.exchange(&format!("HEAD {lines}")).await;
            assert_eq!(head.status, 200);
            assert_eq!(again.body, get.body);
            let fields = |response: crate::common::http::Response| {
                let mut fields = response.fields();
                fields.retain(|(name, _)| name != "date");
                fields.sort();
                fields
            };
            assert_eq!(fields(head), fields(again), "{path} {codings}");
        }
    }
}
