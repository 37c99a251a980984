//! The header policy: by its name, whether a field crosses the hop, and as what. Pure.
//!
//! [`Field`] classifies a name; [`Field::in_request`] and [`Field::in_response`] are the rules. Both
//! ways through apply them: the fast path line by line to slices, hyper's way to a `HeaderMap` by the
//! functions of [`header_map`](crate::http_rules::header_map). No other part of the program lists names
//! that cross a hop.

use std::borrow::Cow;

use http::HeaderName;

use crate::http_rules::scan;

/// Authentik's cookies begin so. Many applications have grown them past t3's limit of 16 KiB.
pub const WITHHELD_COOKIE_PREFIX: &str = "authentik_";

/// The field by which the ingress proves that it is the ingress.
pub static SECRET_HEADER: HeaderName = HeaderName::from_static("x-dispatcher-secret");

/// Longer names than this have no rule of their own, except by their prefix.
const LONGEST_NAME: usize = 32;

/// The class of a field, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// `Accept`.
    Accept,
    /// `Connection`.
    Connection,
    /// `Content-Length`.
    ContentLength,
    /// `Cookie`.
    Cookie,
    /// `Expect`.
    Expect,
    /// `Sec-Fetch-Dest`.
    FetchDestination,
    /// What a proxy states about the client besides the following three: `Forwarded`, `X-Real-IP`,
    /// any other `X-Forwarded-*`.
    Forwarded,
    /// `X-Forwarded-For`.
    ForwardedFor,
    /// `X-Forwarded-Host`.
    ForwardedHost,
    /// `X-Forwarded-Proto`.
    ForwardedProto,
    /// `Keep-Alive`, `Proxy-*`: for one connection or one proxy only.
    HopByHop,
    /// `Host`.
    Host,
    /// A spelling of a forwarded field that a program may take for it: `X_Forwarded_For`
    /// (CVE-2025-64484).
    Lookalike,
    /// `X-Request-Id`.
    RequestId,
    /// `Set-Cookie`.
    SetCookie,
    /// `TE`.
    Te,
    /// `Trailer`.
    Trailer,
    /// `Transfer-Encoding`.
    TransferEncoding,
    /// `Upgrade`.
    Upgrade,
    /// Single sign-on's own fields and the ingress's secret, in whatever spelling.
    Withheld,
    /// Without a rule.
    Other,
}

/// What a hop does with a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// It goes on as it came.
    Keep,
    /// It does not go on.
    Drop,
    /// It goes on with a value that the dispatcher states or has checked.
    Replace,
    /// It frames the message, or what the two ends may send: whoever writes the message decides.
    Frame,
}

/// The header policy as configured.
#[derive(Debug, Default)]
pub struct HeaderPolicy {
    /// The canonical names of what single sign-on states about a person.
    of_person: Box<[Box<[u8]>]>,
}

impl HeaderPolicy {
    /// Withholds the headers `of_person`, by which single sign-on says who somebody is, from t3 beside
    /// what is always withheld.
    pub fn new<'a>(of_person: impl IntoIterator<Item = &'a HeaderName>) -> Self {
        let names = of_person.into_iter();
        let names = names.map(|name| canonical(name.as_str()).as_bytes().into());
        Self {
            of_person: names.collect(),
        }
    }

    /// The class of the field called `name`, in whatever case.
    pub fn field(&self, name: &[u8]) -> Field {
        match Field::of(name) {
            Field::Other | Field::Forwarded if self.is_of_person(name) => Field::Withheld,
            field => field,
        }
    }

    fn is_of_person(&self, name: &[u8]) -> bool {
        let same = |(byte, held): (&u8, &u8)| match byte {
            b'_' | b'.' => *held == b'-',
            byte => byte.eq_ignore_ascii_case(held),
        };
        let mut names = self.of_person.iter();
        names.any(|held| held.len() == name.len() && name.iter().zip(held).all(same))
    }
}

