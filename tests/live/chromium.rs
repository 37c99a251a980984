//! A real Chromium on the real cockpit.

use std::collections::HashSet;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;

use crate::common::browser::{Browser, Page};
use crate::common::process::Process;
use crate::t3::T3;

const PATIENCE: Duration = Duration::from_secs(60);

/// Where the picture of the cockpit is kept: below `target`.
const PICTURE: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/cockpit.png");

/// What the cockpit of a t3 without projects says once it is connected.
pub(crate) const CONNECTED: &str = "document.body.innerText.includes('No projects yet')";

/// Waits until t3 has sent more than `seen` frames over the page's WebSockets; returns their number.
async fn frames_beyond(page: &Page, seen: usize) -> usize {
    let start = tokio::time::Instant::now();
    loop {
        let frames = page.events("Network.webSocketFrameReceived").len();
        if frames > seen {
            return frames;
        }
        assert!(start.elapsed() < PATIENCE, "still {frames} frames");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// How many rows of a PNG differ from each other: a blank one has two or three.
fn distinct_rows(png: &[u8]) -> usize {
    let number = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().expect("four bytes"));
    // Signature, length and type of the first chunk, width, height.
    let height = number(20) as usize;
    let (mut packed, mut at) = (Vec::new(), 8);
    while at < png.len() {
        let length = number(at) as usize;
        if &png[at + 4..at + 8] == b"IDAT" {
            packed.extend_from_slice(&png[at + 8..at + 8 + length]);
        }
        at += length + 12;
    }
    let mut rows = Vec::new();
    let mut unpacked = flate2::read::ZlibDecoder::new(&packed[..]);
    unpacked.read_to_end(&mut rows).expect("a whole picture");
    rows.chunks(rows.len() / height)
        .collect::<HashSet<_>>()
        .len()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a real t3: set LIVE_T3_BIN to its path"]
async fn chromium_shows_a_live_cockpit_and_lives_through_a_restart_without_its_session() {
    let Some(browser) = Browser::launch().await else {
        return;
    };
    let mut t3 = T3::start().await;
    let dispatcher = Process::start(&mut t3.dispatcher());
    let page = browser.page().await;
    page.set_viewport(1280, 800, 1.0, false).await;
    page.navigate(&format!("http://{}/", dispatcher.addr)).await;
    frames_beyond(&page, 0).await;
    page.wait_for(CONNECTED, PATIENCE).await;
    page.screenshot(Path::new(PICTURE)).await;
    let rows = distinct_rows(&std::fs::read(PICTURE).expect("the picture"));
    println!("{PICTURE}: {rows} distinct rows");
    assert!(rows > 100, "{rows}");

    // The app: one manifest, which Chromium takes.
    let manifest = "document.querySelectorAll('link[rel=manifest]').length";
    assert_eq!(page.evaluate(manifest).await, 1);
    let manifest = page.command("Page.getAppManifest", json!({})).await;
    let manifest = manifest.unwrap_or_else(|error| panic!("{error}"));
    let url = format!("http://{}/manifest.webmanifest", dispatcher.addr);
    assert_eq!(
        (&manifest["url"], &manifest["errors"]),
        (&json!(url), &json!([]))
    );

    let cookies = page.cookies().await;
    t3.delete_sessions();
    t3.end(Signal::KILL).await;
    let before = page.events("Network.webSocketFrameReceived").len();
    t3.spawn_again();
    t3.wait_until_it_responds().await;
    frames_beyond(&page, before).await;
    page.wait_for(CONNECTED, PATIENCE).await;
    assert_ne!(page.cookies().await, cookies, "a new session");
    page.close().await;
    t3.finish().await;
}
