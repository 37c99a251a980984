//! The loop guard: bounds how often one browser is paired, and how soon again after a failure.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::access::identity::Browser;
use crate::metrics::pairing::PairingRefusal;

/// How often a browser that comes back without its session is paired within [`WINDOW`].
const MAX_PAIRINGS: usize = 2;
const WINDOW: Duration = Duration::from_secs(30);

/// The maximum of browsers that are remembered.
const MAX_BROWSERS: usize = 4096;

/// Remembers the latest pairings of each browser.
#[derive(Debug)]
pub(super) struct LoopGuard {
    pause: Duration,
    browsers: Mutex<HashMap<Browser, History>>,
}

#[derive(Debug, Default)]
struct History {
    paired: Vec<Instant>,
    failed: Option<Instant>,
    warned: Option<Instant>,
}

/// Why a browser is not paired now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct GuardRefusal {
    /// The cause that it is counted under.
    pub(super) cause: PairingRefusal,
    /// Nobody has been warned of this loop within [`WINDOW`].
    pub(super) is_news: bool,
}

impl LoopGuard {
    /// Does not pair a browser for `pause` after its pairing failed.
    pub(super) fn new(pause: Duration) -> Self {
        Self {
            pause,
            browsers: Mutex::default(),
        }
    }

    /// May `browser` be paired for a request that arrived at `arrived`? Only pairings that ended
    /// before count: requests that arrive at the same time are no loop.
    pub(super) fn admit(&self, browser: &Browser, arrived: Instant) -> Result<(), GuardRefusal> {
        let mut browsers = self.browsers.lock();
        let Some(history) = browsers.get_mut(browser) else {
            return Ok(());
        };
        let within = |at: Instant, limit| at < arrived && arrived - at < limit;
        if history.failed.is_some_and(|at| within(at, self.pause)) {
            return Err(GuardRefusal {
                cause: PairingRefusal::Pause,
                is_news: false,
            });
        }
        let paired = history.paired.iter();
        if paired.filter(|at| within(**at, WINDOW)).count() < MAX_PAIRINGS {
            return Ok(());
        }
        let is_news = history.warned.is_none_or(|at| arrived - at >= WINDOW);
        if is_news {
            history.warned = Some(arrived);
        }
        Err(GuardRefusal {
            cause: PairingRefusal::Loop,
            is_news,
        })
    }

    /// Records that a pairing of `browser` has succeeded or failed.
    pub(super) fn record(&self, browser: &Browser, is_paired: bool) {
        let now = Instant::now();
        let mut browsers = self.browsers.lock();
        if browsers.len() >= MAX_BROWSERS && !browsers.contains_key(browser) {
            browsers.retain(|_, history| history.is_recent(now));
            if browsers.len() >= MAX_BROWSERS {
                return;
            }
        }
        let history = browsers.entry(browser.clone()).or_default();
        if is_paired {
            history.paired.retain(|at| now - *at < WINDOW);
            history.paired.push(now);
            history.failed = None;
        } else {
            history.failed = Some(now);
        }
    }
}

impl History {
    fn is_recent(&self, now: Instant) -> bool {
        let latest = self.paired.iter().chain(&self.failed).max();
        latest.is_some_and(|at| now - *at < WINDOW)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn browser(identity: &str) -> Browser {
        Browser {
            identity: Some(identity.into()),
            user_agent: None,
            address: [127, 0, 0, 1].into(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_browser_is_paired_twice_within_the_window_and_others_are_not_concerned() {
        let guard = LoopGuard::new(Duration::from_secs(5));
        let alice = browser("alice");
        let early = Instant::now();
        for _ in 0..2 {
            tokio::time::advance(Duration::from_secs(1)).await;
            assert_eq!(guard.admit(&alice, Instant::now()), Ok(()));
            guard.record(&alice, true);
        }
        tokio::time::advance(Duration::from_secs(1)).await;
        let now = Instant::now();
        for is_news in [true, false] {
            let cause = PairingRefusal::Loop;
            let refusal = GuardRefusal { cause, is_news };
            assert_eq!(guard.admit(&alice, now), Err(refusal));
        }
        assert_eq!(guard.admit(&alice, early), Ok(()), "it arrived before them");
        assert_eq!(guard.admit(&browser("bob"), now), Ok(()));
        tokio::time::advance(WINDOW).await;
        assert_eq!(guard.admit(&alice, Instant::now()), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_failure_there_is_a_pause() {
        let guard = LoopGuard::new(Duration::from_secs(5));
        let alice = browser("alice");
        guard.record(&alice, false);
        tokio::time::advance(Duration::from_secs(4)).await;
        let refused = guard
            .admit(&alice, Instant::now())
            .map_err(|refusal| refusal.cause);
        assert_eq!(refused, Err(PairingRefusal::Pause));
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(guard.admit(&alice, Instant::now()), Ok(()));
    }

    #[test]
    fn the_number_of_browsers_is_bounded() {
        let guard = LoopGuard::new(Duration::from_secs(5));
        for n in 0..2 * MAX_BROWSERS {
            guard.record(&browser(&n.to_string()), true);
        }
        assert!(guard.browsers.lock().len() <= MAX_BROWSERS);
    }
}
