//! The task of a fetch: encodes a file as it comes, streams it to the first client and stores it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::HeaderMap;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::task::yield_now;
use tokio::time::timeout;
use tracing::debug;

use crate::assets::cacheability::StaticFile;
use crate::assets::content_store::FetchRoom;
use crate::assets::encoder::{Coding, Encoder, Form, PIECE_BYTES};
use crate::assets::hashes::{ContentHash, ContentHasher};
use crate::assets::names::KnownFile;
use crate::assets::single_flight::FetchLeader;
use crate::assets::{AssetService, response_fields};
use crate::limited;
use crate::responses::body::{BodyError, ResponseBody};
use crate::upstream::response_body::Inbound;

/// After how many bytes the encoder is flushed: brotli keeps its notes until then.
const FLUSH_BYTES: usize = 64 * 1024;

/// After which pause of t3's the encoder is flushed.
const FLUSH_PAUSE: Duration = Duration::from_millis(20);

/// How long t3 may pause: it reads a file and sends it in one go.
const STALL_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a file may take in all: what it takes of the room for fetches is everybody's.
const TOTAL_TIMEOUT: Duration = Duration::from_secs(5 * 60);

/// A fetch whose response has begun.
pub(super) struct Transcoder {
    pub(super) service: Arc<AssetService>,
    /// Its followers wait for the end of this.
    pub(super) leader: FetchLeader,
    pub(super) file: StaticFile,
    /// What it is encoded in as it comes; `None` if it is taken from the store once it is whole.
    pub(super) coding: Option<Coding>,
    /// The fields of t3's response.
    pub(super) upstream_fields: HeaderMap,
    /// Given back at its end.
    pub(super) _turn: FetchTurn,
}

/// The right to hold a file that is being fetched.
#[derive(Debug)]
pub(super) struct FetchTurn {
    /// Among the fetches from this t3.
    pub(super) _permit: OwnedSemaphorePermit,
    /// Among all fetches.
    pub(super) _room: FetchRoom,
}

/// A part of the encoded body. Without [`EncodedPiece::End`] the body has been cut short.
#[derive(Debug)]
pub(super) enum EncodedPiece {
    Data(Bytes),
    End,
}

/// Why a file is incomplete.
#[derive(Debug, thiserror::Error)]
enum TranscodeError {
    #[error("t3 paused for more than {STALL_TIMEOUT:?}")]
    Stalled,
    #[error("t3 took more than {TOTAL_TIMEOUT:?}")]
    Late,
    #[error("t3's response ended early: {0}")]
    Upstream(#[from] hyper::Error),
    #[error("not compressed: {0}")]
    Encoder(#[from] io::Error),
}

/// The encoded body so far.
struct EncodedBody<'a> {
    encoder: Encoder,
    unflushed_bytes: usize,
    encoded: Vec<Bytes>,
    client: &'a mpsc::UnboundedSender<EncodedPiece>,
}

/// The response body that is made of `pieces`.
pub(super) fn body(pieces: mpsc::UnboundedReceiver<EncodedPiece>) -> ResponseBody {
    let frames = stream::unfold(Some(pieces), |pieces| async move {
        let mut pieces = pieces?;
        match pieces.recv().await {
            Some(EncodedPiece::Data(data)) => Some((Ok(Frame::data(data)), Some(pieces))),
            Some(EncodedPiece::End) => None,
            None => Some((Err(BodyError::CutShort), None)),
        }
    });
    ResponseBody::made(StreamBody::new(frames))
}

impl Transcoder {
    /// Starts the task, which goes on when its client leaves, except in a drain. The channel is
    /// unbounded as followers wait for the file's end and not for a slow client; it holds at most
    /// one file.
    pub(super) fn start(self, body: Inbound) -> mpsc::UnboundedReceiver<EncodedPiece> {
        let (client, pieces) = mpsc::unbounded_channel();
        let tasks = self.service.tasks.clone();
        let drain = tasks.drain().clone();
        tasks.detach(async move {
            let unwanted = async {
                drain.cancelled().await;
                client.closed().await;
            };
            tokio::select! {
                () = self.run(body, &client) => {}
                () = unwanted => {}
            }
        });
        pieces
    }

    async fn run(&self, body: Inbound, client: &mpsc::UnboundedSender<EncodedPiece>) {
        let transcoded = timeout(TOTAL_TIMEOUT, self.transcode(body, client)).await;
        if let Err(error) = transcoded.unwrap_or(Err(TranscodeError::Late)) {
            let name = self.leader.name();
            limited!(WARN, "a static file is cut short and not stored"; name, %error);
        }
    }

