//! What the registry knows of one open tunnel, and by which it is told to end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};

use futures_util::task::AtomicWaker;

use crate::metrics::upstream::TunnelEnd;
use crate::tunnel::session::TunnelSession;

/// The values of [`TunnelRecord::ending`] until the tunnel is to be closed, and once it is to end
/// whatever is under way; in between are the causes by which it is to be closed. The highest counts.
const STAYS_OPEN: u8 = 0;
pub(super) const CUT: u8 = u8::MAX;

/// The causes by which the registry closes tunnels, the strictest first.
const CLOSING: [TunnelEnd; 4] = [
    TunnelEnd::AccessEnded,
    TunnelEnd::SessionEnded,
    TunnelEnd::Drained,
    TunnelEnd::UpstreamClosed,
];

/// What the registry knows of an open tunnel.
#[derive(Debug)]
pub(super) struct TunnelRecord {
    pub(super) owner: Arc<str>,
    /// Is the owner a person who is known? Otherwise it is an address.
    pub(super) is_person: bool,
    /// The session that t3 admitted it with.
    pub(super) session: TunnelSession,
    /// [`STAYS_OPEN`], [`CUT`], or the [`TunnelEnd`] by which it is to be closed.
    ending: AtomicU8,
    waker: AtomicWaker,
}

/// How a tunnel has to end although neither of its sides has ended it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// By a close at the next border of its frames.
    Close(TunnelEnd),
    /// At once.
    Cut,
}

impl TunnelRecord {
    /// One of `owner`, known by an identity if it `is_person`, which t3 admitted with `session`, to end as
    /// `ending` says.
    pub(super) fn new(
        owner: Arc<str>,
        is_person: bool,
        session: TunnelSession,
        ending: u8,
    ) -> Self {
        Self {
            owner,
            is_person,
            session,
            ending: AtomicU8::new(ending),
            waker: AtomicWaker::new(),
        }
    }

    /// Has it end so, or stricter. False if that was so already.
    pub(super) fn end(&self, ending: u8) -> bool {
        let before = self.ending.fetch_max(ending, Ordering::Release);
        self.waker.wake();
        before < ending
    }

    /// Is it to end, as its owner may not use this t3 any more?
    pub(super) fn has_no_access(&self) -> bool {
        self.ending.load(Ordering::Acquire) >= TunnelEnd::AccessEnded as u8
    }

    /// Ready when it has to end although neither of its sides has ended it.
    pub(super) fn poll_ending(&self, cx: &mut Context<'_>) -> Poll<Ending> {
        self.waker.register(cx.waker());
        match self.ending.load(Ordering::Acquire) {
            STAYS_OPEN => Poll::Pending,
            CUT => Poll::Ready(Ending::Cut),
            ending => {
                let mut causes = CLOSING.into_iter();
                let cause = causes.find(|cause| *cause as u8 == ending);
                cause.map_or(Poll::Pending, |cause| Poll::Ready(Ending::Close(cause)))
            }
        }
    }
}
