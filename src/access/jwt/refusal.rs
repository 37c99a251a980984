//! Why a token is nobody's.

use jsonwebtoken::errors::ErrorKind;

use crate::access::jwt::keys::NoKey;

/// Why a token is nobody's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    TooLong,
    Malformed,
    Type,
    Critical,
    Algorithm,
    Key(NoKey),
    Signature,
    Expired,
    NotYetValid,
    Issuer,
    Audience,
    Claims,
    Name,
    EmailNotVerified,
}

impl Refusal {
    /// The reason that the crate found.
    pub(super) fn of(error: &ErrorKind) -> Self {
        match error {
            ErrorKind::InvalidSignature => Self::Signature,
            ErrorKind::ExpiredSignature => Self::Expired,
            ErrorKind::ImmatureSignature => Self::NotYetValid,
            ErrorKind::InvalidIssuer => Self::Issuer,
            ErrorKind::InvalidAudience => Self::Audience,
            ErrorKind::InvalidAlgorithm => Self::Algorithm,
            ErrorKind::MissingRequiredClaim(_) | ErrorKind::InvalidClaimFormat(_) => Self::Claims,
            _ => Self::Malformed,
        }
    }

    /// The reason, for the operator.
    pub(super) fn why(self) -> &'static str {
        match self {
            Self::TooLong => "it is longer than 16 KiB",
            Self::Malformed => "it is no token, or repeats a member",
            Self::Type => "its `typ` is that of another kind of token",
            Self::Critical => "its header has `crit` or `b64`",
            Self::Algorithm => "its `alg` is none of DISPATCHER_JWT_ALGORITHMS",
            Self::Key(NoKey::Unknown) => "its `kid` is that of no key",
            Self::Key(NoKey::OfAnotherType) => "its key is for another algorithm",
            Self::Key(NoKey::Ambiguous) => "it has no `kid`, and several keys fit",
            Self::Signature => "its signature is not that of its key",
            Self::Expired => "it has expired",
            Self::NotYetValid => "it is not valid yet",
            Self::Issuer => "its `iss` is not DISPATCHER_JWT_ISSUER",
            Self::Audience => "its `aud` has none of DISPATCHER_JWT_AUDIENCE",
            Self::Claims => "it has no usable `exp`, `iss` or `aud`",
            Self::Name => "it has no text in the claim of DISPATCHER_JWT_CLAIM",
            Self::EmailNotVerified => "its `email_verified` is not true",
        }
    }
}
