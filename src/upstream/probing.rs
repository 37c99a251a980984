//! The probes of a t3 that is not surely up, and what their order tells.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use tokio::time::{Instant, sleep, timeout};

use crate::upstream::Upstream;
use crate::upstream::health::Readiness;
use crate::upstream::health_state::HealthState;
use crate::upstream::probe::{Advertised, PROBE_TIMEOUT, Unanswered, probe};

/// The time between the starts of two probes.
const PROBE_INTERVAL: Duration = Duration::from_millis(100);

/// The same for a t3 that is busy: its kernel keeps each of them in a queue of some hundred, in which the
/// clients' requests wait too.
const BUSY_INTERVAL: Duration = Duration::from_secs(1);

/// How much later than a younger probe the oldest may be answered by a t3 that was not silent, but slow or
/// busy: it gets to all of them at once.
const GRACE: Duration = Duration::from_millis(500);

/// The same where t3 has probably been away: who waits for it is not to wait longer.
const SHORT_GRACE: Duration = Duration::from_millis(50);

impl Readiness {
    /// Probes for ever, while t3 is not surely up; one of many while somebody waits for it.
    pub async fn watch(&self, upstream: &Upstream) {
        loop {
            self.wait_until_doubtful().await;
            if self.is_unwanted() {
                self.rest().await;
            }
            self.probe_until_up(upstream).await;
        }
    }

    /// Starts probe after probe until one is answered, or nobody waits any more. The oldest that t3 has accepted is waited for
    /// without a limit: a busy t3 gets to it first, and one that was silent when it accepted it never does
    /// (contract §7).
    async fn probe_until_up(&self, upstream: &Upstream) {
        let is_accepted = AtomicBool::new(false);
        let mut probes = FuturesUnordered::new();
        let (mut oldest, mut quiet_since) = (0, Instant::now());
        for number in 0_u64.. {
            let limit = match number == oldest {
                true => upstream.response_timeout().max(PROBE_TIMEOUT),
                false => PROBE_TIMEOUT,
            };
            let probe = probe(upstream, limit, &is_accepted);
            probes.push(probe.map(move |found| (number, found)));
            let next = sleep(self.interval());
            tokio::pin!(next);
            loop {
                tokio::select! {
                    Some((ended, found)) = probes.next() => match found {
                        Ok(advertised) => {
                            let was_silent = ended != oldest && !self.follows(&mut probes, oldest).await;
                            return self.came_up(advertised, was_silent);
                        }
                        Err(unanswered) => {
                            if ended == oldest {
                                oldest = number + 1;
                            }
                            if unanswered == Unanswered::Unasked && self.was_not_asked() {
                                return;
                            }
                            if let Unanswered::Away(state) = unanswered {
                                quiet_since = Instant::now();
                                is_accepted.store(state == HealthState::Starting, Ordering::Relaxed);
                                self.went_away(state);
                            }
                        }
                    },
                    () = &mut next => break,
                }
            }
            if self.is_unwanted() {
                return;
            }
            if is_accepted.load(Ordering::Relaxed) && quiet_since.elapsed() >= PROBE_TIMEOUT {
                self.fell_silent();
            }
        }
    }

    /// A younger probe was answered: is the oldest one too, in a moment?
    async fn follows<P>(&self, probes: &mut FuturesUnordered<P>, oldest: u64) -> bool
    where
        P: Future<Output = (u64, Result<Advertised, Unanswered>)>,
    {
        let grace = match self.is_suspect() {
            true => SHORT_GRACE,
            false => GRACE,
        };
        let answered = async {
            while let Some((ended, found)) = probes.next().await {
                if ended == oldest {
                    return found.is_ok();
                }
            }
            false
        };
        timeout(grace, answered).await.unwrap_or(false)
    }

    fn interval(&self) -> Duration {
        match self.status().state {
            HealthState::Busy => BUSY_INTERVAL,
            _ => PROBE_INTERVAL,
        }
    }
}