    async fn transcode(
        &self,
        mut body: Inbound,
        client: &mpsc::UnboundedSender<EncodedPiece>,
    ) -> Result<(), TranscodeError> {
        let length = self.file.length;
        let (mut hasher, mut original) = (ContentHasher::default(), Vec::new());
        if self.keeps_original() {
            original.reserve_exact(usize::try_from(length).unwrap_or(0));
        }
        let out = |coding| EncodedBody::new(coding, length, client);
        let mut out = self.coding.map(out).transpose()?;
        while let Some(data) = next_data(&mut body, out.as_mut()).await? {
            for piece in data.chunks(PIECE_BYTES) {
                hasher.update(piece);
                if let Some(out) = &mut out {
                    out.write(piece)?;
                }
                // Other tasks run between two pieces.
                yield_now().await;
            }
            if self.keeps_original() {
                original.extend_from_slice(&data);
            }
        }
        let (last, whole) = out.map(EncodedBody::finish).transpose()?.unzip();
        self.store(hasher.finish(), whole, original.into()).await;
        // Sent last: a client that has the whole file finds it in the store.
        send(client, last.unwrap_or_default());
        let _ = client.send(EncodedPiece::End);
        Ok(())
    }

    /// Is the file held as t3 sends it, beside what goes to the client? What is sent without a coding is that.
    fn keeps_original(&self) -> bool {
        self.file.is_compressible && self.coding != Some(Coding::Identity)
    }

    /// Stores the `content`, `encoded` for this client if one waits, and the name that this t3 has sent it under.
    /// `original` is the content as it is, if it is held.
    async fn store(&self, content: ContentHash, encoded: Option<Bytes>, original: Bytes) {
        let (name, length, coding) = (self.leader.name(), self.file.length, self.coding);
        debug!(name, ?coding, length, "a static file is whole");
        let (shared, is_compressible) = (&self.service.content, self.file.is_compressible);
        let original = match self.keeps_original() {
            true => original,
            false => encoded.clone().unwrap_or_default(),
        };
        if !is_compressible || !shared.encoded.is_complete(content) {
            if let Some((coding, body)) = coding.zip(encoded) {
                shared
                    .encoded
                    .put(content, length, Form::fast(coding), body);
            }
            if is_compressible {
                shared.put_best(content, original).await;
            }
        }
        let fields = &self.upstream_fields;
        let fields = response_fields::of_immutable(fields, Coding::Identity, is_compressible);
        let file = KnownFile {
            content,
            length,
            fields: Arc::new(fields),
            is_compressible,
        };
        self.service.names.put(name, &file);
    }
}

/// Waits for the end of `pieces`; false if the body has been cut short.
pub(super) async fn ended(mut pieces: mpsc::UnboundedReceiver<EncodedPiece>) -> bool {
    while let Some(piece) = pieces.recv().await {
        if matches!(piece, EncodedPiece::End) {
            return true;
        }
    }
    false
}

/// The next bytes of t3's `body`; in a pause, what has come goes to the client.
async fn next_data(
    body: &mut Inbound,
    mut out: Option<&mut EncodedBody<'_>>,
) -> Result<Option<Bytes>, TranscodeError> {
    loop {
        let frame = match timeout(FLUSH_PAUSE, body.frame()).await {
            Ok(frame) => frame,
            Err(_) => {
                if let Some(out) = &mut out {
                    out.flush()?;
                }
                let frame = timeout(STALL_TIMEOUT, body.frame()).await;
                frame.map_err(|_| TranscodeError::Stalled)?
            }
        };
        match frame.transpose()?.map(Frame::into_data) {
            Some(Ok(data)) => return Ok(Some(data)),
            Some(Err(_trailers)) => {}
            None => return Ok(None),
        }
    }
}

impl<'a> EncodedBody<'a> {
    fn new(
        coding: Coding,
        length: u64,
        client: &'a mpsc::UnboundedSender<EncodedPiece>,
    ) -> io::Result<Self> {
        Ok(Self {
            encoder: Encoder::new(Form::fast(coding), length)?,
            unflushed_bytes: 0,
            encoded: Vec::new(),
            client,
        })
    }

    fn write(&mut self, piece: &[u8]) -> io::Result<()> {
        self.encoder.write(piece)?;
        self.unflushed_bytes += piece.len();
        match self.unflushed_bytes >= FLUSH_BYTES {
            true => self.flush(),
            false => Ok(()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.unflushed_bytes > 0 {
            self.unflushed_bytes = 0;
            self.encoder.flush()?;
            let ready = self.encoder.take();
            send(self.client, ready.clone());
            self.encoded.push(ready);
        }
        Ok(())
    }

    /// Ends the body; returns its last part, which is not sent, and the whole.
    fn finish(mut self) -> io::Result<(Bytes, Bytes)> {
        let last = self.encoder.finish()?;
        self.encoded.push(last.clone());
        Ok((last, self.encoded.concat().into()))
    }
}

/// Sends `data` to the client, if it has not left.
fn send(client: &mpsc::UnboundedSender<EncodedPiece>, data: Bytes) {
    if !data.is_empty() {
        let _ = client.send(EncodedPiece::Data(data));
    }
}
