//! The options of a socket by which a peer is noticed that has gone without a word: a phone out of its
//! network, a machine without power.

use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

/// Has the kernel end the connection of `stream` once its peer has acknowledged nothing for `unanswered`,
/// or has kept its window shut for that long, and one that is silent once it has not answered when it was
/// asked after `silence`. Failing to set this costs time only.
///
/// `unanswered` is not less than `silence`: it holds for an idle connection too (tcp(7),
/// `TCP_USER_TIMEOUT`), which is then noticed within five quarters of `silence`, or within `unanswered`.
pub fn notice(stream: &TcpStream, silence: Duration, unanswered: Duration) {
    let socket = SockRef::from(stream);
    let keepalive = TcpKeepalive::new()
        .with_time(silence)
        .with_interval((silence / 4).max(Duration::from_secs(1)));
    let _ = socket.set_tcp_keepalive(&keepalive);
    let _ = socket.set_tcp_user_timeout(Some(unanswered.max(silence)));
}
