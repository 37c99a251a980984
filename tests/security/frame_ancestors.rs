//! Who may show t3's page in a frame, whatever the way that a page takes: row 80.

use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;

use crate::common::http::Response;
use crate::common::raw_upstream::RawUpstream;
use crate::common::{Dispatcher, NOBODY, PAGE, Scrape, World, request};
use crate::harness::{ADA, HEADER, each};

const POLICY: &str = "content-security-policy";
const OWN: &str = "frame-ancestors 'self'";
const HTML: &str = "<!doctype html><html><head></head><body>the cockpit</body></html>";

/// A frame's request for its page, as current browsers send it.
fn framed() -> String {
    PAGE.replace("document", "iframe")
        .replace("Site: none", "Site: cross-site")
}

/// t3's response with its page, and further lines.
fn page_with(lines: &str) -> Vec<u8> {
    let length = HTML.len();
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/html; charset=utf-8\r\ncontent-length: {length}\r\n\
         {lines}Connection: close\r\n\r\n{HTML}"
    )
    .into_bytes()
}

/// A dispatcher in front of a t3 that sends its page for `/`, `/t/1` and `/api/nope`, once t3 is up.
async fn in_front_of_page(args: &[&str], lines: &str) -> (RawUpstream, Dispatcher) {
    let files = ["/", "/t/1", "/api/nope"].map(|path| (path, page_with(lines)));
    let upstream = RawUpstream::serving(files.to_vec()).await;
    let dispatcher = Dispatcher::in_front_of(upstream.addr, args).await;
    let up = |scrape: &Scrape| scrape.get("upstream_state{state=\"up\"}") == 1.0;
    Scrape::until(dispatcher.metrics, up).await;
    (upstream, dispatcher)
}

async fn get(dispatcher: &Dispatcher, target: &str, fields: &str) -> Response {
    request(dispatcher.addr, &format!("GET {target}\n{fields}")).await
}

#[tokio::test]
async fn row_80_every_page_says_who_may_frame_it_on_both_ways_through() {
    let fetch = "Accept: */*\nSec-Fetch-Dest: empty";
    let hyper = format!("{fetch}\nConnection: keep-alive, x-nothing");
    for assets in ["on", "off"] {
        for pwa in ["on", "off"] {
            let args = ["--assets", assets, "--pwa", pwa];
            let (_upstream, dispatcher) = in_front_of_page(&args, "").await;
            for target in ["/", "/t/1", "/api/nope"] {
                for fields in [PAGE, &framed(), fetch, &hyper, "Accept: text/html"] {
                    for method in ["GET", "HEAD"] {
                        let head = format!("{method} {target}\n{fields}");
                        let response = request(dispatcher.addr, &head).await;
                        let what = format!("{args:?} {head}");
                        assert_eq!(response.status, 200, "{what}");
                        assert_eq!(response.all(POLICY), [OWN], "{what}");
                    }
                }
            }
            let fast = Scrape::of(dispatcher.metrics).await;
            let fast = fast.get("requests_by_way_total{way=\"fast_path\"}");
            assert!(fast >= 4.0, "{args:?}: {fast} by the fast path");
        }
    }
}

#[tokio::test]
async fn row_80_the_dispatcher_s_own_pages_are_framed_by_nobody_else() {
    let args = [&HEADER[..], &["--allowed-users", "bob"]].concat();
    let hurry = |timing: &mut t3_dispatcher::config::timing::Timing| {
        timing.page_patience = Duration::from_millis(50);
    };
    let dispatcher = Dispatcher::in_front_of_timed(NOBODY, &args, hurry).await;
    let bob = format!("X-authentik-username: bob\n{PAGE}");
    let (ada, nobody) = (format!("{ADA}{PAGE}"), PAGE.to_owned());
    for (fields, status) in [(bob, 503), (ada, 403), (nobody, 403)] {
        let response = get(&dispatcher, "/", &fields).await;
        assert_eq!(response.status, status);
        assert!(response.header("content-type").starts_with("text/html"));
        assert_eq!(response.all(POLICY), [OWN], "{status}");
    }
}

