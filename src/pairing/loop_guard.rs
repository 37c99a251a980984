//! The loop guard: tells a browser that comes back without its session from one that opens a window.

use std::num::NonZeroUsize;
use std::time::Duration;

use lru::LruCache;
use parking_lot::Mutex;
use tokio::time::Instant;
use tracing::debug;

use crate::limited;
use crate::metrics::pairing::PairingRefusal;
use crate::pairing::keys::{BrowserKey, ValueKey};
use crate::pairing::session_request::SessionRequest;
use crate::process::lru_cache::lru_cache;

/// A loop is this many pairings within this time whose sessions have not come back: those of a redirect
/// that comes back at once, and those of one that takes its time. A window that a person opens comes
/// later, and its redirect comes back with the session.
const LOOPS: [(usize, Duration); 2] = [(2, AT_ONCE), (4, WINDOW)];

/// A redirect that comes back, or a script that tries again, takes less.
const AT_ONCE: Duration = Duration::from_secs(2);

/// How long a pairing is remembered, and how long nobody is warned again of one browser.
const WINDOW: Duration = Duration::from_secs(30);

/// The maximum of browsers that are remembered: about 1 MiB.
const MAX_BROWSERS: NonZeroUsize = NonZeroUsize::new(4096).expect("not zero");

/// Remembers the latest pairings of each browser.
#[derive(Debug)]
pub(super) struct LoopGuard {
    pause: Duration,
    /// The browser whose pairing ended last is the most recently used.
    browsers: Mutex<LruCache<BrowserKey, History>>,
}

#[derive(Debug, Default)]
struct History {
    /// The pairings whose session has not come back: when each ended, and with which session.
    unreturned: Vec<(Instant, ValueKey)>,
    failed: Option<Instant>,
    /// The latest refusal of a loop.
    stopped: Option<Instant>,
    warned: Option<Instant>,
}

/// Why a browser is not paired now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct GuardRefusal {
    /// The cause that it is counted under.
    pub(super) cause: PairingRefusal,
    /// Nobody has been warned of this lately.
    pub(super) is_news: bool,
}

impl GuardRefusal {
    /// Logs why `request` is not paired: as a warning where nobody was warned of it lately.
    pub(super) fn log(self, request: &SessionRequest<'_>) {
        let (user, request_id) = (request.browser.user(), request.request_id);
        if !self.is_news {
            debug!(user, %request_id, cause = self.cause.text(), "not paired");
            return;
        }
        let why = match (self.cause, request.had_session) {
            (PairingRefusal::Rate, _) => "too many sessions for one person in a minute",
            (_, false) => "paired twice, and the browser does not send t3's cookie back",
            (_, true) => "paired twice, and t3 does not accept the cookie that it set",
        };
        limited!(WARN, "forwarded unpaired" => user, %request_id, "{why}: forwarded unpaired");
    }
}

impl LoopGuard {
    /// Does not pair a browser for `pause` after its pairing failed.
    pub(super) fn new(pause: Duration) -> Self {
        Self {
            pause,
            browsers: Mutex::new(lru_cache(MAX_BROWSERS)),
        }
    }

    /// May `browser` be paired for a request that arrived at `arrived`? Only pairings that ended
    /// before count: requests that arrive at the same time are no loop.
    pub(super) fn admit(&self, browser: &BrowserKey, arrived: Instant) -> Result<(), GuardRefusal> {
        let mut browsers = self.browsers.lock();
        let Some(history) = browsers.peek_mut(browser) else {
            return Ok(());
        };
        if is_within(history.failed, arrived, self.pause) {
            return Err(GuardRefusal {
                cause: PairingRefusal::Pause,
                is_news: false,
            });
        }
        if !history.is_loop(arrived) {
            return Ok(());
        }
        history.stopped = Some(arrived);
        let warned = history.warned;
        let is_news = warned.is_none_or(|at| arrived.saturating_duration_since(at) >= WINDOW);
        if is_news {
            history.warned = Some(arrived);
        }
        Err(GuardRefusal {
            cause: PairingRefusal::Loop,
            is_news,
        })
    }

    /// Notes that `browser` has come back with a `session` that t3 accepts.
    pub(super) fn returned(&self, browser: &BrowserKey, session: ValueKey) {
        if let Some(history) = self.browsers.lock().peek_mut(browser) {
            history.unreturned.retain(|(_, held)| *held != session);
        }
    }

    /// Records that a pairing of `browser` has ended, with a session or without.
    pub(super) fn record(&self, browser: &BrowserKey, session: Option<ValueKey>) {
        let now = Instant::now();
        let mut browsers = self.browsers.lock();
        while let Some((_, oldest)) = browsers.peek_lru()
            && !oldest.is_recent(now, self.pause)
        {
            browsers.pop_lru();
        }
        let history = browsers.get_or_insert_mut(*browser, History::default);
        match session {
            Some(session) => {
                history.unreturned.retain(|(at, _)| now - *at < WINDOW);
                history.unreturned.push((now, session));
                history.failed = None;
            }
            None => history.failed = Some(now),
        }
    }
}

