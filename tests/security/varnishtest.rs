//! Runs the varnishtest files, `vtc/*.vtc`.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use tokio::net::{TcpStream, UnixStream};
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::common::process::{Process, command};
use crate::common::raw_upstream::{HEALTHY, RawUpstream, read_until_closed};
use crate::common::{PATIENCE, skip};

/// How long one file may take, in seconds.
const LIMIT: &str = "20";

#[tokio::test]
async fn the_varnishtest_files() {
    if Command::new("varnishtest").arg("-h").output().is_err() {
        return skip("no varnishtest on this machine (apt-get install varnish)");
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/security/vtc");
    let files = std::fs::read_dir(folder).expect("the files are there");
    let mut files: Vec<_> = files.map(|file| file.expect("readable").path()).collect();
    files.sort();
    let mut failed = Vec::new();
    for file in &files {
        let output = run(file.clone()).await;
        if !output.status.success() {
            println!("{}", String::from_utf8_lossy(&output.stdout));
            failed.push(file.display().to_string());
        }
    }
    println!("{} varnishtest files, {} failed", files.len(), failed.len());
    assert!(!files.is_empty() && failed.is_empty(), "{failed:#?}");
}

/// Runs one file with a dispatcher of its own. A relay between the dispatcher and the file's server
/// responds to the dispatcher's own requests, which the file does not expect. The last of them is the
/// warm-up's, for t3's page: later it would come on a connection that the file has used.
async fn run(file: PathBuf) -> Output {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let socket = dir.path().join("s1");
    let server = socket.clone();
    let warm = Arc::new(Notify::new());
    let page = Arc::clone(&warm);
    let own = move |head: &[u8]| {
        if head.starts_with(b"GET / ") {
            page.notify_one();
        }
        Some(HEALTHY.to_vec())
    };
    let script = move |stream, head, _| relay(stream, head, server.clone());
    let relay = RawUpstream::with_own_requests(own, script).await;
    let port = relay.addr.port().to_string();
    let process = Process::start(command().env("T3_UPSTREAM_PORT", port));
    let warmed = timeout(PATIENCE, warm.notified()).await;
    warmed.expect("the warm-up comes once t3 is up");
    let mut varnishtest = Command::new("varnishtest");
    varnishtest
        .args(["-t", LIMIT, "-v"])
        .arg(format!("-Dupstream={}", socket.display()))
        .arg(format!("-Ddispatcher={}", process.addr))
        .arg(file);
    let output = tokio::task::spawn_blocking(move || varnishtest.output()).await;
    output.expect("no panic").expect("varnishtest runs")
}

/// Forwards `head` and then every byte, both ways, until both sides are done.
async fn relay(mut client: TcpStream, head: Vec<u8>, server: PathBuf) {
    let Ok(mut server) = UnixStream::connect(server).await else {
        return;
    };
    if tokio::io::AsyncWriteExt::write_all(&mut server, &head)
        .await
        .is_ok()
    {
        let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
    }
    read_until_closed(&mut client).await;
}
