//! One client's connection: HTTP/1.1 until it ends or a 101 makes it one side of a tunnel.

pub mod client_io;
pub mod deadline_watch;
pub mod http1;
pub mod tunnel_task;

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;

use crate::connection::deadline_watch::{Watched, watch};
use crate::connection::http1::Ended;
use crate::connection::tunnel_task::Tunnelling;
use crate::fast_path::{self, Lane, Next};
use crate::process::tasks::Tasks;
use crate::router::context::Opened;
use crate::state::Services;
use crate::state::client::Client;

/// How long, and how much, a client that is still sending is listened to after the last answer.
const LINGER_TIME: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 256 * 1024;

/// Serves `stream` until it has ended, and gives `slot` back then. A drain lets the request under
/// way finish; the cut ends whatever is left. A tunnel goes on in a smaller task.
pub async fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    services: Arc<Services>,
    tasks: Tasks,
    slot: OwnedSemaphorePermit,
) {
    client_io::prepare(&stream);
    // Apart, as is what few connections need: the rest is what an idle connection holds.
    let http = Box::pin(speak(stream, peer, &services, &tasks));
    match http.await {
        Ended::TooSlow(stream) => reset(&stream),
        Ended::Done(stream) => {
            let lingering = Box::pin(linger(stream));
            let _ = tasks.cut().run_until_cancelled(lingering).await;
        }
        Ended::Switched(client, Opened::Probe(place)) => {
            let echo = Box::pin(place.echo(client.stream, client.early, tasks.drain()));
            tasks.cut().run_until_cancelled(echo).await;
        }
        Ended::Switched(client, Opened::Tunnel(opened)) => {
            tasks.detach(Tunnelling::new(client, *opened, services, slot));
        }
        Ended::Cut | Ended::AtRest(_) => {}
    }
}

/// Speaks HTTP until it is over: plain requests on the fast path, everything else through hyper.
async fn speak(
    stream: TcpStream,
    peer: SocketAddr,
    services: &Arc<Services>,
    tasks: &Tasks,
) -> Ended {
    let client = Arc::new(Client::new(peer, services.limits));
    let came = Vec::new();
    let mut lane = Lane { stream, came };
    loop {
        match serve_plain(&mut lane, &client, services, tasks).await {
            Watched::Cut => return Ended::Cut,
            Watched::TooSlow => return Ended::TooSlow(lane.stream),
            Watched::Over(Next::Over) => return Ended::Done(lane.stream),
            Watched::Over(Next::NotPlain) => {}
        }
        match http1::speak(lane, &client, services, tasks).await {
            Ended::AtRest(rest) => lane = rest,
            ended => return ended,
        }
    }
}

async fn serve_plain(
    lane: &mut Lane,
    client: &Client,
    services: &Services,
    tasks: &Tasks,
) -> Watched<Next> {
    let mut served = pin!(fast_path::serve(lane, client, services, tasks));
    watch(&client.activity, tasks, |cx, _| served.as_mut().poll(cx)).await
}

/// Ends a connection on which nothing more is to arrive: what is still unsent goes with it, and
/// does not wait in the kernel for a client that does not read.
fn reset(stream: &TcpStream) {
    let _ = stream.set_zero_linger();
}

/// Ends a connection so that the last answer arrives: closing a socket on which something unread
/// waits resets it, and a reset may overtake the answer (RFC 9112 §9.6).
async fn linger(mut stream: TcpStream) {
    if stream.shutdown().await.is_err() {
        return;
    }
    let mut rest = stream.take(LINGER_BYTES as u64);
    let drained = tokio::time::timeout(LINGER_TIME, async {
        let mut chunk = [0; 4096];
        while matches!(rest.read(&mut chunk).await, Ok(read) if read > 0) {}
    });
    let _ = drained.await;
}
