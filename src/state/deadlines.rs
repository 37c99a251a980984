//! The deadlines of one client connection, which its tasks share.

use std::sync::Arc;
use std::task::Context;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::config::options::LimitsConfig;
use crate::state::making_way::MakingWay;
use crate::state::phase::Phase;
use crate::state::progress::Progress;
use crate::state::transfer_window::TransferWindow;
use crate::upstream::request_body::Upload;

/// The deadlines of one client connection.
#[derive(Debug)]
pub struct Deadlines {
    limits: LimitsConfig,
    state: Mutex<Progress>,
    /// It makes way for another one, if it is idle still.
    making_way: MakingWay,
}

impl Deadlines {
    /// For a new connection, which has the time of a head to bring one.
    pub fn new(limits: LimitsConfig) -> Self {
        let state = Mutex::new(Progress::new());
        Self {
            limits,
            state,
            making_way: MakingWay::default(),
        }
    }

    /// Bytes came from the client; true while they belong to the head of a request that will be served.
    pub fn read(&self, count: usize) -> bool {
        let mut state = self.state.lock();
        state.phase = state.phase.head_at(Instant::now());
        if let Some(window) = &mut state.sending {
            window.sent(count);
        }
        matches!(state.phase, Phase::Head(_)) && !state.is_ending
    }

    /// The first bytes of a request's head were there at `at`, which nothing has answered yet.
    pub fn head_began(&self, at: Instant) {
        let mut state = self.state.lock();
        state.phase = match state.phase {
            Phase::Exchange => Phase::Head(at),
            other => other.head_at(at),
        };
    }

    /// Since when it has been between two requests, or before the first one, if it is.
    pub fn idle_since(&self) -> Option<Instant> {
        self.state.lock().idle_since()
    }

    /// Has it had the last response, with nothing asked for since?
    pub fn is_between_requests(&self) -> bool {
        self.state.lock().is_between_requests()
    }

    /// Has nothing come on it yet?
    pub fn is_new(&self) -> bool {
        matches!(self.state.lock().phase, Phase::New(_))
    }

    /// Has it end if it has been idle since then. False if it has not, or ends already.
    pub fn end_if_idle_since(&self, since: Instant) -> bool {
        self.idle_since() == Some(since) && self.making_way.begin()
    }

    /// Is it to make way for another one? One that is not idle any more does not.
    pub fn is_ended(&self) -> bool {
        self.making_way.goes_on(|| self.idle_since().is_some())
    }

    /// The task of `cx` is woken when the connection is to make way.
    pub fn wake_at_end(&self, cx: &Context<'_>) {
        self.making_way.wake(cx);
    }

    /// Nothing came from the client although something was asked for.
    pub fn read_blocked(&self) {
        let mut state = self.state.lock();
        let sending = state
            .is_body_unread()
            .then(|| TransferWindow::blocked(state.sending));
        state.sending = sending;
    }

    /// The client took bytes.
    pub fn wrote(&self, count: usize) {
        let mut state = self.state.lock();
        state.is_flushed = false;
        if let Some(window) = &mut state.taking {
            window.taken(count);
        }
    }

    /// The client takes nothing at the moment.
    pub fn write_blocked(&self) {
        let mut state = self.state.lock();
        state.is_flushed = false;
        state.taking = Some(TransferWindow::blocked(state.taking));
    }

    /// The client has taken everything.
    pub fn flushed(&self) {
        let mut state = self.state.lock();
        if !std::mem::replace(&mut state.is_flushed, true) {
            state.phase = state.phase.idle_from(Instant::now());
        }
        state.taking = None;
    }

    /// The connection ends after this response, whatever else has come on it.
    pub fn end_after_this(&self) {
        self.state.lock().is_ending = true;
    }

    /// Is a part of the body of the request under way still to be read?
    pub fn is_body_unread(&self) -> bool {
        self.state.lock().is_body_unread()
    }

    /// Is all of every request here, all of every response with the client, and nothing more asked for?
    pub fn is_at_rest(&self) -> bool {
        let state = self.state.lock();
        state.is_between_requests() && !state.is_ending
    }

    /// A request's head is complete; `upload` is its body, where it has one.
    pub fn exchange_began(&self, upload: Option<Arc<Upload>>) {
        self.began(upload, None);
    }

    /// The head of a request without a body is complete, and its response must begin by `due`.
    pub fn await_response_until(&self, due: Instant) {
        self.began(None, Some(due));
    }

    fn began(&self, upload: Option<Arc<Upload>>, response_due: Option<Instant>) {
        let mut state = self.state.lock();
        state.phase = Phase::Exchange;
        state.upload = upload;
        state.response_due = response_due;
    }

