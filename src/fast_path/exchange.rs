//! One plain request on its way to t3, and its answer on the way back.

use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::fast_path::framing::Body;
use crate::fast_path::io::{Broken, Ends, Heard};
use crate::fast_path::request::Plain;
use crate::fast_path::response::Head;
use crate::fast_path::splice::Pipe;
use crate::fast_path::{Lane, buffers, local_response};
use crate::metrics::requests::{Answered, Class, Kind};
use crate::process::tasks::Tasks;
use crate::responses::ErrorFormat;
use crate::state::Services;
use crate::state::client::Client;

/// How much of a longer answer is read at a time.
const RELAY_BYTES: usize = 64 * 1024;

/// From how many bytes on a body is worth a pipe.
const PIPED_FROM: u64 = 256 * 1024;

/// One exchange.
pub(super) struct Exchange<'a> {
    pub(super) ends: Ends<'a>,
    pub(super) services: &'a Services,
    pub(super) tasks: &'a Tasks,
    /// When the request was here.
    at: Instant,
    /// When t3 had it.
    pub(super) asked: Instant,
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

impl<'a> Exchange<'a> {
    pub(super) fn new(
        lane: &'a mut Lane,
        upstream: TcpStream,
        client: &'a Client,
        services: &'a Services,
        tasks: &'a Tasks,
        at: Instant,
    ) -> Self {
        let ends = Ends {
            lane,
            activity: &client.activity,
            metrics: &services.metrics,
            upstream: Some(upstream),
            due: Some(at + services.upstream.response_timeout()),
            is_blocked: false,
        };
        Self {
            ends,
            services,
            tasks,
            at,
            asked: at,
        }
    }

    /// Sends `onward` to t3 and the answer to the client, who learns that it is the last one once
    /// the drain has begun.
    pub(super) async fn run(mut self, plain: Plain, onward: Vec<u8>) -> Outcome {
        if let Some(due) = self.ends.due {
            self.ends.activity.asks(due);
        }
        let broken = match self.exchange(plain, onward).await {
            Ok(outcome) => return outcome,
            Err(broken) => broken,
        };
        // Nobody looks at that clock any more.
        self.ends.due = None;
        self.ends.activity.expected();
        match broken {
            Broken::Silent => Outcome::Unanswered,
            Broken::Failed(failure) => {
                let id = plain.id(&self.ends.lane.came, &self.services.request_ids);
                let answer = self.services.failed(&failure, ErrorFormat::Json, &id);
                self.count(plain, answer.status().as_u16(), Instant::now());
                let is_last = self.tasks.is_draining();
                match self
                    .ends
                    .tell(&local_response::message(answer, is_last))
                    .await
                {
                    Ok(()) if !is_last => Outcome::Answered,
                    _ => Outcome::Last,
                }
            }
            Broken::Midway => Outcome::Last,
        }
    }

    async fn exchange(&mut self, plain: Plain, onward: Vec<u8>) -> Result<Outcome, Broken> {
        self.ends.ask(&onward).await?;
        buffers::give(onward);
        let (mut said, mut homeward) = (Vec::new(), Vec::new());
        let head = self.head(plain, &mut said, &mut homeward).await?;
        let now = Instant::now();
        self.count(plain, head.status, now);
        let mut body = head.body;
        let came = &said[head.length..];
        let here = body.follow(came).map_err(|_| Broken::Midway)?;
        homeward.extend_from_slice(&came[..here]);
        homeward.extend_from_slice(body.end());
        self.keep_behind(&head, &body, here == came.len(), now);
        buffers::give(said);
        self.ends.tell(&homeward).await?;
        buffers::give(homeward);
        if !body.is_done() {
            self.ends.activity.expected();
            self.rest(&head, body).await?;
        }
        Ok(match head.is_last {
            true => Outcome::Last,
            false => Outcome::Answered,
        })
    }

    /// Passes on what of a body did not come with its head.
    async fn rest(&mut self, head: &Head, mut body: Body) -> Result<(), Broken> {
        if let Body::Length(left @ PIPED_FROM..) = body
            && let Ok(mut pipe) = Pipe::new()
        {
            return self.piped(head, left, &mut pipe).await;
        }
        while !body.is_done() {
            let mut said = Vec::new();
            let here = match self.ends.hear(&mut said, RELAY_BYTES).await? {
                Heard::End if body == Body::UntilClose => break,
                Heard::End => return Err(Broken::Midway),
                Heard::Bytes => body.follow(&said).map_err(|_| Broken::Midway)?,
            };
            self.keep_behind(head, &body, here == said.len(), Instant::now());
            self.ends.tell(&said[..here]).await?;
            self.ends.tell(body.end()).await?;
        }
        Ok(())
    }

    /// Passes on `left` bytes through `pipe`.
    async fn piped(&mut self, head: &Head, mut left: u64, pipe: &mut Pipe) -> Result<(), Broken> {
        while left > 0 {
            left -= match self.ends.fill(pipe, left).await? {
                0 => return Err(Broken::Midway),
                count => count as u64,
            };
            self.keep_behind(head, &Body::Length(left), true, Instant::now());
            self.ends.drain(pipe).await?;
        }
        Ok(())
    }

    /// The head of the answer is here.
    fn count(&self, plain: Plain, status: u16, now: Instant) {
        self.services.metrics.answered(Answered {
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
    fn keep_behind(&mut self, head: &Head, body: &Body, is_all: bool, now: Instant) {
        if body.is_done()
            && head.is_kept
            && is_all
            && let Some(stream) = self.ends.upstream.take()
        {
            self.services.upstream.keep(stream, now);
        }
    }
}
