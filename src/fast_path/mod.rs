//! The fast path: plain requests are read, judged, sent on and answered in the client's own task.
//!
//! Most requests are plain, and most of what a hop costs is what a library does to read and write
//! any message there is. A plain one is forwarded line by line instead, from one buffer to
//! another. Whatever is not certainly plain is left, as it came, to [`crate::connection`]'s other
//! way; so is a plain one for which t3 closed its connection before it said anything.

pub mod buffers;
pub mod chunked;
pub mod exchange;
pub mod field_policy;
pub mod framing;
pub mod head_writer;
pub mod header_lines;
pub mod hop;
pub mod io;
pub mod local_response;
pub mod normalized_head;
pub mod request;
pub mod request_writer;
pub mod response;
pub mod response_head;
pub mod splice;
pub mod swar;
pub mod token_scan;

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Context, Poll};

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::fast_path::exchange::{Exchange, Outcome};
use crate::fast_path::hop::Hop;
use crate::fast_path::request::rewrite;
use crate::metrics::requests::Stream;
use crate::process::tasks::Tasks;
use crate::state::Services;
use crate::state::client::Client;

/// A client's connection, and what came on it that has not been answered.
#[derive(Debug)]
pub struct Lane {
    /// The connection.
    pub stream: TcpStream,
    /// What came and has not been answered.
    pub came: Vec<u8>,
}

/// Why the fast path came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// The connection is over.
    Over,
    /// What came is not plain.
    NotPlain,
}

/// Answers plain requests until something else comes, or nothing more. Does not wait for the rest
/// of a head: whoever sends one in pieces is served by the other way.
pub async fn serve(lane: &mut Lane, client: &Client, services: &Services, tasks: &Tasks) -> Next {
    let ip = client.peer.ip();
    // What may be a file is looked at on its way back, or is here already.
    let hop = Hop::new(
        &services.door,
        &services.request_ids,
        ip,
        !services.assets.is_on(),
    );
    loop {
        if lane.came.is_empty() {
            match lane.first_bytes(tasks).await {
                Ok(count) if count > 0 => services.metrics.received(Stream::Http, count as u64),
                _ => return Next::Over,
            }
        }
        let at = Instant::now();
        let mut onward = buffers::take();
        let plain = match services.readiness.is_surely_up() {
            true => rewrite(&lane.came, &hop, &mut onward),
            false => None,
        };
        let Some(plain) = plain else {
            buffers::give(onward);
            client.activity.head(at);
            return Next::NotPlain;
        };
        let Ok(upstream) = services.upstream.idle_or_new(at).await else {
            client.activity.head(at);
            return Next::NotPlain;
        };
        let exchange = Exchange::new(lane, upstream, client, services, tasks, at);
        match exchange.run(plain, onward).await {
            Outcome::Unanswered => return Next::NotPlain,
            Outcome::Last => return Next::Over,
            Outcome::Answered => {}
        }
        lane.came.drain(..plain.length);
        client.activity.end();
    }
}

impl Lane {
    /// Reads what comes next; nothing at the end of the connection, or when the drain begins.
    async fn first_bytes(&mut self, tasks: &Tasks) -> std::io::Result<usize> {
        poll_fn(|cx| self.poll_first_bytes(cx, tasks)).await
    }

    fn poll_first_bytes(
        &mut self,
        cx: &mut Context<'_>,
        tasks: &Tasks,
    ) -> Poll<std::io::Result<usize>> {
        if tasks.is_draining() {
            return Poll::Ready(Ok(0));
        }
        buffers::make_room(&mut self.came, 1);
        let read = pin!(self.stream.read_buf(&mut self.came)).poll(cx);
        // An idle connection holds no buffer.
        buffers::give_if_empty(&mut self.came);
        read
    }
}
