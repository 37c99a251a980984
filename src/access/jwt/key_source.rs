//! Where the keys of tokens come from: a file that is read again, or an address.

use std::io;
use std::sync::Arc;

use tokio::time::Instant;
use tracing::warn;

use crate::access::jwt::key_fetch::KeyAddress;
use crate::access::jwt::keys::Keys;
use crate::access::jwt::published_keys::PublishedKeys;
use crate::access::reread_file::RereadFile;
use crate::config::signed_config::KeysFrom;
use crate::config::timing::Timing;
use crate::process::Tasks;

/// The one place that keys are taken from.
#[derive(Debug)]
pub(super) enum KeySource {
    /// A key set or a secret. Without a usable file there is no key.
    File(RereadFile<Keys>),
    /// A key set that is published by https.
    Published(Arc<PublishedKeys>),
}

impl KeySource {
    /// The keys `from` there; a file is read at once.
    ///
    /// # Errors
    /// Where a secret's file is unusable, or an address is none.
    pub(super) fn open(from: KeysFrom, timing: Timing, tasks: &Tasks) -> io::Result<Self> {
        let file = |what, path, parse| RereadFile::new(what, path, timing.file_reread, parse);
        match from {
            KeysFrom::SecretFile(path) => {
                let file = file("the secret of tokens", path, Keys::of_secret);
                file.open().map(|()| Self::File(file))
            }
            KeysFrom::SetFile(path) => {
                let file = file("the keys of tokens", path, Keys::of_set);
                if let Err(error) = file.open() {
                    warn!(%error, "nobody is let in by a file that is unusable");
                }
                Ok(Self::File(file))
            }
            KeysFrom::Address { uri, ca_file } => {
                let address = KeyAddress::new(&uri, ca_file)?;
                let keys = PublishedKeys::new(address, timing, tasks.clone());
                Ok(Self::Published(Arc::new(keys)))
            }
        }
    }

    /// What `judge` says of the keys that are there, if there are any.
    pub(super) fn with<R>(&self, judge: impl FnOnce(Option<&Keys>) -> R) -> R {
        match self {
            Self::File(file) => file.with(judge),
            Self::Published(keys) => keys.with(judge),
        }
    }

    /// Need they not be looked at, at `now`?
    pub(super) fn is_fresh(&self, now: Instant) -> bool {
        match self {
            Self::File(file) => file.is_fresh(now),
            Self::Published(keys) => keys.is_fresh(now),
        }
    }

    /// Looks at them again, if that has not been done for a while. Waits for no address.
    pub(super) async fn refresh(&self) {
        match self {
            Self::File(file) => file.refresh().await,
            Self::Published(keys) => keys.refresh(),
        }
    }

    /// Waits for other keys than those of `generation`, where a fetch may bring some. Are there others?
    pub(super) async fn others_than(&self, generation: Option<u64>) -> bool {
        match self {
            // It was looked at before.
            Self::File(_) => false,
            Self::Published(keys) => keys.others_than(generation).await,
        }
    }
}
