//! What the files of every t3 share: encoded bytes by their content's hash, and bounds in sum.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Mutex, MutexGuard, OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::assets::background_encoder::BackgroundEncoder;
use crate::assets::compressor::{CompressionJob, Compressor};
use crate::assets::disk_cache::DiskCache;
use crate::assets::encoder::{self, Coding, Form};
use crate::assets::hashes::ContentHash;
use crate::assets::names::KnownFile;
use crate::assets::negotiation::PreferredCodings;
use crate::assets::store::{EncodedStore, StoredBody};
use crate::config::asset_options::AssetsConfig;
use crate::metrics::Metrics;
use crate::process::Tasks;

/// What files may take in sum while they are fetched: four of the longest, each with an encoder.
const FETCHES_KIB: usize = 4 * (16 * 1024 + ENCODER_KIB);

/// The maximum that an encoder takes while a client waits.
const ENCODER_KIB: usize = 10 * 1024;

/// How long a request waits for what is encoded for others. One person's t3 may have any number of files.
const TURN_LIMIT: Duration = Duration::from_secs(1);

/// How many t3s are warmed up at a time: the others wait, so that many that come up at once do not keep
/// the one thread from its clients.
const MAX_WARM_UPS: usize = 2;

/// Contents of files, encoded, whichever t3 has sent them. One is served only for a name under which that
/// t3 itself has sent the same bytes: which content a name has, each [`StaticAssets`] knows for itself.
///
/// [`StaticAssets`]: crate::assets::StaticAssets
#[derive(Debug)]
pub struct ContentStore {
    pub(super) encoded: Arc<EncodedStore>,
    pub(super) compressor: Compressor,
    on_disk: DiskCache,
    pub(super) warm_ups: Semaphore,
    fetches: Arc<Semaphore>,
    /// Held while something is encoded of what is at hand: one at a time, as the next may be the same.
    encoding: Mutex<()>,
}

