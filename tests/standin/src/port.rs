//! Ports that a program may leave and take again: nobody is given them in between who asks for just any port.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU16, Ordering};

use tokio::net::TcpSocket;

/// Some below those that the system picks itself (`ip_local_port_range` in ip(7)).
const FIRST: u16 = 10_000;
const COUNT: u16 = 20_000;

/// An address of 127.0.0.1 where nobody listens, and which nobody else of this process is given.
///
/// # Panics
/// If there is none.
#[must_use]
pub fn unused() -> SocketAddr {
    unused_at(Ipv4Addr::LOCALHOST.into()).expect("a port that is free")
}

/// The same, of `ip`.
///
/// # Errors
/// If `ip` is none of this machine's, or all ports are taken.
pub(crate) fn unused_at(ip: IpAddr) -> io::Result<SocketAddr> {
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    // Processes that run at the same time begin far from each other.
    let begin = std::process::id().wrapping_mul(997) % u32::from(COUNT);
    for _ in 0..COUNT {
        let taken = u32::from(TAKEN.fetch_add(1, Ordering::Relaxed));
        let offset = u16::try_from((begin + taken) % u32::from(COUNT)).expect("less than COUNT");
        let addr = SocketAddr::new(ip, FIRST + offset);
        // Bound is enough to see who listens there. As this socket does not, a copy of it that a program has which is
        // just being started keeps nobody away.
        match bind(addr) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            bound => return bound.map(|()| addr),
        }
    }
    Err(io::ErrorKind::AddrInUse.into())
}

/// Ends `listener`: whoever connects is refused from now on, and the port can be taken again. Closing it would not do:
/// a program that is being started has a copy of it until it runs, which goes on listening.
pub fn end(listener: &impl AsFd) {
    let socket = listener.as_fd().try_clone_to_owned().map(TcpStream::from);
    let _best_effort = socket.and_then(|socket| socket.shutdown(Shutdown::Both));
}

fn bind(addr: SocketAddr) -> io::Result<()> {
    let socket = match addr.ip() {
        IpAddr::V4(_) => TcpSocket::new_v4(),
        IpAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    socket.set_reuseaddr(true)?;
    socket.bind(addr)
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_port_is_given_once_and_not_where_somebody_listens() {
        let begin = unused();
        let mut next = begin;
        next.set_port(if begin.port() + 1 < FIRST + COUNT {
            begin.port() + 1
        } else {
            FIRST
        });
        let _taken = TcpListener::bind(next);
        let other = unused();
        assert_ne!(other, begin);
        assert_ne!(other, next);
        TcpListener::bind(other).expect("nobody listens there");
    }

    #[test]
    fn a_listener_ends_with_its_copies() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let addr = listener.local_addr().expect("bound");
        let _copy = listener.try_clone().expect("a descriptor");
        end(&listener);
        let refused = TcpStream::connect(addr).expect_err("nobody listens");
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        drop(listener);
        TcpListener::bind(addr).expect("it is free");
    }
}
