//! A WebSocket that ends here: by it a synthetic client tells the network's drops from t3's.

pub mod echo;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

/// How many probes there may be at a time.
const MOST_PROBES: usize = 64;

/// After how long a silence of the client its probe ends.
const SILENCE: Duration = Duration::from_secs(90);

/// The probes that are open.
#[derive(Debug)]
pub struct Probes(Arc<Semaphore>);

/// A place for one probe, given back when it is dropped.
#[derive(Debug)]
pub struct Place(#[allow(dead_code)] OwnedSemaphorePermit);

impl Default for Probes {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MOST_PROBES)))
    }
}

impl Probes {
    /// A place for one more; none if there are as many as there may be.
    pub fn place(&self) -> Option<Place> {
        let permit = Arc::clone(&self.0).try_acquire_owned();
        permit.ok().map(Place)
    }
}

impl Place {
    /// Sends back what comes on `stream`, after the handshake and `early`, until the client leaves,
    /// is silent for too long or says too much, or `drain` is set.
    pub async fn echo(self, stream: TcpStream, early: Bytes, drain: &CancellationToken) {
        echo::serve(stream, early, SILENCE, drain).await;
    }
}