#[tokio::test]
async fn row_80_a_page_that_a_browser_kept_from_before_is_sent_anew() {
    let args = ["--pwa", "off"];
    let (upstream, dispatcher) = in_front_of_page(&args, "").await;
    let first = get(&dispatcher, "/", PAGE).await;
    let tag = first.header("etag");
    let again = format!("{PAGE}\nIf-None-Match: {tag}");
    let response = get(&dispatcher, "/", &again).await;
    assert_eq!(
        (response.status, response.all(POLICY)),
        (304, vec![OWN.to_owned()])
    );
    // The tag of the page alone, as it was before there was a policy.
    let hash = Sha256::digest(HTML);
    let old = data_encoding::HEXLOWER.encode(&hash[..16]);
    let response = get(
        &dispatcher,
        "/",
        &format!("{PAGE}\nIf-None-Match: \"{old}\""),
    )
    .await;
    assert_eq!(
        (response.status, response.all(POLICY)),
        (200, vec![OWN.to_owned()])
    );
    // Another policy, of the same t3.
    let dash = [
        "--pwa",
        "off",
        "--frame-ancestors",
        "'self' https://dash.test",
    ];
    let other = Dispatcher::in_front_of(upstream.addr, &dash).await;
    let response = get(&other, "/", &again).await;
    assert_eq!(response.status, 200);
    assert_eq!(
        response.all(POLICY),
        ["frame-ancestors 'self' https://dash.test"]
    );
}

/// A 304 of t3's own would leave a browser its page of before, without the policy.
#[tokio::test]
async fn row_80_a_page_is_not_revalidated_by_t3() {
    let cases = ["on", "off"].map(|assets| ["--assets", assets]);
    each(cases, |args| async move {
        let upstream = RawUpstream::of_files(|mut stream, head, _| async move {
            let head = String::from_utf8_lossy(&head).to_lowercase();
            let is_conditional =
                head.contains("if-none-match") || head.contains("if-modified-since");
            let response = match is_conditional {
                true => b"HTTP/1.1 304 Not Modified\r\netag: \"t3-s\"\r\nConnection: close\r\n\r\n"
                    .to_vec(),
                false => page_with("cache-control: no-cache\r\netag: \"t3-s\"\r\n"),
            };
            let _ = stream.write_all(&response).await;
        })
        .await;
        let dispatcher = Dispatcher::in_front_of(upstream.addr, &args).await;
        let conditions =
            "If-None-Match: \"t3-s\"\nIf-Modified-Since: Sun, 22 Nov 2026 14:00:00 GMT";
        for fields in [PAGE, &framed(), "Accept: text/html"] {
            for target in ["/", "/t/1"] {
                let response = get(&dispatcher, target, &format!("{fields}\n{conditions}")).await;
                assert_eq!(response.status, 200, "{args:?} {target} {fields}");
                assert_eq!(response.all(POLICY), [OWN], "{args:?} {target} {fields}");
            }
        }
        let script = format!("Sec-Fetch-Dest: script\n{conditions}");
        assert_eq!(get(&dispatcher, "/t/1", &script).await.status, 304);
    })
    .await;
}

#[tokio::test]
async fn row_80_t3_s_own_policy_stays_and_a_sandboxed_preview_is_left_as_it_is() {
    for (own, expected) in [
        ("default-src 'self'", vec!["default-src 'self'", OWN]),
        (
            "frame-ancestors https://a.test",
            vec!["frame-ancestors https://a.test", OWN],
        ),
        ("sandbox allow-scripts", vec!["sandbox allow-scripts"]),
    ] {
        let lines = format!("{POLICY}: {own}\r\n");
        let (_upstream, dispatcher) = in_front_of_page(&[], &lines).await;
        for target in ["/", "/t/1", "/api/nope"] {
            for fields in [PAGE, &framed(), "Accept: */*"] {
                let response = get(&dispatcher, target, fields).await;
                assert_eq!(response.all(POLICY), expected, "{own} {target} {fields}");
            }
        }
    }
}

#[tokio::test]
async fn row_80_nothing_is_paired_in_a_frame() {
    for args in [&[][..], &HEADER] {
        let world = World::with(args).await;
        for dest in ["iframe", "frame", "embed", "object", "fencedframe"] {
            let fields = format!("{ADA}{}", framed().replace("iframe", dest));
            let response = request(world.addr(), &format!("GET /\n{fields}")).await;
            assert_eq!(
                (response.status, response.all("set-cookie").len()),
                (200, 0),
                "{dest}"
            );
            assert_eq!(response.all(POLICY), [OWN], "{dest}");
        }
        assert_eq!(world.exchanges(), 0);
    }
}