impl Field {
    /// The class of the field called `name`, in whatever case, where no identity header is known.
    pub fn of(name: &[u8]) -> Self {
        let Some((lower, has_separator)) = scan::folded::<LONGEST_NAME>(name) else {
            return Self::of_unusual(name);
        };
        let lower = &lower[..name.len()];
        match lower {
            b"te" => Self::Te,
            b"host" => Self::Host,
            b"accept" => Self::Accept,
            b"cookie" => Self::Cookie,
            b"expect" => Self::Expect,
            b"trailer" => Self::Trailer,
            b"upgrade" => Self::Upgrade,
            b"connection" => Self::Connection,
            b"keep-alive" => Self::HopByHop,
            b"set-cookie" => Self::SetCookie,
            b"content-length" => Self::ContentLength,
            b"sec-fetch-dest" => Self::FetchDestination,
            b"x-request-id" => Self::RequestId,
            b"x-forwarded-for" => Self::ForwardedFor,
            b"x-forwarded-host" => Self::ForwardedHost,
            b"x-forwarded-proto" => Self::ForwardedProto,
            b"forwarded" | b"x-real-ip" => Self::Forwarded,
            b"transfer-encoding" => Self::TransferEncoding,
            b"x-dispatcher-secret" => Self::Withheld,
            _ if has_separator => Self::of_unusual(name),
            _ => Self::of_prefix(lower),
        }
    }

    fn of_prefix(lower: &[u8]) -> Self {
        if lower.starts_with(b"x-forwarded-") {
            Self::Forwarded
        } else if lower.starts_with(b"x-authentik-") {
            Self::Withheld
        } else if lower.starts_with(b"proxy-") {
            Self::HopByHop
        } else {
            Self::Other
        }
    }

    /// A name that is long, or has `_` or `.`, which some programs read as `-`.
    #[cold]
    fn of_unusual(name: &[u8]) -> Self {
        let lower = String::from_utf8_lossy(name).to_ascii_lowercase();
        let canonical = canonical(&lower);
        let field = match canonical.len() > LONGEST_NAME {
            true => Self::of_prefix(canonical.as_bytes()),
            false => Self::of(canonical.as_bytes()),
        };
        match field {
            field if canonical == lower => field,
            field if field.is_forwarded() => Self::Lookalike,
            Self::Withheld => Self::Withheld,
            _ => Self::Other,
        }
    }

    /// What becomes of it on the way from a client to t3. `is_trusted` says whether the peer may
    /// state who the client is.
    pub fn in_request(self, is_trusted: bool) -> Disposition {
        match self {
            // RFC 9110 §7.6.1, §11.7: of one connection, or for a proxy.
            Self::Connection | Self::HopByHop => Disposition::Drop,
            // RFC 9112 §6, RFC 9110 §7.8, §10.1: the message and what follows it.
            Self::ContentLength
            | Self::Expect
            | Self::Te
            | Self::Trailer
            | Self::TransferEncoding
            | Self::Upgrade => Disposition::Frame,
            // Not for t3 to see (docs/hop-checklist.md, rows 13, 16).
            Self::Withheld | Self::Lookalike => Disposition::Drop,
            // RFC 7239 §8.1: only a trusted proxy states who the client is (row 15).
            Self::ForwardedFor => Disposition::Replace,
            Self::ForwardedHost | Self::ForwardedProto if is_trusted => Disposition::Replace,
            Self::Forwarded if is_trusted => Disposition::Keep,
            Self::Forwarded | Self::ForwardedHost | Self::ForwardedProto => Disposition::Drop,
            // Without the cookies of single sign-on; the one name of a request in every log.
            Self::Cookie | Self::RequestId => Disposition::Replace,
            Self::Accept | Self::FetchDestination | Self::Host | Self::SetCookie | Self::Other => {
                Disposition::Keep
            }
        }
    }

    /// What becomes of it on the way from t3 to a client.
    pub fn in_response(self) -> Disposition {
        match self {
            // RFC 9110 §7.6.1, §11.7.
            Self::Connection | Self::HopByHop | Self::Te | Self::Upgrade => Disposition::Drop,
            // RFC 9112 §6; RFC 9110 §6.6.2: trailers are announced where they are sent.
            Self::ContentLength | Self::Trailer | Self::TransferEncoding => Disposition::Frame,
            // `Secure` is added for a client that speaks https.
            Self::SetCookie => Disposition::Replace,
            _ => Disposition::Keep,
        }
    }

