//! One TCP connection: its unused input, and writing.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The room for each read.
const READ_BYTES: usize = 64 * 1024;

/// How much may be read ahead while a response is awaited.
const MAX_READ_AHEAD_BYTES: usize = 1024 * 1024;

/// How long to wait for the peer's end after ending a connection.
const LINGER: Duration = Duration::from_secs(1);

/// The peer of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer {
    pub(crate) addr: SocketAddr,
    /// The connection's serial number.
    pub(crate) serial: u64,
}

/// A connection and its unused input.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) stream: TcpStream,
    pub(crate) buffer: BytesMut,
}

impl Wire {
    pub(crate) fn new(stream: TcpStream) -> Wire {
        Wire {
            stream,
            buffer: BytesMut::new(),
        }
    }

    /// Reads some more; an end of input is an error.
    pub(crate) async fn fill(&mut self) -> io::Result<()> {
        self.buffer.reserve(READ_BYTES);
        match self.stream.read_buf(&mut self.buffer).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// Waits until the peer is gone; pipelined requests stay in the buffer.
    pub(crate) async fn gone(&mut self) {
        while self.buffer.len() < MAX_READ_AHEAD_BYTES {
            if self.fill().await.is_err() {
                return;
            }
        }
        std::future::pending().await
    }

    /// Sleeps, but fails once the peer is gone.
    pub(crate) async fn pause(&mut self, time: Duration) -> io::Result<()> {
        if time.is_zero() {
            return Ok(());
        }
        match timeout(time, self.gone()).await {
            Ok(()) => Err(io::ErrorKind::UnexpectedEof.into()),
            Err(_elapsed) => Ok(()),
        }
    }

    /// Ends the connection, and lets the peer read the response before unread bytes could cause a reset.
    pub(crate) async fn finish(mut self) {
        if self.stream.shutdown().await.is_err() {
            return;
        }
        let drain = async {
            loop {
                self.buffer.clear();
                if self.fill().await.is_err() {
                    return;
                }
            }
        };
        let _still_open = timeout(LINGER, drain).await;
    }
}
