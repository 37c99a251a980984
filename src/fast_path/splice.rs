//! A pipe through which a long body moves from socket to socket inside the kernel (splice(2)).

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::task::{Context, Poll, ready};

use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};
use tokio::io::Interest;
use tokio::net::TcpStream;

use crate::process::unsent;
use crate::upstream::receive_window::GROWN_PIPE_BYTES;

/// How much it holds at first: what the system gives a pipe.
const FIRST_BYTES: usize = 64 * 1024;

/// A pipe. What moves through it never enters this process: no copy in, no copy out.
#[derive(Debug)]
pub(super) struct Pipe {
    reader: OwnedFd,
    writer: OwnedFd,
    /// How much it may hold.
    most: usize,
    held: usize,
    /// May more than usual wait behind it?
    is_quick: bool,
}

impl Pipe {
    /// A new pipe.
    ///
    /// # Errors
    /// Where the process has no descriptors left.
    pub(super) fn new() -> io::Result<Self> {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        Ok(Self {
            reader,
            writer,
            most: FIRST_BYTES,
            held: 0,
            is_quick: false,
        })
    }

    /// Lets it hold as much as a grown window is worth, where the system lets it.
    pub(super) fn grow(&mut self) {
        if self.most == FIRST_BYTES && fcntl_setpipe_size(&self.writer, GROWN_PIPE_BYTES).is_ok() {
            self.most = GROWN_PIPE_BYTES;
        }
    }

    /// Lets more wait unsent in `sink`, whose client `is_quick`, or as little as for others.
    pub(super) fn let_wait(&mut self, sink: &TcpStream, is_quick: bool) {
        if self.is_quick != is_quick {
            self.is_quick = is_quick;
            unsent::limit(
                sink,
                match is_quick {
                    true => unsent::TO_QUICK_CLIENT_BYTES,
                    false => unsent::TO_CLIENT_BYTES,
                },
            );
        }
    }

    /// How much is held for a client that takes nothing: in the pipe, and behind it beside what is usual.
    pub(super) fn held_bytes(&self) -> usize {
        let behind = match self.is_quick {
            true => unsent::TO_QUICK_CLIENT_BYTES - unsent::TO_CLIENT_BYTES,
            false => 0,
        };
        self.held.max(FIRST_BYTES) + behind as usize
    }

    pub(super) fn is_empty(&self) -> bool {
        self.held == 0
    }

    /// Moves up to `most` bytes from `source` into the pipe, which must be empty; none at its end.
    pub(super) fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        source: &TcpStream,
        most: u64,
    ) -> Poll<io::Result<usize>> {
        let most = usize::try_from(most).unwrap_or(usize::MAX).min(self.most);
        loop {
            ready!(source.poll_read_ready(cx))?;
            match source.try_io(Interest::READABLE, || moved(source, &self.writer, most)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                filled => {
                    self.held += *filled.as_ref().unwrap_or(&0);
                    return Poll::Ready(filled);
                }
            }
        }
    }

    /// Moves what the pipe holds to `sink`, as much as it takes.
    pub(super) fn poll_drain(
        &mut self,
        cx: &mut Context<'_>,
        sink: &TcpStream,
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(sink.poll_write_ready(cx))?;
            match sink.try_io(Interest::WRITABLE, || moved(&self.reader, sink, self.held)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                drained => {
                    self.held -= *drained.as_ref().unwrap_or(&0);
                    return Poll::Ready(drained);
                }
            }
        }
    }
}

fn moved(from: impl AsFd, to: impl AsFd, most: usize) -> io::Result<usize> {
    let flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
    Ok(splice(from, None, to, None, most, flags)?)
}
