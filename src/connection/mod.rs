//! One client's connection: each request by the fast path or by hyper, until it ends or becomes a tunnel.

pub mod client_io;
pub mod http1;
pub mod tunnel_task;

use std::future::poll_fn;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::debug;

use crate::connection::http1::HttpEnd;
use crate::connection::tunnel_task::TunnelTask;
use crate::fast_path::{self, ClientConnection, FastPathEnd};
use crate::process::Tasks;
use crate::router::context::AfterSwitch;
use crate::state::Services;
use crate::state::client::{Client, Door};
use crate::state::deadlines::Deadlines;
use crate::state::places::Place;

/// How long a client may send nothing after the last response, how long it may go on sending, and how
/// much: some read no response before they have sent everything.
const LINGER_PAUSE: Duration = Duration::from_secs(1);
const LINGER_TIME: Duration = Duration::from_secs(5);
const LINGER_BYTES: usize = 64 * 1024 * 1024;

/// How much of that is read at a time.
const DISCARDED_BYTES: usize = 16 * 1024;

/// Serves `stream`, of a client at an address by a door, until it has ended, and releases `place` then. A drain lets the request under way
/// finish; the cut ends whatever is left. A tunnel goes on in a smaller task.
pub async fn serve(
    stream: TcpStream,
    (peer, door): (SocketAddr, Door),
    services: Arc<Services>,
    tasks: Tasks,
    place: Place,
) {
    let (silence, unanswered) = (services.timing.silent_peer, services.limits.body_timeout);
    client_io::prepare(&stream, silence, unanswered);
    // Boxed, as is what few connections need: the rest is what an idle connection holds.
    let http = Box::pin(speak(
        stream,
        (peer, door),
        &services,
        &tasks,
        place.is_spare(),
    ));
    match http.await {
        HttpEnd::TooSlow(stream) => reset(&stream),
        HttpEnd::Done(stream) => {
            let lingering = Box::pin(linger(stream));
            let _ = tasks.cut().run_until_cancelled(lingering).await;
        }
        HttpEnd::Switched(client, AfterSwitch::Probe(place)) => {
            let echo = Box::pin(place.echo(client.stream, client.early, tasks.drain()));
            tasks.cut().run_until_cancelled(echo).await;
        }
        HttpEnd::Switched(client, AfterSwitch::Tunnel(opened)) => {
            tasks.detach(TunnelTask::new(client, *opened, services, place));
        }
        HttpEnd::Cut | HttpEnd::AtRest(_) => {}
    }
}

/// Speaks HTTP until it is over: eligible requests on the fast path, if that is on, everything else
/// through hyper.
async fn speak(
    stream: TcpStream,
    (peer, door): (SocketAddr, Door),
    services: &Arc<Services>,
    tasks: &Tasks,
    is_spare: bool,
) -> HttpEnd {
    let limits = match is_spare {
        true => services.limits.of_spare_place(),
        false => services.limits,
    };
    let client = Arc::new(Client::new(peer, door, limits, &services.memory, is_spare));
    let _open = services.connections.open(&client.deadlines);
    let ended = speak_either_way(stream, &client, services, tasks).await;
    if !client.held.is_refused() {
        return ended;
    }
    services.over_memory();
    match ended {
        // Unless there is a response that says so: what it did not take must not wait in the kernel.
        HttpEnd::Done(stream) if client.scan.refusal().is_none() => HttpEnd::TooSlow(stream),
        ended => ended,
    }
}

async fn speak_either_way(
    stream: TcpStream,
    client: &Arc<Client>,
    services: &Arc<Services>,
    tasks: &Tasks,
) -> HttpEnd {
    let unread = Vec::new();
    let mut connection = ClientConnection { stream, unread };
    loop {
        if services.fast_path && client.may_be_fast() {
            match serve_eligible(&mut connection, client, services, tasks).await {
                Watched::Cut => return HttpEnd::Cut,
                Watched::TooSlow | Watched::Over(FastPathEnd::Broken) => {
                    return HttpEnd::TooSlow(connection.stream);
                }
                Watched::Idle | Watched::Over(FastPathEnd::Closed) => {
                    return HttpEnd::Done(connection.stream);
                }
                Watched::Over(FastPathEnd::Ineligible) => {}
            }
        }
        match http1::speak(connection, client, services, tasks).await {
            HttpEnd::AtRest(rest) => connection = rest,
            ended => return ended,
        }
    }
}

