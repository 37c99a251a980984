//! What the bench itself brings: the upstream, and two proxies that show the floor.

pub(crate) mod hyper;
pub(crate) mod relay;
pub(crate) mod upstream;

use std::error::Error;

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
fn listen(port: u16) -> std::io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(([127, 0, 0, 1], port).into())?;
    socket.listen(4096)
}
