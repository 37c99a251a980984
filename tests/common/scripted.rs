//! An upstream that answers with the very bytes a test gives it, for what no healthy t3 would say.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

/// What the dispatcher's own requests are answered: a t3 that is up says as much.
const HEALTHY: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";

/// A listener whose connections are each answered by the same script. Ends with the test.
pub struct Scripted {
    pub addr: SocketAddr,
    connections: Arc<AtomicUsize>,
    accepting: AbortHandle,
}

impl Scripted {
    /// Answers what the dispatcher asks for itself as a healthy t3 does; hands every other connection, its
    /// first request's head read, with its serial number from 0, to `script`.
    pub async fn start<F>(script: impl Fn(TcpStream, usize) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let script = Arc::new(script);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let addr = listener.local_addr().expect("a bound socket");
        let connections = Arc::<AtomicUsize>::default();
        let count = Arc::clone(&connections);
        // The dispatcher's own requests carry t3's address as `Host`.
        let own = format!("\r\nhost: {addr}\r\n");
        let accepting = tokio::spawn(async move {
            let mut scripts = JoinSet::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                let (script, count) = (Arc::clone(&script), Arc::clone(&count));
                let own = own.clone();
                scripts.spawn(async move {
                    let head = read_head(&mut stream).await;
                    if String::from_utf8_lossy(&head).contains(&own) {
                        let _ = stream.write_all(HEALTHY).await;
                    } else if !head.is_empty() {
                        script(stream, count.fetch_add(1, Ordering::SeqCst)).await;
                    }
                });
            }
        });
        Self {
            addr,
            connections,
            accepting: accepting.abort_handle(),
        }
    }

    /// Answers every request, on every connection, with `bytes`, then closes it.
    pub async fn saying(bytes: &'static [u8]) -> Self {
        Self::start(move |mut stream, _| async move {
            let _ = stream.write_all(bytes).await;
            let _ = stream.shutdown().await;
            drain(&mut stream).await;
        })
        .await
    }

    /// How many connections it has accepted, probes aside.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Reads one request's head; returns it with what came behind it. Empty at the end.
pub async fn read_head(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    while !bytes.windows(4).any(|end| end == b"\r\n\r\n") {
        if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return Vec::new();
        }
    }
    bytes
}

/// Reads until the other side has ended.
pub async fn drain(stream: &mut TcpStream) {
    let mut chunk = [0; 4096];
    while matches!(stream.read(&mut chunk).await, Ok(read) if read > 0) {}
}
