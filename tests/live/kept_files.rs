//! A restart with DISPATCHER_CACHE_DIR in front of the real t3: what it takes, and that nothing is compressed.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::common::process::{Process, WARM_UP, is_release};
use crate::common::request;
use crate::t3::T3;

/// The most that a start takes with all files of the page kept, in the release build.
const MOST_CPU: Duration = Duration::from_millis(500);
const MOST_KIB: u64 = 20 * 1024;

/// How many files `dir` has, once each content has one for both codings and none is being written: the last is
/// written after the warm-up.
async fn count(dir: &Path) -> usize {
    let begun = Instant::now();
    loop {
        let mut codings = BTreeMap::<String, usize>::new();
        for entry in std::fs::read_dir(dir).expect("a directory") {
            let name = entry.expect("a file").file_name();
            let name = name.into_string().expect("UTF-8");
            let content = name.rsplit_once('.').map_or(&*name, |(content, _)| content);
            *codings.entry(content.to_owned()).or_default() += 1;
        }
        // A file that is being written is named without a coding.
        if codings.len() > 100 && codings.values().all(|count| *count == 2) {
            return 2 * codings.len();
        }
        assert!(begun.elapsed() < WARM_UP, "{codings:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a real t3: set LIVE_T3_BIN to its path"]
async fn a_restart_serves_what_was_kept_of_all_files_of_the_page() {
    let t3 = T3::start().await;
    let dir = tempfile::tempdir().expect("a temporary directory");
    let cache = dir.path().join("cache");
    let page = request(t3.addr, "GET /").await.text();
    let mut entry = page.split('"');
    let entry = entry.find(|text| text.starts_with("/assets/index-"));
    let head = format!(
        "GET {}\nAccept-Encoding: gzip, deflate, br, zstd",
        entry.expect("a script")
    );
    let (mut counts, mut lengths) = (Vec::new(), Vec::new());
    for start in ["first", "second"] {
        let begun = Instant::now();
        let mut command = t3.dispatcher();
        let process = Process::start(command.env("DISPATCHER_CACHE_DIR", &cache));
        let process = process.warm().await;
        let (cpu, peak, took) = (process.cpu(), process.peak_resident(), begun.elapsed());
        let sent = request(process.addr, &head).await;
        assert_eq!(sent.header("content-encoding"), "br");
        lengths.push(sent.body.len());
        counts.push(count(&cache).await);
        println!("{start} start: {cpu:?} of CPU, {peak} KiB at its peak, warm after {took:?}");
        if start == "second" && is_release() {
            assert!(cpu < MOST_CPU, "{cpu:?}");
            assert!(peak < MOST_KIB, "{peak} KiB");
        }
    }
    println!("{counts:?} files");
    assert_eq!(lengths[0], lengths[1]);
    t3.finish().await;
}
