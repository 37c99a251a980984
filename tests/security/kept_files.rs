//! Files that are kept here: who gets them, and how long one may take to read them; rows 38, 46 and 71.

use std::time::Duration;

use crate::common::{Client, Scrape, World, request};
use crate::harness::{ADA, HEADER};
use crate::limits::SOON;

/// A file of nearly 2 MiB, more than the kernel holds of it.
const FILE: &str = "/assets/filler-00000001.woff2";

/// Both ways through.
const WAYS: [&str; 2] = ["on", "off"];

/// How often a kept file was sent, or its client told that it has it.
async fn hits(world: &World) -> f64 {
    let scrape = Scrape::of(world.dispatcher.metrics).await;
    scrape.get("asset_requests_total{outcome=\"hit\"}")
        + scrape.get("asset_requests_total{outcome=\"not_modified\"}")
}

#[tokio::test]
async fn row_71_a_kept_file_is_for_those_who_are_let_in() {
    for way in WAYS {
        let options = ["--allowed-users", "ada", "--fast-path", way];
        let world = World::with(&[&HEADER[..], &options].concat()).await;
        let own = format!("GET {FILE}\n{ADA}");
        let mut tag = String::new();
        for _ in 0..2 {
            tag = request(world.addr(), &own).await.header("etag");
        }
        let held = format!("If-None-Match: {tag}");
        let known = request(world.addr(), &format!("{own}{held}")).await;
        assert_eq!(known.status, 304, "{way}");
        let before = hits(&world).await;
        for person in ["eve", "Ada", "ada@h.test", "ada,eve"] {
            for condition in [&*held, "If-None-Match: *", "X-A: b"] {
                for method in ["GET", "HEAD"] {
                    let head =
                        format!("{method} {FILE}\nX-authentik-username: {person}\n{condition}");
                    let response = request(world.addr(), &head).await;
                    assert_eq!(response.status, 403, "{way} {head}");
                    assert_eq!(response.header("etag"), "", "{way} {head}");
                    assert!(response.body.len() < 1024, "{way} {head}");
                }
            }
        }
        assert_eq!(hits(&world).await, before, "{way}");
    }
}

#[tokio::test]
async fn row_38_slow_reading_of_a_kept_file_ends_and_reading_on_does_not() {
    for way in WAYS {
        let world = World::with(&["--body-timeout", "500ms", "--fast-path", way]).await;
        assert_eq!(
            request(world.addr(), &format!("GET {FILE}")).await.status,
            200
        );
        let mut stalled = Client::connect(world.addr()).await;
        stalled.send_head(&format!("GET {FILE}")).await;
        // Pauses shorter than the bound, longer than it in total.
        let mut reading = Client::connect(world.addr()).await;
        reading.send_head(&format!("GET {FILE}")).await;
        let head = reading.head().await.expect("a response");
        let length: usize = head.header("content-length").parse().expect("a number");
        let mut read = 0;
        while read < length {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let part = reading
                .read_at_least((length / 12).min(length - read))
                .await;
            assert!(!part.is_empty(), "{way}: cut after {read}");
            read += part.len();
        }
        // What was on the way arrives; then the connection is over.
        let rest = tokio::time::timeout(SOON, stalled.rest()).await;
        let rest = rest.expect("closed").len();
        assert!(rest < length, "{way}: {rest}");
        assert_eq!(reading.exchange("GET /healthz").await.status, 200);
    }
}

/// Neither has a body, and the next response on the connection is clean.
#[tokio::test]
async fn row_46_neither_a_head_nor_a_304_has_a_body() {
    for way in WAYS {
        let world = World::with(&["--fast-path", way]).await;
        let mut client = Client::connect(world.addr()).await;
        client.exchange(&format!("GET {FILE}")).await;
        for head in [
            "HEAD {}",
            "GET {}\nIf-None-Match: *",
            "HEAD {}\nIf-None-Match: *",
        ] {
            client.send_head(&head.replace("{}", FILE)).await;
            let response = client.head().await.expect("a response");
            let is_held = head.contains("If-None");
            assert_eq!(
                response.status,
                if is_held { 304 } else { 200 },
                "{way} {head}"
            );
            let length = response.header("content-length");
            assert_eq!(length, if is_held { "" } else { "2095104" }, "{way} {head}");
            assert_eq!(
                client.exchange("GET /healthz").await.text(),
                "ok",
                "{way} {head}"
            );
        }
    }
}
