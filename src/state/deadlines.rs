//! The deadlines of one client connection: what it is doing, and until when it may. Pure.

use std::sync::Arc;
use std::task::Context;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::config::options::LimitsConfig;
use crate::state::making_way::MakingWay;
use crate::state::phase::Phase;
use crate::state::transfer_window::TransferWindow;
use crate::upstream::request_body::Upload;

/// Longer than any connection lives without its deadline being asked for again.
const FAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The deadlines of one client connection.
#[derive(Debug)]
pub struct Deadlines {
    limits: LimitsConfig,
    state: Mutex<Progress>,
    /// It makes way for another one, if it is idle still.
    making_way: MakingWay,
}

#[derive(Debug)]
struct Progress {
    phase: Phase,
    /// While the client is waited for to send more of its body.
    sending: Option<TransferWindow>,
    /// While the client is waited for to take more of a response.
    taking: Option<TransferWindow>,
    is_flushed: bool,
    /// Not every byte of a request was read, or its response is the last one.
    is_ending: bool,
    /// When the head of a response must be here, while one is waited for.
    response_due: Option<Instant>,
    upload: Option<Arc<Upload>>,
    far: Instant,
}

impl Deadlines {
    /// For a new connection, which has the time of a head to bring one.
    pub fn new(limits: LimitsConfig) -> Self {
        let now = Instant::now();
        let state = Mutex::new(Progress {
            phase: Phase::New(now),
            sending: None,
            taking: None,
            is_flushed: true,
            is_ending: false,
            response_due: None,
            upload: None,
            far: now + FAR,
        });
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
        state
            .sending
            .iter_mut()
            .for_each(|window| window.sent(count));
        matches!(state.phase, Phase::Head(_)) && !state.is_ending
    }

    /// The first bytes of a request's head were there at `at`.
    pub fn head_began(&self, at: Instant) {
        let mut state = self.state.lock();
        state.phase = state.phase.head_at(at);
    }

    /// Since when it has been between two requests, or before the first one, if it is.
    pub fn idle_since(&self) -> Option<Instant> {
        self.state.lock().phase.idle_since()
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
        let upload = state.upload.as_ref();
        let is_open = upload.is_some_and(|upload| !upload.is_done());
        state.sending = is_open.then(|| TransferWindow::blocked(state.sending));
    }

    /// The client took bytes.
    pub fn wrote(&self, count: usize) {
        let mut state = self.state.lock();
        state.is_flushed = false;
        state
            .taking
            .iter_mut()
            .for_each(|window| window.taken(count));
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
        state.is_flushed = true;
        state.taking = None;
    }

    /// The connection ends after this response, whatever else has come on it.
    pub fn end_after_this(&self) {
        self.state.lock().is_ending = true;
    }

    /// Is all of every request here, all of every response with the client, and nothing more asked for?
    pub fn is_at_rest(&self) -> bool {
        let state = self.state.lock();
        state.is_flushed && !state.is_ending && matches!(state.phase, Phase::Idle(_))
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
        let upload = state.upload.take();
        state.is_ending |= upload.is_some_and(|upload| !upload.is_done());
        state.sending = None;
        state.response_due = None;
    }

    /// The earliest deadline.
    pub fn deadline(&self) -> Instant {
        let state = self.state.lock();
        let of_exchange = state.response_due.unwrap_or(state.far);
        let of_phase = state.phase.deadline(&self.limits).unwrap_or(of_exchange);
        let windows = [state.sending, state.taking].into_iter().flatten();
        let ends = windows.map(|window| window.since + self.limits.body_timeout);
        ends.fold(of_phase, Instant::min)
    }

    /// Has a deadline of the client passed? If not, the next one is [`Deadlines::deadline`].
    pub fn is_over(&self, now: Instant) -> bool {
        let mut state = self.state.lock();
        let of_phase = state.phase.deadline(&self.limits);
        let limit = self.limits.body_timeout;
        let is_sending_slowly = TransferWindow::is_too_slow(&mut state.sending, now, limit);
        let is_taking_slowly = TransferWindow::is_too_slow(&mut state.taking, now, limit);
        of_phase.is_some_and(|due| now >= due) || is_sending_slowly || is_taking_slowly
    }
}

#[cfg(test)]
mod tests {
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
}
