//! The secret that the ingress adds to what it sends, in a file that is read again when it changes.

use std::io;
use std::path::Path;
use std::time::Duration;

use http::HeaderValue;
use subtle::{Choice, ConstantTimeEq};
use tokio::time::Instant;

use crate::access::reread_file::RereadFile;

/// A secret and the one that it replaces.
const MAX_SECRETS: usize = 2;

/// A file with one or two secrets, each on a line. Either counts, so that one can be replaced while the
/// ingress still sends the other.
#[derive(Debug)]
pub(super) struct SecretFile(RereadFile<Secrets>);

type Secrets = Vec<Vec<u8>>;

impl SecretFile {
    /// Reads `path`, and again every `reread_after`. White space around a secret is not part of it. A
    /// file that is gone or unusable revokes its secrets.
    ///
    /// # Errors
    /// Where the file cannot be read, or has no secret in it, or more than two.
    pub(super) fn open(path: &Path, reread_after: Duration) -> io::Result<Self> {
        let file = RereadFile::new("the shared secret", path.to_owned(), reread_after, secrets);
        file.open().map(|()| Self(file))
    }

    /// The same, without a look at it: [`Self::refresh`] takes the first. `what` is what messages call it.
    pub(super) fn unread(what: &'static str, path: &Path, reread_after: Duration) -> Self {
        Self(RereadFile::new(
            what,
            path.to_owned(),
            reread_after,
            secrets,
        ))
    }

    /// See [`RereadFile::is_fresh`].
    pub(super) fn is_fresh(&self, now: Instant) -> bool {
        self.0.is_fresh(now)
    }

    /// See [`RereadFile::refresh`].
    pub(super) async fn refresh(&self) {
        self.0.refresh().await;
    }

    /// Is `offered` one of the secrets? Takes the same time wherever they differ, and whichever it is.
    pub(super) fn contains(&self, offered: &[u8]) -> bool {
        let is_one = |secrets: Option<&Secrets>| {
            let secrets = secrets.into_iter().flatten();
            let none = Choice::from(0);
            secrets.fold(none, |found, secret| {
                found | secret.as_slice().ct_eq(offered)
            })
        };
        self.0.with(is_one).into()
    }

    /// What `used` makes of the first secret, as the last look has found it.
    pub(super) fn with_first<R>(&self, used: impl FnOnce(Option<&[u8]>) -> R) -> R {
        self.0.with(|secrets| {
            let first = secrets.and_then(|secrets| secrets.first());
            used(first.map(Vec::as_slice))
        })
    }
}

fn secrets(content: &[u8]) -> Result<Secrets, &'static str> {
    let lines = content.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let secrets: Secrets = lines
        .filter(|line| !line.is_empty())
        .map(<[u8]>::to_vec)
        .collect();
    let is_value = |secret: &Vec<u8>| HeaderValue::from_bytes(secret).is_ok();
    match secrets.len() {
        _ if !secrets.iter().all(is_value) => Err("a control character is in it"),
        0 => Err("there is no secret in it"),
        1..=MAX_SECRETS => Ok(secrets),
        _ => Err("there are more than two secrets in it"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_one_secret_or_two() {
        for (content, expected) in [
            (&b"s3cret"[..], Ok(vec!["s3cret"])),
            (b" s3cret of 1 \r\n", Ok(vec!["s3cret of 1"])),
            (b"old\nnew\n", Ok(vec!["old", "new"])),
            (b"\n\nold\r\n\r\nnew", Ok(vec!["old", "new"])),
            (b"", Err("there is no secret in it")),
            (b" \n\t\n", Err("there is no secret in it")),
            (b"a\rb", Err("a control character is in it")),
            (b"a\nb\0", Err("a control character is in it")),
            (b"a\nb\nc", Err("there are more than two secrets in it")),
        ] {
            let expected = expected.map(|secrets| secrets.into_iter().map(Vec::from).collect());
            assert_eq!(secrets(content), expected, "{}", content.escape_ascii());
        }
    }
}
