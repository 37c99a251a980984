//! What the bench itself brings: the upstream, and two proxies that show the floor.

pub(crate) mod hyper;
pub(crate) mod relay;
pub(crate) mod upstream;

use std::error::Error;
use std::net::Ipv4Addr;

use tokio::net::{TcpListener, TcpSocket};

/// What ends a role or a measurement.
pub(crate) type Failure = Box<dyn Error>;

/// A port out of an argument.
pub(crate) fn port(argument: &str) -> Result<u16, Failure> {
    argument
        .parse()
        .map_err(|_| format!("{argument}: not a port").into())
}

/// A listener on loopback whose backlog takes every client of a round at once.
pub(crate) fn listen(port: u16) -> std::io::Result<TcpListener> {
    listen_at(Ipv4Addr::LOCALHOST, port)
}

fn listen_at(address: Ipv4Addr, port: u16) -> std::io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind((address, port).into())?;
    socket.listen(4096)
}

/// The address of the loopback network that is that one's of many.
pub(crate) fn address_of(number: usize) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(Ipv4Addr::LOCALHOST) + number as u32)
}
