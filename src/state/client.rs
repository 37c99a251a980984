//! One client connection, as everything that serves it sees it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use http::StatusCode;
use tokio::time::Instant;

use crate::config::options::LimitsConfig;
use crate::http_rules::validation::Refusal;
use crate::process::client_memory::ClientMemory;
use crate::state::deadlines::Deadlines;
use crate::state::held_memory::HeldMemory;
use crate::state::request_scan::RequestScan;
use crate::upstream::forward::Interim;

/// The refusal of a request for which there is no memory: others hold it, or it is too much with what
/// they hold.
pub const OVER_MEMORY: Refusal = Refusal {
    status: StatusCode::SERVICE_UNAVAILABLE,
    why: "the memory for clients is in use, try again",
};

/// The listener by which a client has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// For browsers, behind single sign-on.
    Public,
    /// For t3's apps, which cannot pass single sign-on: no identity counts, and nobody is paired.
    Device,
}

/// Who is at the other end of a connection.
#[derive(Debug)]
pub struct Client {
    /// Its address.
    pub peer: SocketAddr,
    /// The listener that it connected to.
    pub door: Door,
    /// Where to say something before the answer.
    pub interim: Arc<Interim>,
    /// How long it may take for what.
    pub deadlines: Arc<Deadlines>,
    /// Is its connection above the maximum? Then it gets an answer about the dispatcher, and no other.
    pub is_on_spare_place: bool,
    /// What is held for it.
    pub held: Arc<HeldMemory>,
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
    /// The one at `peer` by `door`, for which nothing of `memory` is held.
    pub fn new(
        peer: SocketAddr,
        door: Door,
        limits: LimitsConfig,
        memory: &Arc<ClientMemory>,
        is_on_spare_place: bool,
    ) -> Self {
        Self {
            peer,
            door,
            interim: Arc::default(),
            deadlines: Arc::new(Deadlines::new(limits)),
            is_on_spare_place,
            held: Arc::new(HeldMemory::new(Arc::clone(memory))),
            scan: Arc::new(RequestScan::new(limits.header_limit)),
            is_repeated: AtomicBool::new(false),
            waited: AtomicU64::new(0),
        }
    }

    /// May its requests go by the fast path, if that is on? An app's never do.
    pub fn may_be_fast(&self) -> bool {
        self.door == Door::Public && !self.is_on_spare_place
    }

    /// Bytes of a request came, of its head or of the body behind it.
    ///
    /// # Errors
    /// Where it cannot be served any more, whatever comes.
    pub fn read(&self, bytes: &[u8], is_head: bool) -> Result<(), Refusal> {
        if !self.held.came(bytes.len()) {
            self.scan.refuse(OVER_MEMORY, is_head);
            return Err(OVER_MEMORY);
        }
        self.scan.read(bytes, is_head)
    }

    /// The exchange under way is over.
    pub fn exchange_ended(&self) {
        self.scan.begin();
        self.held.exchange_ended();
        self.deadlines.exchange_ended();
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
