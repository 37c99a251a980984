//! Tunnels: opened as a browser opens a WebSocket, and messages of 64 B that come back.

use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Meter, http};

const PAYLOAD_BYTES: usize = 64;

/// Two bytes of header, four of mask, the payload (RFC 6455 §5.2).
pub(crate) const MESSAGE_BYTES: usize = 2 + 4 + PAYLOAD_BYTES;

/// A server masks nothing.
pub(crate) const ANSWER_BYTES: usize = 2 + PAYLOAD_BYTES;

pub(super) async fn client(addr: SocketAddr, meter: &Meter) -> io::Result<()> {
    let mut tunnel = open(addr, 0).await?;
    let mut message = [b'm'; MESSAGE_BYTES];
    message[..2].copy_from_slice(&[0x82, 0x80 | PAYLOAD_BYTES as u8]);
    let mut answer = [0; ANSWER_BYTES];
    while !meter.is_over.get() {
        let start = Instant::now();
        tunnel.write_all(&message).await?;
        tunnel.read_exact(&mut answer).await?;
        meter.answered(start);
    }
    Ok(())
}

/// An open tunnel of that person's.
pub(crate) async fn open(addr: SocketAddr, person: usize) -> io::Result<TcpStream> {
    let request = format!(
        "{}Upgrade: websocket\r\nOrigin: https://t3.example.org\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        http::fetch("/ws", person, "Upgrade")
    );
    let mut stream = TcpStream::connect(addr).await?;
    stream.set_nodelay(true)?;
    stream.write_all(request.as_bytes()).await?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    match head.starts_with(b"HTTP/1.1 101 ") {
        true => Ok(stream),
        false => Err(io::Error::other(
            String::from_utf8_lossy(&head).into_owned(),
        )),
    }
}
