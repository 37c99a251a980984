//! Accepts connections, serves each in a task, and drains under a deadline.

mod activity;
mod last_connections;
pub mod metrics_endpoint;

use std::future::{Future, pending};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tracing::warn;

use crate::config::Config;
use crate::connection;
use crate::limited;
use crate::metrics::requests::NoAnswer;
use crate::process::{Tasks, descriptors, log_limit};
use crate::state::Services;
use crate::state::client::Door;
use crate::state::connections::Connections;
use crate::state::places::{Place, Places};

/// How long to wait before accepting again when the system has no descriptor or memory for it.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long clients that are connected are still accepted after the shutdown: each learns by its next
/// response that its connection ends. Nobody listens for as short as can be.
const LEAVE_TIME: Duration = Duration::from_millis(400);

/// How long a connection that was accepted at the very end has for its request, and how often it is looked
/// whether all of them have brought one.
const LAST_REQUEST_TIME: Duration = Duration::from_millis(500);
const LOOK_INTERVAL: Duration = Duration::from_millis(2);

/// How long tasks may take to end after the cut.
const CUT_GRACE: Duration = Duration::from_secs(1);

/// The listening sockets.
#[derive(Debug)]
pub struct Listeners {
    /// For clients.
    pub public: TcpListener,
    /// For apps, which cannot pass single sign-on, unless that is switched off.
    pub devices: Option<TcpListener>,
    /// For /metrics and /dispatcher/activity, unless metrics are switched off.
    pub metrics: Option<TcpListener>,
}

impl From<TcpListener> for Listeners {
    fn from(public: TcpListener) -> Self {
        Self {
            public,
            devices: None,
            metrics: None,
        }
    }
}

/// Serves what the listeners accept until `shutdown` is ready, and returns when all has drained:
/// requests under way have finished, and tunnels have ended, or the drain's deadline cut them.
///
/// # Errors
/// If the file of the shared secret or the table of people cannot be read, before anything is served.
pub async fn run(
    listeners: impl Into<Listeners>,
    mut config: Config,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let Listeners {
        public,
        devices,
        metrics,
    } = listeners.into();
    let tasks = Tasks::default();
    let (delay, drain_timeout) = (config.listen.drain_delay, config.listen.drain_timeout);
    let shows_people = config.listen.metrics_users;
    // It may have been 0, for a free one.
    config.listen.port = public.local_addr()?.port();
    if let Some(devices) = &devices {
        config.devices.port = Some(devices.local_addr()?.port());
    }
    let services = Arc::new(Services::new(config, &tasks)?);
    if let Some(listener) = metrics {
        let telling = Arc::clone(&services);
        tasks.until_drained(async move {
            metrics_endpoint::serve(listener, telling, shows_people).await;
        });
    }
    tasks.until_drained(log_limit::report_left_out());
    let fetching = Arc::clone(&services);
    tasks.until_drained(async move { fetching.access.fetch_keys().await });
    let places = Arc::new(Places::new(services.limits.max_connections));
    let leave = async {
        shutdown.await;
        tasks.leave();
        sleep(delay).await;
        services.instances.drain_tunnels();
        if places.is_any_taken() {
            sleep(LEAVE_TIME).await;
        }
    };
    tokio::select! {
        () = accept(&public, Door::Public, &services, &tasks, &places) => {}
        () = accept_devices(devices.as_ref(), &services, &tasks, &places) => {}
        () = leave => {}
    }
    let doors = [(Some(public), Door::Public), (devices, Door::Device)];
    begin_last(doors, &services, &tasks, &places);
    let _ = timeout(LAST_REQUEST_TIME, last_requests(&services.connections)).await;
    let cut = || services.instances.cut_tunnels();
    if !tasks.finish(drain_timeout, CUT_GRACE, cut).await {
        warn!("some connections did not end in time and are dropped");
    }
    log_limit::tell_left_out();
    Ok(())
}

/// Begins to serve the connections that wait to be accepted at the listeners of `doors`, which are closed.
fn begin_last(
    doors: [(Option<TcpListener>, Door); 2],
    services: &Arc<Services>,
    tasks: &Tasks,
    places: &Arc<Places>,
) {
    for (listener, door) in doors {
        for (stream, peer) in listener.into_iter().flat_map(last_connections::of) {
            if let Some(Some(place)) = places.take().now_or_never() {
                begin(stream, (peer, door), place, services, tasks, places);
            }
        }
    }
}

/// Waits until each connection has brought a request.
async fn last_requests(connections: &Connections) {
    while connections.is_any_new() {
        sleep(LOOK_INTERVAL).await;
    }
}

/// Accepts apps for ever, if they have a listener.
async fn accept_devices(
    listener: Option<&TcpListener>,
    services: &Arc<Services>,
    tasks: &Tasks,
    places: &Arc<Places>,
) {
    match listener {
        Some(listener) => accept(listener, Door::Device, services, tasks, places).await,
        None => pending().await,
    }
}

/// Accepts for ever. Where the maximum number of connections is open, one that is idle makes way; what comes
/// beyond that and the spare places waits in the backlog.
async fn accept(
    listener: &TcpListener,
    door: Door,
    services: &Arc<Services>,
    tasks: &Tasks,
    places: &Arc<Places>,
) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                let Some(place) = places.take().await else {
                    return;
                };
                begin(stream, (peer, door), place, services, tasks, places);
            }
            Err(error) if is_of_one_connection(&error) => {}
            // The system looks for a descriptor before it looks for a connection.
            Err(error) if descriptors::are_out(&error) && !is_any_waiting(listener) => {
                sleep(ACCEPT_PAUSE).await;
            }
            Err(error) => {
                limited!(WARN, "cannot accept, trying again"; %error);
                if descriptors::are_out(&error) {
                    services.metrics.no_answer(NoAnswer::Descriptors);
                    services.connections.end_longest_idle();
                }
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Begins to serve a connection that was accepted, and has `place`.
fn begin(
    stream: TcpStream,
    client: (SocketAddr, Door),
    place: Place,
    services: &Arc<Services>,
    tasks: &Tasks,
    places: &Arc<Places>,
) {
    services.connections.accepted();
    let (services, serving) = (Arc::clone(services), tasks.clone());
    if !place.is_spare() {
        tasks.detach(connection::serve(stream, client, services, serving, place));
        return;
    }
    let places = Arc::clone(places);
    tasks.detach(async move {
        let place = places.settle(place, &services.connections).await;
        connection::serve(stream, client, services, serving, place).await;
    });
}

/// Does a connection wait to be accepted?
fn is_any_waiting(listener: &TcpListener) -> bool {
    let mut listener = [PollFd::new(listener, PollFlags::IN)];
    !matches!(poll(&mut listener, Some(&Timespec::default())), Ok(0))
}

/// Errors that `accept` passes on from the connection that failed; the next one may be fine.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
}
