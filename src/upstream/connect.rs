//! A new connection to t3.

use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::process::reach::reach;
use crate::process::{peer_loss, unsent};
use crate::upstream::error::Failure;
use crate::upstream::receive_window::ReceiveWindow;

/// How long connecting to t3 may take, with the look-up of its name.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(4);

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
    ReceiveWindow::bound(stream);
}
