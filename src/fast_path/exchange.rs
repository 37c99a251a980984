//! One plain request on its way to t3, and its answer on the way back.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Lane;
use super::framing::Body;
use super::own;
use super::request::Plain;
use super::response::{self, Asked, Head, Reply};
use crate::activity::Activity;
use crate::answers::Audience;
use crate::dispatch::{Client, Dispatch};
use crate::metrics::{Answered, Class, Kind, Stream};
use crate::upstream::Failure;

/// How much of an answer is read at first: all of a small one.
const FIRST_BYTES: usize = 8 * 1024;

/// How much of a long answer is read at a time.
const RELAY_BYTES: usize = 128 * 1024;

/// The longest head of an answer.
const HEAD_LIMIT: usize = 128 * 1024;

/// How much a client may send ahead of the answers to what it has sent.
const AHEAD_LIMIT: usize = 64 * 1024;

/// One exchange.
pub(super) struct Exchange<'a> {
    lane: &'a mut Lane,
    activity: &'a Activity,
    dispatch: &'a Dispatch,
    /// The connection to t3, until it is kept for another request.
    upstream: Option<TcpStream>,
    /// When the request was here.
    at: Instant,
    /// When t3 had it.
    asked: Instant,
    /// When the head of the answer must be here.
    due: Option<Instant>,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The answer is with the client.
    Answered,
    /// The client's connection is over, with or without an answer.
    Last,
    /// t3 said nothing at all: the request may be sent again.
    Unanswered,
}

/// Why it ended before its time.
#[derive(Debug)]
enum Broken {
    /// The client is gone, or the answer broke off.
    Midway,
    /// t3 is gone before it said anything.
    Silent,
    /// There is no answer, and nothing of one was sent to the client.
    Failed(Failure),
}

/// What came from t3.
#[derive(Debug, PartialEq, Eq)]
enum Heard {
    Bytes,
    End,
}

impl<'a> Exchange<'a> {
    pub(super) fn new(
        lane: &'a mut Lane,
        upstream: TcpStream,
        client: &'a Client,
        dispatch: &'a Dispatch,
        at: Instant,
    ) -> Self {
        Self {
            lane,
            activity: &client.activity,
            dispatch,
            upstream: Some(upstream),
            at,
            asked: at,
            due: None,
        }
    }

    /// Sends `onward` to t3 and the answer to the client, who learns that it is the last one once
    /// the drain has begun.
    pub(super) async fn run(
        mut self,
        plain: Plain,
        onward: &[u8],
        drain: &CancellationToken,
    ) -> Outcome {
        match self.exchange(plain, onward, drain).await {
            Ok(outcome) => outcome,
            Err(Broken::Silent) => Outcome::Unanswered,
            Err(Broken::Failed(failure)) => {
                let answer = self
                    .dispatch
                    .failed(&failure, Audience::Script, &plain.id(onward));
                self.count(plain, answer.status().as_u16());
                let is_last = drain.is_cancelled();
                match self.tell(&own::message(answer, is_last)).await {
                    Ok(()) if !is_last => Outcome::Answered,
                    _ => Outcome::Last,
                }
            }
            Err(Broken::Midway) => Outcome::Last,
        }
    }

    async fn exchange(
        &mut self,
        plain: Plain,
        onward: &[u8],
        drain: &CancellationToken,
    ) -> Result<Outcome, Broken> {
        if let Some(upstream) = &mut self.upstream {
            let sent = upstream.write_all(onward).await;
            sent.map_err(|_| Broken::Silent)?;
        }
        let (mut said, mut homeward) = (Vec::new(), Vec::new());
        let head = self.head(plain, drain, &mut said, &mut homeward).await?;
        self.count(plain, head.status);
        let mut body = head.body;
        let mut here = body
            .follow(&said[head.length..])
            .map_err(|_| Broken::Midway)?;
        homeward.extend_from_slice(&said[head.length..][..here]);
        self.keep_behind(&head, &body, head.length + here == said.len());
        self.tell(&homeward).await?;
        while !body.is_done() {
            said.clear();
            said.reserve(RELAY_BYTES);
            match self.hear(&mut said).await? {
                Heard::End if body == Body::UntilClose => break,
                Heard::End => return Err(Broken::Midway),
                Heard::Bytes => here = body.follow(&said).map_err(|_| Broken::Midway)?,
            }
            self.keep_behind(&head, &body, here == said.len());
            self.tell(&said[..here]).await?;
        }
        Ok(match head.is_last {
            true => Outcome::Last,
            false => Outcome::Answered,
        })
    }

