//! What one client connection is doing, and until when it may: the clock of slow clients. Pure.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::config::options::LimitsConfig;
use crate::upstream::upload::Upload;

/// A client that is waited for must move this much a second, on the average of a window.
const SLOWEST_BYTES_A_SECOND: u64 = 256;

/// Longer than any connection lives without this clock being asked again.
const FAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The clock of one client connection.
#[derive(Debug)]
pub struct Activity {
    limits: LimitsConfig,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    /// While the client is waited for to send more of its body.
    sending: Option<Window>,
    /// While the client is waited for to take more of an answer.
    taking: Option<Window>,
    is_flushed: bool,
    /// Not every byte of a request was read, or its answer is to be the last one.
    is_ending: bool,
    /// When whoever waits for an answer looks at the clock.
    expected: Option<Instant>,
    upload: Option<Arc<Upload>>,
    far: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Between two requests, since then.
    Idle(Instant),
    /// In the head of a request, since then.
    Head(Instant),
    /// From the head of a request to the end of its answer.
    Exchange,
}

/// How much has moved since the client was first waited for.
#[derive(Debug, Clone, Copy)]
struct Window {
    since: Instant,
    moved: u64,
    is_blocked: bool,
}

impl Activity {
    /// Starts the clock of a new connection: it has as long as a head has to bring one.
    pub fn new(limits: LimitsConfig) -> Self {
        let now = Instant::now();
        let state = State {
            phase: Phase::Head(now),
            sending: None,
            taking: None,
            is_flushed: true,
            is_ending: false,
            expected: None,
            upload: None,
            far: now + FAR,
        };
        Self {
            limits,
            state: Mutex::new(state),
        }
    }

    /// Bytes came from the client; true while they are of a request's head.
    pub fn read(&self, count: usize) -> bool {
        let mut state = self.state.lock();
        if let Phase::Idle(_) = state.phase {
            state.phase = Phase::Head(Instant::now());
        }
        if let Some(window) = &mut state.sending {
            window.moved += count as u64;
            window.is_blocked = false;
        }
        matches!(state.phase, Phase::Head(_))
    }

    /// The first bytes of a request's head were there at `at`.
    pub fn head(&self, at: Instant) {
        let mut state = self.state.lock();
        if let Phase::Idle(_) = state.phase {
            state.phase = Phase::Head(at);
        }
    }

    /// Nothing came from the client although something was asked for.
    pub fn read_blocked(&self) {
        let mut state = self.state.lock();
        let is_open = state
            .upload
            .as_ref()
            .is_some_and(|upload| !upload.is_done());
        state.sending = match state.sending {
            _ if !is_open => None,
            Some(window) => Some(window.blocked()),
            None => Some(Window::starting()),
        };
    }

    /// The client took bytes.
    pub fn wrote(&self, count: usize) {
        let mut state = self.state.lock();
        state.is_flushed = false;
        if let Some(window) = &mut state.taking {
            window.moved += count as u64;
        }
    }

    /// The client takes nothing at the moment.
    pub fn write_blocked(&self) {
        let mut state = self.state.lock();
        state.is_flushed = false;
        state.taking = Some(state.taking.map_or_else(Window::starting, Window::blocked));
    }

    /// The client has taken everything.
    pub fn flushed(&self) {
        let mut state = self.state.lock();
        state.is_flushed = true;
        state.taking = None;
    }

    /// The connection ends behind this answer, whatever else has come on it.
    pub fn end_with_this(&self) {
        self.state.lock().is_ending = true;
    }

    /// Has the client sent the whole of every request, got the whole of every answer, and asked
    /// for nothing more?
    pub fn is_at_rest(&self) -> bool {
        let state = self.state.lock();
        state.is_flushed && !state.is_ending && matches!(state.phase, Phase::Idle(_))
    }

    /// A request's head is complete; `upload` is its body, where it has one.
    pub fn begin(&self, upload: Option<Arc<Upload>>) {
        let mut state = self.state.lock();
        state.phase = Phase::Exchange;
        state.upload = upload;
        state.expected = None;
    }

    /// The head of a request without a body is complete, and its answer is waited for until `due`:
    /// a look at the clock is due then too.
    pub fn asks(&self, due: Instant) {
        let mut state = self.state.lock();
        state.phase = Phase::Exchange;
        state.upload = None;
        state.expected = Some(due);
    }

    /// It has come.
    pub fn expected(&self) {
        self.state.lock().expected = None;
    }

