//! A relay in front of t3 that counts the requests which pass.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

/// Ends with the test.
pub(crate) struct Tap {
    pub(crate) addr: SocketAddr,
    /// What went to t3, by connection.
    sent: Arc<Mutex<Vec<Vec<u8>>>>,
    accepting: AbortHandle,
}

impl Tap {
    pub(crate) async fn before(t3: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let addr = listener.local_addr().expect("a bound socket");
        let sent = Arc::<Mutex<Vec<Vec<u8>>>>::default();
        let kept = Arc::clone(&sent);
        let accepting = tokio::spawn(async move {
            let mut relays = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                relays.spawn(relay(client, t3, Arc::clone(&kept)));
            }
        });
        Self {
            addr,
            sent,
            accepting: accepting.abort_handle(),
        }
    }

    /// How often a path was asked for by GET. None of these requests has a body that looks like a head.
    pub(crate) fn count_by_path(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for bytes in &*self.sent.lock().expect("no panic") {
            for line in String::from_utf8_lossy(bytes).lines() {
                let path = line.strip_prefix("GET ");
                if let Some(path) = path.and_then(|line| line.strip_suffix(" HTTP/1.1")) {
                    *counts.entry(path.to_owned()).or_default() += 1;
                }
            }
        }
        counts
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn relay(client: TcpStream, t3: SocketAddr, sent: Arc<Mutex<Vec<Vec<u8>>>>) {
    let Ok(onward) = TcpStream::connect(t3).await else {
        return;
    };
    let number = {
        let mut sent = sent.lock().expect("no panic");
        sent.push(Vec::new());
        sent.len() - 1
    };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_t3, mut to_t3) = onward.into_split();
    let up = async move {
        let mut chunk = vec![0; 16 * 1024];
        while let Ok(read @ 1..) = from_client.read(&mut chunk).await {
            sent.lock().expect("no panic")[number].extend_from_slice(&chunk[..read]);
            if to_t3.write_all(&chunk[..read]).await.is_err() {
                break;
            }
        }
        let _ = to_t3.shutdown().await;
    };
    let down = async move {
        let _ = tokio::io::copy(&mut from_t3, &mut to_client).await;
        let _ = to_client.shutdown().await;
    };
    tokio::join!(up, down);
}
