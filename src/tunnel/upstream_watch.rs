//! Closes the tunnels of a t3 that stops: it takes no connections then, and may wait for what is open.
//!
//! Nothing is polled: t3 ends its idle connections when it stops (contract §7), and one of them is kept
//! while tunnels are open. t3 ends it after some seconds too if it goes on, and is then asked for another.

use std::io;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};
use tracing::info;

use crate::metrics::upstream::TunnelEnd;
use crate::tunnel::registry::Tunnels;
use crate::upstream::Upstream;
use crate::upstream::api_call::ApiCall;
use crate::upstream::error::Failure;
use crate::upstream::health::Readiness;
use crate::upstream::health_state::Doubt;

/// How long t3 may take for the response after which its connection is idle.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(5);

/// How soon it is asked again after it was found not to listen, when its tunnels have ended.
const GONE_PAUSE: Duration = Duration::from_secs(2);

/// How soon it is asked again after a connection broke off.
const CLOSING_PAUSE: Duration = Duration::from_millis(100);

/// How many connections may end at once, one after the other, before there is a pause: t3 keeps its own
/// for 6 s.
const SHORT_ONES: u32 = 3;
const SHORT: Duration = Duration::from_secs(1);

/// Closes all tunnels, for ever, when t3 is found not to listen while one is open. Where t3 keeps no
/// connection, that is noticed by a request, or `pause` later.
pub async fn close_with_t3(
    tunnels: &Tunnels,
    upstream: &Upstream,
    readiness: &Readiness,
    pause: Duration,
) {
    let mut short_ones = 0;
    loop {
        tunnels.wait_until_open().await;
        let seen = readiness.restarts();
        let since = Instant::now();
        match idle_connection(upstream).await {
            Ok(Some(idle)) => {
                tokio::select! {
                    // What it may say then is of no use.
                    _ = idle.readable() => {}
                    () = readiness.wait_until_gone(seen) => {}
                }
            }
            Err(Failure::Unreachable(error))
                if error.kind() == io::ErrorKind::ConnectionRefused =>
            {
                let closed = tunnels.close_all(TunnelEnd::UpstreamClosed);
                info!(
                    tunnels = closed,
                    "t3 takes no connections: its tunnels are closed"
                );
                readiness.doubt(Doubt::Lost);
                sleep(GONE_PAUSE).await;
            }
            Ok(None) | Err(Failure::ResponseTimeout) => {
                let _ = timeout(pause, readiness.wait_until_gone(seen)).await;
            }
            // It may just be closing its listener, and what waited there was reset.
            Err(_) => sleep(CLOSING_PAUSE).await,
        }
        short_ones = match since.elapsed() < SHORT {
            true => short_ones + 1,
            false => 0,
        };
        if short_ones > SHORT_ONES {
            sleep(pause).await;
        }
    }
}

/// A connection on which t3 has just answered, if it keeps that one.
async fn idle_connection(upstream: &Upstream) -> Result<Option<TcpStream>, Failure> {
    upstream
        .call(ApiCall::get(upstream.health_path()), RESPONSE_TIMEOUT)
        .await?;
    // The latest one.
    Ok(upstream.idle(Instant::now()).map(|socket| socket.stream))
}
