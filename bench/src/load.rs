//! The load: clients that ask again as soon as they are answered, and what was counted meanwhile.

pub(crate) mod http;
pub(crate) mod websocket;
pub(crate) mod wrk;

use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::task::{JoinSet, LocalSet};
use tokio::time::{Interval, interval_at, sleep};

use crate::proc::{self, Cpu};
use crate::roles::Failure;

/// Fewer answers than these are no measure, and are waited for this long.
const LEAST_ANSWERS: usize = 50;
const PATIENCE: Duration = Duration::from_secs(20);

/// What is asked, and by how many at a time.
#[derive(Clone, Debug)]
pub(crate) enum Load {
    /// 1 KiB of JSON, over kept connections.
    Kibibyte(Clients),
    /// 10 MB with a Content-Length, over 8.
    Body,
    /// The same, sent.
    Upload,
    /// That request, over 32 kept connections.
    Request(Rc<str>),
    /// A message of 64 B and the answer to it, over 32 tunnels.
    WebSocket,
}

/// Who asks for a kibibyte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clients {
    /// One, again as soon as it is answered.
    One,
    /// 32 of one person.
    Many,
    /// 32, each another person.
    People,
    /// Ten of one person, together [`PACED_A_SECOND`] times a second, evenly.
    Paced,
}

/// What a busy cockpit asks, and more.
const PACED_A_SECOND: usize = 1000;

impl Clients {
    fn count(self) -> usize {
        match self {
            Self::One => 1,
            Self::Many | Self::People => 32,
            Self::Paced => 10,
        }
    }

    fn person(self, client: usize) -> usize {
        match self {
            Self::People => client,
            Self::One | Self::Many | Self::Paced => 0,
        }
    }

    /// When that client asks; none where it does as soon as it is answered.
    fn pace(self, client: usize) -> Option<Interval> {
        let slot = Duration::from_secs(1) / PACED_A_SECOND as u32;
        let first = tokio::time::Instant::now() + slot * client as u32;
        (self == Self::Paced).then(|| interval_at(first, slot * self.count() as u32))
    }
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
    /// How often they were woken.
    pub(crate) wakeups: u64,
}

impl Window {
    /// Processor time an answer, in microseconds.
    pub(crate) fn each_us(&self) -> f64 {
        self.cpu.total.as_secs_f64() * 1e6 / self.done as f64
    }

    /// The part of it that is spent in the program.
    pub(crate) fn each_user_us(&self) -> f64 {
        self.each_us() * self.cpu.user_share()
    }

    /// Complete answers a second.
    pub(crate) fn per_second(&self) -> f64 {
        self.done as f64 / self.elapsed.as_secs_f64()
    }
}

/// What processes have spent, and how often they were woken, until now.
struct Spent {
    cpu: Cpu,
    wakeups: u64,
    at: Instant,
}

impl Spent {
    fn now(tree: &[u32]) -> io::Result<Self> {
        Ok(Self {
            cpu: proc::cpu(tree)?,
            wakeups: proc::wakeups(tree)?,
            at: Instant::now(),
        })
    }

    /// The window from `before` to this, with what answers took.
    fn since(self, before: &Self, latencies: Vec<Duration>) -> Window {
        Window {
            elapsed: self.at - before.at,
            done: latencies.len() as u64,
            bytes: 0,
            latencies,
            cpu: self.cpu.since(before.cpu),
            wakeups: self.wakeups.saturating_sub(before.wakeups),
        }
    }
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
    fn clients(&self) -> usize {
        match self {
            Self::Kibibyte(clients) => clients.count(),
            Self::Request(_) | Self::WebSocket => 32,
            Self::Body | Self::Upload => 8,
        }
    }

    async fn client(self, number: usize, addr: SocketAddr, meter: Rc<Meter>) -> io::Result<()> {
        match self {
            Self::Kibibyte(clients) => {
                let request = http::request(http::KIBIBYTE, clients.person(number));
                http::client(addr, &request, 0, clients.pace(number), &meter).await
            }
            Self::Body => http::client(addr, &http::request(http::BODY, 0), 0, None, &meter).await,
            Self::Upload => {
                http::client(addr, &http::upload(), http::BODY_BYTES, None, &meter).await
            }
            Self::Request(request) => http::client(addr, &request, 0, None, &meter).await,
            Self::WebSocket => websocket::client(addr, &meter).await,
        }
    }

    /// Loads `addr` for `warm` and at least `measured`, and counts in the latter what comes back and what `tree` spends on it.
    ///
    /// # Errors
    /// Any connection that is refused, cut, or answered otherwise than expected.
    pub(crate) async fn measure(
        &self,
        addr: SocketAddr,
        tree: &[u32],
        warm: Duration,
        measured: Duration,
    ) -> Result<Window, Failure> {
        let meter = Rc::new(Meter::default());
        let measuring = async {
            let mut clients = JoinSet::new();
            for number in 0..self.clients() {
                clients.spawn_local(self.clone().client(number, addr, meter.clone()));
            }
            sleep(warm).await;
            meter.is_counting.set(true);
            let before = Spent::now(tree)?;
            sleep(measured).await;
            // On a busy machine a proxy may hardly have run by now.
            while meter.latencies.borrow().len() < LEAST_ANSWERS && before.at.elapsed() < PATIENCE {
                sleep(measured).await;
            }
            let after = Spent::now(tree)?;
            meter.is_counting.set(false);
            meter.is_over.set(true);
            while let Some(client) = clients.join_next().await {
                client??;
            }
            let latencies = meter.latencies.take();
            Ok(Window {
                bytes: meter.bytes.get(),
                ..after.since(&before, latencies)
            })
        };
        LocalSet::new().run_until(measuring).await
    }
}
