//! t3 as the next hop, and the connections to it.

pub mod api_call;
mod connect;
pub mod connection;
pub mod descriptor;
pub mod error;
pub mod forward;
pub mod health;
pub mod health_state;
pub mod pool;
pub mod request_body;
pub mod response_body;
mod upstream_io;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request, Response, StatusCode};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::config::options::UpstreamConfig;
use crate::http_rules::header_map;
use crate::process::Tasks;
use crate::upstream::connection::{Inform, NoResponse, UpstreamConnection};
use crate::upstream::error::Failure;
use crate::upstream::pool::Pool;
use crate::upstream::request_body::Outbound;
use crate::upstream::response_body::Inbound;

/// The client of t3.
#[derive(Debug)]
pub struct Upstream {
    config: UpstreamConfig,
    head_limit: usize,
    pool: Arc<Pool>,
    tasks: Tasks,
}

/// The outcome of an upgrade request.
#[derive(Debug)]
pub enum Upgrade {
    /// t3 switched: the head of its 101, and the connection with the bytes that came after it.
    Switched(Response<()>, TcpStream, bytes::Bytes),
    /// t3 gave another response.
    Refused(Response<Inbound>),
}

impl Upstream {
    /// For the t3 of `config`, whose responses' heads have up to `head_limit` bytes; `tasks` runs the task
    /// that closes idle connections.
    pub fn new(config: UpstreamConfig, head_limit: usize, tasks: Tasks) -> Self {
        let pool = Arc::new(Pool::default());
        let reaped = Arc::clone(&pool);
        tasks.until_drained(async move { reaped.close_idle().await });
        Self {
            config,
            head_limit,
            pool,
            tasks,
        }
    }

    /// Sends `request` and returns the head of the response, its body still to come. t3 may take
    /// `limit` for the head, in which nothing of the request moves.
    ///
    /// A request whose pooled connection was closed goes out once more on a new one if nothing of it
    /// was sent, or if it is idempotent and has no body (RFC 9110 §9.2.2).
    pub async fn send(
        &self,
        mut request: Request<Outbound>,
        limit: Duration,
        inform: Option<Inform>,
    ) -> Result<Response<Inbound>, Failure> {
        if let Some(stream) = self.pool.take(Instant::now()) {
            let connection = self.over(stream).await?;
            let copy = repeatable(&request);
            match self
                .exchange(connection, request, limit, inform.clone())
                .await
            {
                Err(NoResponse::Closed(error, unsent)) => {
                    match unsent.map(|unsent| *unsent).or(copy) {
                        Some(again) => request = again,
                        None => return Err(Failure::Broken(error)),
                    }
                }
                outcome => return outcome.map_err(Failure::from),
            }
        }
        let connection = self.connect().await?;
        Ok(self.exchange(connection, request, limit, inform).await?)
    }

    /// Sends a request for a WebSocket on a connection of its own: after it, t3 ends that connection or
    /// speaks another protocol on it (contract §5).
    pub async fn upgrade(
        &self,
        request: Request<Outbound>,
        limit: Duration,
    ) -> Result<Upgrade, Failure> {
        let mut connection = self.connect().await?;
        let response = connection.exchange(request, limit, None).await?;
        if !header_map::has_clear_end(response.version(), response.headers()) {
            return Err(Failure::Unclear);
        }
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            let answer = response.map(|incoming| Inbound::last_of(connection, incoming));
            return Ok(Upgrade::Refused(answer));
        }
        if !crate::http_rules::validation::switches_to_websocket(
            response.status(),
            response.headers(),
        ) {
            return Err(Failure::UnaskedSwitch);
        }
        let (stream, early) = connection.into_raw().await.map_err(Failure::Broken)?;
        Ok(Upgrade::Switched(response.map(drop), stream, early))
    }

    /// The port that t3 listens on.
    pub fn port(&self) -> u16 {
        self.config.port
    }

    /// How long t3 may take for a response without a shorter limit.
    pub fn response_timeout(&self) -> Duration {
        self.config.response_timeout
    }

    /// A pooled connection, if there is one `now`, or a new one.
    pub async fn idle_or_new(&self, now: Instant) -> Result<TcpStream, Failure> {
        match self.pool.take(now) {
            Some(stream) => Ok(stream),
            None => self.connect_bare().await,
        }
    }

    /// Returns a connection of [`Upstream::idle_or_new`] to the pool; its exchange ended at `since`.
    pub fn keep(&self, stream: TcpStream, since: Instant) {
        self.pool.put(stream, since);
    }

    async fn connect(&self) -> Result<Box<UpstreamConnection>, Failure> {
        let stream = self.connect_bare().await?;
        self.over(stream).await
    }

    async fn over(&self, stream: TcpStream) -> Result<Box<UpstreamConnection>, Failure> {
        let connection = UpstreamConnection::over(stream, self.head_limit).await;
        connection.map_err(Failure::Broken)
    }

    /// A new connection.
    pub async fn connect_bare(&self) -> Result<TcpStream, Failure> {
        connect::connect(&self.config.host, self.config.port).await
    }

    async fn exchange(
        &self,
        mut connection: Box<UpstreamConnection>,
        request: Request<Outbound>,
        limit: Duration,
        inform: Option<Inform>,
    ) -> Result<Response<Inbound>, NoResponse> {
        let upload = request.body().upload();
        let response = connection.exchange(request, limit, inform).await?;
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return Err(NoResponse::Switched);
        }
        if !header_map::has_clear_end(response.version(), response.headers()) {
            return Err(NoResponse::Unclear);
        }
        let (head, incoming) = response.into_parts();
        let body = match upload {
            Some(upload) if !upload.is_done() => {
                // The client may read nothing before it has sent everything: a task of its own
                // moves the rest of the upload, however the response is read.
                Inbound::beside(self.tasks.spawn(connection.run()), incoming)
            }
            _ => Inbound::then_kept(connection, incoming, &self.pool)
                .map_err(|_| NoResponse::Unclear)?,
        };
        Ok(Response::from_parts(head, body))
    }
}

impl fmt::Display for Upstream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.config.host.contains(':') {
            true => write!(formatter, "[{}]:{}", self.config.host, self.config.port),
            false => write!(formatter, "{}:{}", self.config.host, self.config.port),
        }
    }
}

/// A copy of a request that may be sent twice (RFC 9110 §9.2.2).
fn repeatable(request: &Request<Outbound>) -> Option<Request<Outbound>> {
    let idempotent = matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS | Method::PUT | Method::DELETE
    );
    if !idempotent || !matches!(request.body(), Outbound::Empty) {
        return None;
    }
    let mut copy = Request::new(Outbound::Empty);
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = request.headers().clone();
    Some(copy)
}
