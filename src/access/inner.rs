//! A dispatcher behind this one, beside its own t3, and the secret by which it knows this one.

use std::sync::Once;
use std::time::Duration;

use tokio::time::Instant;

use crate::access::secret_file::SecretFile;
use crate::access::warnings;
use crate::config::options::InnerConfig;

/// A dispatcher behind this one, beside its own t3.
#[derive(Debug)]
pub struct InnerDispatcher {
    pub(super) secret: Option<SecretFile>,
}

/// Why an inner dispatcher cannot be told who a request is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotPassedOn {
    /// A secret is configured, and none is there.
    #[error("the file with the secret for the dispatcher behind this one has none")]
    NoSecret,
    /// No field can hold the person's name so that it is read as the same one.
    #[error("the person's name cannot be the value of a field")]
    Name,
}

impl InnerDispatcher {
    /// The one of `config`, whose file is read again every `reread_after`, while requests for it come.
    pub fn new(config: &InnerConfig, reread_after: Duration) -> Self {
        static WARNED: Once = Once::new();
        let path = config.secret_file.as_deref();
        if path.is_none() {
            WARNED.call_once(warnings::unproven_to_inner);
        }
        let what = "the secret for a dispatcher behind this one";
        Self {
            secret: path.map(|path| SecretFile::unread(what, path, reread_after)),
        }
    }

    /// Need its file not be looked at, at `now`?
    pub fn is_fresh(&self, now: Instant) -> bool {
        let secret = self.secret.as_ref();
        secret.is_none_or(|secret| secret.is_fresh(now))
    }

    /// Looks at its file again, if that has not been done for a while. Does not wait for one that hangs.
    pub async fn refresh(&self) {
        if let Some(secret) = &self.secret {
            secret.refresh().await;
        }
    }
}

#[cfg(test)]
impl InnerDispatcher {
    /// One that needs no secret.
    pub(super) fn without_secret() -> Self {
        Self { secret: None }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::access::AccessPolicy;
    use crate::config::Config;
    use crate::http_rules::header_map::from_lines;
    use crate::http_rules::header_policy::SECRET_HEADER;
    use crate::process::Tasks;

    fn policy(args: &[&str]) -> AccessPolicy {
        let config = Config::parse_from([&["t3-dispatcher"], args].concat());
        AccessPolicy::new(config.access, config.timing, &Tasks::default()).expect("a policy")
    }

    #[tokio::test]
    async fn nothing_is_told_without_the_secret_that_is_configured() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("secret");
        let policy = policy(&["--identity-header", "x-user"]);
        let config = InnerConfig {
            secret_file: Some(path.clone()),
        };
        let inner = InnerDispatcher::new(&config, Duration::ZERO);
        assert!(!inner.is_fresh(Instant::now()), "it was not looked at yet");
        for (content, expected) in [
            (None, Err(NotPassedOn::NoSecret)),
            (Some("one\n"), Ok("one")),
            (Some("two\none\n"), Ok("two")),
            (Some(""), Err(NotPassedOn::NoSecret)),
            (Some("a\nb\nc"), Err(NotPassedOn::NoSecret)),
            (Some("a\rx-user: eve"), Err(NotPassedOn::NoSecret)),
            (Some("three"), Ok("three")),
        ] {
            if let Some(content) = content {
                std::fs::write(&path, content).expect("writable");
            }
            inner.refresh().await;
            let mut headers = from_lines(&[]);
            let passed_on = policy.passed_on(&inner, "ada", None).expect("a name");
            let set = passed_on.set(&mut headers);
            assert_eq!(set.is_ok(), headers.contains_key("x-user"), "{content:?}");
            let secret = headers.get(&SECRET_HEADER);
            let sent = secret.map(|secret| secret.to_str().expect("text"));
            assert_eq!(
                set.map(|()| sent.unwrap_or_default()),
                expected,
                "{content:?}"
            );
        }
        assert!(!format!("{inner:?}").contains("three"));
    }
}