impl History {
    /// A browser that was stopped stays so as long as it keeps coming back at once.
    fn is_loop(&self, arrived: Instant) -> bool {
        let unreturned_within = |limit| {
            let ends = self.unreturned.iter().map(|(at, _)| Some(*at));
            ends.filter(|at| is_within(*at, arrived, limit)).count()
        };
        !self.unreturned.is_empty() && is_within(self.stopped, arrived, AT_ONCE)
            || LOOPS
                .iter()
                .any(|(count, limit)| unreturned_within(*limit) >= *count)
    }

    fn is_recent(&self, now: Instant, pause: Duration) -> bool {
        let paired = self.unreturned.last().map(|(at, _)| *at);
        let [paired, failed, stopped] = [paired, self.failed, self.stopped]
            .map(|at| at.map_or(Duration::MAX, |at| now.saturating_duration_since(at)));
        paired.min(stopped) < WINDOW || failed < pause
    }
}

/// Was it before `arrived`, and by less than `limit`?
fn is_within(at: Option<Instant>, arrived: Instant, limit: Duration) -> bool {
    at.is_some_and(|at| at < arrived && arrived - at < limit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::identity::Browser;

    fn browser(identity: &str) -> BrowserKey {
        BrowserKey::of(&Browser {
            identity: Some(identity.into()),
            rights: Default::default(),
            user_agent: None,
            address: [127, 0, 0, 1].into(),
        })
    }

    fn session(number: u64) -> ValueKey {
        ValueKey::of(&number.to_be_bytes())
    }

    /// What becomes of a browser that comes at intervals of `pause` and is paired whenever it may be;
    /// whether it keeps t3's cookie.
    async fn visits(pause: Duration, count: u64, keeps_cookies: bool) -> String {
        let guard = LoopGuard::new(Duration::from_secs(5));
        let alice = browser("alice");
        let mut outcome = String::new();
        for number in 0..count {
            tokio::time::advance(pause).await;
            let is_admitted = guard.admit(&alice, Instant::now()).is_ok();
            outcome.push(if is_admitted { 'p' } else { '-' });
            if is_admitted {
                guard.record(&alice, Some(session(number)));
                if keeps_cookies {
                    guard.returned(&alice, session(number));
                }
            }
        }
        outcome
    }

    #[tokio::test(start_paused = true)]
    async fn a_loop_is_told_from_windows() {
        for (millis, keeps_cookies, expected) in [
            // Redirects of a browser that keeps no cookies, and the polling of the page after them.
            (10, false, "pp----------"),
            (500, false, "pp----------"),
            // Over a slow line.
            (2_500, false, "pppp--------"),
            // Windows, of which nothing is known but that they are opened.
            (3_000, false, "pppp------pp"),
            (9_000, false, "pppppppppppp"),
            // Windows with a profile of their own, whose redirect brought the session.
            (10, true, "pppppppppppp"),
            (3_000, true, "pppppppppppp"),
        ] {
            let seen = visits(Duration::from_millis(millis), 12, keeps_cookies).await;
            assert_eq!(seen, expected, "{millis} ms, {keeps_cookies}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn only_what_ended_before_counts_and_others_are_not_concerned() {
        let guard = LoopGuard::new(Duration::from_secs(5));
        let alice = browser("alice");
        let early = Instant::now();
        tokio::time::advance(Duration::from_millis(1)).await;
        for number in 0..2 {
            guard.record(&alice, Some(session(number)));
        }
        tokio::time::advance(Duration::from_millis(1)).await;
        let now = Instant::now();
        for is_news in [true, false] {
            let cause = PairingRefusal::Loop;
            let refusal = GuardRefusal { cause, is_news };
            assert_eq!(guard.admit(&alice, now), Err(refusal));
        }
        assert_eq!(guard.admit(&alice, early), Ok(()), "it arrived before them");
        assert_eq!(guard.admit(&browser("bob"), now), Ok(()));
        guard.returned(&browser("bob"), session(0));
        guard.returned(&alice, session(9));
        assert!(guard.admit(&alice, now).is_err(), "another session");
        tokio::time::advance(WINDOW).await;
        assert_eq!(guard.admit(&alice, Instant::now()), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_failure_there_is_a_pause() {
        let guard = LoopGuard::new(Duration::from_secs(5));
        let alice = browser("alice");
        guard.record(&alice, None);
        tokio::time::advance(Duration::from_secs(4)).await;
        let refused = guard
            .admit(&alice, Instant::now())
            .map_err(|refusal| refusal.cause);
        assert_eq!(refused, Err(PairingRefusal::Pause));
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(guard.admit(&alice, Instant::now()), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn browsers_are_forgotten_in_time_and_their_number_is_bounded() {
        let guard = LoopGuard::new(Duration::from_secs(5));
        let most = MAX_BROWSERS.get();
        for n in 0..2 * most {
            guard.record(&browser(&n.to_string()), Some(session(0)));
        }
        assert_eq!(guard.browsers.lock().len(), most);
        assert!(
            guard
                .browsers
                .lock()
                .contains(&browser(&(2 * most - 1).to_string()))
        );
        tokio::time::advance(WINDOW).await;
        guard.record(&browser("one more"), None);
        assert_eq!(guard.browsers.lock().len(), 1);
    }
}
