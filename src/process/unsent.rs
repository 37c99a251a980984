//! How much the kernel may hold unsent on a socket: never a fixed send buffer, which would cap long links.

use socket2::SockRef;
use tokio::net::TcpStream;

/// For one client. A client that reads slowly costs this much and not the megabytes that a send buffer grows
/// to.
pub const TO_CLIENT_BYTES: u32 = 64 * 1024;

/// For a client that takes a long body quickly: less takes more turns.
pub const TO_QUICK_CLIENT_BYTES: u32 = 256 * 1024;

/// Of a request that t3 has no room for.
pub const TO_T3_BYTES: u32 = 128 * 1024;

/// Takes no more on `stream` while `bytes` are unsent (`TCP_NOTSENT_LOWAT`, tcp(7)). Failing to costs memory
/// only.
pub fn limit(stream: &TcpStream, bytes: u32) {
    let _ = SockRef::from(stream).set_tcp_notsent_lowat(bytes);
}
