//! The admin session: the dispatcher's own administrative session on t3, kept in memory only.

use std::path::PathBuf;
use std::sync::Arc;

use crate::config::timing::Timing;
use crate::pairing::issued_session::{self, IssuedSession};
use crate::pairing::secret::Secret;
use crate::pairing::t3_cli::T3Cli;
use crate::pairing::token_file::TokenFile;
use crate::process::host_name;

/// Where the session comes from.
#[derive(Debug)]
pub(super) enum AdminSession {
    /// The t3 CLI issues it.
    Issued(Arc<IssuedSession>),
    /// Somebody else issues it, and writes its token into a file.
    Given(TokenFile),
    /// There is none: credentials are minted without it.
    Absent,
}

impl AdminSession {
    /// The session whose token `token_file` holds, or without one that which `issuer` issues for the
    /// dispatcher that listens on `port`, if there is an issuer.
    pub(super) fn new(
        token_file: Option<PathBuf>,
        issuer: Option<&Arc<T3Cli>>,
        timing: Timing,
        port: u16,
    ) -> Self {
        match (token_file, issuer) {
            (Some(path), _) => Self::Given(TokenFile::new(path, timing.file_reread)),
            (None, Some(cli)) => {
                let label = issued_session::label(&host_name(), port);
                Self::Issued(Arc::new(IssuedSession::new(Arc::clone(cli), label)))
            }
            (None, None) => Self::Absent,
        }
    }

    /// The session's token; issued, or waited for, if there is none. `None` if there is none then.
    pub(super) async fn token(&self) -> Option<Arc<Secret>> {
        match self {
            Self::Issued(session) => session.token().await,
            Self::Given(file) => file.token().await,
            Self::Absent => None,
        }
    }

    /// The session's token, if there is one.
    pub(super) fn present(&self) -> Option<Arc<Secret>> {
        match self {
            Self::Issued(session) => session.present(),
            Self::Given(file) => file.present(),
            Self::Absent => None,
        }
    }

    /// Drops `token`, which t3 has refused.
    pub(super) fn discard(&self, token: &Arc<Secret>) {
        match self {
            Self::Issued(session) => session.discard(token),
            Self::Given(file) => file.discard(token),
            Self::Absent => {}
        }
    }

    /// Is there never one?
    pub(super) fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    /// The session that the t3 CLI issues, if it does: only that is the dispatcher's to renew and to
    /// revoke.
    pub(super) fn issued(&self) -> Option<&Arc<IssuedSession>> {
        match self {
            Self::Issued(session) => Some(session),
            Self::Given(_) | Self::Absent => None,
        }
    }
}
