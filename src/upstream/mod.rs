//! t3 as the next hop, and the connections to it.

pub mod api_call;
mod connect;
pub mod connection;
mod demand;
pub mod descriptor;
pub mod error;
pub mod forward;
pub mod health;
pub mod health_state;
pub mod health_status;
pub mod pool;
pub mod probe;
mod probing;
pub mod receive_window;
pub mod request_body;
pub mod response_body;
pub mod socket;
pub mod turns;
mod turns_of_one;
pub mod upgrade;
mod upstream_io;
pub mod usage;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, Request, Response, StatusCode};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::config::options::UpstreamConfig;
use crate::config::timing::Timing;
use crate::http_rules::header_map;
use crate::http_rules::this_machine::is_loopback;
use crate::process::Tasks;
use crate::process::client_memory::ClientMemory;
use crate::upstream::connect::ExpectedUser;
use crate::upstream::connection::{Inform, NoResponse, UpstreamConnection};
use crate::upstream::error::Failure;
use crate::upstream::health::Readiness;
use crate::upstream::health_state::HealthState;
use crate::upstream::pool::{Pool, Sign};
use crate::upstream::request_body::Outbound;
use crate::upstream::response_body::Inbound;
use crate::upstream::socket::Socket;

/// The client of t3.
#[derive(Debug)]
pub struct Upstream {
    config: UpstreamConfig,
    /// As whom t3 has to run, where that is known.
    user: Option<ExpectedUser>,
    head_limit: usize,
    silence: Duration,
    pool: Arc<Pool>,
    readiness: Arc<Readiness>,
    memory: Arc<ClientMemory>,
    tasks: Tasks,
    /// What this process is called by its own probes.
    id: HeaderValue,
}

impl Upstream {
    /// For the t3 of `config`, whose responses' heads have up to `head_limit` bytes; `readiness` knows and is
    /// told whether it is there, `memory` bounds what is held of bodies, and `tasks` runs what outlives a
    /// request. `id` is what this process is called by its own probes.
    pub fn new(
        config: UpstreamConfig,
        head_limit: usize,
        timing: Timing,
        readiness: Arc<Readiness>,
        memory: Arc<ClientMemory>,
        tasks: Tasks,
        id: HeaderValue,
    ) -> Self {
        let is_here = is_loopback(&config.host);
        let user = config.os_user.clone().filter(|_| is_here);
        Self {
            user: user.map(ExpectedUser::new),
            config,
            head_limit,
            silence: timing.silent_peer,
            pool: Arc::default(),
            readiness,
            memory,
            tasks,
            id,
        }
    }

    /// Sends `request` and returns the head of the response, its body still to come. t3 may take
    /// `limit` for the head, in which nothing of the request moves.
    ///
    /// A request that is idempotent and has no body (RFC 9110 §9.2.2) goes out once more, on a new
    /// connection, where its pooled one was closed, or t3 is known to have lost it. Any other is sent on a
    /// new connection from the start: t3 closes idle ones after a while, and one that was blocked meanwhile
    /// does so before it reads what has come on them. One that `is_repeated` was sent before, and is not sent
    /// again.
    pub async fn send(
        &self,
        request: Request<Outbound>,
        limit: Duration,
        inform: Option<Inform>,
        is_repeated: bool,
    ) -> Result<Response<Inbound>, Failure> {
        let copy = (!is_repeated)
            .then(|| request_body::repeatable(&request))
            .flatten();
        let Some(again) = copy else {
            return self.send_anew(request, limit, inform).await;
        };
        let failure = match self.pool.take(Instant::now(), &self.memory) {
            Some(idle) => {
                let connection = self.over(idle.socket).await?;
                let sent = self.exchange(connection, request, limit, inform.clone());
                match sent.await {
                    Err(NoResponse::Closed(error)) => {
                        self.readiness.doubt(pool::doubt_of_close(idle.since));
                        Failure::Broken(error)
                    }
                    outcome => return outcome.map_err(Failure::from),
                }
            }
            None => match self.send_anew(request, limit, inform.clone()).await {
                Err(Failure::Lost) => Failure::Lost,
                outcome => return outcome,
            },
        };
        match self.readiness.settle(limit).await {
            HealthState::Up => self.send_anew(again, limit, inform).await,
            _ => Err(failure),
        }
    }

    /// What this process is called by its own probes.
    pub fn id(&self) -> &HeaderValue {
        &self.id
    }

    /// The port that t3 listens on.
    pub fn port(&self) -> u16 {
        self.config.port
    }

    /// How long t3 may take for a response without a shorter limit.
    pub fn response_timeout(&self) -> Duration {
        self.config.response_timeout
    }

    /// Closes idle connections after their time, for ever.
    pub async fn close_idle(&self) {
        self.pool.close_idle().await;
    }

    /// An idle connection that is open `now`.
    pub fn idle(&self, now: Instant) -> Option<Socket> {
        self.pool.take(now, &self.memory).map(|idle| idle.socket)
    }

    /// What the connections tell about t3 `now`.
    pub fn sign(&self, now: Instant) -> Sign {
        self.pool.sign(now)
    }

    /// t3 has responded at `at`, on a connection that is not kept.
    pub fn heard(&self, at: Instant) {
        self.pool.heard(at);
    }

    /// Keeps a connection for another request; its exchange ended at `since`.
    pub fn keep(&self, socket: Socket, since: Instant) {
        self.pool.put(socket, since);
    }

    async fn connect(&self) -> Result<Box<UpstreamConnection>, Failure> {
        let stream = self.connect_bare().await?;
        self.over(stream.into()).await
    }

    async fn over(&self, socket: Socket) -> Result<Box<UpstreamConnection>, Failure> {
        let connection = UpstreamConnection::over(socket, self.head_limit, &self.memory).await;
        connection.map_err(Failure::Broken)
    }

    /// A new connection.
    pub async fn connect_bare(&self) -> Result<TcpStream, Failure> {
        let UpstreamConfig { host, port, .. } = &self.config;
        let (silence, unanswered) = (self.silence, self.config.response_timeout);
        let connecting = connect::connect(host, *port, silence, unanswered);
        match &self.user {
            None => connecting.await,
            Some(user) => Box::pin(user.verify(host, *port, connecting)).await,
        }
    }

    /// Sends `request` on a new connection. Until a response came on one it may be lost without a sign
    /// (contract §7).
    async fn send_anew(
        &self,
        request: Request<Outbound>,
        limit: Duration,
        inform: Option<Inform>,
    ) -> Result<Response<Inbound>, Failure> {
        let seen = self.readiness.silences();
        let connection = self.connect().await?;
        tokio::select! {
            outcome = self.exchange(connection, request, limit, inform) => Ok(outcome?),
            () = self.readiness.wait_until_lost(seen) => Err(Failure::Lost),
        }
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
        self.pool.heard(Instant::now());
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
