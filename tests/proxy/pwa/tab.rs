//! The script of the tabs: which pages get it, and what it asks the dispatcher for.

use t3_standin::server::{Options as StandinOptions, Standin};

use super::TAGS;
use crate::assets::files::{decoded, file_with};
use crate::assets::site::Site;
use crate::common::http::Response;
use crate::common::raw_upstream::RawUpstream;
use crate::common::{World, request};

const HTML: &str = "text/html; charset=utf-8";
const HEADER: [&str; 2] = ["--identity-header", "X-authentik-username"];

/// The load of a page that is not paired, by somebody who has signed in.
const LOAD: &str =
    "GET /\nX-authentik-username: ada\nSec-Fetch-Dest: document\nSec-Purpose: prefetch";

/// A question by a script of the own origin's.
fn asked(path: &str) -> String {
    format!(
        "GET {path}\nX-authentik-username: ada\nSec-Fetch-Site: same-origin\nSec-Fetch-Dest: empty"
    )
}

/// The page of a t3 that sends `page` with those `fields`, as it reaches a browser.
async fn page_of(page: &str, fields: &str, args: &[&str]) -> Response {
    let response = file_with(HTML, fields, page.as_bytes());
    let t3 = RawUpstream::serving(vec![("/", response)]).await;
    let site = Site::of(t3, &[&HEADER, args].concat()).await;
    request(site.addr(), LOAD).await
}

/// The tag of the script in `page`, which must be the end of its head.
fn script_of(page: &str) -> String {
    let (head, _) = page.split_once("</head>").expect("a head");
    let tag = head.rfind("<script").map_or("", |at| &head[at..]);
    assert!(
        tag.starts_with("<script type=\"module\" async src=\"/dispatcher/tab.js?v="),
        "{head}"
    );
    tag.to_owned()
}

#[tokio::test]
async fn only_a_page_whose_policy_allows_it_gets_the_script() {
    let page = "<html><head><title>x</title></head><body>y</body></html>";
    let policy = |sources: &str| format!("content-security-policy: {sources}\r\n");
    let meta =
        |sources: &str| format!("<meta http-equiv=content-security-policy content=\"{sources}\">");
    for assets in ["on", "off"] {
        for (fields, meta, expected) in [
            (String::new(), String::new(), true),
            (policy("frame-ancestors *"), String::new(), true),
            (
                policy("default-src 'self' 'unsafe-inline'"),
                meta("script-src 'self'"),
                true,
            ),
            (policy("script-src 'nonce-abc'"), String::new(), false),
            (
                policy("img-src *, connect-src 'none'"),
                String::new(),
                false,
            ),
            (policy("sandbox allow-scripts"), String::new(), false),
            (String::new(), meta("script-src 'sha256-x'"), false),
        ] {
            let plain = page.replace("</head>", &format!("{meta}</head>"));
            let got = page_of(&plain, &fields, &["--assets", assets]).await;
            let text = String::from_utf8(decoded(&got)).expect("text");
            let script = if expected {
                script_of(&text)
            } else {
                String::new()
            };
            let tagged = plain.replace("</head>", &format!("{TAGS}{script}</head>"));
            assert_eq!(text, tagged, "{assets} {fields} {meta}");
        }
    }
}

#[tokio::test]
async fn the_page_is_as_before_without_it_and_its_tag_is_another_with_it() {
    let page = "<html><head></head><body>y</body></html>";
    let on = page_of(page, "", &[]).await;
    let off = page_of(page, "", &["--tab-helper", "off"]).await;
    assert_eq!(
        off.text(),
        page.replace("</head>", &format!("{TAGS}</head>"))
    );
    assert_ne!(on.header("etag"), off.header("etag"));
    let alone = page_of(page, "", &["--pwa", "off"]).await;
    let script = script_of(&alone.text());
    assert_eq!(
        alone.text(),
        page.replace("</head>", &format!("{script}</head>"))
    );
    let neither = page_of(page, "", &["--pwa", "off", "--tab-helper", "off"]).await;
    assert_eq!(neither.text(), page);
    // Without single sign-on nobody signs anybody out.
    let world = World::start().await;
    let local = request(world.addr(), LOAD).await;
    assert!(!local.text().contains("/dispatcher/"));
    // Then the paths are t3's.
    for world in [
        world,
        World::with(&[&HEADER[..], &["--tab-helper", "off"]].concat()).await,
    ] {
        for path in [
            "/dispatcher/alive",
            "/dispatcher/tab.js",
            "/dispatcher/signed-in",
        ] {
            request(world.addr(), &asked(path)).await;
            let seen = world.asked();
            assert_eq!(seen.last().expect("a request").target, path.as_bytes());
        }
    }
}

