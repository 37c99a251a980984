//! The admin session: the dispatcher's own administrative session on t3, kept in memory only.

use std::sync::Arc;

use crate::pairing::issued_session::IssuedSession;
use crate::pairing::secret::Secret;
use crate::pairing::token_file::TokenFile;

/// Where the session comes from.
#[derive(Debug)]
pub(super) enum AdminSession {
    /// The t3 CLI issues it.
    Issued(Arc<IssuedSession>),
    /// Somebody else issues it, and writes its token into a file.
    Given(TokenFile),
}

impl AdminSession {
    /// The session's token; issued, or waited for, if there is none. `None` if there is none then.
    pub(super) async fn token(&self) -> Option<Arc<Secret>> {
        match self {
            Self::Issued(session) => session.token().await,
            Self::Given(file) => file.token().await,
        }
    }

    /// The session's token, if there is one.
    pub(super) fn present(&self) -> Option<Arc<Secret>> {
        match self {
            Self::Issued(session) => session.present(),
            Self::Given(file) => file.present(),
        }
    }

    /// Drops `token`, which t3 has refused.
    pub(super) fn discard(&self, token: &Arc<Secret>) {
        match self {
            Self::Issued(session) => session.discard(token),
            Self::Given(file) => file.discard(token),
        }
    }

    /// The session that the t3 CLI issues, if it does: only that is the dispatcher's to renew and to
    /// revoke.
    pub(super) fn issued(&self) -> Option<&Arc<IssuedSession>> {
        match self {
            Self::Issued(session) => Some(session),
            Self::Given(_) => None,
        }
    }
}
