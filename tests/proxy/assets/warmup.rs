//! The warm-up fetches the files that t3's page refers to, and compresses them as well as it can.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use crate::assets::files::{decoded, file, script};
use crate::assets::site::{COMPRESSION_BOUND, Site};
use crate::common::http::Response;
use crate::common::raw_upstream::{RawUpstream, target_of};
use crate::common::{PAGE, PATIENCE, World, request};

/// Waits for a response in brotli of fewer than `below` bytes.
async fn best(world: &Site, path: &str, below: usize) -> Response {
    let start = Instant::now();
    loop {
        let response = world.get(path, "gzip, br, zstd").await;
        if response.header("content-encoding") == "br" && response.body.len() < below {
            return response;
        }
        assert!(
            start.elapsed() < COMPRESSION_BOUND,
            "{path} is never at its best"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A page that refers to a script called `name`; every other response is that script, or one that is a
/// little longer.
fn page_of(name: &'static str) -> impl Fn(TcpStream, Vec<u8>, usize) -> BoxFuture<'static, ()> {
    move |mut stream, head, _| {
        let page = format!("<script type=\"module\" src=\"/assets/{name}.js\"></script>");
        let response = match target_of(&head) {
            "/" => file("text/html; charset=utf-8", page.as_bytes()),
            "/assets/two.js" => file("text/javascript", &script(50_001)),
            _ => file("text/javascript", &script(50_000)),
        };
        async move {
            let _ = stream.write_all(&response).await;
        }
        .boxed()
    }
}

#[tokio::test]
async fn the_page_s_files_are_fetched_once_and_compressed_best() {
    let world = Site::of(RawUpstream::of_files(page_of("one")).await, &[]).await;
    assert_eq!(world.get("/healthz", "").await.status, 200);
    world.t3.wait_for("/assets/one.js").await;
    let fast = world.get("/assets/two.js", "br").await;
    let response = best(&world, "/assets/one.js", fast.body.len()).await;
    assert!(decoded(&response) == script(50_000));
    let gzip = world.get("/assets/one.js", "gzip").await;
    assert_eq!(gzip.header("content-encoding"), "gzip");
    assert_eq!(world.t3.count_of("/assets/one.js"), 1);
    // A file that was compressed quickly on request is compressed better in the background.
    let again = best(&world, "/assets/two.js", fast.body.len()).await;
    assert!(decoded(&again) == script(50_001));
    assert_eq!(world.t3.count_of("/assets/two.js"), 1);
}

#[tokio::test]
async fn a_t3_that_comes_back_is_warmed_up_again() {
    let world = Site::of(RawUpstream::of_files(page_of("old")).await, &[]).await;
    request(world.addr(), "GET /api/x").await;
    world.t3.wait_for("/assets/old.js").await;
    let addr = world.t3.addr;
    let Site {
        t3,
        dispatcher,
        dir,
    } = world;
    drop(t3);
    let start = Instant::now();
    while request(dispatcher.addr, "GET /api/x").await.status < 500 {
        assert!(start.elapsed() < PATIENCE, "it is gone");
    }
    let t3 = RawUpstream::of_files_at(addr, page_of("new")).await;
    t3.wait_for("/assets/new.js").await;
    assert_eq!(t3.count_of("/assets/old.js"), 0);
    drop((dispatcher, dir));
}

#[tokio::test]
async fn the_cli_runs_before_the_warm_up() {
    let world = World::start().await;
    let page = request(world.addr(), &format!("GET /\n{PAGE}")).await;
    assert_eq!(page.status, 302);
    let fetched = |seen: &[t3_standin::seen::Seen]| {
        seen.iter().any(|seen| seen.target.starts_with(b"/assets/"))
    };
    assert!(world.standin.wait_for(PATIENCE, fetched).await);
    assert_eq!(world.cli_starts(), 1, "before the first file was fetched");
}

#[tokio::test]
async fn a_drain_does_not_wait_for_the_warm_up() {
    let gate = Arc::new(Semaphore::new(0));
    let t3 = RawUpstream::of_files(move |mut stream, head, _| {
        let gate = Arc::clone(&gate);
        async move {
            let page = b"<script src=\"/assets/a.js\"></script>";
            if target_of(&head) == "/" {
                let _ = stream.write_all(&file("text/html", page)).await;
                return;
            }
            let response = file("text/javascript", &script(5_000_000));
            let _ = stream.write_all(&response[..100_000]).await;
            let _ = gate.acquire().await;
        }
    })
    .await;
    let world = Site::of(t3, &[]).await;
    world.t3.wait_for("/assets/a.js").await;
    let start = Instant::now();
    world.dispatcher.drain().await;
    assert!(start.elapsed() < Duration::from_secs(5));
}
