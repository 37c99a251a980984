//! The task of a fetch: encodes a file as it comes, streams it to the first client and stores it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http_body::Frame;
use http_body_util::BodyExt;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::yield_now;
use tokio::time::timeout;
use tracing::debug;

use crate::assets::cacheability::StaticFile;
use crate::assets::content_store::FetchRoom;
use crate::assets::encoder::{Coding, Encoder, Form, PIECE_BYTES};
use crate::assets::growing_body::{BodyReader, GrowingBody};
use crate::assets::hashes::{ContentHash, ContentHasher};
use crate::assets::names::KnownFile;
use crate::assets::single_flight::FetchLeader;
use crate::assets::{AssetService, response_fields};
use crate::limited;
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
    pub(super) turn: FetchTurn,
}

/// The right to hold a file that is being fetched.
#[derive(Debug)]
pub(super) struct FetchTurn {
    /// Among the fetches from this t3.
    pub(super) _permit: OwnedSemaphorePermit,
    /// Among all fetches. What is not stored keeps it until its client has it.
    pub(super) room: Option<FetchRoom>,
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

/// The encoded body so far, which its client reads.
struct EncodedBody<'a> {
    encoder: Encoder,
    unflushed_bytes: usize,
    client: &'a GrowingBody,
}

impl Transcoder {
    /// Starts the task, which goes on when its client leaves, except in a drain. It does not wait for a slow
    /// client, as followers wait for the file's end.
    pub(super) fn start(mut self, body: Inbound) -> BodyReader {
        let (client, reader) = GrowingBody::new();
        let tasks = self.service.tasks.clone();
        let drain = tasks.drain().clone();
        tasks.detach(async move {
            let unwanted = async {
                drain.cancelled().await;
                client.unread().await;
            };
            tokio::select! {
                () = self.run(body, &client) => {}
                () = unwanted => {}
            }
        });
        reader
    }

    async fn run(&mut self, body: Inbound, client: &GrowingBody) {
        let transcoded = timeout(TOTAL_TIMEOUT, self.transcode(body, client)).await;
        if let Err(error) = transcoded.unwrap_or(Err(TranscodeError::Late)) {
            let name = self.leader.name();
            limited!(WARN, "a static file is cut short and not stored"; name, %error);
        }
    }

    async fn transcode(
        &mut self,
        mut body: Inbound,
        client: &GrowingBody,
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
        let whole = out.map(EncodedBody::finish).transpose()?;
        let stored = self
            .store(hasher.finish(), whole.clone(), original.into())
            .await;
        let room = self.turn.room.take_if(|_| stored.is_none());
        // Last: a client that has the whole file finds it in the store.
        client.end(stored.or(whole).unwrap_or_default(), room);
        Ok(())
    }

    /// Is the file held as t3 sends it, beside what goes to the client? What is sent without a coding is that.
    fn keeps_original(&self) -> bool {
        self.file.is_compressible && self.coding != Some(Coding::Identity)
    }

    /// Stores the `content`, `encoded` for this client if one waits, and the name that this t3 has sent it under.
    /// `original` is the content as it is, if it is held. Returns what the store has of `encoded`.
    async fn store(
        &self,
        content: ContentHash,
        encoded: Option<Bytes>,
        original: Bytes,
    ) -> Option<Bytes> {
        let (name, length, coding) = (self.leader.name(), self.file.length, self.coding);
        debug!(name, ?coding, length, "a static file is whole");
        let (shared, is_compressible) = (&self.service.content, self.file.is_compressible);
        let original = match self.keeps_original() {
            true => original,
            false => encoded.clone().unwrap_or_default(),
        };
        let mut stored = None;
        if !is_compressible || !shared.encoded.is_complete(content) {
            if let Some((coding, body)) = coding.zip(encoded) {
                let form = Form::fast(coding);
                stored = shared.encoded.put(content, length, form, body);
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
        stored
    }
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
    fn new(coding: Coding, length: u64, client: &'a GrowingBody) -> io::Result<Self> {
        Ok(Self {
            encoder: Encoder::new(Form::fast(coding), length)?,
            unflushed_bytes: 0,
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
            self.client.push(self.encoder.take());
        }
        Ok(())
    }

    /// Ends the body; returns all of it, of which the client has not been given the end.
    fn finish(self) -> io::Result<Bytes> {
        let last = self.encoder.finish()?;
        Ok(self.client.with_last(last))
    }
}
