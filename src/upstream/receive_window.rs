//! How much the kernel may hold unread on a socket: little, and more for a body that is being taken.

use std::sync::Arc;

use socket2::SockRef;
use tokio::net::TcpStream;

use crate::process::client_memory::{ClientMemory, MemoryShare};
use crate::process::unsent;

/// What the kernel may hold unread at first (it doubles this for its own bookkeeping). Without a limit each
/// reader that is slow costs up to `net.ipv4.tcp_rmem`'s 6 to 32 MB. Below two segments of loopback, which
/// have 64 KiB, a sender waits for timers.
const FIRST_BYTES: usize = 128 * 1024;

/// The same for a long body that moves, of which as many as the sum over all clients allows are at once.
/// Less of it costs a fifth of the throughput on loopback.
const GROWN_BYTES: usize = 512 * 1024;

/// What such a body costs at most: twice that, the pipe through which it moves, and what its client has yet to
/// be sent.
const GROWN_SHARE_BYTES: usize =
    2 * GROWN_BYTES + GROWN_PIPE_BYTES + unsent::TO_QUICK_CLIENT_BYTES as usize;

/// What is left to other clients of the sum over all.
const RESERVED_BYTES: usize = 10 * 1024 * 1024;

/// How much of a body must have moved: the least that is worth a pipe. A window that grows later, in the middle
/// of what t3 has to send, makes it wait for timers. Who takes nothing then holds a share, and others go on
/// more slowly.
const GROWS_AFTER_BYTES: u64 = 64 * 1024;

/// How much a pipe may hold of a body that moves.
pub const GROWN_PIPE_BYTES: usize = 512 * 1024;

/// The window of one body.
#[derive(Debug, Default)]
pub struct ReceiveWindow {
    moved: u64,
    grown: Option<MemoryShare>,
}

impl ReceiveWindow {
    /// Bounds what the kernel may hold unread on `stream`, which is connected: it agrees on a window's
    /// scale before. Failing to costs memory only.
    pub fn bound(stream: &TcpStream) {
        let _ = SockRef::from(stream).set_recv_buffer_size(FIRST_BYTES);
    }

    /// `count` more bytes of a body were read from `stream` and went on. The window grows if it is time,
    /// and `memory` allows it.
    pub fn moved(&mut self, count: usize, stream: &TcpStream, memory: &Arc<ClientMemory>) {
        let before = self.moved;
        self.moved += count as u64;
        let is_due = before / GROWS_AFTER_BYTES < self.moved / GROWS_AFTER_BYTES;
        if is_due && self.grown.is_none() && memory.has(RESERVED_BYTES + GROWN_SHARE_BYTES) {
            self.grown = memory.take(GROWN_SHARE_BYTES);
            if self.grown.is_some() {
                let _ = SockRef::from(stream).set_recv_buffer_size(GROWN_BYTES);
            }
        }
    }

    /// Has it grown?
    pub fn is_grown(&self) -> bool {
        self.grown.is_some()
    }

    /// The body that came on `stream` is over: the next one begins as this one did.
    pub fn end(&mut self, stream: &TcpStream) {
        self.moved = 0;
        if self.grown.take().is_some() {
            Self::bound(stream);
        }
    }
}
