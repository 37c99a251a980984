//! A new connection to t3, and the options of its socket.

use std::time::Duration;

use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::upstream::error::Failure;

/// How long connecting to t3 may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(4);

/// How much of a response the kernel may hold for us (it doubles this for its own bookkeeping). Without a
/// limit each client that reads slowly costs up to `net.ipv4.tcp_rmem`'s 6 to 32 MB, and some 200 of them
/// starve every socket of the machine. Half of it costs a fifth of the throughput on loopback.
const RECEIVE_BUFFER_BYTES: usize = 1024 * 1024;

/// Connects to `host`, a name or an address, at `port`.
///
/// # Errors
/// Where no connection is made in time, or none can be.
pub(super) async fn connect(host: &str, port: u16) -> Result<TcpStream, Failure> {
    let stream = timeout(CONNECT_TIMEOUT, TcpStream::connect((host, port)))
        .await
        .map_err(|_| Failure::ConnectTimeout)?
        .map_err(Failure::Unreachable)?;
    prepare(&stream);
    Ok(stream)
}

/// Sets the options of a socket to t3. Failing to costs latency or memory only.
fn prepare(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
    let _ = SockRef::from(stream).set_recv_buffer_size(RECEIVE_BUFFER_BYTES);
}
