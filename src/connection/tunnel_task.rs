//! The task of a tunnel: small, as thousands are idle at a time.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::sync::OwnedSemaphorePermit;

use crate::limited;
use crate::metrics::upstream::TunnelEnd;
use crate::process::log_limit::ENDS_A_MINUTE;
use crate::router::context::OpenTunnel;
use crate::state::Services;
use crate::tunnel::registry::{Ending, TunnelRegistration};
use crate::tunnel::{Side, Tunnel};

/// Copies until a side ends, the session has died, t3 or the dispatcher stops, or the cut, and logs how
/// the tunnel ended.
pub(super) struct TunnelTask {
    tunnel: Tunnel,
    registration: TunnelRegistration,
    address: IpAddr,
    request_id: Box<str>,
    services: Arc<Services>,
    /// The connection's slot among all connections, released with the rest.
    _slot: OwnedSemaphorePermit,
}

impl TunnelTask {
    /// A tunnel between `client` and what t3 has opened.
    pub(super) fn new(
        client: Side,
        opened: OpenTunnel,
        services: Arc<Services>,
        slot: OwnedSemaphorePermit,
    ) -> Self {
        Self {
            tunnel: Tunnel::between(client, opened.upstream, &services.metrics),
            registration: opened.registration,
            address: opened.address,
            request_id: opened.request_id.to_string().into(),
            services,
            _slot: slot,
        }
    }

    fn ended(&self, cause: TunnelEnd) {
        let report = self.tunnel.end(cause, &self.services.metrics);
        limited!(
            INFO,
            ENDS_A_MINUTE,
            "ws close";
            user = self.registration.owner(),
            ip = %self.address,
            dur_ms = report.duration.as_millis() as u64,
            bytes_up = report.bytes_up,
            bytes_down = report.bytes_down,
            cause = report.cause.text(),
            request_id = %self.request_id
        );
        if report.is_t3_gone {
            self.services.tunnel_lost();
        }
    }
}

impl Future for TunnelTask {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self {
            tunnel,
            registration,
            services,
            ..
        } = &mut *self;
        let half_closed = services.timing.half_closed_tunnel;
        let mut polled = tunnel.poll(cx, half_closed, &services.metrics);
        if polled.is_pending() {
            match registration.poll_ending(cx) {
                Poll::Ready(Ending::Close(cause)) if tunnel.close(cause) => {
                    polled = tunnel.poll(cx, half_closed, &services.metrics);
                }
                Poll::Ready(Ending::Cut) => polled = Poll::Ready(tunnel.cut()),
                _ => {}
            }
        }
        let cause = ready!(polled);
        self.ended(cause);
        Poll::Ready(())
    }
}
