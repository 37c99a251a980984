//! What single sign-on gates leave on a request: their fields, cookies and credentials. Pure.
//!
//! All of it is between a browser, its gate and the dispatcher. t3 has no use for it, and whoever
//! controls t3 is not to get a gate's living session.

use http::HeaderName;
use http::header::AUTHORIZATION;

/// Is `lower` the name of a gate's field, in lower case and with hyphens only? Of a long name its
/// beginning suffices.
pub fn is_gate_field(lower: &[u8]) -> bool {
    let begins = |prefixes: &[&[u8]]| prefixes.iter().any(|prefix| lower.starts_with(prefix));
    match lower.first() {
        // Authentik; oauth2-proxy; Pomerium; Google's Identity-Aware Proxy; a dispatcher in front.
        Some(b'x') => {
            begins(&[b"x-authentik-", b"x-auth-request-", b"x-pomerium-"])
                || begins(&[b"x-dispatcher-"])
                || begins(&[b"x-goog-authenticated-user-", b"x-goog-iap-"])
                || is_forwarded_by_oauth2_proxy(lower)
        }
        // Authelia, and what a proxy with Basic authentication says.
        Some(b'r') => [
            b"remote-user",
            &b"remote-groups"[..],
            b"remote-email",
            b"remote-name",
        ]
        .contains(&lower),
        // Cloudflare Access.
        Some(b'c') => begins(&[b"cf-access-"]),
        // Tailscale Serve.
        Some(b't') => begins(&[b"tailscale-"]),
        _ => false,
    }
}

/// oauth2-proxy's, though they begin as the fields of proxies do.
fn is_forwarded_by_oauth2_proxy(lower: &[u8]) -> bool {
    let name = lower.strip_prefix(b"x-forwarded-").unwrap_or_default();
    matches!(
        name,
        b"user" | b"email" | b"groups" | b"preferred-username" | b"access-token"
    )
}

/// Is it the name of a gate's cookie, in whatever case?
pub fn is_gate_cookie(name: &[u8]) -> bool {
    let name = without_host_prefix(name);
    let begins = |prefix: &[u8]| {
        let begin = name.get(..prefix.len());
        begin.is_some_and(|begin| begin.eq_ignore_ascii_case(prefix))
    };
    let is = |whole: &[u8]| name.eq_ignore_ascii_case(whole);
    match name.first().map(u8::to_ascii_lowercase) {
        // Many applications have grown Authentik's past t3's limit of 16 KiB.
        Some(b'a') => begins(b"authentik_") || begins(b"authelia_"),
        Some(b'_') => begins(b"_oauth2_proxy") || begins(b"_pomerium"),
        Some(b'c') => {
            is(b"cf_authorization")
                || is(b"cf_binding")
                || is(b"cf_session")
                || is(b"cf_appsession")
        }
        Some(b'g') => begins(b"gcp_iap_") || begins(b"gcp_iaap_"),
        _ => false,
    }
}

/// The name behind `__Host-` or `__Secure-`, which only say how a cookie was set.
fn without_host_prefix(name: &[u8]) -> &[u8] {
    let prefixes: [&[u8]; 2] = [b"__host-", b"__secure-"];
    let of_name = prefixes.into_iter().find(|prefix| {
        let begin = name.get(..prefix.len());
        begin.is_some_and(|begin| begin.eq_ignore_ascii_case(prefix))
    });
    &name[of_name.map_or(0, <[u8]>::len)..]
}

/// Which values of `Authorization` are the gate's and none of t3's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GateCredentials {
    /// No gate has said who the client is.
    None,
    /// Basic, by which a proxy itself asks for a name and a password. t3 knows no such credential
    /// (contract §3).
    Basic,
    /// A Bearer token of three parts too, as oauth2-proxy's: t3's have two (contract §4).
    BasicAndJwt,
    /// Such a token alone: where a gate's is expected, one that did not count is none of t3's either.
    Jwt,
}

impl GateCredentials {
    /// Those beside an identity that `header` states, if any does. A JWT is the gate's only where it
    /// `is_proven` that the gate sent the request, and the gate sends its own: anyone may send t3 one.
    pub fn of(header: Option<&HeaderName>, is_proven: bool) -> Self {
        match header {
            None => Self::None,
            Some(name) if is_proven && is_of_oauth2_proxy(name) => Self::BasicAndJwt,
            Some(_) => Self::Basic,
        }
    }

    /// Those of a request whose person only a token in `header` names; `is_known` says whether one does.
    pub fn of_signed(header: &HeaderName, is_known: bool) -> Self {
        match (*header == AUTHORIZATION, is_known) {
            (true, true) => Self::BasicAndJwt,
            (true, false) => Self::Jwt,
            (false, _) => Self::of(Some(header).filter(|_| is_known), true),
        }
    }

    /// Is `authorization`, the value of one line, among them?
    pub fn include(self, authorization: &[u8]) -> bool {
        let is_jwt = || jwt_of_bearer(authorization).is_some();
        match self {
            Self::None => false,
            Self::Basic => is_basic(authorization),
            Self::BasicAndJwt => is_basic(authorization) || is_jwt(),
            Self::Jwt => is_jwt(),
        }
    }
}

fn is_basic(authorization: &[u8]) -> bool {
    scheme_and_credential(authorization)
        .0
        .eq_ignore_ascii_case(b"basic")
}

