//! A connection to a host: of the addresses of its name the first that takes one (RFC 8305).

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::process::name_lookup::look_up;

/// How long an address is tried before the next one is tried beside it (RFC 8305 §5).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// Connects to `host`, an address or a name, at `port`. A name is looked up each time: what it names may
/// have moved. The caller bounds how long it may take.
///
/// # Errors
/// Where no address of the name takes a connection, or it has none. Where there is no such name,
/// [`is_no_such_name`](crate::process::name_lookup::is_no_such_name) says so of the error.
pub async fn reach(host: &str, port: u16) -> io::Result<TcpStream> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return TcpStream::connect((address, port)).await;
    }
    // Boxed: most connections are to an address.
    Box::pin(async move {
        let addresses = look_up(host, port).await?;
        first_of(interleaved(addresses.into_iter())).await
    })
    .await
}

/// The addresses with their families in turn, the resolver's order kept in each (RFC 8305 §4).
fn interleaved(addresses: impl Iterator<Item = SocketAddr>) -> VecDeque<SocketAddr> {
    let mut addresses = addresses.peekable();
    let begins_with_v6 = addresses.peek().is_some_and(SocketAddr::is_ipv6);
    let (mut first, mut second): (VecDeque<_>, VecDeque<_>) =
        addresses.partition(|address| address.is_ipv6() == begins_with_v6);
    let mut in_turn = VecDeque::new();
    while !first.is_empty() || !second.is_empty() {
        in_turn.extend(first.pop_front());
        in_turn.extend(second.pop_front());
    }
    in_turn
}

/// Connects to the first of `addresses` that takes it. Each has a while to itself; one that fails makes
/// way at once (RFC 8305 §5).
async fn first_of(mut addresses: VecDeque<SocketAddr>) -> io::Result<TcpStream> {
    let mut failed = io::ErrorKind::AddrNotAvailable.into();
    let mut attempts = FuturesUnordered::new();
    loop {
        if let Some(next) = addresses.pop_front() {
            attempts.push(TcpStream::connect(next));
        }
        let delay = sleep(ATTEMPT_DELAY);
        tokio::select! {
            ended = attempts.next() => match ended {
                Some(Ok(stream)) => return Ok(stream),
                Some(Err(error)) => failed = error,
                None => return Err(failed),
            },
            () = delay, if !addresses.is_empty() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::{TcpListener, TcpSocket};
    use tokio::time::{Instant, timeout};

    use super::*;

    #[test]
    fn families_take_turns_in_the_resolver_s_order() {
        let of = |text: &str| -> VecDeque<SocketAddr> {
            let hosts = text.split_whitespace();
            hosts
                .map(|host| SocketAddr::new(host.parse().expect("an address"), 1))
                .collect()
        };
        for (resolved, tried) in [
            ("", ""),
            ("127.0.0.1", "127.0.0.1"),
            ("127.0.0.1 127.0.0.2", "127.0.0.1 127.0.0.2"),
            ("::1 127.0.0.1", "::1 127.0.0.1"),
            (
                "::1 ::2 ::3 127.0.0.1 127.0.0.2",
                "::1 127.0.0.1 ::2 127.0.0.2 ::3",
            ),
            (
                "127.0.0.1 127.0.0.2 127.0.0.3 ::1",
                "127.0.0.1 ::1 127.0.0.2 127.0.0.3",
            ),
        ] {
            assert_eq!(interleaved(of(resolved).into_iter()), of(tried));
        }
    }

    /// A listener that takes no more connections, and what fills its backlog.
    async fn deaf(at: &str) -> (SocketAddr, TcpListener, Vec<TcpStream>) {
        let (address, socket) = refusing(at);
        let listener = socket.listen(1).expect("a listener");
        let mut held = Vec::new();
        let full = Duration::from_millis(200);
        while let Ok(taken) = timeout(full, TcpStream::connect(address)).await {
            held.push(taken.expect("a connection"));
        }
        (address, listener, held)
    }

    async fn listening(at: &str) -> (SocketAddr, TcpListener) {
        let listener = TcpListener::bind((at, 0)).await.expect("a free port");
        (listener.local_addr().expect("bound"), listener)
    }

    /// An address where nobody listens, nor will while the socket is there.
    fn refusing(at: &str) -> (SocketAddr, TcpSocket) {
        let socket = TcpSocket::new_v4().expect("a socket");
        let any = format!("{at}:0").parse().expect("an address");
        socket.bind(any).expect("a free port");
        (socket.local_addr().expect("bound"), socket)
    }

    #[tokio::test]
    async fn a_live_address_is_used_whatever_stands_before_it() {
        let (dead, _listener, _held) = deaf("127.0.0.2").await;
        let (refused, _closed) = refusing("127.0.0.3");
        let (live, _live) = listening("127.0.0.4").await;
        // Who lives takes a connection at once: time passes only where nothing else happens.
        tokio::time::pause();
        for (addresses, delays) in [
            (vec![live], 0),
            (vec![live, dead], 0),
            (vec![refused, live], 0),
            (vec![refused, refused, live, dead], 0),
            (vec![dead, live], 1),
            (vec![dead, refused, live], 1),
            (vec![dead, dead, live], 2),
        ] {
            let start = Instant::now();
            let stream = first_of(addresses.clone().into()).await.expect("it lives");
            assert_eq!(stream.peer_addr().expect("connected"), live);
            let waited = start.elapsed();
            let expected = ATTEMPT_DELAY * delays;
            assert!(waited >= expected, "{addresses:?}: {waited:?}");
            assert!(
                waited < expected + ATTEMPT_DELAY,
                "{addresses:?}: {waited:?}"
            );
        }
    }

    #[tokio::test]
    async fn where_no_address_lives_the_last_one_tells_why() {
        let (refused, _closed) = refusing("127.0.0.3");
        let failed = first_of(vec![refused, refused].into()).await;
        let kind = failed.map(drop).map_err(|error| error.kind());
        assert_eq!(kind, Err(io::ErrorKind::ConnectionRefused));
        assert!(first_of(VecDeque::new()).await.is_err());
    }
}
