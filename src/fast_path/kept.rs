//! Kept files: answered in the client's own task from what is stored, without t3 and without hyper.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::AsyncWrite;
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::assets::kept::KeptResponse;
use crate::fast_path::header_lines::{HeaderLines, LineSpace};
use crate::fast_path::request::{self, EligibleRequest};
use crate::fast_path::request_writer::{Files, Rules};
use crate::fast_path::{ClientConnection, buffers};
use crate::http_rules::grammar::write_line;
use crate::http_rules::{header_map, paths};
use crate::metrics::requests::{Answered, Class, Kind, RequestWay, Stream};
use crate::responses::message::write_date;
use crate::state::Services;
use crate::state::client::Client;
use crate::state::instance::Instance;

/// A request for a kept file, and the response to it.
pub(super) struct KeptExchange {
    /// The request.
    pub(super) request: EligibleRequest,
    response: KeptResponse,
    instance: Arc<Instance>,
}

/// The request that `unread` begins with, if it is for a kept file and the response is at hand, whatever t3's
/// state. `space` is for the head that t3 would be asked with: by that hyper's way decides, too.
pub(super) fn find(
    unread: &[u8],
    rules: &Rules<'_>,
    services: &Services,
    now: Instant,
    space: &mut Vec<u8>,
) -> Option<KeptExchange> {
    if rules.files == Files::Eligible || !may_be_for_kept(unread) || !services.access.is_fresh(now)
    {
        return None;
    }
    // Another dispatcher keeps its own.
    let locate = |identity: Option<&str>| {
        let instance = services.instances.known(identity)?;
        instance.inner.is_none().then_some(instance)
    };
    let (request, instance) = request::rewrite_for_kept(unread, rules, locate, space)?;
    let first = 1 + memchr::memchr(b'\n', space)?;
    let mut lines = <LineSpace>::default();
    let lines = HeaderLines::read(space, first, &mut lines)?;
    let response = instance.assets.kept(request.path(unread), &lines)?;
    // What is shown as a page gets a policy besides.
    let policy = services.frame_ancestors.line_for(response.fields_of_file());
    policy.is_none().then_some(KeptExchange {
        request,
        response,
        instance,
    })
}

/// Is it worth a closer look?
fn may_be_for_kept(unread: &[u8]) -> bool {
    let target = unread.strip_prefix(b"GET ");
    let target = target.or_else(|| unread.strip_prefix(b"HEAD "));
    target.is_some_and(|target| target.starts_with(paths::HASHED.as_bytes()))
}

impl KeptExchange {
    /// Sends the response to the client; `head` is room for its head. False where the connection is over.
    pub(super) async fn run(
        self,
        connection: &mut ClientConnection,
        client: &Client,
        services: &Services,
        arrived: Instant,
        mut head: Vec<u8>,
    ) -> bool {
        let _in_use = self.instance.usage.begin();
        let is_last = services.tasks.is_leaving();
        self.write_head(&connection.unread, services, is_last, &mut head);
        self.count(services, arrived);
        let body = match self.request.is_head {
            true => Bytes::new(),
            false => self.response.body(),
        };
        let mut writer = OwnWriter {
            stream: &mut connection.stream,
            client,
            services,
            is_blocked: false,
        };
        let written = writer.write(&head, &body).await;
        buffers::give(head);
        connection.unread.drain(..self.request.length);
        client.deadlines.exchange_ended();
        written.is_ok() && !is_last
    }

    /// The head as hyper writes it.
    fn write_head(&self, unread: &[u8], services: &Services, is_last: bool, to: &mut Vec<u8>) {
        to.clear();
        header_map::write_status(self.response.status(), to);
        self.response
            .each_field(|name, value| write_line(name.as_str().as_bytes(), value, to));
        let id = self.request.id_text(unread, &services.request_ids);
        id.write_line(to);
        if is_last {
            to.extend_from_slice(b"connection: close\r\n");
        }
        write_date(to);
        to.extend_from_slice(b"\r\n");
    }

    fn count(&self, services: &Services, arrived: Instant) {
        let metrics = &services.metrics;
        self.response.count(self.request.is_head, metrics);
        metrics.answered(Answered {
            way: RequestWay::FastPath,
            kind: Kind::Asset,
            class: Class::of(self.response.status().as_u16()),
            took: arrived.elapsed(),
            waited: Duration::ZERO,
        });
    }
}

/// Writes a response of the dispatcher's own to the client.
struct OwnWriter<'a> {
    stream: &'a mut TcpStream,
    client: &'a Client,
    services: &'a Services,
    /// The client has not taken everything, and its deadline runs.
    is_blocked: bool,
}

impl OwnWriter<'_> {
    /// Writes all of `head` and `body`, without a copy of the latter.
    async fn write(&mut self, mut head: &[u8], mut body: &[u8]) -> io::Result<()> {
        while !head.is_empty() || !body.is_empty() {
            let written = std::future::poll_fn(|cx| self.poll_write(cx, head, body)).await?;
            let of_head = written.min(head.len());
            head = &head[of_head..];
            body = &body[written - of_head..];
        }
        if self.is_blocked {
            self.client.deadlines.flushed();
            self.client.held.flushed();
        }
        Ok(())
    }

    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        head: &[u8],
        body: &[u8],
    ) -> Poll<io::Result<usize>> {
        let slices = [IoSlice::new(head), IoSlice::new(body)];
        let stream = Pin::new(&mut *self.stream);
        let polled = match body {
            [] => stream.poll_write(cx, head),
            _ => stream.poll_write_vectored(cx, &slices),
        };
        match polled {
            Poll::Pending if self.blocked() => Poll::Pending,
            Poll::Pending => Poll::Ready(Err(io::ErrorKind::OutOfMemory.into())),
            Poll::Ready(Ok(0)) => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            Poll::Ready(Ok(written)) => {
                self.took(written);
                Poll::Ready(Ok(written))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
        }
    }

    /// Starts the client's deadline where it takes nothing; most take everything at once. False if what is
    /// held for it is more than is left.
    fn blocked(&mut self) -> bool {
        let Client {
            deadlines, held, ..
        } = self.client;
        if !std::mem::replace(&mut self.is_blocked, true) {
            deadlines.exchange_began(None);
            held.response_is(false, 0);
        }
        deadlines.write_blocked();
        // The bytes are the store's: for this client only the kernel holds some.
        held.write_blocked(0)
    }

    fn took(&self, count: usize) {
        if self.is_blocked {
            self.client.deadlines.wrote(count);
        }
        self.services.metrics.sent(Stream::Http, count as u64);
    }
}
