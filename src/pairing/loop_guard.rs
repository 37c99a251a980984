//! Ends loops: how often one browser is paired, and how soon again after a failure.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::access::identity::Browser;
use crate::metrics::pairing::PairingRefusal;

/// A browser that comes back without its session is paired so often within [`WINDOW`].
const MOST_PAIRINGS: usize = 2;
const WINDOW: Duration = Duration::from_secs(30);

/// How many browsers are remembered.
const MOST_BROWSERS: usize = 4096;

/// Remembers what became of the latest pairings of each browser.
#[derive(Debug)]
pub(super) struct Guard {
    pause: Duration,
    browsers: Mutex<HashMap<Browser, History>>,
}

#[derive(Debug, Default)]
struct History {
    paired: Vec<Instant>,
    failed: Option<Instant>,
    told: Option<Instant>,
}

/// A browser is not paired now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct GuardRefusal {
    /// The reason.
    pub(super) cause: PairingRefusal,
    /// It has not been logged yet, and is worth a warning.
    pub(super) is_news: bool,
}

impl Guard {
    /// Leaves a browser unpaired for `pause` after its pairing failed.
    pub(super) fn new(pause: Duration) -> Self {
        Self {
            pause,
            browsers: Mutex::default(),
        }
    }

    /// May `browser` be paired for a request that arrived at `arrived`? Only what ended before
    /// counts: people who come at the same time are no loop.
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
        if paired.filter(|at| within(**at, WINDOW)).count() < MOST_PAIRINGS {
            return Ok(());
        }
        let is_news = history.told.is_none_or(|at| arrived - at >= WINDOW);
        if is_news {
            history.told = Some(arrived);
        }
        Err(GuardRefusal {
            cause: PairingRefusal::Loop,
            is_news,
        })
    }

    /// A pairing of `browser` ended now, well or not.
    pub(super) fn note(&self, browser: &Browser, is_paired: bool) {
        let now = Instant::now();
        let mut browsers = self.browsers.lock();
        if browsers.len() >= MOST_BROWSERS && !browsers.contains_key(browser) {
            browsers.retain(|_, history| history.is_of_use(now));
            if browsers.len() >= MOST_BROWSERS {
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
    fn is_of_use(&self, now: Instant) -> bool {
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
        let guard = Guard::new(Duration::from_secs(5));
        let alice = browser("alice");
        let early = Instant::now();
        for _ in 0..2 {
            tokio::time::advance(Duration::from_secs(1)).await;
            assert_eq!(guard.admit(&alice, Instant::now()), Ok(()));
            guard.note(&alice, true);
        }
        tokio::time::advance(Duration::from_secs(1)).await;
        let now = Instant::now();
        for is_news in [true, false] {
            let cause = PairingRefusal::Loop;
            let refusal = GuardRefusal { cause, is_news };
            assert_eq!(guard.admit(&alice, now), Err(refusal));
        }
        assert_eq!(guard.admit(&alice, early), Ok(()), "it came before them");
        assert_eq!(guard.admit(&browser("bob"), now), Ok(()));
        tokio::time::advance(WINDOW).await;
        assert_eq!(guard.admit(&alice, Instant::now()), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_failure_there_is_a_pause() {
        let guard = Guard::new(Duration::from_secs(5));
        let alice = browser("alice");
        guard.note(&alice, false);
        tokio::time::advance(Duration::from_secs(4)).await;
        let refused = guard
            .admit(&alice, Instant::now())
            .map_err(|refusal| refusal.cause);
        assert_eq!(refused, Err(PairingRefusal::Pause));
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(guard.admit(&alice, Instant::now()), Ok(()));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let guard = Guard::new(Duration::from_secs(5));
        for n in 0..MOST_BROWSERS + 8 {
            guard.note(&browser(&n.to_string()), true);
        }
        assert!(guard.browsers.lock().len() <= MOST_BROWSERS);
    }
}
