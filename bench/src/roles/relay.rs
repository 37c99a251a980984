//! A TCP relay that does not look at the bytes: what two sockets and a copy cost.

use std::cell::RefCell;
use std::io::ErrorKind;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::task::{LocalSet, spawn_local};

use super::Failure;

const BUFFER_BYTES: usize = 64 * 1024;

thread_local! {
    /// One for all connections: between two reads nothing is kept in it.
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; BUFFER_BYTES]);
}

/// Relays every connection until the process ends.
pub(crate) async fn run(listen: u16, upstream: u16) -> Result<(), Failure> {
    let listener = super::listen(listen)?;
    let accept = async {
        loop {
            let (client, _) = listener.accept().await?;
            spawn_local(async move {
                let Ok(upstream) = TcpStream::connect(("127.0.0.1", upstream)).await else {
                    return;
                };
                let _ = (client.set_nodelay(true), upstream.set_nodelay(true));
                let (client_in, client_out) = client.into_split();
                let (upstream_in, upstream_out) = upstream.into_split();
                spawn_local(copy(client_in, upstream_out));
                copy(upstream_in, client_out).await;
            });
        }
    };
    LocalSet::new().run_until(accept).await
}

async fn copy(from: OwnedReadHalf, mut to: OwnedWriteHalf) {
    while from.readable().await.is_ok() {
        let read = BUFFER.with_borrow_mut(|buffer| {
            let read = from.try_read(buffer)?;
            // What the socket does not take at once is kept aside.
            let written = match to.try_write(&buffer[..read]) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
                written => written?,
            };
            std::io::Result::Ok((read, buffer[written..read].to_vec()))
        });
        match read {
            Ok((0, _)) => break,
            Ok((_, rest)) if to.write_all(&rest).await.is_err() => return,
            Err(error) if error.kind() != ErrorKind::WouldBlock => return,
            _ => {}
        }
    }
    let _ = to.shutdown().await;
}