    /// The answer has been handed over.
    pub fn end(&self) {
        let mut state = self.state.lock();
        state.phase = Phase::Idle(Instant::now());
        let upload = state.upload.take();
        state.is_ending |= upload.is_some_and(|upload| !upload.is_done());
        state.sending = None;
        state.expected = None;
    }

    /// When to look at the clock next.
    pub fn deadline(&self) -> Instant {
        let state = self.state.lock();
        let of_phase = match state.phase {
            Phase::Idle(since) => since + self.limits.idle_timeout,
            Phase::Head(since) => since + self.limits.header_timeout,
            Phase::Exchange => state.expected.unwrap_or(state.far),
        };
        let windows = [state.sending, state.taking].into_iter().flatten();
        windows
            .map(|window| window.since + self.limits.body_timeout)
            .fold(of_phase, Instant::min)
    }

    /// Has the client used up its time? If not, the next look is due at [`Activity::deadline`].
    pub fn is_over(&self, now: Instant) -> bool {
        let mut state = self.state.lock();
        let of_phase = match state.phase {
            Phase::Idle(since) => now >= since + self.limits.idle_timeout,
            Phase::Head(since) => now >= since + self.limits.header_timeout,
            Phase::Exchange => false,
        };
        let limit = self.limits.body_timeout;
        let slowest = (limit.as_millis() as u64 * SLOWEST_BYTES_A_SECOND / 1000).max(1);
        let mut is_slow = false;
        let State {
            sending, taking, ..
        } = &mut *state;
        for window in [sending, taking] {
            let Some(held) = window.filter(|window| now >= window.since + limit) else {
                continue;
            };
            is_slow |= held.is_blocked && held.moved < slowest;
            *window = held.is_blocked.then(Window::starting);
        }
        of_phase || is_slow
    }
}

impl Window {
    fn starting() -> Self {
        Self {
            since: Instant::now(),
            moved: 0,
            is_blocked: true,
        }
    }

    fn blocked(self) -> Self {
        Self {
            is_blocked: true,
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    fn activity() -> Activity {
        Activity::new(LimitsConfig {
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(120),
            body_timeout: Duration::from_secs(60),
            ..LimitsConfig::default()
        })
    }

    async fn is_over_after(activity: &Activity, seconds: u64) -> bool {
        advance(Duration::from_secs(seconds)).await;
        activity.is_over(Instant::now())
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_is_due_for_an_answer_only_while_it_is_expected() {
        let activity = activity();
        let due = Instant::now() + Duration::from_secs(5);
        for stop in [Activity::expected, |held: &Activity| held.begin(None)] {
            activity.asks(due);
            assert_eq!(activity.deadline(), due);
            stop(&activity);
            assert!(activity.deadline() > due);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_has_its_time_from_its_first_byte_and_a_pause_has_more() {
        let activity = activity();
        assert!(
            !is_over_after(&activity, 9).await,
            "a new connection is to bring one"
        );
        activity.begin(None);
        activity.end();
        assert!(!is_over_after(&activity, 119).await);
        activity.read(1);
        assert!(!is_over_after(&activity, 9).await);
        activity.read(1);
        assert!(
            is_over_after(&activity, 1).await,
            "a further byte is no more time"
        );
        activity.begin(None);
        assert!(
            !is_over_after(&activity, 10_000).await,
            "t3 has all the time"
        );
        activity.end();
        assert!(!is_over_after(&activity, 119).await);
        assert!(is_over_after(&activity, 1).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_trickles_is_over_and_one_that_flows_is_not() {
        let activity = activity();
        activity.begin(Some(Arc::default()));
        activity.read_blocked();
        for _ in 0..59 {
            assert!(!is_over_after(&activity, 1).await);
            activity.read(1);
            activity.read_blocked();
        }
        assert!(is_over_after(&activity, 1).await);
        activity.read(100_000);
        activity.read_blocked();
        assert!(!is_over_after(&activity, 60).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_is_not_waited_for_has_all_the_time() {
        let activity = activity();
        let upload = Arc::<Upload>::default();
        activity.begin(Some(Arc::clone(&upload)));
        activity.read_blocked();
        activity.read(10);
        assert!(
            !is_over_after(&activity, 1000).await,
            "nobody has asked it for more"
        );
        upload.note(true);
        activity.read_blocked();
        assert!(
            !is_over_after(&activity, 1000).await,
            "it has sent everything"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_is_over() {
        let activity = activity();
        activity.begin(None);
        activity.write_blocked();
        assert!(!is_over_after(&activity, 59).await);
        activity.wrote(1000);
        activity.write_blocked();
        assert!(is_over_after(&activity, 1).await);
        activity.flushed();
        assert!(!is_over_after(&activity, 1000).await);
    }
}
