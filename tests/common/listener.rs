//! Listeners where somebody else listened before.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};

use super::PATIENCE;

/// Listens at `addr` as soon as nobody else does: a program that another test starts has a copy of every socket of this
/// process until it runs.
pub async fn listener_at(addr: SocketAddr) -> TcpListener {
    let listening = async {
        loop {
            match TcpListener::bind(addr).await {
                Err(error) if error.kind() == ErrorKind::AddrInUse => {
                    sleep(Duration::from_millis(5)).await;
                }
                listener => return listener.expect("an address of this machine"),
            }
        }
    };
    timeout(PATIENCE, listening).await.expect("it is left")
}
