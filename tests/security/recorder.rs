//! An upstream that keeps every byte it receives.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::common::raw_upstream::RawUpstream;
use crate::harness::until;

/// Responds 200 `ok` to the first head of each connection and keeps every byte.
pub(crate) struct Recorder {
    pub(crate) upstream: RawUpstream,
    kept: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Recorder {
    pub(crate) async fn start() -> Self {
        let kept = Arc::<Mutex<Vec<Vec<u8>>>>::default();
        let keep = Arc::clone(&kept);
        let upstream = RawUpstream::start(move |mut stream, head, number| {
            let keep = Arc::clone(&keep);
            let note = move |bytes: &[u8]| {
                let mut kept = keep.lock().unwrap_or_else(PoisonError::into_inner);
                let count = kept.len().max(number + 1);
                kept.resize_with(count, Vec::new);
                kept[number].extend_from_slice(bytes);
            };
            async move {
                note(&head);
                let response = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
                let _ = stream.write_all(response).await;
                let mut chunk = [0; 4096];
                while let Ok(read @ 1..) = stream.read(&mut chunk).await {
                    note(&chunk[..read]);
                }
            }
        })
        .await;
        Self { upstream, kept }
    }

    /// The bytes received so far, by connection.
    pub(crate) fn connections(&self) -> Vec<Vec<u8>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.clone()
    }

    /// Waits until `what` is true of the bytes received.
    pub(crate) async fn wait_for(&self, what: impl Fn(&[Vec<u8>]) -> bool) {
        let met = until(|| what(&self.connections())).await;
        assert!(met, "arrived: {:?}", self.connections());
    }
}
