//! A body from t3 to those who read it, through the encoder, and then into the store.

use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

use bytes::Bytes;
use http::HeaderMap;
use http_body_util::BodyExt;
use tokio::task::yield_now;
use tokio::time::timeout;
use tracing::{debug, warn};

use crate::assets::Inner;
use crate::assets::broadcast_body::Writer;
use crate::assets::cacheability::File;
use crate::assets::compressor::Job;
use crate::assets::encoder::{Coding, Encoder, PIECE_BYTES};
use crate::assets::single_flight::Lead;
use crate::assets::store::Kept;
use crate::upstream::response_body::Inbound;

/// After how many bytes what is coded so far goes on. Brotli keeps its notes until then.
const FLUSH_BYTES: usize = 64 * 1024;

/// How long t3 may pause before what is coded so far goes on.
const FLUSH_PAUSE: Duration = Duration::from_millis(20);

/// How long t3 may pause at most: a file is read and sent in one go.
const STALL: Duration = Duration::from_secs(30);

/// One file under way.
pub(super) struct Pump {
    pub(super) assets: Arc<Inner>,
    pub(super) lead: Lead,
    pub(super) file: File,
    /// What t3 said of it, and what is said of it here.
    pub(super) from_t3: Arc<HeaderMap>,
    pub(super) fields: Arc<HeaderMap>,
    pub(super) coding: Coding,
    pub(super) encoder: Encoder,
    pub(super) writer: Writer,
}

/// Why a file did not arrive whole.
enum Broken {
    Stalled,
    T3(hyper::Error),
    Encoder(io::Error),
}

/// What has come of a file.
#[derive(Default)]
struct Progress {
    /// As t3 sent it, where it is to be coded again at leisure.
    raw: Option<Vec<Bytes>>,
    coded: Vec<Bytes>,
    unflushed: usize,
}

impl Pump {
    /// Takes all of `body`. What breaks off is cut short for its readers too, and not kept.
    pub(super) async fn run(mut self, body: Inbound) {
        let length = usize::try_from(self.file.length).unwrap_or(usize::MAX);
        let again = self.file.is_codable && self.assets.worker.has_room(length);
        let mut progress = Progress {
            raw: again.then(Vec::new),
            ..Progress::default()
        };
        match self.all(body, &mut progress).await {
            Ok(()) => self.finish(progress),
            Err(broken) => warn!(name = self.lead.name(), %broken, "a file is cut short"),
        }
    }

    async fn all(&mut self, mut body: Inbound, progress: &mut Progress) -> Result<(), Broken> {
        loop {
            let frame = match timeout(FLUSH_PAUSE, body.frame()).await {
                Ok(frame) => frame,
                Err(_) => {
                    self.flush(progress)?;
                    let frame = timeout(STALL, body.frame()).await;
                    frame.map_err(|_| Broken::Stalled)?
                }
            };
            let Some(frame) = frame else {
                return Ok(());
            };
            let Ok(data) = frame.map_err(Broken::T3)?.into_data() else {
                continue;
            };
            for piece in data.chunks(PIECE_BYTES) {
                self.piece(piece, progress)?;
                // Others are served between two pieces.
                yield_now().await;
            }
            if let Some(raw) = &mut progress.raw {
                raw.push(data);
            }
        }
    }

    fn piece(&mut self, piece: &[u8], progress: &mut Progress) -> Result<(), Broken> {
        self.encoder.write(piece).map_err(Broken::Encoder)?;
        progress.unflushed += piece.len();
        if progress.unflushed >= FLUSH_BYTES {
            self.flush(progress)?;
        }
        Ok(())
    }

    fn flush(&mut self, progress: &mut Progress) -> Result<(), Broken> {
        if progress.unflushed > 0 {
            progress.unflushed = 0;
            self.encoder.flush().map_err(Broken::Encoder)?;
            self.hand_on(progress);
        }
        Ok(())
    }

    fn hand_on(&mut self, progress: &mut Progress) {
        let ready = self.encoder.take();
        if !ready.is_empty() {
            self.writer.push(ready.clone());
            progress.coded.push(ready);
        }
    }

    /// Keeps the file before its readers see its end: whoever comes back finds it.
    fn finish(self, mut progress: Progress) {
        let name = self.lead.name();
        let last = match self.encoder.finish() {
            Ok(last) => last,
            Err(error) => return warn!(name, %error, "a file is cut short"),
        };
        progress.coded.push(last.clone());
        let kept = Kept {
            fields: self.fields,
            coding: self.coding,
            body: progress.coded.concat().into(),
            whole: self.file.length,
            is_codable: self.file.is_codable,
        };
        debug!(name, coding = ?self.coding, bytes = kept.body.len(), "kept a file");
        self.assets.store.put(name, kept);
        self.writer.push(last);
        self.writer.finish();
        if let Some(parts) = progress.raw {
            self.assets.worker.push(Job {
                name: name.into(),
                from_t3: self.from_t3,
                parts,
            });
        }
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stalled => formatter.write_str("t3 paused too long"),
            Self::T3(error) => write!(formatter, "t3's answer ended early: {error}"),
            Self::Encoder(error) => write!(formatter, "not compressed: {error}"),
        }
    }
}
