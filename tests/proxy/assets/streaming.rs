//! Compression on the fly streams, and does not delay other clients.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::sync::Semaphore;

use crate::assets::files::{decoded, file, script};
use crate::assets::site::{Site, started};
use crate::common::Client;
use crate::common::process::is_release;
use crate::common::raw_upstream::RawUpstream;

/// How long another client may wait meanwhile. Without pauses, the release build's brotli takes more than
/// twice as long.
fn longest_stall() -> Duration {
    Duration::from_millis(if is_release() { 150 } else { 2000 })
}

#[tokio::test]
async fn the_first_bytes_are_there_before_t3_has_sent_the_last() {
    for codings in ["br", "zstd", "gzip"] {
        let (body, gate) = (script(300_000), Arc::new(Semaphore::new(0)));
        let (response, closed) = (file("text/javascript", &body), Arc::clone(&gate));
        let t3 = RawUpstream::of_files(move |mut stream, _, _| {
            let (response, gate) = (response.clone(), Arc::clone(&closed));
            async move {
                let _ = stream.write_all(&response[..100_000]).await;
                let _ = gate.acquire().await;
                let _ = stream.write_all(&response[100_000..]).await;
            }
        })
        .await;
        let world = Site::of(t3, &[]).await;
        let mut client = Client::connect(world.addr()).await;
        let head = format!("GET /assets/a.js\nAccept-Encoding: {codings}");
        client.send_head(&head).await;
        let head = client.head().await.expect("a head");
        assert_eq!(head.header("transfer-encoding"), "chunked", "{codings}");
        // What t3 has sent so far is more than this even when compressed.
        let early = client.read_at_least(10_000).await;
        assert!(early.len() >= 10_000, "{codings}");
        gate.add_permits(1000);
        let rest = client.read_at_least(1).await;
        assert!(!rest.is_empty(), "{codings}");
        drop(client);
        let whole = world.get("/assets/a.js", codings).await;
        assert!(whole.complete && decoded(&whole) == body, "{codings}");
    }
}

#[tokio::test]
async fn compressing_five_megabytes_delays_no_other_client() {
    let body = script(5_390_126);
    let t3 = RawUpstream::serving(vec![("/assets/a.js", file("text/javascript", &body))]).await;
    let dir = tempfile::tempdir().expect("a temporary directory");
    // In a process of its own, as the test's work would delay it in this one.
    let process = started(&t3, dir.path(), &[]);
    let addr = process.addr;
    let stop = Arc::new(AtomicBool::new(false));
    let over = Arc::clone(&stop);
    let asking = tokio::task::spawn_blocking(move || longest_wait(addr, &over));
    for codings in ["br", "zstd", "gzip"] {
        let mut client = Client::connect(addr).await;
        let head = format!("GET /assets/a.js\nAccept-Encoding: {codings}\nConnection: close");
        client.send_head(&head).await;
        assert!(client.rest().await.len() > 100_000, "{codings}");
    }
    stop.store(true, Ordering::SeqCst);
    let worst = asking.await.expect("responses");
    println!("the longest wait of another client: {worst:?}");
    assert!(worst < longest_stall(), "{worst:?}");
}

/// Requests `/healthz` until told to stop; returns the longest time to a response.
fn longest_wait(addr: SocketAddr, stop: &AtomicBool) -> Duration {
    let mut stream = TcpStream::connect(addr).expect("a listener");
    stream.set_nodelay(true).expect("a TCP socket");
    let (mut worst, mut buffer) = (Duration::ZERO, [0; 4096]);
    while !stop.load(Ordering::SeqCst) {
        let asked = Instant::now();
        let request = b"GET /healthz HTTP/1.1\r\nHost: t3.test\r\n\r\n";
        stream.write_all(request).expect("an open connection");
        let read = stream.read(&mut buffer).expect("an open connection");
        assert!(buffer[..read].ends_with(b"ok"), "one response");
        worst = worst.max(asked.elapsed());
        std::thread::sleep(Duration::from_millis(1));
    }
    worst
}
