//! A request goes to t3 on a kept or a new connection, and its answer comes back.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request, Response, StatusCode};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::config::options::UpstreamConfig;
use crate::http_rules::header_policy;
use crate::process::tasks::Tasks;
use crate::upstream::connection::{Inform, Link, Unanswered};
use crate::upstream::error::Failure;
use crate::upstream::pool::Pool;
use crate::upstream::request_body::Outbound;
use crate::upstream::response_body::Inbound;

/// How long a TCP connection to t3 may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(4);

/// t3 as the next hop.
#[derive(Debug)]
pub struct Upstream {
    config: UpstreamConfig,
    pool: Arc<Pool>,
    tasks: Tasks,
}

/// What came of asking t3 for another protocol.
#[derive(Debug)]
pub enum Upgrade {
    /// t3 switched: the head of its 101, and the connection with the bytes that came behind it.
    Switched(Response<()>, TcpStream, bytes::Bytes),
    /// t3 answered as if nothing else had been asked.
    Refused(Response<Inbound>),
}

impl Upstream {
    /// Starts the next hop; `tasks` keeps the one task that closes idle connections.
    pub fn new(config: UpstreamConfig, tasks: Tasks) -> Self {
        let pool = Arc::new(Pool::default());
        let reaped = Arc::clone(&pool);
        tasks.until_drained(async move { reaped.close_idle().await });
        Self {
            config,
            pool,
            tasks,
        }
    }

    /// Sends `request` and returns the answer's head, its body still to come.
    ///
    /// A request that met a kept connection closed under it goes out once more on a new one if
    /// nothing of it was sent, or if it is idempotent and has no body (RFC 9110 §9.2.2).
    /// t3 may leave it without the head of an answer for `limit` in which nothing of it moves.
    pub async fn send(
        &self,
        mut request: Request<Outbound>,
        limit: Duration,
        inform: Option<Inform>,
    ) -> Result<Response<Inbound>, Failure> {
        if let Some(stream) = self.pool.take(Instant::now()) {
            let link = Link::over(stream).await.map_err(Failure::Broken)?;
            let copy = repeatable(&request);
            match self.exchange(link, request, limit, inform.clone()).await {
                Err(Unanswered::Closed(error, unsent)) => {
                    match unsent.map(|unsent| *unsent).or(copy) {
                        Some(again) => request = again,
                        None => return Err(Failure::Broken(error)),
                    }
                }
                outcome => return outcome.map_err(Failure::from),
            }
        }
        let link = self.connect().await?;
        Ok(self.exchange(link, request, limit, inform).await?)
    }

    /// Sends a request that asks for a WebSocket, on a connection of its own: after it, t3 ends
    /// that connection or speaks another protocol on it (contract §5).
    pub async fn upgrade(
        &self,
        request: Request<Outbound>,
        limit: Duration,
    ) -> Result<Upgrade, Failure> {
        let mut link = self.connect().await?;
        let response = link.exchange(request, limit, None).await?;
        if !header_policy::is_clearly_framed(response.headers()) {
            return Err(Failure::Unclear);
        }
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            let answer = response.map(|incoming| Inbound::last_of(link, incoming));
            return Ok(Upgrade::Refused(answer));
        }
        if !crate::http_rules::websocket::switches_to_websocket(
            response.status(),
            response.headers(),
        ) {
            return Err(Failure::UnaskedSwitch);
        }
        let (stream, early) = link.into_raw().await.map_err(Failure::Broken)?;
        Ok(Upgrade::Switched(response.map(drop), stream, early))
    }

    /// How long t3 may take for an answer that nobody else bounds.
    pub fn response_timeout(&self) -> Duration {
        self.config.response_timeout
    }

    /// A connection that was used before, if there is one `now`, or a new one.
    pub async fn idle_or_new(&self, now: Instant) -> Result<TcpStream, Failure> {
        match self.pool.take(now) {
            Some(stream) => Ok(stream),
            None => self.connect_bare().await,
        }
    }

    /// Keeps a connection of [`Upstream::idle_or_new`] on which a whole exchange ended at `since`.
    pub fn keep(&self, stream: TcpStream, since: Instant) {
        self.pool.put(stream, since);
    }

    pub(super) async fn connect(&self) -> Result<Box<Link>, Failure> {
        let stream = self.connect_bare().await?;
        Link::over(stream).await.map_err(Failure::Broken)
    }

    async fn connect_bare(&self) -> Result<TcpStream, Failure> {
        let address = (self.config.host.as_str(), self.config.port);
        let stream = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(address))
            .await
            .map_err(|_| Failure::ConnectTimeout)?
            .map_err(Failure::Unreachable)?;
        // Failing to set it costs latency, and the next write tells what is wrong.
        let _ = stream.set_nodelay(true);
        Ok(stream)
    }

    pub(super) async fn exchange(
        &self,
        mut link: Box<Link>,
        request: Request<Outbound>,
        limit: Duration,
        inform: Option<Inform>,
    ) -> Result<Response<Inbound>, Unanswered> {
        let upload = request.body().upload();
        let response = link.exchange(request, limit, inform).await?;
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return Err(Unanswered::Switched);
        }
        if !header_policy::is_clearly_framed(response.headers()) {
            return Err(Unanswered::Unclear);
        }
        Ok(response.map(|incoming| match upload {
            Some(upload) if !upload.is_done() => {
                // The client may read nothing before it has sent everything: a task of its own
                // moves the rest of the upload whatever becomes of the answer's bytes.
                Inbound::beside(self.tasks.spawn(link.run()), incoming)
            }
            _ => Inbound::then_kept(link, incoming, &self.pool),
        }))
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

/// A copy of a request that may be sent twice without anybody noticing.
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
