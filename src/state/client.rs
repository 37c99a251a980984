//! One client connection, as everything that serves it sees it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::config::options::LimitsConfig;
use crate::state::deadlines::Deadlines;
use crate::state::request_scan::RequestScan;
use crate::upstream::forward::Interim;

/// Who is at the other end of a connection.
#[derive(Debug)]
pub struct Client {
    /// Its address.
    pub peer: SocketAddr,
    /// Where to say something before the answer.
    pub interim: Arc<Interim>,
    /// How long it may take for what.
    pub deadlines: Arc<Deadlines>,
    /// What its latest request was like as it came.
    pub scan: Arc<RequestScan>,
    /// The request that comes next was sent to t3 before, without a response.
    is_repeated: AtomicBool,
    /// For how many nanoseconds its latest request has waited for t3.
    waited: AtomicU64,
}

/// A wait for t3, until this is dropped.
#[derive(Debug)]
pub struct Waiting<'a> {
    client: &'a Client,
    since: Instant,
}

impl Client {
    /// The one at `peer`.
    pub fn new(peer: SocketAddr, limits: LimitsConfig) -> Self {
        Self {
            peer,
            interim: Arc::default(),
            deadlines: Arc::new(Deadlines::new(limits)),
            scan: Arc::new(RequestScan::new(limits.header_limit)),
            is_repeated: AtomicBool::new(false),
            waited: AtomicU64::new(0),
        }
    }

    /// Its request waits for t3 from now on.
    pub fn waiting(&self) -> Waiting<'_> {
        Waiting {
            client: self,
            since: Instant::now(),
        }
    }

    /// Its latest request was sent to t3 and has no response: it comes once more, by hyper's way.
    pub fn repeats(&self) {
        self.is_repeated.store(true, Ordering::Relaxed);
    }

    /// Was the request that has come sent to t3 before?
    pub fn take_is_repeated(&self) -> bool {
        self.is_repeated.swap(false, Ordering::Relaxed)
    }

    /// How long its latest request has waited; the next one begins with nothing.
    pub fn take_waited(&self) -> Duration {
        Duration::from_nanos(self.waited.swap(0, Ordering::Relaxed))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let waited = self.since.elapsed().as_nanos() as u64;
        self.client.waited.fetch_add(waited, Ordering::Relaxed);
    }
}
