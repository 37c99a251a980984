//! Which requests get a session, and what of the CLI's and t3's output reaches a client: rows 29 to 35.

use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;

use crate::common::raw_upstream::{HEALTHY, RawUpstream, read_until_closed};
use crate::common::{Client, Dispatcher, PAGE, World, request};
use crate::harness::{each, load, shown};

/// A CLI that runs `script`.
fn cli_of(dir: &std::path::Path, script: &str) -> String {
    let path = dir.join("fake-t3");
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("writable");
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(&path, mode).expect("writable");
    path.to_str().expect("a UTF-8 path").to_owned()
}

#[tokio::test]
async fn row_29_control_characters_of_the_cli_reach_nobody() {
    each(
        [
            "\\\\r\\\\nX-Evil: 1",
            "\\\\u0000",
            "\\\\n",
            "\\\\u0085",
            " ",
        ],
        |evil| async move {
            let dir = tempfile::tempdir().expect("a temporary directory");
            let script = format!(r#"printf '{{"credential":"ABCDEFGHJKLM{evil}"}}'"#);
            let world =
                World::with(&["--mint", "cli", "--t3-bin", &cli_of(dir.path(), &script)]).await;
            let response = load(world.addr(), "").await;
            assert_eq!(
                (response.status, &*response.header("set-cookie")),
                (200, ""),
                "{evil}"
            );
            assert_eq!(world.exchanges(), 0, "{evil}: not tried");
        },
    )
    .await;
}

#[tokio::test]
async fn row_29_control_characters_of_a_set_cookie_reach_nobody() {
    let cases = [&b"\0"[..], b"\rX-Evil: 1", b"\x01", b"\x7f"];
    each(cases, |evil| async move {
        let own = move |head: &[u8]| {
            Some(match head.starts_with(b"POST ") {
                true => {
                    let set = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nSet-Cookie: t3_session=a";
                    [&set[..], evil, b"b; Path=/\r\nConnection: close\r\n\r\n{}"].concat()
                }
                false => HEALTHY.to_vec(),
            })
        };
        let upstream = RawUpstream::with_own_requests(own, |mut stream, _, _| async move {
            let _ = stream.write_all(HEALTHY).await;
            read_until_closed(&mut stream).await;
        })
        .await;
        let dir = tempfile::tempdir().expect("a temporary directory");
        let bin = cli_of(dir.path(), r#"printf '{"credential":"ABCDEFGHJKLM"}'"#);
        let dispatcher =
            Dispatcher::in_front_of(upstream.addr, &["--mint", "cli", "--t3-bin", &bin]).await;
        let mut client = Client::connect(dispatcher.addr).await;
        let head = format!("GET /\n{PAGE}\nConnection: close");
        client.send_head(&head).await;
        let raw = shown(&client.rest().await);
        assert!(raw.starts_with("HTTP/1.1 200"), "{raw}");
        assert!(!raw.to_lowercase().contains("set-cookie"), "{raw}");
        assert!(!raw.contains("X-Evil"), "{raw}");
    })
    .await;
}

/// A navigation from another site is paired, as it shows t3's own page. No other request that another
/// site can start gets a session.
#[tokio::test]
async fn row_31_another_site_starts_navigations_and_nothing_else() {
    let page = |site: &str| PAGE.replace("Site: none", &format!("Site: {site}"));
    for site in ["cross-site", "same-site", "same-origin", "none"] {
        let world = World::start().await;
        let response = request(world.addr(), &format!("GET /\n{}", page(site))).await;
        assert_eq!(response.status, 302, "a navigation, {site}");
    }
    let world = World::start().await;
    let html = "Accept: text/html";
    let cross = page("cross-site");
    for head in [
        format!("GET /\n{}", cross.replace("document", "iframe")),
        format!("GET /\n{}", cross.replace("document", "frame")),
        format!("GET /\n{}", cross.replace("document", "embed")),
        format!("GET /\n{}", cross.replace("document", "object")),
        format!("GET /\n{html}\nSec-Fetch-Dest: image\nSec-Fetch-Mode: no-cors"),
        format!("GET /\n{html}\nSec-Fetch-Dest: empty\nSec-Fetch-Mode: cors"),
        format!("GET /\n{html}\nSec-Fetch-Dest: script\nSec-Fetch-Mode: no-cors"),
        format!("GET /\n{html}\nSec-Fetch-Mode: no-cors\nSec-Fetch-Site: cross-site"),
        format!("GET /\n{html}\nSec-Fetch-Dest: empty\nSec-Fetch-Dest: document"),
        format!("GET /\n{cross}\nSec-Purpose: prefetch"),
        format!("GET /\n{cross}\nSec-Purpose: prefetch;prerender"),
        format!("GET /\n{cross}\nPurpose: prefetch"),
        format!("GET /\n{cross}\nX-Moz: prefetch"),
        format!("POST /\n{cross}\nContent-Length: 0"),
        format!("OPTIONS /\n{cross}"),
    ] {
        let response = request(world.addr(), &head).await;
        assert_ne!(response.status, 302, "{head}");
        assert_eq!(response.header("set-cookie"), "", "{head}");
    }
    assert_eq!(world.exchanges(), 0);
}

/// A cookie that the browser keeps in spite of `Set-Cookie`, such as one of another path, causes no
/// redirect loop.
#[tokio::test]
async fn row_33_a_bad_cookie_is_no_loop() {
    let long = format!("t3_session={}", "x".repeat(8 << 10));
    let cases = [
        "t3_session=stale".to_owned(),
        "t3_session=e30.e30".to_owned(),
        "t3_session=".to_owned(),
        "t3_session".to_owned(),
        "t3_session=\"\"".to_owned(),
        "t3_session=%00".to_owned(),
        "t3_session=\u{e9}".to_owned(),
        "t3_session=stale; t3_session=staler".to_owned(),
        long,
    ];
    each(cases, |stuck| async move {
        let world = World::start().await;
        let mut cookies = stuck.clone();
        for turn in 0.. {
            let response = load(world.addr(), &format!("Cookie: {cookies}\n")).await;
            if response.status != 302 {
                assert_eq!(response.status, 200, "{stuck:.60}");
                return;
            }
            assert!(turn < 2, "sent round again with {stuck:.60}");
            cookies = format!("{stuck}; {}", response.cookie());
        }
    })
    .await;
}

#[tokio::test]
async fn row_35_a_cli_that_is_killed_leaves_the_page_to_t3() {
    each(
        ["kill -9 $$", "kill -11 $$", "exec 1>&-; exit 0"],
        |script| async move {
            let dir = tempfile::tempdir().expect("a temporary directory");
            let world =
                World::with(&["--mint", "cli", "--t3-bin", &cli_of(dir.path(), script)]).await;
            let start = Instant::now();
            let response = load(world.addr(), "").await;
            assert_eq!(
                (response.status, &*response.header("set-cookie")),
                (200, ""),
                "{script}"
            );
            assert!(start.elapsed() < Duration::from_secs(5), "{script}");
        },
    )
    .await;
}
