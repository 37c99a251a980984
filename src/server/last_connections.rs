//! The last connections before the listener is closed: none comes after those that are still accepted.

use std::net::{Shutdown, SocketAddr};
use std::time::Duration;

use socket2::{SockFilter, SockRef};
use tokio::net::{TcpListener, TcpStream};

/// Instructions of the classic Berkeley Packet Filter (Linux, `Documentation/networking/filter.rst`).
const LOAD_BYTE: u16 = 0x30;
const AND: u16 = 0x54;
const JUMP_IF_EQUAL: u16 = 0x15;
const RETURN: u16 = 0x06;

/// Where a TCP header has its flags, and two of them (RFC 9293 section 3.1).
const FLAGS: u32 = 13;
const SYN: u32 = 0x02;
const ACK: u32 = 0x10;

/// Drops segments that begin a connection, and takes all others.
const NO_NEW: [SockFilter; 5] = [
    SockFilter::new(LOAD_BYTE, 0, 0, FLAGS),
    SockFilter::new(AND, 0, 0, SYN | ACK),
    SockFilter::new(JUMP_IF_EQUAL, 0, 1, SYN),
    SockFilter::new(RETURN, 0, 0, 0),
    SockFilter::new(RETURN, 0, 0, u32::MAX),
];

/// How long what had begun before may take to come. On one machine, or in one pod, it takes microseconds.
const HANDSHAKE_TIME: Duration = Duration::from_millis(1);

/// The connections that wait to be accepted by `listener`, which is closed.
///
/// One that the system takes after the last one was accepted would be reset with its request. So the system
/// is told first to drop whatever begins another one, as if it had been lost on the way: the client's system
/// sends it again a second later, to who listens then. This takes a millisecond, so few meet it. Where the
/// system has no such filter, a connection may still be reset.
pub(super) fn of(listener: TcpListener) -> Vec<(TcpStream, SocketAddr)> {
    let Ok(listener) = listener.into_std() else {
        return Vec::new();
    };
    if SockRef::from(&listener).attach_filter(&NO_NEW).is_ok() {
        // Nothing else of this thread is urgent any more.
        std::thread::sleep(HANDSHAKE_TIME);
    }
    let waiting: Vec<_> = std::iter::from_fn(|| listener.accept().ok()).collect();
    // A program that is being started has a copy of the listener until it runs, which would go on listening.
    let _ = SockRef::from(&listener).shutdown(Shutdown::Both);
    drop(listener);
    let served = waiting.into_iter().filter_map(|(stream, peer)| {
        stream.set_nonblocking(true).ok()?;
        Some((TcpStream::from_std(stream).ok()?, peer))
    });
    served.collect()
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn what_has_come_is_accepted_and_nothing_comes_after_it() {
        for host in ["127.0.0.1:0", "[::1]:0"] {
            let listener = TcpListener::bind(host).await.expect("a free port");
            let addr = listener.local_addr().expect("bound");
            let mut before = Vec::new();
            for _ in 0..3 {
                before.push(TcpStream::connect(addr).await.expect("a listener"));
            }
            SockRef::from(&listener)
                .attach_filter(&NO_NEW)
                .expect("a filter");
            let next = timeout(Duration::from_millis(100), TcpStream::connect(addr));
            assert!(next.await.is_err(), "neither taken nor refused");
            let copy = SockRef::from(&listener).try_clone().expect("a descriptor");
            let peers: Vec<_> = of(listener).into_iter().map(|(_, peer)| peer).collect();
            let expected = before
                .iter()
                .map(|stream| stream.local_addr().expect("connected"));
            assert_eq!(peers, expected.collect::<Vec<_>>());
            let next = TcpStream::connect(addr).await.expect_err("nobody listens");
            assert_eq!(next.kind(), std::io::ErrorKind::ConnectionRefused);
            let next = TcpListener::bind(addr).await;
            next.expect("another one can listen there");
            drop(copy);
        }
    }
}
