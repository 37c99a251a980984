//! What a client connection is doing, and until when it may. Pure.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::config::options::LimitsConfig;
use crate::state::phase::Phase;
use crate::state::transfer_window::TransferWindow;
use crate::upstream::request_body::Upload;

/// Longer than any connection lives without its deadline being asked for again.
const FAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// What a client connection is doing.
#[derive(Debug)]
pub(super) struct Progress {
    pub(super) phase: Phase,
    /// While the client is waited for to send more of its body.
    pub(super) sending: Option<TransferWindow>,
    /// While the client is waited for to take more of a response.
    pub(super) taking: Option<TransferWindow>,
    pub(super) is_flushed: bool,
    /// Not every byte of a request was read, or its response is the last one.
    pub(super) is_ending: bool,
    /// When the head of a response must be here, while one is waited for.
    pub(super) response_due: Option<Instant>,
    pub(super) upload: Option<Arc<Upload>>,
    far: Instant,
}

impl Progress {
    /// Of a new connection.
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self {
            phase: Phase::New(now),
            sending: None,
            taking: None,
            is_flushed: true,
            is_ending: false,
            response_due: None,
            upload: None,
            far: now + FAR,
        }
    }

    /// Since when nothing has been asked for, and everything is with the client.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        self.phase.idle_since().filter(|_| self.is_flushed)
    }

    /// Is it between two requests, with everything at the client?
    pub(super) fn is_between_requests(&self) -> bool {
        self.is_flushed && matches!(self.phase, Phase::Idle(_))
    }

    /// Is a part of the body of the request under way still to be read?
    pub(super) fn is_body_unread(&self) -> bool {
        let upload = self.upload.as_ref();
        upload.is_some_and(|upload| !upload.is_done())
    }

    /// The earliest deadline.
    pub(super) fn deadline(&self, limits: &LimitsConfig) -> Instant {
        let of_exchange = self.response_due.unwrap_or(self.far);
        let of_phase = self.of_phase(limits).unwrap_or(of_exchange);
        let windows = [self.sending, self.taking].into_iter().flatten();
        let ends = windows.map(|window| window.since + limits.body_timeout);
        ends.fold(of_phase, Instant::min)
    }

    /// Has a deadline of the client passed?
    pub(super) fn is_over(&mut self, now: Instant, limits: &LimitsConfig) -> bool {
        let of_phase = self.of_phase(limits);
        let limit = limits.body_timeout;
        let is_sending_slowly = TransferWindow::is_too_slow(&mut self.sending, now, limit);
        let is_taking_slowly = TransferWindow::is_too_slow(&mut self.taking, now, limit);
        of_phase.is_some_and(|due| now >= due) || is_sending_slowly || is_taking_slowly
    }

    /// The deadline of its phase. Who has not taken all of a response is not idle: it has that of its window.
    fn of_phase(&self, limits: &LimitsConfig) -> Option<Instant> {
        let is_counted = self.is_flushed || self.phase.idle_since().is_none();
        self.phase.deadline(limits).filter(|_| is_counted)
    }
}
