//! An upstream that is all bytes: what a test says, and every byte that it was told.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

use crate::common::scripted::read_head;
use crate::harness::until;

/// What a healthy t3 answers to the dispatcher's own requests.
pub(crate) const HEALTHY: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";

/// A listener that answers the dispatcher's own requests, which carry its own address as their
/// `Host`, and hands every other connection to a script. Ends with the test.
pub(crate) struct Raw {
    pub(crate) addr: SocketAddr,
    connections: Arc<AtomicUsize>,
    accepting: AbortHandle,
}

impl Raw {
    /// Hands a connection, the bytes of its first head and its number from 0, to `script`.
    pub(crate) async fn start<F>(
        script: impl Fn(TcpStream, Vec<u8>, usize) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self::with_own(|_| HEALTHY.to_vec(), script).await
    }

    /// The same, where the dispatcher's own requests are answered by `own`.
    pub(crate) async fn with_own<F>(
        own: impl Fn(&[u8]) -> Vec<u8> + Send + Sync + 'static,
        script: impl Fn(TcpStream, Vec<u8>, usize) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let addr = listener.local_addr().expect("bound");
        let connections = Arc::<AtomicUsize>::default();
        let count = Arc::clone(&connections);
        let shared = Arc::new((own, script));
        let mark = format!("host: {addr}\r\n");
        let accepting = tokio::spawn(async move {
            let mut scripts = JoinSet::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                let (shared, count, mark) = (Arc::clone(&shared), Arc::clone(&count), mark.clone());
                scripts.spawn(async move {
                    let head = read_head(&mut stream).await;
                    if String::from_utf8_lossy(&head)
                        .to_lowercase()
                        .contains(&mark)
                    {
                        let _ = stream.write_all(&shared.0(&head)).await;
                    } else if !head.is_empty() {
                        shared.1(stream, head, count.fetch_add(1, Ordering::SeqCst)).await;
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

    /// How many connections were handed to the script.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// An upstream that answers 200 `ok` to the first head of each connection and keeps every byte.
pub(crate) struct Recorder {
    pub(crate) upstream: Raw,
    kept: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Recorder {
    pub(crate) async fn start() -> Self {
        let kept = Arc::<Mutex<Vec<Vec<u8>>>>::default();
        let keep = Arc::clone(&kept);
        let upstream = Raw::start(move |mut stream, head, number| {
            let keep = Arc::clone(&keep);
            let note = move |bytes: &[u8]| {
                let mut kept = keep.lock().unwrap_or_else(PoisonError::into_inner);
                let count = kept.len().max(number + 1);
                kept.resize_with(count, Vec::new);
                kept[number].extend_from_slice(bytes);
            };
            async move {
                note(&head);
                let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
                let _ = stream.write_all(answer).await;
                let mut chunk = [0; 4096];
                while let Ok(read @ 1..) = stream.read(&mut chunk).await {
                    note(&chunk[..read]);
                }
            }
        })
        .await;
        Self { upstream, kept }
    }

    /// What each connection has brought so far.
    pub(crate) fn connections(&self) -> Vec<Vec<u8>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.clone()
    }

    /// Waits until what has arrived is as wanted.
    pub(crate) async fn wait_for(&self, what: impl Fn(&[Vec<u8>]) -> bool) {
        let met = until(|| what(&self.connections())).await;
        assert!(met, "arrived: {:?}", self.connections());
    }
}
