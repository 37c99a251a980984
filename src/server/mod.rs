//! Accepts connections, serves each in a task, and drains under a deadline.

pub mod metrics_endpoint;

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tracing::warn;

use crate::config::Config;
use crate::connection;
use crate::process::Tasks;
use crate::state::Services;

/// How long to wait before accepting again when the system has no descriptor or memory for it.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long tasks may take to end once they were told to end at once.
const CUT_GRACE: Duration = Duration::from_secs(1);

/// Where the server is reached.
#[derive(Debug)]
pub struct Listeners {
    /// By clients.
    pub public: TcpListener,
    /// By Prometheus, if by it at all.
    pub metrics: Option<TcpListener>,
}

impl From<TcpListener> for Listeners {
    fn from(public: TcpListener) -> Self {
        Self {
            public,
            metrics: None,
        }
    }
}

/// Serves what the listeners accept until `shutdown` is ready, and returns when all has drained:
/// requests under way have finished, and tunnels have ended, or the drain's deadline cut them.
///
/// # Errors
/// Where the shared secret cannot be read, before anything is served.
pub async fn run(
    listeners: impl Into<Listeners>,
    config: Config,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let Listeners { public, metrics } = listeners.into();
    let tasks = Tasks::default();
    let drain_timeout = config.listen.drain_timeout;
    let services = Arc::new(Services::new(config, &tasks)?);
    if let Some(listener) = metrics {
        let (counted, serving) = (Arc::clone(&services.metrics), tasks.clone());
        let limit = services.timing.scrape;
        tasks.until_drained(async move {
            metrics_endpoint::serve(listener, counted, serving, limit).await;
        });
    }
    follow(&services, &tasks);
    tokio::select! {
        () = accept(&public, &services, &tasks) => {}
        () = shutdown => {}
    }
    drop(public);
    let cut = || services.tunnels.cut();
    if !tasks.finish(drain_timeout, CUT_GRACE, cut).await {
        warn!("some connections had to be abandoned");
    }
    Ok(())
}

/// Follows t3 for as long as the server runs: watches it while it is not up; when it first is, gets
/// ready to pair, and then its files, as t3's command and compressing take much memory each; and
/// ends tunnels whose session has died.
fn follow(services: &Arc<Services>, tasks: &Tasks) {
    let held = Arc::clone(services);
    tasks.until_drained(async move { held.readiness.watch(&held.upstream).await });
    let held = Arc::clone(services);
    tasks.until_drained(async move {
        held.readiness.wait_until_up().await;
        held.pairing.warm_up().await;
        held.assets.keep_warm(&held.readiness).await;
    });
    let held = Arc::clone(services);
    tasks.until_drained(async move {
        let interval = held.limits.session_check;
        held.tunnels.end_dead(&held.upstream, interval).await;
    });
}

/// Accepts for ever, as many at a time as there may be; the newest wait in the backlog.
async fn accept(listener: &TcpListener, services: &Arc<Services>, tasks: &Tasks) {
    let slots = Arc::new(Semaphore::new(services.limits.max_connections));
    loop {
        // The semaphore is never closed.
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, peer)) => {
                let services = Arc::clone(services);
                tasks.detach(connection::serve(
                    stream,
                    peer,
                    services,
                    tasks.clone(),
                    slot,
                ));
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                warn!(%error, "cannot accept, trying again");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
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
