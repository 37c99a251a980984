//! The listening socket, which can be closed at once, and the tasks it begins.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

use crate::connection;
use crate::http::wire::Peer;
use crate::port;
use crate::state::open::Counted;
use crate::state::{Phase, State};

/// The pause after an accept that failed, as with too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// A listener that can be closed through a shared handle.
#[derive(Debug)]
pub(super) struct Listener {
    socket: Mutex<Option<TcpListener>>,
    addr: SocketAddr,
}

impl Listener {
    /// Listens at `addr`; without a port at one that stays t3's, so that it can come again.
    pub(super) async fn bind(addr: SocketAddr) -> io::Result<Listener> {
        let addr = match addr.port() {
            0 => port::unused_at(addr.ip())?,
            _ => addr,
        };
        let socket = TcpListener::bind(addr).await?;
        Ok(Listener {
            socket: Mutex::new(Some(socket)),
            addr,
        })
    }

    pub(super) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Whoever connects from now on is refused.
    pub(super) fn close(&self) {
        let mut socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(socket) = socket.take() {
            port::end(&socket);
        }
    }

    fn poll_accept(
        &self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<(TcpStream, SocketAddr)>>> {
        match &*self.socket.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(socket) => socket.poll_accept(cx).map(Some),
            None => Poll::Ready(None),
        }
    }
}

/// Accepts until the listener is closed; each connection gets a task of its own.
pub(super) async fn accept(listener: Arc<Listener>, state: Arc<State>) {
    for serial in 1.. {
        let accepted = tokio::select! {
            accepted = poll_fn(|cx| listener.poll_accept(cx)) => accepted,
            () = state.reached(Phase::Draining) => return,
        };
        match accepted {
            Some(Ok((stream, addr))) => {
                let counted = Counted::connection(&state.open);
                tokio::spawn(run(stream, Peer { addr, serial }, state.clone(), counted));
            }
            Some(Err(_out_of_sockets)) => sleep(ACCEPT_PAUSE).await,
            None => return,
        }
    }
}

async fn run(stream: TcpStream, peer: Peer, state: Arc<State>, _counted: Counted) {
    let _best_effort = stream.set_nodelay(true);
    tokio::select! {
        () = connection::serve(stream, peer, &state) => {}
        () = state.reached(Phase::Killed) => {}
    }
}
