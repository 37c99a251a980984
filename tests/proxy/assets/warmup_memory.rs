//! What the warm-up takes: memory, and processor time where the files were kept over a restart.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::assets::files::{file, script};
use crate::assets::site::{COMPRESSION_BOUND, started};
use crate::common::process::Process;
use crate::common::raw_upstream::RawUpstream;
use crate::common::{Client, request};

/// The most memory that compressing a script of 5.4 MB may add to a serving process.
const MOST_KIB: u64 = 72 * 1024;

/// The most that may be left of it: an allocator that keeps what was freed keeps 45 MiB
/// (`process::allocator`).
const MOST_KEPT_KIB: u64 = 20 * 1024;

/// The most that a start with kept files may take.
const MOST_KEPT_FILES: (u64, Duration) = (20 * 1024, Duration::from_millis(500));

/// What readers of nothing may add: the file as it is, once.
const MOST_READ_KIB: u64 = 20 * 1024;

/// A t3 with a page of one script, as long as v0.0.27's.
async fn t3_with_a_script() -> RawUpstream {
    let body = script(5_390_126);
    let page = b"<script src=\"/assets/a.js\"></script>";
    RawUpstream::serving(vec![
        ("/", file("text/html", page)),
        ("/assets/a.js", file("text/javascript", &body)),
    ])
    .await
}

#[tokio::test]
#[ignore = "takes minutes in a debug build: the release figures of .ci/run include it"]
async fn the_warm_up_takes_little_memory() {
    let t3 = t3_with_a_script().await;
    let dir = tempfile::tempdir().expect("a temporary directory");
    let process = started(&t3, dir.path(), &[]);
    let before = process.resident();
    request(process.addr, "GET /api/x").await;
    t3.wait_for("/assets/a.js").await;
    let (begun, head) = (
        Instant::now(),
        "GET /assets/a.js\nAccept-Encoding: br, zstd, gzip",
    );
    let stored = loop {
        let response = request(process.addr, head).await;
        if response.header("content-encoding") == "br" {
            break response.body.len();
        }
        assert!(begun.elapsed() < COMPRESSION_BOUND, "never at its best");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    let process = process.warm().await;
    let (peak, after) = (process.peak_resident(), process.resident());
    println!(
        "before {before} KiB, peak {peak}, after {after}; br {stored} bytes after {:?}",
        begun.elapsed()
    );
    assert!(peak - before < MOST_KIB, "{peak} KiB");
    assert!(after - before < MOST_KEPT_KIB, "{after} KiB are kept");
    // Who asks for it without a coding and reads nothing holds no copy of its own.
    let mut held = Vec::new();
    for _ in 0..40 {
        let mut client = Client::connect(process.addr).await;
        client.send_head("GET /assets/a.js").await;
        held.push(client);
    }
    let whole = request(process.addr, "GET /assets/a.js").await;
    assert_eq!(whole.body.len(), 5_390_126);
    let read = process.resident();
    println!("with 40 readers of nothing {read} KiB");
    assert!(read < after + MOST_READ_KIB, "{read} KiB");
}

/// Waits until `process` has done its warm-up, and `cache` has `count` files.
async fn warm_and_kept(process: Process, cache: &Path, count: usize) -> Process {
    request(process.addr, "GET /api/x").await;
    let process = process.warm().await;
    let begun = Instant::now();
    while std::fs::read_dir(cache).expect("a directory").count() < count {
        assert!(begun.elapsed() < COMPRESSION_BOUND, "never written");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    process
}

#[tokio::test]
#[ignore = "takes minutes in a debug build: the release figures of .ci/run include it"]
async fn a_restart_with_kept_files_takes_little_memory_and_time() {
    let t3 = t3_with_a_script().await;
    let dir = tempfile::tempdir().expect("a temporary directory");
    let cache = dir.path().join("cache");
    let args = ["--cache-dir", cache.to_str().expect("a UTF-8 path")];
    let head = "GET /assets/a.js\nAccept-Encoding: br, zstd, gzip";
    let mut lengths = Vec::new();
    for start in ["first", "second"] {
        let process = warm_and_kept(started(&t3, dir.path(), &args), &cache, 2).await;
        let (peak, cpu) = (process.peak_resident(), process.cpu());
        println!("{start} start: {cpu:?}, peak {peak} KiB");
        if start == "second" {
            let (most_kib, most_cpu) = MOST_KEPT_FILES;
            assert!(peak < most_kib, "{peak} KiB");
            assert!(cpu < most_cpu, "{cpu:?}");
        }
        let response = request(process.addr, head).await;
        lengths.push((response.header("content-encoding"), response.body.len()));
    }
    assert_eq!(lengths[0], lengths[1]);
    assert_eq!(t3.count_of("/assets/a.js"), 2);
}
