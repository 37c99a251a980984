//! How much the kernel may hold unread on a socket: little, and more for a response of t3 that is being taken.

use std::sync::Arc;

use socket2::SockRef;
use tokio::net::TcpStream;

use crate::process::client_memory::{ClientMemory, MemoryShare};
use crate::process::unsent;

/// What the kernel may hold unread at first (it doubles this for its own bookkeeping). Without a limit each
/// reader that is slow costs up to `net.ipv4.tcp_rmem`'s 6 to 32 MB. Below two segments of loopback, which
/// have 64 KiB, a sender waits for timers. The body of a request has no more: on loopback it moves as fast.
const FIRST_BYTES: usize = 128 * 1024;

/// The same for a long body that moves, of which as many as the sum over all clients allows are at once.
/// Less of it costs a fifth of the throughput on loopback.
const GROWN_BYTES: usize = 512 * 1024;

/// What such a body costs at most: twice that, the pipe through which it moves, and what its client has yet to
/// be sent.
const GROWN_SHARE_BYTES: usize =
    2 * GROWN_BYTES + GROWN_PIPE_BYTES + unsent::TO_QUICK_CLIENT_BYTES as usize;

/// How much of a body must have moved: the least that is worth a pipe. A window that grows later, in the middle
/// of what t3 has to send, makes it wait for timers. Who takes nothing then holds a share, and others go on
/// more slowly.
const GROWS_AFTER_BYTES: u64 = 64 * 1024;

/// How much a pipe may hold of a body that moves.
pub const GROWN_PIPE_BYTES: usize = 512 * 1024;

/// Bounds what the kernel may hold unread on `stream`, which is connected: it agrees on a window's scale before.
/// Failing to costs memory only.
pub fn bound(stream: &TcpStream) {
    let _ = SockRef::from(stream).set_recv_buffer_size(FIRST_BYTES);
}

/// The window of a connection to t3.
///
/// It never shrinks: t3 was told of it, and what it sends beyond a smaller one is thrown away, so that it waits for a
/// timer (RFC 9293 §3.8.6). Between two responses t3 sends nothing, and no share is held.
#[derive(Debug, Default)]
pub struct ReceiveWindow {
    /// How much of the response under way has moved.
    moved: u64,
    has_grown: bool,
    /// While a response comes through a window that has grown.
    share: Option<MemoryShare>,
}

impl ReceiveWindow {
    /// `count` more bytes of a body were read from `stream` and went on. The window grows if it is time,
    /// and `memory` allows it.
    pub fn moved(&mut self, count: usize, stream: &TcpStream, memory: &Arc<ClientMemory>) {
        let before = self.moved;
        self.moved += count as u64;
        let is_due = before / GROWS_AFTER_BYTES < self.moved / GROWS_AFTER_BYTES;
        if is_due && !self.has_grown && self.take_share(memory) {
            let _ = SockRef::from(stream).set_recv_buffer_size(GROWN_BYTES);
            self.has_grown = true;
        }
    }

    /// Has it grown?
    pub fn has_grown(&self) -> bool {
        self.has_grown
    }

    /// A response is over, and the next request is still to come.
    pub(super) fn rest(&mut self) {
        self.moved = 0;
        self.share = None;
    }

    /// Another response may come. False where the window has grown and `memory` does not allow that any more: the
    /// connection is of no use then.
    #[must_use]
    pub(super) fn resume(&mut self, memory: &Arc<ClientMemory>) -> bool {
        !self.has_grown || self.take_share(memory)
    }

    fn take_share(&mut self, memory: &Arc<ClientMemory>) -> bool {
        self.share = memory.take_for_window(GROWN_SHARE_BYTES);
        self.share.is_some()
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// A connected socket whose window is bounded.
    async fn connected() -> TcpStream {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("it is bound");
        let stream = TcpStream::connect(address).await.expect("it listens");
        bound(&stream);
        stream
    }

    fn receive_buffer(stream: &TcpStream) -> usize {
        let size = SockRef::from(stream).recv_buffer_size();
        size.expect("an open socket")
    }

    #[tokio::test]
    async fn a_window_grows_once_a_body_is_long_and_never_shrinks() {
        let stream = connected().await;
        let memory = Arc::<ClientMemory>::default();
        let mut window = ReceiveWindow::default();
        let first = receive_buffer(&stream);
        window.moved(GROWS_AFTER_BYTES as usize - 1, &stream, &memory);
        assert!(!window.has_grown());
        window.moved(1, &stream, &memory);
        assert!(window.has_grown());
        let grown = receive_buffer(&stream);
        assert!(grown > first);
        window.rest();
        assert_eq!(receive_buffer(&stream), grown, "t3 was told of it");
        assert!(window.resume(&memory));
        window.moved(GROWS_AFTER_BYTES as usize, &stream, &memory);
        assert_eq!(receive_buffer(&stream), grown);
    }

    #[tokio::test]
    async fn what_has_grown_is_counted_while_a_response_may_come() {
        let stream = connected().await;
        let memory = Arc::<ClientMemory>::default();
        let mut windows = Vec::new();
        let grown = loop {
            let mut window = ReceiveWindow::default();
            window.moved(GROWS_AFTER_BYTES as usize, &stream, &memory);
            match window.has_grown() {
                true => windows.push(window),
                false => break windows.len(),
            }
        };
        assert!(grown >= 8, "{grown} bodies go fast at a time");
        let mut resting = windows.pop().expect("one of them");
        resting.rest();
        let mut other = ReceiveWindow::default();
        other.moved(GROWS_AFTER_BYTES as usize, &stream, &memory);
        assert!(other.has_grown(), "what rests holds nothing");
        assert!(!resting.resume(&memory), "there is no memory for both");
        drop(other);
        assert!(resting.resume(&memory));
    }
}
