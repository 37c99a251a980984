//! The header policy: by its name, whether a field crosses the hop, and as what. Pure.
//!
//! [`Field`] classifies a name; [`Field::in_request`] and [`Field::in_response`] are the rules. Both ways through apply
//! them: the fast path line by line to slices, hyper's way to a `HeaderMap` by the functions of
//! [`header_map`](crate::http_rules::header_map). Names of gates are listed in [`gates`]; no other part of the program
//! lists names that cross a hop.

use http::HeaderName;

use crate::http_rules::name_pattern::NamePattern;
use crate::http_rules::{gates, scan};

/// The field by which the ingress proves that it is the ingress.
pub static SECRET_HEADER: HeaderName = HeaderName::from_static("x-dispatcher-secret");

/// Longer names than this have no rule of their own, except by their beginning.
const LONGEST_NAME: usize = 32;

/// The class of a field, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// `Accept`.
    Accept,
    /// `Authorization`.
    Authorization,
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
    /// What a proxy states about the client besides the following three: `X-Real-IP`, any other `X-Forwarded-*`.
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
    /// What programs may take for a forwarded field or `Set-Cookie`: `Forwarded`, `X_Forwarded_For` (CVE-2025-64484).
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
    /// `Via`.
    Via,
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
    /// Withheld beside what always is: what states who a person is, and what the operator names.
    fields: Vec<NamePattern>,
    cookies: Vec<NamePattern>,
}

impl HeaderPolicy {
    /// Withholds the headers `of_person`, by which single sign-on says who somebody is, beside what always is.
    pub fn new<'a>(of_person: impl IntoIterator<Item = &'a HeaderName>) -> Self {
        Self {
            fields: of_person.into_iter().map(NamePattern::of_field).collect(),
            cookies: Vec::new(),
        }
    }

    /// Withholds `fields` and `cookies`, too.
    #[must_use]
    pub fn withholding(mut self, fields: &[NamePattern], cookies: &[NamePattern]) -> Self {
        self.fields.extend_from_slice(fields);
        self.cookies.extend_from_slice(cookies);
        self
    }

    /// The class of the field called `name`, in whatever case.
    pub fn field(&self, name: &[u8]) -> Field {
        let is_named = || self.fields.iter().any(|held| held.is_field(name));
        match Field::of(name) {
            Field::Other | Field::Forwarded if is_named() => Field::Withheld,
            field => field,
        }
    }

    /// Is the cookie called `name` withheld from t3?
    pub fn is_cookie_withheld(&self, name: &[u8]) -> bool {
        gates::is_gate_cookie(name) || self.cookies.iter().any(|held| held.is_cookie(name))
    }
}

impl Field {
    /// The class of the field called `name`, in whatever case, where nothing is configured.
    pub fn of(name: &[u8]) -> Self {
        let (begin, rest) = name.split_at(name.len().min(LONGEST_NAME));
        let Some((mut lower, has_separator)) = scan::folded::<LONGEST_NAME>(begin) else {
            return Self::Other;
        };
        let lower = &mut lower[..begin.len()];
        let has_separator = has_separator || rest.iter().any(|byte| b"_.".contains(byte));
        if has_separator {
            // Some programs read these as hyphens.
            let separators = [scan::FOLDED_UNDERSCORE, b'.'];
            for byte in lower.iter_mut().filter(|byte| separators.contains(byte)) {
                *byte = b'-';
            }
        }
        match Self::of_lower(lower, rest.is_empty()) {
            field if !has_separator => field,
            Self::Withheld => Self::Withheld,
            field if field == Self::SetCookie || field.is_forwarded() => Self::Lookalike,
            _ => Self::Other,
        }
    }

    /// Of a name in lower case, or of the beginning of a long one.
    fn of_lower(lower: &[u8], is_whole: bool) -> Self {
        match lower {
            _ if !is_whole => Self::of_prefix(lower),
            b"te" => Self::Te,
            b"via" => Self::Via,
            b"host" => Self::Host,
            b"accept" => Self::Accept,
            b"cookie" => Self::Cookie,
            b"expect" => Self::Expect,
            b"trailer" => Self::Trailer,
            b"upgrade" => Self::Upgrade,
            b"forwarded" => Self::Lookalike,
            b"x-real-ip" => Self::Forwarded,
            b"connection" => Self::Connection,
            b"keep-alive" => Self::HopByHop,
            b"set-cookie" => Self::SetCookie,
            b"x-request-id" => Self::RequestId,
            b"authorization" => Self::Authorization,
            b"content-length" => Self::ContentLength,
            b"sec-fetch-dest" => Self::FetchDestination,
            b"x-forwarded-for" => Self::ForwardedFor,
            b"x-forwarded-host" => Self::ForwardedHost,
            b"x-forwarded-proto" => Self::ForwardedProto,
            b"transfer-encoding" => Self::TransferEncoding,
            _ => Self::of_prefix(lower),
        }
    }