/// What a file may take while it is fetched, until this is dropped.
#[derive(Debug)]
pub(super) struct FetchRoom(#[allow(dead_code)] OwnedSemaphorePermit);

impl ContentStore {
    /// An empty store, with its threads; none if `config` switches static files off. Background compression
    /// pauses while a large program runs.
    pub fn new(config: &AssetsConfig, tasks: &Tasks, metrics: &Arc<Metrics>) -> Option<Arc<Self>> {
        if !config.enabled {
            return None;
        }
        let encoded = Arc::new(EncodedStore::new(config.memory, Arc::clone(metrics)));
        let large_programs = tasks.large_programs().clone();
        let should_yield = Box::new(move || large_programs.are_running());
        let encoder = BackgroundEncoder::new(tasks.drain().clone(), should_yield);
        let on_disk = DiskCache::start(&config.cache, metrics);
        Some(Arc::new(Self {
            compressor: Compressor::start(Arc::clone(&encoded), on_disk.clone(), encoder),
            encoded,
            on_disk,
            warm_ups: Semaphore::new(MAX_WARM_UPS),
            fetches: Arc::new(Semaphore::new(FETCHES_KIB)),
            encoding: Mutex::default(),
        }))
    }

    /// Room for a fetch of `length` bytes, `is_encoded` as it comes; `None` if all is taken, which may be
    /// by a t3 that has stopped in the middle: nobody waits for that.
    pub(super) fn room(&self, length: u64, is_encoded: bool) -> Option<FetchRoom> {
        let encoder = if is_encoded { ENCODER_KIB } else { 0 };
        let kib = u32::try_from(length.div_ceil(1024) + encoder as u64).ok()?;
        let permit = Arc::clone(&self.fetches).try_acquire_many_owned(kib);
        permit.ok().map(FetchRoom)
    }

    /// May a content of `length` bytes be here, or have been kept over a restart?
    pub(super) fn may_have_length(&self, length: u64) -> bool {
        self.encoded.has_length(length) || self.on_disk.may_have_length(length)
    }

    /// Stores the best encodings of `content`, which is `original` as t3 has sent it: those that were kept over
    /// a restart, or else what background compression makes. Until then the content is kept as it is, so that
    /// codings are made of it without t3.
    pub(super) async fn put_best(&self, content: ContentHash, original: Bytes) {
        let length = original.len() as u64;
        let kept = self.on_disk.restore(content, &original).await;
        let has = |form| kept.iter().any(|(kept, _)| *kept == form);
        let is_complete = Form::BACKGROUND.into_iter().all(has);
        for (form, body) in kept {
            self.encoded.put(content, length, form, body);
        }
        if !is_complete {
            let body = original;
            self.encoded
                .put(content, length, Form::IDENTITY, body.clone());
            self.compressor.push(CompressionJob { content, body });
        }
    }

    /// Has `file`, which is `original` as t3 has sent it, compressed unless it was: the queue may have been full.
    pub(super) fn compress(&self, file: &KnownFile, original: Bytes) {
        let content = file.content;
        if file.is_compressible && !self.encoded.is_complete(content) {
            let body = original;
            self.compressor.push(CompressionJob { content, body });
        }
    }

    /// The body of `file` in the smallest coding of those that the client prefers, if it is stored.
    pub(super) fn stored(
        &self,
        file: &KnownFile,
        preferred: PreferredCodings,
    ) -> Option<StoredBody> {
        self.encoded
            .get(file.content, |coding| match file.is_compressible {
                true => preferred.accepts(coding),
                false => coding == Coding::Identity,
            })
    }

    /// The same, made of another coding if need be.
    pub(super) async fn recoded(
        &self,
        file: &KnownFile,
        preferred: PreferredCodings,
    ) -> Option<StoredBody> {
        let _turn = self.encoding_turn().await?;
        if let Some(stored) = self.stored(file, preferred) {
            return Some(stored);
        }
        let original = self.original(file).await?;
        let coding = match file.is_compressible {
            true => preferred.fast_coding(file.length),
            false => Coding::Identity,
        };
        let body = match coding {
            Coding::Identity => original,
            coding => encoder::encode(coding, &original).await.ok()?,
        };
        self.encoded
            .put(file.content, file.length, Form::fast(coding), body.clone());
        Some(StoredBody { coding, body })
    }

    /// The right to encode something; `None` where others keep everybody from it for too long.
    async fn encoding_turn(&self) -> Option<MutexGuard<'_, ()>> {
        timeout(TURN_LIMIT, self.encoding.lock()).await.ok()
    }

    /// The bytes of `file`, if they are stored in a form of which they can be made.
    pub(super) async fn original(&self, file: &KnownFile) -> Option<Bytes> {
        let get = |wanted| self.encoded.get(file.content, |coding| coding == wanted);
        if let Some(stored) = get(Coding::Identity) {
            return Some(stored.body);
        }
        let gzip = get(Coding::Gzip)?;
        encoder::decode_gzip(&gzip.body, file.length).await.ok()
    }

    /// `content`, whose hash is `hash`, in `coding`: the same bytes each time, as a strong tag promises.
    /// As it is if the encoder fails, or others keep it busy.
    pub(super) async fn encoded(
        &self,
        hash: ContentHash,
        coding: Coding,
        content: Bytes,
    ) -> StoredBody {
        let form = Form::fast(coding);
        let get = || self.encoded.get_form(hash, form);
        if let Some(body) = get() {
            return StoredBody { coding, body };
        }
        let as_it_is = |body| StoredBody {
            coding: Coding::Identity,
            body,
        };
        let Some(_turn) = self.encoding_turn().await else {
            return as_it_is(content);
        };
        if let Some(body) = get() {
            return StoredBody { coding, body };
        }
        let Ok(body) = encoder::encode(coding, &content).await else {
            return as_it_is(content);
        };
        self.encoded
            .put(hash, content.len() as u64, form, body.clone());
        StoredBody { coding, body }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use tokio::time::Instant;

    use super::*;
    use crate::config::Config;

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_long_for_what_is_encoded_for_others() {
        let config = Config::parse_from(["t3-dispatcher"]).assets;
        let content = ContentStore::new(&config, &Tasks::default(), &Arc::default());
        let content = content.expect("files are compressed");
        let others = content.encoding.lock().await;
        let body = Bytes::from(vec![7; 1000]);
        let hash = ContentHash::of(&body);
        let began = Instant::now();
        let sent = content.encoded(hash, Coding::Br, body.clone()).await;
        assert_eq!((sent.coding, sent.body), (Coding::Identity, body.clone()));
        let took = began.elapsed();
        assert!(
            (TURN_LIMIT..2 * TURN_LIMIT).contains(&took),
            "after {took:?}"
        );
        drop(others);
        let sent = content.encoded(hash, Coding::Br, body.clone()).await;
        assert!(sent.coding == Coding::Br && sent.body.len() < body.len());
    }
}