/// The JWT in `authorization`, if that is a Bearer token of three parts.
pub fn jwt_of_bearer(authorization: &[u8]) -> Option<&[u8]> {
    let (scheme, credential) = scheme_and_credential(authorization);
    let is_gate_s = scheme.eq_ignore_ascii_case(b"bearer") && is_jwt(credential);
    is_gate_s.then_some(credential)
}

fn scheme_and_credential(authorization: &[u8]) -> (&[u8], &[u8]) {
    let end = authorization.iter().position(|byte| b" \t".contains(byte));
    let (scheme, credential) = authorization.split_at(end.unwrap_or(authorization.len()));
    (scheme, credential.trim_ascii())
}

/// Three parts in base64url (RFC 7515 §7.1).
fn is_jwt(token: &[u8]) -> bool {
    let is_coded = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_=".contains(byte);
    let mut parts = token.split(|byte| *byte == b'.');
    let is_part = |part: &[u8]| !part.is_empty() && part.iter().all(is_coded);
    parts.by_ref().take(3).filter(|part| is_part(part)).count() == 3 && parts.next().is_none()
}

/// Is `name` an identity header of oauth2-proxy, which sends a token of its own beside it?
fn is_of_oauth2_proxy(name: &HeaderName) -> bool {
    let name = name.as_str().as_bytes();
    name.starts_with(b"x-auth-request-") || is_forwarded_by_oauth2_proxy(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http_rules::header_policy::Field;

    /// The fields of gates, each with its owner's spelling.
    const OF_GATES: [&str; 27] = [
        "X-authentik-username",
        "X-authentik-entitlements",
        "Remote-User",
        "Remote-Groups",
        "Remote-Email",
        "Remote-Name",
        "X-Auth-Request-User",
        "X-Auth-Request-Email",
        "X-Auth-Request-Preferred-Username",
        "X-Auth-Request-Groups",
        "X-Auth-Request-Access-Token",
        "X-Forwarded-User",
        "X-Forwarded-Email",
        "X-Forwarded-Groups",
        "X-Forwarded-Preferred-Username",
        "X-Forwarded-Access-Token",
        "Cf-Access-Authenticated-User-Email",
        "Cf-Access-Jwt-Assertion",
        "Cf-Access-Client-Secret",
        "X-Pomerium-Claim-Email",
        "X-Pomerium-Jwt-Assertion",
        "X-Goog-Authenticated-User-Email",
        "X-Goog-Authenticated-User-Id",
        "X-Goog-IAP-JWT-Assertion",
        "Tailscale-User-Login",
        "Tailscale-User-Name",
        "Tailscale-User-Profile-Pic",
    ];

    #[test]
    fn a_gate_s_fields_are_withheld_in_any_spelling() {
        for name in OF_GATES {
            let spellings = [
                name.to_owned(),
                name.to_ascii_uppercase(),
                name.replace('-', "_"),
                name.replace('-', "."),
                name.replacen('-', "_", 1),
            ];
            for name in spellings {
                assert_eq!(Field::of(name.as_bytes()), Field::Withheld, "{name}");
            }
        }
        for name in [
            "X-Forwarded-Users",
            "Remote",
            "Remote-Users",
            "Cf-Ray",
            "X-Auth-Token",
        ] {
            assert_ne!(Field::of(name.as_bytes()), Field::Withheld, "{name}");
        }
    }

    #[test]
    fn a_gate_s_cookie_is_known_by_its_name() {
        for (name, expected) in [
            ("authentik_session", true),
            ("Authentik_proxy_1", true),
            ("authelia_session", true),
            ("_oauth2_proxy", true),
            ("_oauth2_proxy_0", true),
            ("__Host-_oauth2_proxy", true),
            ("__Secure-_oauth2_proxy_csrf", true),
            ("_pomerium", true),
            ("_pomerium_csrf", true),
            ("CF_Authorization", true),
            ("CF_AppSession", true),
            ("GCP_IAP_UID", true),
            ("__Host-GCP_IAP_AUTH_TOKEN_1", true),
            ("GCP_IAAP_AUTH_TOKEN_1", true),
            ("authentik", false),
            ("not_authentik_a", false),
            ("CF_Authorization2", false),
            ("t3_session", false),
            ("__Host-", false),
            ("_ga", false),
            ("", false),
        ] {
            assert_eq!(is_gate_cookie(name.as_bytes()), expected, "{name}");
        }
    }

    #[test]
    fn a_gate_s_credential_is_basic_or_a_jwt() {
        use GateCredentials::{Basic, BasicAndJwt, Jwt, None};
        for (authorization, of_basic, of_jwt) in [
            ("Basic dTpw", true, true),
            ("basic\tdTpw", true, true),
            ("BASIC", true, true),
            ("Basicx dTpw", false, false),
            ("Bearer a.b.c", false, true),
            ("bearer  eyJh_-9.eyJ.x= ", false, true),
            ("Bearer a.b", false, false),
            ("Bearer a.b.c.d", false, false),
            ("Bearer a.b.", false, false),
            ("Bearer a..c", false, false),
            ("Bearer a.b.c d", false, false),
            ("Bearer", false, false),
            ("DPoP a.b.c", false, false),
            ("a.b.c", false, false),
            ("", false, false),
        ] {
            for (credentials, expected) in [
                (None, false),
                (Basic, of_basic),
                (BasicAndJwt, of_jwt),
                (Jwt, of_jwt && !of_basic),
            ] {
                let is_gate_s = credentials.include(authorization.as_bytes());
                assert_eq!(is_gate_s, expected, "{authorization} of {credentials:?}");
            }
        }
    }
}
