//! Upgrades to a WebSocket: sent on a connection of their own, which becomes the tunnel's side of t3.

use std::time::Duration;

use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use tokio::net::TcpStream;

use crate::http_rules::{header_map, validation};
use crate::upstream::Upstream;
use crate::upstream::connection::UpstreamConnection;
use crate::upstream::error::Failure;
use crate::upstream::request_body::{self, Outbound};
use crate::upstream::response_body::Inbound;

/// The outcome of an upgrade request.
#[derive(Debug)]
pub enum Upgrade {
    /// t3 switched: the head of its 101, and the connection with the bytes that came after it.
    Switched(Response<()>, TcpStream, bytes::Bytes),
    /// t3 gave another response.
    Refused(Response<Inbound>),
}

impl Upstream {
    /// Sends a request for a WebSocket on a connection of its own: after it, t3 ends that connection or
    /// speaks another protocol on it (contract §5). One that t3 is known to have lost is sent once more.
    pub async fn upgrade(
        &self,
        request: Request<Outbound>,
        limit: Duration,
    ) -> Result<Upgrade, Failure> {
        let again = request_body::repeatable(&request);
        let (connection, response) = match (self.ask_to_switch(request, limit).await, again) {
            (Err(Failure::Lost), Some(again)) => self.ask_to_switch(again, limit).await?,
            (asked, _) => asked?,
        };
        if !header_map::has_clear_end(response.version(), response.headers()) {
            return Err(Failure::Unclear);
        }
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            let answer = response.map(|incoming| Inbound::last_of(connection, incoming));
            return Ok(Upgrade::Refused(answer));
        }
        if !validation::switches_to_websocket(response.status(), response.headers()) {
            return Err(Failure::UnaskedSwitch);
        }
        let (stream, early) = connection.into_raw().await.map_err(Failure::Broken)?;
        Ok(Upgrade::Switched(response.map(drop), stream, early))
    }

    /// Sends it on a new connection, which its response comes with. Until then it may be lost without a sign
    /// (contract §7).
    async fn ask_to_switch(
        &self,
        request: Request<Outbound>,
        limit: Duration,
    ) -> Result<(Box<UpstreamConnection>, Response<Incoming>), Failure> {
        let seen = self.readiness.silences();
        let mut connection = self.connect().await?;
        let response = tokio::select! {
            response = connection.exchange(request, limit, None) => response?,
            () = self.readiness.wait_until_lost(seen) => return Err(Failure::Lost),
        };
        Ok((connection, response))
    }
}
