//! A new connection to t3.

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
    /// this user alone listens: by the sockets that listen there before and after.
    ///
    /// # Errors
    /// Those of `connecting`, and where another user listens, or that cannot be told.
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
        match before == look()? {
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