    /// The response has begun.
    pub fn response_started(&self) {
        self.state.lock().response_due = None;
    }

    /// The response has been written.
    pub fn exchange_ended(&self) {
        let mut state = self.state.lock();
        state.phase = Phase::Idle(Instant::now());
        state.is_ending |= state.is_body_unread();
        state.upload = None;
        state.sending = None;
        state.response_due = None;
    }

    /// The earliest deadline.
    pub fn deadline(&self) -> Instant {
        self.state.lock().deadline(&self.limits)
    }

    /// Has a deadline of the client passed? If not, the next one is [`Deadlines::deadline`].
    pub fn is_over(&self, now: Instant) -> bool {
        self.state.lock().is_over(now, &self.limits)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::advance;

    use super::*;

    fn deadlines() -> Deadlines {
        Deadlines::new(LimitsConfig {
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(120),
            body_timeout: Duration::from_secs(60),
            ..LimitsConfig::default()
        })
    }

    async fn is_over_after(deadlines: &Deadlines, seconds: u64) -> bool {
        advance(Duration::from_secs(seconds)).await;
        deadlines.is_over(Instant::now())
    }

    #[tokio::test(start_paused = true)]
    async fn a_response_has_a_deadline_only_while_it_is_awaited() {
        let deadlines = deadlines();
        let due = Instant::now() + Duration::from_secs(5);
        deadlines.await_response_until(due);
        assert_eq!(deadlines.deadline(), due);
        deadlines.response_started();
        assert!(deadlines.deadline() > due);
        deadlines.await_response_until(due);
        deadlines.exchange_began(None);
        assert!(deadlines.deadline() > due);
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_has_its_time_from_its_first_byte_and_a_pause_has_more() {
        let deadlines = deadlines();
        assert!(!is_over_after(&deadlines, 9).await, "a new connection");
        deadlines.exchange_began(None);
        deadlines.exchange_ended();
        assert!(!is_over_after(&deadlines, 119).await);
        deadlines.read(1);
        assert!(!is_over_after(&deadlines, 9).await);
        deadlines.read(1);
        assert!(is_over_after(&deadlines, 1).await, "a further byte");
        deadlines.exchange_began(None);
        assert!(!is_over_after(&deadlines, 10_000).await, "t3's time");
        deadlines.exchange_ended();
        assert!(!is_over_after(&deadlines, 119).await);
        assert!(is_over_after(&deadlines, 1).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_trickles_is_over_and_one_that_flows_is_not() {
        let deadlines = deadlines();
        deadlines.exchange_began(Some(Arc::default()));
        deadlines.read_blocked();
        for _ in 0..59 {
            assert!(!is_over_after(&deadlines, 1).await);
            deadlines.read(1);
            deadlines.read_blocked();
        }
        assert!(is_over_after(&deadlines, 1).await);
        deadlines.read(100_000);
        deadlines.read_blocked();
        assert!(!is_over_after(&deadlines, 60).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_is_not_waited_for_has_all_the_time() {
        let deadlines = deadlines();
        let upload = Arc::<Upload>::default();
        deadlines.exchange_began(Some(Arc::clone(&upload)));
        deadlines.read_blocked();
        deadlines.read(10);
        assert!(!is_over_after(&deadlines, 1000).await, "not asked for more");
        upload.note(true);
        deadlines.read_blocked();
        assert!(!is_over_after(&deadlines, 1000).await, "all is sent");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_is_over() {
        let deadlines = deadlines();
        deadlines.exchange_began(None);
        deadlines.write_blocked();
        assert!(!is_over_after(&deadlines, 59).await);
        deadlines.wrote(1000);
        deadlines.write_blocked();
        assert!(is_over_after(&deadlines, 1).await);
        deadlines.flushed();
        assert!(!is_over_after(&deadlines, 1000).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_is_idle_once_it_has_taken_everything() {
        let deadlines = deadlines();
        deadlines.exchange_began(None);
        deadlines.write_blocked();
        deadlines.exchange_ended();
        for _ in 0..4 {
            assert!(!is_over_after(&deadlines, 59).await);
            assert_eq!(deadlines.idle_since(), None);
            deadlines.wrote(100_000);
            deadlines.write_blocked();
        }
        deadlines.flushed();
        assert_eq!(deadlines.idle_since(), Some(Instant::now()));
        assert!(!is_over_after(&deadlines, 119).await);
        assert!(is_over_after(&deadlines, 1).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_nothing_has_answered_is_one_again() {
        let deadlines = deadlines();
        deadlines.exchange_began(None);
        deadlines.head_began(Instant::now());
        assert!(deadlines.read(1), "it is scanned");
        assert!(!is_over_after(&deadlines, 9).await);
        assert!(is_over_after(&deadlines, 1).await);
    }
}