async fn serve_eligible(
    connection: &mut ClientConnection,
    client: &Client,
    services: &Services,
    tasks: &Tasks,
) -> Watched<FastPathEnd> {
    let mut served = pin!(fast_path::serve(connection, client, services, tasks));
    watch(&client.deadlines, tasks, |cx, _| served.as_mut().poll(cx)).await
}

/// Resets a connection when it is dropped: what is still unsent goes with it, and does not wait in
/// the kernel for a client that does not read.
fn reset(stream: &TcpStream) {
    let _ = stream.set_zero_linger();
}

/// Ends a connection so that the last response arrives: closing a socket on which something unread
/// waits resets it, and a reset may overtake the response (RFC 9112 §9.6).
async fn linger(mut stream: TcpStream) {
    if stream.shutdown().await.is_err() {
        return;
    }
    let drained = timeout(LINGER_TIME, async {
        let mut left = LINGER_BYTES;
        while let Ok(Ok(count @ 1..)) = timeout(LINGER_PAUSE, discard(&mut stream)).await {
            left = left.saturating_sub(count);
            if left == 0 {
                break;
            }
        }
    });
    let _ = drained.await;
}

/// Reads once, into nothing that is held while it waits.
async fn discard(stream: &mut TcpStream) -> std::io::Result<usize> {
    poll_fn(|cx| {
        let mut chunk = [MaybeUninit::uninit(); DISCARDED_BYTES];
        let mut chunk = ReadBuf::uninit(&mut chunk);
        let read = Pin::new(&mut *stream).poll_read(cx, &mut chunk);
        read.map_ok(|()| chunk.filled().len())
    })
    .await
}

/// How something watched ended.
pub(super) enum Watched<T> {
    /// By itself.
    Over(T),
    /// A deadline of the client has passed.
    TooSlow,
    /// The client has asked for nothing more for as long as it may.
    Idle,
    /// The drain is at its deadline, or the connection makes way for another one.
    Cut,
}

/// Polls `inner` to its end, or to a deadline of the client. `inner` is given whether the drain has
/// begun, and woken when it does.
pub(super) async fn watch<T>(
    deadlines: &Deadlines,
    tasks: &Tasks,
    mut inner: impl FnMut(&mut Context<'_>, bool) -> Poll<T>,
) -> Watched<T> {
    let (mut drain, mut cut) = (tasks.drain_signal(), tasks.cut_signal());
    let mut alarm = pin!(sleep_until(deadlines.deadline()));
    let mut is_set = false;
    let mut is_registered = false;
    poll_fn(|cx| {
        let is_draining = drain.poll(cx);
        if !std::mem::replace(&mut is_registered, true) {
            deadlines.wake_at_end(cx);
        }
        if cut.poll(cx) || deadlines.is_ended() {
            return Poll::Ready(Watched::Cut);
        }
        if let Poll::Ready(ended) = inner(cx, is_draining) {
            return Poll::Ready(Watched::Over(ended));
        }
        // The alarm is reset only when it must ring earlier, or has rung too early.
        let deadline = deadlines.deadline();
        if deadline < alarm.deadline() {
            alarm.as_mut().reset(deadline);
            is_set = false;
        }
        // It always wakes this task: polled once, it need not be polled until it rings.
        if is_set && !alarm.is_elapsed() {
            return Poll::Pending;
        }
        is_set = true;
        while alarm.as_mut().poll(cx).is_ready() {
            let now = Instant::now();
            if deadlines.is_over(now) {
                if deadlines.is_between_requests() {
                    return Poll::Ready(Watched::Idle);
                }
                debug!("client connection too slow");
                return Poll::Ready(Watched::TooSlow);
            }
            let deadline = deadlines.deadline();
            alarm.as_mut().reset(deadline);
            if deadline <= now {
                // A deadline of the inner future has passed, which it will notice.
                cx.waker().wake_by_ref();
                is_set = false;
                break;
            }
        }
        Poll::Pending
    })
    .await
}
