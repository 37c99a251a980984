//! One request, and sending its response.

use std::io;
use std::sync::Arc;

use crate::faults::Faults;
use crate::http::body::Body;
use crate::http::head::Head;
use crate::http::response::{self, Response};
use crate::http::target::{self, Target};
use crate::http::wire::{Peer, Wire};
use crate::state::State;
use crate::websocket::Upgrade;
use crate::websocket::deflate::Deflate;

/// A request whose head is parsed, and its connection.
pub(crate) struct Exchange<'a> {
    pub(crate) wire: &'a mut Wire,
    pub(crate) head: &'a Head,
    pub(crate) body: Body,
    /// How many requests came before it on its connection.
    pub(crate) number: u64,
    pub(crate) peer: Peer,
    pub(crate) state: &'a Arc<State>,
    pub(crate) faults: &'a Faults,
}

/// What happens to the connection after a response.
pub(crate) enum After {
    /// It is kept for the next request.
    Keep,
    /// It is ended from this side.
    Close,
    /// It is closed at once.
    Drop,
    /// A 101 was sent, perhaps with permessage-deflate.
    Upgrade(Upgrade, Option<Deflate>),
}

/// The result of a route.
pub(crate) enum Reply {
    Response(Response),
    /// Its work is done, its response is not sent.
    Lost,
}

impl From<Response> for Reply {
    fn from(response: Response) -> Reply {
        Reply::Response(response)
    }
}

impl<'a> Exchange<'a> {
    pub(crate) fn target(&self) -> Target<'a> {
        target::parse(self.head.target())
    }

    /// Responds to `Expect: 100-continue` (contract §7).
    pub(crate) async fn continue_if_expected(&mut self) -> io::Result<()> {
        if self.head.has_token("expect", "100-continue") && !self.head.is_http_1_0() {
            self.wire.write(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        Ok(())
    }

    /// Sends the whole response, then skips what is left of the body.
    pub(crate) async fn send(&mut self, response: &Response) -> io::Result<After> {
        let codes = self.state.facts.codes_content;
        let coded = codes.then(|| response.coded(self.head)).flatten();
        let response = coded.as_ref().unwrap_or(response);
        let bytes = response.encode(self.head, self.head.keeps_alive());
        self.wire.write(&bytes).await?;
        self.after().await
    }

    /// The end of a completed response: any Upgrade header ends the socket, whatever the response (contract §5).
    pub(crate) async fn after(&mut self) -> io::Result<After> {
        if !self.head.keeps_alive() || self.head.wants_upgrade() {
            return Ok(After::Close);
        }
        self.body.skip(self.wire).await?;
        Ok(After::Keep)
    }

    /// Sends a head whose body follows.
    pub(crate) async fn send_head(
        &mut self,
        status: u16,
        lines: &str,
        chunked: bool,
    ) -> io::Result<()> {
        let mut head = Vec::with_capacity(512);
        response::start(&mut head, status, lines.as_bytes());
        response::end(
            &mut head,
            self.head,
            self.head.keeps_alive(),
            chunked && self.may_chunk(),
        );
        self.wire.write(&head).await
    }

    /// Sends a part of a chunked body.
    pub(crate) async fn send_chunk(&mut self, data: &[u8]) -> io::Result<()> {
        if !self.may_chunk() {
            return self.wire.write(data).await;
        }
        let mut chunk = Vec::with_capacity(data.len() + 16);
        response::chunk(&mut chunk, data);
        self.wire.write(&chunk).await
    }

    /// Ends a chunked body, with these trailer lines.
    pub(crate) async fn send_end(&mut self, trailers: &[u8]) -> io::Result<()> {
        if !self.may_chunk() {
            return Ok(());
        }
        self.wire
            .write(&[b"0\r\n", trailers, b"\r\n"].concat())
            .await
    }

    /// HTTP/1.0 has no chunks: there the end of the connection ends the body.
    fn may_chunk(&self) -> bool {
        !self.head.is_http_1_0()
    }

    pub(crate) async fn read_body(&mut self) -> io::Result<Vec<u8>> {
        self.body.all(self.wire).await
    }
}
