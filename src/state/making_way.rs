//! A connection that is to make way for another one.

use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Context;

use futures_util::task::AtomicWaker;

/// Whether a connection is to make way, and the task to wake then.
#[derive(Debug, Default)]
pub(super) struct MakingWay {
    has_begun: AtomicBool,
    waker: AtomicWaker,
}

impl MakingWay {
    /// It is to make way from now on. False if it was already.
    pub(super) fn begin(&self) -> bool {
        let is_new = !self.has_begun.swap(true, Ordering::AcqRel);
        if is_new {
            self.waker.wake();
        }
        is_new
    }

    /// Is it to make way still? Only for as long as it `is_idle`.
    pub(super) fn goes_on(&self, is_idle: impl FnOnce() -> bool) -> bool {
        let has_begun = self.has_begun.load(Ordering::Acquire);
        let goes_on = has_begun && is_idle();
        if has_begun {
            self.has_begun.store(goes_on, Ordering::Release);
        }
        goes_on
    }

    /// The task of `cx` is woken when it begins.
    pub(super) fn wake(&self, cx: &Context<'_>) {
        self.waker.register(cx.waker());
    }
}
