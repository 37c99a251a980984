//! One eligible request on its way to t3, and its response on the way back.

use http::header::CONNECTION;
use tokio::time::Instant;

use crate::fast_path::framing::BodyFraming;
use crate::fast_path::io::{ExchangeFailure, ExchangeIo, RELAY_BYTES, Received};
use crate::fast_path::request::EligibleRequest;
use crate::fast_path::response::{self, ParsedHead, ResponseContext, ResponseHead};
use crate::fast_path::splice::Pipe;
use crate::fast_path::{ClientConnection, ConnectionToT3, buffers};
use crate::metrics::requests::{Answered, Class, Kind, RequestWay};
use crate::responses::ErrorFormat;
use crate::responses::message::message;
use crate::state::Services;
use crate::state::client::Client;
use crate::state::instance::Instance;
use crate::upstream::error::Failure;

/// How much of a response is read at first: all of a small one.
const FIRST_READ_BYTES: usize = 8 * 1024;

/// From this length on a body is worth a pipe.
const PIPED_FROM_BYTES: u64 = 256 * 1024;

/// One exchange.
pub(super) struct Exchange<'a> {
    io: ExchangeIo<'a>,
    services: &'a Services,
    instance: &'a Instance,
    /// When the request's head was here.
    arrived: Instant,
    /// When t3 had it.
    sent: Instant,
}

/// What the client's connection can do after an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ExchangeEnd {
    /// The response is with the client, which may send another request.
    Answered,
    /// The client's connection is over, with or without a response.
    Last,
    /// The client's connection is over, in the middle of a response.
    Broken,
    /// t3 closed its connection without a byte: the request may be sent again.
    Unanswered,
}

impl<'a> Exchange<'a> {
    pub(super) fn new(
        connection: &'a mut ClientConnection,
        upstream: ConnectionToT3<'a>,
        client: &'a Client,
        services: &'a Services,
        instance: &'a Instance,
        arrived: Instant,
    ) -> Self {
        Self {
            io: ExchangeIo {
                connection,
                deadlines: &client.deadlines,
                held: &client.held,
                metrics: &services.metrics,
                upstream: Some(upstream.socket),
                lost: upstream.lost,
                response_due: Some(arrived + instance.upstream.response_timeout()),
                has_waited: false,
                is_blocked: false,
            },
            services,
            instance,
            arrived,
            sent: arrived,
        }
    }

    /// Sends `to_upstream` to t3 and the response to the client. Once the process will end, the
    /// client is told that it is the last one.
    pub(super) async fn run(
        mut self,
        request: EligibleRequest,
        to_upstream: Vec<u8>,
    ) -> ExchangeEnd {
        if let Some(due) = self.io.response_due {
            self.io.deadlines.await_response_until(due);
        }
        let error = match self.exchange(request, to_upstream).await {
            Ok(end) => return end,
            Err(error) => error,
        };
        self.io.response_due = None;
        self.io.deadlines.response_started();
        match error {
            ExchangeFailure::EmptyReply => ExchangeEnd::Unanswered,
            ExchangeFailure::Failed(failure) => self.fail(request, &failure).await,
            ExchangeFailure::Aborted => ExchangeEnd::Last,
            ExchangeFailure::Broken => ExchangeEnd::Broken,
        }
    }

    /// Reports that t3 gave no response, and sends the client one.
    async fn fail(&mut self, request: EligibleRequest, failure: &Failure) -> ExchangeEnd {
        let id = request.id(&self.io.connection.unread, &self.services.request_ids);
        let response = self.instance.failed(failure, ErrorFormat::Json, &id);
        self.count(request, response.status().as_u16(), Instant::now());
        let is_last =
            self.services.tasks.is_leaving() || response.headers().contains_key(CONNECTION);
        let Some(message) = message(response, request.is_head, is_last) else {
            return ExchangeEnd::Last;
        };
        match self.io.write_client(&message).await {
            Ok(()) if !is_last => ExchangeEnd::Answered,
            _ => ExchangeEnd::Last,
        }
    }

    async fn exchange(
        &mut self,
        request: EligibleRequest,
        to_upstream: Vec<u8>,
    ) -> Result<ExchangeEnd, ExchangeFailure> {
        self.io.write_upstream(&to_upstream).await?;
        buffers::give(to_upstream);
        let (mut received, mut to_client) = (Vec::new(), Vec::new());
        let head = self.response_head(request, &mut received, &mut to_client);
        let head = head.await?;
        let now = Instant::now();
        if !head.is_kept {
            self.instance.upstream.heard(now);
        }
        let mut body = head.body;
        let rest = &received[head.length..];
        // Nothing of the response is with the client yet.
        let unclear = |_| ExchangeFailure::Failed(Failure::Unclear);
        let here = body.follow(rest).map_err(unclear)?;
        if body.is_long() && self.services.memory.is_short() {
            return Err(ExchangeFailure::Failed(Failure::OverMemory));
        }
        self.count(request, head.status, now);
        to_client.extend_from_slice(&rest[..here]);
        to_client.extend_from_slice(body.end());
        self.keep_upstream_after(&head, &body, here == rest.len(), now);
        buffers::give(received);
        self.io.write_client(&to_client).await?;
        buffers::give(to_client);
        if !body.is_done() {
            self.io.deadlines.response_started();
            self.relay_body(&head, body).await?;
        }
        Ok(match head.is_last {
            true => ExchangeEnd::Last,
            false => ExchangeEnd::Answered,
        })
    }

