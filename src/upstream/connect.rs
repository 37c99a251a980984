//! A new connection to t3.

use std::io::ErrorKind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio::time::timeout;
use tracing::error;

use crate::process::listener_owner::{Listeners, uid_of};
use crate::process::reach::reach;
use crate::process::{peer_loss, unsent};
use crate::upstream::error::Failure;
use crate::upstream::receive_window;

/// How long connecting to t3 may take, with the look-up of its name.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(4);

/// The user of this machine as whom t3 has to run.
#[derive(Debug)]
pub(super) struct ExpectedUser {
    name: String,
    uid: OnceCell<u32>,
    /// Was it told that another user listens?
    is_told: AtomicBool,
}

impl ExpectedUser {
    pub(super) fn new(name: String) -> Self {
        Self {
            name,
            uid: OnceCell::new(),
            is_told: AtomicBool::new(false),
        }
    }

    /// The connection that `connecting` makes to `port` of `host`, the loopback address or a name of it, where
    /// this user alone listens: by the sockets that listen before and after at the address that took it.
    ///
    /// # Errors
    /// Those of `connecting`, and where nobody listened before, another user does, or that cannot be told.
    pub(super) async fn verify(
        &self,
        host: &str,
        port: u16,
        connecting: impl Future<Output = Result<TcpStream, Failure>>,
    ) -> Result<TcpStream, Failure> {
        let connected = self.verified(host, port, connecting).await;
        let failed = match &connected {
            Err(failure @ (Failure::ForeignListener | Failure::UnknownListener(_))) => {
                Some(failure)
            }
            _ => None,
        };
        let was_told = self.is_told.swap(failed.is_some(), Ordering::Relaxed);
        if let Some(failure) = failed
            && !was_told
        {
            let user = &*self.name;
            error!(user, host, port, %failure, "nothing is sent to a t3");
        }
        connected
    }

    async fn verified(
        &self,
        host: &str,
        port: u16,
        connecting: impl Future<Output = Result<TcpStream, Failure>>,
    ) -> Result<TcpStream, Failure> {
        let uid = self.uid.get_or_try_init(|| uid_of(&self.name)).await;
        let uid = *uid.map_err(Failure::UnknownListener)?;
        let look = || Listeners::at(host, port).map_err(Failure::UnknownListener);
        let before = look()?;
        if !before.are_of(uid) {
            return Err(Failure::ForeignListener);
        }
        let stream = connecting.await?;
        let address = stream.peer_addr().map_err(Failure::Unreachable)?.ip();
        let before = before.reached_at(address.to_canonical());
        if before.is_empty() {
            // Whoever has begun to listen meanwhile may be gone again.
            return Err(Failure::Unreachable(ErrorKind::ConnectionRefused.into()));
        }
        match before == look()?.reached_at(address.to_canonical()) {
            true => Ok(stream),
            false => Err(Failure::ForeignListener),
        }
    }
}

/// Connects to `host`, an address or a name, at `port`. A name is looked up each time: what it names may
/// have moved. A t3 that has gone is noticed after a `silence`, or when it has read nothing for `unanswered`.
///
/// # Errors
/// Where no connection is made in time, or none can be.
pub(super) async fn connect(
    host: &str,
    port: u16,
    silence: Duration,
    unanswered: Duration,
) -> Result<TcpStream, Failure> {
    let stream = timeout(CONNECT_TIMEOUT, reach(host, port))
        .await
        .map_err(|_| Failure::ConnectTimeout)?
        .map_err(Failure::of_connecting)?;
    prepare(&stream);
    peer_loss::notice(&stream, silence, unanswered);
    Ok(stream)
}

/// Sets the options of a socket to t3. Failing to costs latency or memory only.
fn prepare(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
    unsent::limit(stream, unsent::TO_T3_BYTES);
    receive_window::bound(stream);
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use nix::unistd::{User, getuid};
    use tokio::net::{TcpListener, TcpSocket};

    use super::*;

    async fn verified(
        host: &str,
        port: u16,
        connecting: impl Future<Output = Result<TcpStream, Failure>>,
    ) -> Result<TcpStream, Failure> {
        let user = User::from_uid(getuid()).ok().flatten();
        let user = user.expect("whoever runs this has a name").name;
        ExpectedUser::new(user).verify(host, port, connecting).await
    }

    async fn connected(at: &str, port: u16) -> Result<TcpStream, Failure> {
        let stream = TcpStream::connect((at, port)).await;
        stream.map_err(Failure::of_connecting)
    }

    /// A socket at a port that nobody else gets while it is there.
    fn bound(at: &str, port: u16) -> TcpSocket {
        let socket = TcpSocket::new_v4().expect("a socket");
        let address = SocketAddr::new(at.parse().expect("an address"), port);
        socket.bind(address).expect("nobody has it");
        socket
    }

    /// A connection to somebody who listens, by `socket`, no longer than it takes to have it.
    async fn snatched(socket: TcpSocket, held: &mut Vec<TcpStream>) -> Result<TcpStream, Failure> {
        let listener = socket.listen(1).expect("nobody listens there");
        let address = listener.local_addr().expect("bound");
        let stream = connected(&address.ip().to_string(), address.port()).await;
        held.push(listener.accept().await.expect("it is connected").0);
        stream
    }

    #[tokio::test]
    async fn who_listens_only_while_it_is_connected_gets_nothing() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let mut held = Vec::new();
        // At an address where nobody listened before, beside one where somebody does.
        for (host, beside) in [("127.0.0.1", "127.0.0.2"), ("localhost", "127.0.0.3")] {
            let stays = verified(host, port, connected("127.0.0.1", port)).await;
            assert!(stays.is_ok(), "{host}: {stays:?}");
            let other = verified(host, port, snatched(bound(beside, port), &mut held)).await;
            assert!(
                matches!(other, Err(Failure::Unreachable(_))),
                "{host}: {other:?}"
            );
        }
        let alone = bound("127.0.0.1", 0);
        let port = alone.local_addr().expect("bound").port();
        let only = verified("127.0.0.1", port, snatched(alone, &mut held)).await;
        assert!(matches!(only, Err(Failure::Unreachable(_))), "{only:?}");
    }
}