    fn of_prefix(lower: &[u8]) -> Self {
        if gates::is_gate_field(lower) {
            Self::Withheld
        } else if lower.starts_with(b"x-forwarded-") {
            Self::Forwarded
        } else if lower.starts_with(b"proxy-") {
            Self::HopByHop
        } else {
            Self::Other
        }
    }

    /// What becomes of it on the way from a client to t3. A peer that `is_trusted` may state who the client is.
    pub fn in_request(self, is_trusted: bool) -> Disposition {
        match self {
            // RFC 9110 §7.6.1, §11.7: of one connection, or for a proxy.
            Self::Connection | Self::HopByHop => Disposition::Drop,
            // RFC 9112 §6, RFC 9110 §7.8, §10.1: the message and what follows it.
            Self::ContentLength | Self::TransferEncoding | Self::Trailer => Disposition::Frame,
            Self::Expect | Self::Te | Self::Upgrade => Disposition::Frame,
            // Not for t3 to see (docs/hop-checklist.md, rows 13, 16, 79). `Set-Cookie` is a response's:
            // proxies copy it from a gate's response onto the request.
            Self::Withheld | Self::Lookalike | Self::SetCookie => Disposition::Drop,
            // RFC 7239 §8.1: only a trusted proxy states who the client is (row 15).
            Self::ForwardedFor => Disposition::Replace,
            Self::ForwardedHost | Self::ForwardedProto if is_trusted => Disposition::Replace,
            Self::Forwarded if is_trusted => Disposition::Keep,
            Self::Forwarded | Self::ForwardedHost | Self::ForwardedProto => Disposition::Drop,
            // Without the cookies and credentials of single sign-on; one id in every log.
            Self::Authorization | Self::Cookie | Self::RequestId => Disposition::Replace,
            Self::Accept | Self::FetchDestination | Self::Host => Disposition::Keep,
            Self::Via | Self::Other => Disposition::Keep,
        }
    }

    /// What becomes of it on the way from t3 to a client.
    pub fn in_response(self) -> Disposition {
        match self {
            // RFC 9110 §7.6.1, §11.7.
            Self::Connection | Self::HopByHop | Self::Te | Self::Upgrade => Disposition::Drop,
            Self::RequestId => Disposition::Drop, // Replaced by that of the request.
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

    /// May `Connection` take it off (RFC 9110 §7.6.1)? Not what routes, frames, or tells of proxies (CVE-2024-45410).
    pub fn may_be_nominated(self) -> bool {
        match self {
            Self::Host | Self::ContentLength | Self::TransferEncoding => false,
            Self::Via | Self::Lookalike => false,
            other => !other.is_forwarded(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Disposition::{Drop, Frame, Keep, Replace};

    /// A name; in a request of a trusted peer; of another peer; in a response.
    const DISPOSITIONS: [(&str, Disposition, Disposition, Disposition); 33] = [
        ("Host", Keep, Keep, Keep),
        ("X_Custom", Keep, Keep, Keep),
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
        ("Authorization", Replace, Replace, Keep),
        ("Set-Cookie", Drop, Drop, Replace),
        ("Set_Cookie", Drop, Drop, Keep),
        ("X-Request-ID", Replace, Replace, Drop),
        ("X-Forwarded-For", Replace, Replace, Keep),
        ("X-Forwarded-Proto", Replace, Drop, Keep),
        ("X-Forwarded-Host", Replace, Drop, Keep),
        ("X-Forwarded-Longer-Than-32-Characters", Keep, Drop, Keep),
        ("Forwarded", Drop, Drop, Keep),
        ("X-Real-IP", Keep, Drop, Keep),
        ("Via", Keep, Keep, Keep),
        ("x_forwarded_for", Drop, Drop, Keep),
        ("X.Real.IP", Drop, Drop, Keep),
        ("X_Forwarded_Longer_Than_32_Characters", Drop, Drop, Keep),
        ("X-authentik-username", Drop, Drop, Keep),
        ("x-authentik_longer-than-32-characters", Drop, Drop, Keep),
        ("X-Dispatcher-Secret", Drop, Drop, Keep),
        ("x_dispatcher_user", Drop, Drop, Keep),
        ("X-Gate-User", Drop, Drop, Keep),
        ("x.gate_groups", Drop, Drop, Keep),
        ("X-Gate-Users", Keep, Keep, Keep),
    ];

    #[test]
    fn each_name_has_its_disposition_in_any_spelling() {
        let identity = HeaderName::from_static("x-gate-user");
        let groups = HeaderName::from_static("x-gate-groups");
        let policy = HeaderPolicy::new([&identity, &groups]);
        for (name, from_trusted, from_other, in_response) in DISPOSITIONS {
            let field = policy.field(name.as_bytes());
            assert_eq!(field.in_request(true), from_trusted, "{name}");
            assert_eq!(field.in_request(false), from_other, "{name}");
            assert_eq!(field.in_response(), in_response, "{name}");
        }
        let forwarded = HeaderName::from_static("x-forwarded-login");
        let field = HeaderPolicy::new(Some(&forwarded)).field(b"X-Forwarded-Login");
        assert_eq!(field, Field::Withheld);
    }
}
