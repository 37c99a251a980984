//! The load: clients that ask again as soon as they are answered, and what was counted meanwhile.

pub(crate) mod http;
pub(crate) mod websocket;

use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::task::{JoinSet, LocalSet};
use tokio::time::sleep;

use crate::proc::{self, Cpu};
use crate::roles::Failure;

/// Fewer answers than these are no measure, and are waited for this long.
const LEAST_ANSWERS: usize = 50;
const PATIENCE: Duration = Duration::from_secs(20);

/// What is asked, and by how many at a time.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Load {
    /// 1 KiB of JSON, over 32 kept connections.
    Kibibyte,
    /// 10 MB with a Content-Length, over 8.
    Body,
    /// A message of 64 B and the answer to it, over 32 tunnels.
    WebSocket,
}

/// What happened within the measured time.
#[derive(Debug)]
pub(crate) struct Window {
    pub(crate) elapsed: Duration,
    /// Answers that were complete.
    pub(crate) done: u64,
    /// Bytes of bodies, complete or not.
    pub(crate) bytes: u64,
    /// How long each answer took.
    pub(crate) latencies: Vec<Duration>,
    /// What the processes under test spent.
    pub(crate) cpu: Cpu,
}

/// What all clients of one measurement share.
#[derive(Debug, Default)]
struct Meter {
    is_counting: Cell<bool>,
    is_over: Cell<bool>,
    bytes: Cell<u64>,
    latencies: RefCell<Vec<Duration>>,
}

impl Meter {
    fn body(&self, bytes: usize) {
        if self.is_counting.get() {
            self.bytes.set(self.bytes.get() + bytes as u64);
        }
    }

    fn answered(&self, since: Instant) {
        if self.is_counting.get() {
            self.latencies.borrow_mut().push(since.elapsed());
        }
    }
}

impl Load {
    fn clients(self) -> usize {
        match self {
            Self::Kibibyte | Self::WebSocket => 32,
            Self::Body => 8,
        }
    }

    async fn client(self, addr: SocketAddr, meter: Rc<Meter>) -> io::Result<()> {
        match self {
            Self::Kibibyte => http::client(addr, http::KIBIBYTE, &meter).await,
            Self::Body => http::client(addr, http::BODY, &meter).await,
            Self::WebSocket => websocket::client(addr, &meter).await,
        }
    }

    /// Loads `addr` for `warm` and at least `measured`, and counts in the latter what comes back and what `tree` spends on it.
    ///
    /// # Errors
    /// Any connection that is refused, cut, or answered otherwise than expected.
    pub(crate) async fn measure(
        self,
        addr: SocketAddr,
        tree: &[u32],
        warm: Duration,
        measured: Duration,
    ) -> Result<Window, Failure> {
        let meter = Rc::new(Meter::default());
        let measuring = async {
            let mut clients = JoinSet::new();
            for _ in 0..self.clients() {
                clients.spawn_local(self.client(addr, meter.clone()));
            }
            sleep(warm).await;
            meter.is_counting.set(true);
            let (before, start) = (proc::cpu(tree)?, Instant::now());
            sleep(measured).await;
            // On a busy machine a proxy may hardly have run by now.
            while meter.latencies.borrow().len() < LEAST_ANSWERS && start.elapsed() < PATIENCE {
                sleep(measured).await;
            }
            let (after, elapsed) = (proc::cpu(tree)?, start.elapsed());
            meter.is_counting.set(false);
            meter.is_over.set(true);
            while let Some(client) = clients.join_next().await {
                client??;
            }
            let latencies = meter.latencies.take();
            Ok(Window {
                elapsed,
                done: latencies.len() as u64,
                bytes: meter.bytes.get(),
                latencies,
                cpu: after.since(before),
            })
        };
        LocalSet::new().run_until(measuring).await
    }
}