    /// Is it what a proxy states about the client?
    pub fn is_forwarded(self) -> bool {
        matches!(
            self,
            Self::Forwarded | Self::ForwardedFor | Self::ForwardedHost | Self::ForwardedProto
        )
    }

    /// May `Connection` take it off the message (RFC 9110 §7.6.1)? Not what routes or frames it.
    pub fn may_be_nominated(self) -> bool {
        !matches!(self, Self::Host | Self::ContentLength)
    }
}

/// `name` as a program may spell it that knows no hyphens: `X_Authentik_Username`,
/// `x.authentik.username` and `X-authentik-username` are one (CVE-2025-64484).
pub fn canonical(name: &str) -> Cow<'_, str> {
    match name.contains(['_', '.']) {
        true => Cow::Owned(name.replace(['_', '.'], "-")),
        false => Cow::Borrowed(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use Disposition::{Drop, Frame, Keep, Replace};

    /// A name; in a request of a trusted peer; of another peer; in a response.
    const DISPOSITIONS: [(&str, Disposition, Disposition, Disposition); 38] = [
        ("Host", Keep, Keep, Keep),
        ("Accept", Keep, Keep, Keep),
        ("Sec-Fetch-Dest", Keep, Keep, Keep),
        ("X-Custom", Keep, Keep, Keep),
        ("X_Custom", Keep, Keep, Keep),
        ("x-authentic", Keep, Keep, Keep),
        ("Content_Length", Keep, Keep, Keep),
        ("Connection", Drop, Drop, Drop),
        ("Keep-Alive", Drop, Drop, Drop),
        ("Proxy-Authorization", Drop, Drop, Drop),
        ("Content-Length", Frame, Frame, Frame),
        ("Transfer-Encoding", Frame, Frame, Frame),
        ("Trailer", Frame, Frame, Frame),
        ("TE", Frame, Frame, Drop),
        ("Upgrade", Frame, Frame, Drop),
        ("Expect", Frame, Frame, Keep),
        ("Cookie", Replace, Replace, Keep),
        ("Set-Cookie", Keep, Keep, Replace),
        ("X-Request-ID", Replace, Replace, Keep),
        ("X-Forwarded-For", Replace, Replace, Keep),
        ("X-Forwarded-Proto", Replace, Drop, Keep),
        ("X-Forwarded-Host", Replace, Drop, Keep),
        ("X-Forwarded-Port", Keep, Drop, Keep),
        ("X-Forwarded-Longer-Than-32-Characters", Keep, Drop, Keep),
        ("Forwarded", Keep, Drop, Keep),
        ("X-Real-IP", Keep, Drop, Keep),
        ("x_forwarded_for", Drop, Drop, Keep),
        ("X.Real.IP", Drop, Drop, Keep),
        ("X_Forwarded_Longer_Than_32_Characters", Drop, Drop, Keep),
        ("X-authentik-username", Drop, Drop, Keep),
        ("x_authentik_groups", Drop, Drop, Keep),
        ("x.authentik.jwt", Drop, Drop, Keep),
        ("x-authentik_longer-than-32-characters", Drop, Drop, Keep),
        ("X-Dispatcher-Secret", Drop, Drop, Keep),
        ("x_dispatcher_secret", Drop, Drop, Keep),
        ("Remote-User", Drop, Drop, Keep),
        ("remote_user", Drop, Drop, Keep),
        ("Remote.Groups", Drop, Drop, Keep),
    ];

    #[test]
    fn each_name_has_its_disposition_in_any_spelling() {
        let identity = HeaderName::from_static("remote-user");
        let groups = HeaderName::from_static("remote-groups");
        let policy = HeaderPolicy::new([&identity, &groups]);
        for (name, from_trusted, from_other, in_response) in DISPOSITIONS {
            let field = policy.field(name.as_bytes());
            assert_eq!(field.in_request(true), from_trusted, "{name}");
            assert_eq!(field.in_request(false), from_other, "{name}");
            assert_eq!(field.in_response(), in_response, "{name}");
        }
        let forwarded = HeaderName::from_static("x-forwarded-user");
        let field = HeaderPolicy::new(Some(&forwarded)).field(b"X-Forwarded-User");
        assert_eq!(field, Field::Withheld);
    }
}
