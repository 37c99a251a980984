//! Counts of open connections and WebSockets, by guards.

use tokio::sync::watch;

/// Counts of what is open.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Open {
    pub(crate) connections: usize,
    pub(crate) websockets: usize,
}

/// Counts as open for as long as it lives.
#[derive(Debug)]
pub(crate) struct Counted {
    open: watch::Sender<Open>,
    of: fn(&mut Open) -> &mut usize,
}

impl Counted {
    pub(crate) fn connection(open: &watch::Sender<Open>) -> Counted {
        Counted::begin(open, |open| &mut open.connections)
    }

    pub(crate) fn websocket(open: &watch::Sender<Open>) -> Counted {
        Counted::begin(open, |open| &mut open.websockets)
    }

    fn begin(open: &watch::Sender<Open>, of: fn(&mut Open) -> &mut usize) -> Counted {
        open.send_modify(|open| *of(open) += 1);
        Counted {
            open: open.clone(),
            of,
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.open.send_modify(|open| *(self.of)(open) -= 1);
    }
}