#[tokio::test]
async fn a_version_of_the_script_is_kept_for_good_and_anything_else_is_asked_for_again() {
    let world = World::with(&HEADER).await;
    let page = request(world.addr(), LOAD).await.text();
    let script = script_of(&page);
    let address = script.split('"').nth(3).expect("an address");
    let held = request(world.addr(), &asked(address)).await;
    assert_eq!(
        (held.status, held.header("cache-control").as_str()),
        (200, "private, max-age=31536000, immutable")
    );
    assert_eq!(
        held.header("content-type"),
        "text/javascript; charset=utf-8"
    );
    let tag = held.header("etag");
    for other in [
        "/dispatcher/tab.js",
        "/dispatcher/tab.js?v=0",
        "/dispatcher/tab.js?",
    ] {
        let response = request(world.addr(), &asked(other)).await;
        assert_eq!(
            (response.status, response.header("cache-control").as_str()),
            (200, "no-cache")
        );
        assert_eq!(response.text(), held.text());
    }
    for (held, status) in [
        (tag.clone(), 304),
        (format!("\"x\", W/{tag}"), 304),
        ("\"x\"".to_owned(), 200),
    ] {
        let head = format!("{}\nIf-None-Match: {held}", asked("/dispatcher/tab.js"));
        assert_eq!(request(world.addr(), &head).await.status, status, "{held}");
    }
    assert!(
        world
            .asked()
            .iter()
            .all(|seen| !seen.target.starts_with(b"/dispatcher/"))
    );
}

#[tokio::test]
async fn alive_says_what_is_to_be_waited_for() {
    let world = World::with(&[&HEADER[..], &["--drain-delay", "5s"]].concat()).await;
    let World {
        standin,
        dir,
        mut dispatcher,
    } = world;
    let to = dispatcher.addr;
    let alive = asked("/dispatcher/alive");
    // The first probe may not have ended yet.
    crate::common::http::request(to, "GET /.well-known/t3/environment").await;
    let response = request(to, &alive).await;
    assert_eq!((response.status, response.body.len()), (204, 0));
    let options = StandinOptions::new(dir.path().join("t3"));
    let listen = standin.addr();
    standin.kill();
    // What was open or waited in its backlog ends after its listener: it may seem to be starting until then.
    let down = async {
        loop {
            let of_t3 = request(to, "GET /api/x").await.status;
            let response = request(to, &alive).await;
            if response.status == 200 && response.json()["t3"] == "down" {
                return of_t3;
            }
        }
    };
    let of_t3 = tokio::time::timeout(crate::common::PATIENCE, down).await;
    assert!(matches!(of_t3.expect("t3 is away"), 502 | 503));
    assert_eq!(request(to, "GET /api/x").await.status, 503);
    let _standin = Standin::start(StandinOptions { listen, ..options })
        .await
        .expect("the port is free");
    let back = async {
        while request(to, &alive).await.status != 204 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(crate::common::PATIENCE, back)
        .await
        .expect("t3 is back");
    dispatcher.begin_drain();
    let leaving = async {
        loop {
            let response = request(to, &alive).await;
            if response.status == 200 {
                return response.json()["t3"].clone();
            }
        }
    };
    let leaving = tokio::time::timeout(crate::common::PATIENCE, leaving).await;
    assert_eq!(leaving.expect("it says so"), "draining");
}
