//! A key set that is published by https, and when it is fetched: in the background, once a minute at most.

use std::sync::Arc;

use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};
use tracing::info;

use crate::access::jwt::key_fetch::KeyAddress;
use crate::access::jwt::keys::Keys;
use crate::config::timing::Timing;
use crate::limited;
use crate::process::Tasks;

/// A key set as it was fetched last. It stays while it cannot be fetched again.
#[derive(Debug)]
pub(super) struct PublishedKeys {
    address: KeyAddress,
    timing: Timing,
    tasks: Tasks,
    held: Mutex<Held>,
    /// Told at the end of each fetch.
    ended: Notify,
}

#[derive(Debug, Default)]
struct Held {
    keys: Option<Keys>,
    /// The hash of what they were read from.
    digest: Option<[u8; 32]>,
    /// When the last fetch began.
    began: Option<Instant>,
    is_fetching: bool,
}

/// What a fetch is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    /// To have what is published lately: a key that is gone counts no more.
    Lately,
    /// A token names a key that is not in the set.
    UnknownKey,
}

impl PublishedKeys {
    /// The set at `address`, which has not been fetched yet.
    pub(super) fn new(address: KeyAddress, timing: Timing, tasks: Tasks) -> Self {
        Self {
            address,
            timing,
            tasks,
            held: Mutex::default(),
            ended: Notify::new(),
        }
    }

    /// What `judge` says of the keys, which are none before the first fetch.
    pub(super) fn with<R>(&self, judge: impl FnOnce(Option<&Keys>) -> R) -> R {
        judge(self.held.lock().keys.as_ref())
    }

    /// Need they not be fetched, at `now`?
    pub(super) fn is_fresh(&self, now: Instant) -> bool {
        !self.held.lock().is_due(Need::Lately, now, &self.timing)
    }

    /// Begins to fetch them, if that has not been done lately. Waits for nothing.
    pub(super) fn refresh(self: &Arc<Self>) {
        self.fetch_for(Need::Lately);
    }

    /// A token names a key that none of `generation` is: waits for others, if they can be had now. Are
    /// there others?
    ///
    /// However many such tokens come, one fetch a minute begins, and who waits does so for that one only.
    pub(super) async fn others_than(self: &Arc<Self>, generation: Option<u64>) -> bool {
        self.fetch_for(Need::UnknownKey);
        let ended = self.ended.notified();
        let is_other = || self.with(|keys| keys.map(Keys::generation)) != generation;
        if is_other() {
            return true;
        }
        if self.held.lock().is_fetching {
            let _ = timeout(self.timing.jwks_fetch, ended).await;
        }
        is_other()
    }

    fn fetch_for(self: &Arc<Self>, need: Need) {
        let now = Instant::now();
        let mut held = self.held.lock();
        if !held.is_due(need, now, &self.timing) {
            return;
        }
        (held.began, held.is_fetching) = (Some(now), true);
        drop(held);
        let under_way = UnderWay(Arc::clone(self));
        self.tasks
            .until_drained(async move { under_way.0.fetch().await });
    }

    async fn fetch(&self) {
        let fetched = timeout(self.timing.jwks_fetch, self.address.fetch()).await;
        let taken = match &fetched {
            Err(_) => Err("it took too long".to_owned()),
            Ok(Err(error)) => Err(error.to_string()),
            Ok(Ok(text)) => self.take(text).map_err(str::to_owned),
        };
        if let Err(why) = taken {
            limited!(WARN, "the keys of tokens cannot be fetched, and those from before stay"; why);
        }
    }

    /// Has `text` be the key set from now on.
    fn take(&self, text: &[u8]) -> Result<(), &'static str> {
        let digest = Sha256::digest(text).into();
        if self.held.lock().digest == Some(digest) {
            return Ok(());
        }
        let keys = Keys::of_set(text)?;
        info!(keys = keys.count(), "the keys of tokens have been fetched");
        let mut held = self.held.lock();
        (held.keys, held.digest) = (Some(keys), Some(digest));
        Ok(())
    }
}

impl Held {
    fn is_due(&self, need: Need, now: Instant, timing: &Timing) -> bool {
        let pause = match need {
            _ if self.keys.is_none() => timing.jwks_retry,
            Need::UnknownKey => timing.jwks_pause,
            Need::Lately => timing.jwks_age,
        };
        let is_early = |began: Instant| now.saturating_duration_since(began) < pause;
        !self.is_fetching && !self.began.is_some_and(is_early)
    }
}

/// A fetch that has begun. It ends with this, whether or not it has been run to its end.
struct UnderWay(Arc<PublishedKeys>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.held.lock().is_fetching = false;
        self.0.ended.notify_waiters();
    }
}
