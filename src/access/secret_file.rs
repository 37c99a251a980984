//! The secret that the ingress adds to what it sends, read from a file and read again on change.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use std::{fs, io};

use parking_lot::Mutex;
use subtle::ConstantTimeEq;
use tokio::time::Instant;
use tracing::{info, warn};

/// A secret in a file.
#[derive(Debug)]
pub(super) struct SecretFile {
    path: PathBuf,
    reread_after: Duration,
    held: Mutex<CachedSecret>,
}

struct CachedSecret {
    /// None while the file has none: then no peer is trusted.
    secret: Option<Vec<u8>>,
    changed: Option<SystemTime>,
    looked: Instant,
}

impl SecretFile {
    /// Reads `path`, and again if it has changed, which is looked at every `reread_after`. White space
    /// around the secret is not part of it.
    ///
    /// # Errors
    /// Where the file cannot be read or has no secret in it.
    pub(super) fn open(path: &Path, reread_after: Duration) -> io::Result<Self> {
        let named = |error: io::Error| {
            let what = format!("the shared secret, {}: {error}", path.display());
            io::Error::new(error.kind(), what)
        };
        let (secret, changed) = read(path).map_err(named)?;
        let looked = Instant::now();
        let held = Mutex::new(CachedSecret {
            secret: Some(secret),
            changed,
            looked,
        });
        let path = path.to_owned();
        Ok(Self {
            path,
            reread_after,
            held,
        })
    }

    /// Is `offered` the secret? Takes the same time wherever the two differ.
    pub(super) fn is(&self, offered: &[u8]) -> bool {
        let mut held = self.held.lock();
        if held.looked.elapsed() >= self.reread_after {
            held.looked = Instant::now();
            self.look_again(&mut held);
        }
        let secret = held.secret.as_deref();
        secret.is_some_and(|secret| secret.ct_eq(offered).into())
    }

    /// A file that is gone or empty revokes the secret.
    fn look_again(&self, held: &mut CachedSecret) {
        let changed = fs::metadata(&self.path).and_then(|found| found.modified());
        if changed.is_ok() && changed.as_ref().ok() == held.changed.as_ref() {
            return;
        }
        match read(&self.path) {
            Ok((secret, changed)) => {
                if held.secret.as_ref() != Some(&secret) {
                    info!("the shared secret has changed");
                }
                held.secret = Some(secret);
                held.changed = changed;
            }
            Err(error) => {
                if held.secret.take().is_some() {
                    warn!(%error, "no identity counts until the shared secret can be read again");
                }
                held.changed = None;
            }
        }
    }
}

fn read(path: &Path) -> io::Result<(Vec<u8>, Option<SystemTime>)> {
    let changed = fs::metadata(path)?.modified().ok();
    let secret = fs::read(path)?.trim_ascii().to_vec();
    if secret.is_empty() {
        let error = "there is no secret in it";
        return Err(io::Error::new(io::ErrorKind::InvalidData, error));
    }
    Ok((secret, changed))
}

impl std::fmt::Debug for CachedSecret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("CachedSecret(…)")
    }
}