    /// Waits for the head of the response, and passes on the interim responses before it.
    async fn response_head(
        &mut self,
        request: EligibleRequest,
        received: &mut Vec<u8>,
        to_client: &mut Vec<u8>,
    ) -> Result<ResponseHead, ExchangeFailure> {
        self.sent = Instant::now();
        let head_limit = self.services.limits.header_limit;
        let head = loop {
            let read = self.io.read_upstream(received, FIRST_READ_BYTES).await?;
            buffers::make_room(to_client, 0);
            match self.parse_heads(request, received, to_client).await? {
                Some(head) if head.length > head_limit => {
                    return Err(ExchangeFailure::Failed(Failure::HeadTooLarge));
                }
                Some(head) => break head,
                None if read != Received::Bytes && received.is_empty() => {
                    return Err(ExchangeFailure::EmptyReply);
                }
                None if received.len() > head_limit => {
                    return Err(ExchangeFailure::Failed(Failure::HeadTooLarge));
                }
                None if read != Received::Bytes => {
                    return Err(ExchangeFailure::Failed(Failure::Unclear));
                }
                None => {}
            }
        };
        self.io.responded();
        Ok(head)
    }

    /// Parses the heads that `received` begins with, up to that of the response.
    async fn parse_heads(
        &mut self,
        request: EligibleRequest,
        received: &mut Vec<u8>,
        to_client: &mut Vec<u8>,
    ) -> Result<Option<ResponseHead>, ExchangeFailure> {
        let (services, readiness) = (self.services, &self.instance.readiness);
        let is_of_t3 = self.instance.inner.is_none();
        let cookie = (is_of_t3 && request.is_https).then(|| readiness.cookie_name());
        loop {
            let context = ResponseContext {
                is_head: request.is_head,
                secured_cookie: cookie.as_deref(),
                is_last: self.services.tasks.is_leaving(),
                frame_ancestors: is_of_t3.then_some(&services.frame_ancestors),
                id: request.id_text(&self.io.connection.unread, &services.request_ids),
            };
            match response::rewrite(received, &context, to_client) {
                ParsedHead::Partial => return Ok(None),
                ParsedHead::Final(head) => return Ok(Some(head)),
                ParsedHead::Invalid => return Err(ExchangeFailure::Failed(Failure::Unclear)),
                ParsedHead::TooLarge => {
                    return Err(ExchangeFailure::Failed(Failure::HeadTooLarge));
                }
                ParsedHead::Interim(length) => {
                    received.drain(..length);
                    self.io.write_client(to_client).await?;
                }
            }
        }
    }

    /// Passes on the part of a body that did not come with its head.
    async fn relay_body(
        &mut self,
        head: &ResponseHead,
        mut body: BodyFraming,
    ) -> Result<(), ExchangeFailure> {
        if let BodyFraming::Length(left @ PIPED_FROM_BYTES..) = body
            && let Ok(mut pipe) = Pipe::new()
        {
            return self.splice_body(head, left, &mut pipe).await;
        }
        while !body.is_done() {
            let mut received = Vec::new();
            let here = match self.io.read_upstream(&mut received, RELAY_BYTES).await? {
                Received::End if body == BodyFraming::UntilClose => break,
                Received::End => return Err(ExchangeFailure::Aborted),
                Received::Error => return Err(ExchangeFailure::Broken), // No end (RFC 9112 §8).
                Received::Bytes => body
                    .follow(&received)
                    .map_err(|_| ExchangeFailure::Aborted)?,
            };
            self.keep_upstream_after(head, &body, here == received.len(), Instant::now());
            self.io.write_client(&received[..here]).await?;
            self.io.write_client(body.end()).await?;
        }
        Ok(())
    }

    /// Passes on `left` bytes through `pipe`.
    async fn splice_body(
        &mut self,
        head: &ResponseHead,
        mut left: u64,
        pipe: &mut Pipe,
    ) -> Result<(), ExchangeFailure> {
        while left > 0 {
            left -= match self.io.fill(pipe, left).await? {
                0 => return Err(ExchangeFailure::Aborted),
                count => count as u64,
            };
            self.keep_upstream_after(head, &BodyFraming::Length(left), true, Instant::now());
            self.io.drain(pipe, left).await?;
        }
        Ok(())
    }

    /// Counts the request, as the head of its response is here.
    fn count(&self, request: EligibleRequest, status: u16, now: Instant) {
        self.services.metrics.answered(Answered {
            way: RequestWay::FastPath,
            kind: match request.is_asset {
                true => Kind::Asset,
                false => Kind::Fetch,
            },
            class: Class::of(status),
            took: now - self.arrived,
            waited: now - self.sent,
        });
    }

    /// Returns the connection to t3 to the pool after the last byte of a response: the client's next
    /// request may come as soon as it has that byte.
    fn keep_upstream_after(
        &mut self,
        head: &ResponseHead,
        body: &BodyFraming,
        is_all: bool,
        now: Instant,
    ) {
        if body.is_done()
            && head.is_kept
            && is_all
            && let Some(socket) = self.io.upstream.take()
        {
            self.instance.upstream.keep(socket, now);
        }
    }
}
