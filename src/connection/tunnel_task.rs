//! The task of a tunnel: small, as thousands are idle at a time.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use crate::limited;
use crate::metrics::upstream::TunnelEnd;
use crate::process::client_memory::MemoryShare;
use crate::process::log_limit::ENDS_A_MINUTE;
use crate::router::context::OpenTunnel;
use crate::state::Services;
use crate::state::instance::Instance;
use crate::state::places::Place;
use crate::tunnel::record::Ending;
use crate::tunnel::registry::TunnelRegistration;
use crate::tunnel::{Side, Tunnel};
use crate::upstream::receive_window;
use crate::upstream::usage::InUse;

/// What the kernel may hold, at both sides, of a tunnel of which one takes nothing.
const STALLED_BYTES: usize = 448 * 1024;

/// Copies until a side ends, the session has died, t3 or the dispatcher stops, or the cut, and logs how
/// the tunnel ended.
pub(super) struct TunnelTask {
    tunnel: Tunnel,
    registration: TunnelRegistration,
    address: IpAddr,
    request_id: Box<str>,
    services: Arc<Services>,
    instance: Arc<Instance>,
    _in_use: InUse,
    /// What is held for it while a side takes nothing.
    stalled: Option<MemoryShare>,
    /// The connection's place among all connections, released with the rest.
    _place: Place,
}

impl TunnelTask {
    /// A tunnel between `client` and what t3 has opened.
    pub(super) fn new(
        client: Side,
        opened: OpenTunnel,
        services: Arc<Services>,
        place: Place,
    ) -> Self {
        // Nothing grows with what the client sends while t3 takes it.
        receive_window::bound(&client.stream);
        Self {
            tunnel: Tunnel::between(client, opened.upstream, &services.metrics),
            registration: opened.registration,
            address: opened.address,
            request_id: opened.request_id.to_string().into(),
            services,
            instance: opened.instance,
            _in_use: opened.in_use,
            stalled: None,
            _place: place,
        }
    }

    /// Notes whether a side takes nothing. Ready if what is held for it then is more than is left for
    /// clients.
    fn poll_memory(&mut self) -> Poll<TunnelEnd> {
        if !self.tunnel.is_stalled() {
            self.stalled = None;
        } else if self.stalled.is_none() {
            self.stalled = self.services.memory.take(STALLED_BYTES);
            if self.stalled.is_none() {
                self.services.over_memory();
                self.tunnel.reset_client();
                return Poll::Ready(TunnelEnd::Memory);
            }
        }
        Poll::Pending
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
    }
}

impl Future for TunnelTask {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self {
            tunnel,
            registration,
            services,
            instance,
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
        if tunnel.take_t3_gone() {
            instance.tunnel_lost();
        }
        if polled.is_pending() {
            polled = self.poll_memory();
        }
        let cause = ready!(polled);
        self.ended(cause);
        Poll::Ready(())
    }
}