    /// The head of the answer is here.
    fn count(&self, plain: Plain, status: u16) {
        let now = Instant::now();
        self.dispatch.metrics.answered(Answered {
            kind: match plain.is_asset {
                true => Kind::Asset,
                false => Kind::Fetch,
            },
            class: Class::of(status),
            took: now - self.at,
            waited: now - self.asked,
        });
    }

    /// Keeps the connection to t3 behind the last byte of an answer: the client's next request
    /// may come as soon as it has that byte.
    fn keep_behind(&mut self, head: &Head, body: &Body, is_all: bool) {
        if body.is_done()
            && head.is_kept
            && is_all
            && let Some(stream) = self.upstream.take()
        {
            self.dispatch.upstream.keep(stream);
        }
    }

    /// Waits for the head of the answer, and passes on what t3 says before it.
    async fn head(
        &mut self,
        plain: Plain,
        drain: &CancellationToken,
        said: &mut Vec<u8>,
        homeward: &mut Vec<u8>,
    ) -> Result<Head, Broken> {
        let secured = plain
            .is_https
            .then(|| self.dispatch.readiness.cookie_name());
        self.asked = Instant::now();
        let due = self.asked + self.dispatch.upstream.response_timeout();
        self.due = Some(due);
        self.activity.expect_by(due);
        let head = loop {
            said.reserve(FIRST_BYTES);
            let heard = self.hear(said).await?;
            let asked = Asked {
                is_head: plain.is_head,
                secured: secured.as_deref(),
                is_last: drain.is_cancelled(),
            };
            match self.understand(&asked, said, homeward).await? {
                Some(head) => break head,
                None if heard == Heard::End && said.is_empty() => return Err(Broken::Silent),
                None if heard == Heard::End || said.len() > HEAD_LIMIT => {
                    return Err(Broken::Failed(Failure::Unclear));
                }
                None => {}
            }
        };
        self.due = None;
        self.activity.expected();
        Ok(head)
    }

    /// Reads the heads that `said` begins with, up to that of the answer.
    async fn understand(
        &mut self,
        asked: &Asked<'_>,
        said: &mut Vec<u8>,
        homeward: &mut Vec<u8>,
    ) -> Result<Option<Head>, Broken> {
        loop {
            match response::rewrite(said, asked, homeward) {
                Reply::Partial => return Ok(None),
                Reply::Final(head) => return Ok(Some(head)),
                Reply::Unclear => return Err(Broken::Failed(Failure::Unclear)),
                Reply::Interim(length) => {
                    said.drain(..length);
                    self.tell(homeward).await?;
                }
            }
        }
    }

    /// Reads on from t3, and listens to the client meanwhile: whoever leaves ends the exchange.
    async fn hear(&mut self, said: &mut Vec<u8>) -> Result<Heard, Broken> {
        poll_fn(|cx| self.poll_hear(cx, said)).await
    }

    fn poll_hear(
        &mut self,
        cx: &mut Context<'_>,
        said: &mut Vec<u8>,
    ) -> Poll<Result<Heard, Broken>> {
        let Some(upstream) = &mut self.upstream else {
            return Poll::Ready(Ok(Heard::End));
        };
        match pin!(upstream.read_buf(said)).poll(cx) {
            Poll::Ready(Ok(count)) if count > 0 => return Poll::Ready(Ok(Heard::Bytes)),
            Poll::Ready(_) => return Poll::Ready(Ok(Heard::End)),
            Poll::Pending => {}
        }
        let Lane { stream, came } = &mut *self.lane;
        while came.len() < AHEAD_LIMIT {
            match pin!(stream.read_buf(came)).poll(cx) {
                Poll::Ready(Ok(count)) if count > 0 => {
                    self.activity.read(count);
                    let metrics = &self.dispatch.metrics;
                    metrics.received(Stream::Http, count as u64);
                }
                Poll::Ready(_) => return Poll::Ready(Err(Broken::Midway)),
                Poll::Pending => break,
            }
        }
        match self.due {
            Some(due) if Instant::now() >= due => {
                Poll::Ready(Err(Broken::Failed(Failure::ResponseTimeout)))
            }
            _ => Poll::Pending,
        }
    }

    /// Writes all of `bytes` to the client.
    async fn tell(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let written = poll_fn(|cx| {
                let polled = Pin::new(&mut self.lane.stream).poll_write(cx, rest);
                if polled.is_pending() {
                    self.activity.write_blocked();
                }
                polled
            });
            let count = written.await.unwrap_or_default();
            if count == 0 {
                return Err(Broken::Midway);
            }
            self.activity.wrote(count);
            self.dispatch.metrics.sent(Stream::Http, count as u64);
            rest = &rest[count..];
        }
        self.activity.flushed();
        Ok(())
    }
}
