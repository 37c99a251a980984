//! What a request never takes to t3: single sign-on's own fields and cookies, and the door's. Pure.

use http::{HeaderMap, HeaderName};

use crate::access::identity::canonical;
use crate::http_rules::{cookies, header_policy};

/// Where Authentik's cookies begin. Many applications have grown them past t3's 16 KiB.
pub const COOKIE_PREFIX: &str = "authentik_";

/// The field by which the ingress proves that it is the ingress.
pub static SECRET_HEADER: HeaderName = HeaderName::from_static("x-dispatcher-secret");

/// Takes off what t3 is not to see, in whatever spelling.
pub fn strip(headers: &mut HeaderMap, identity_header: Option<&HeaderName>) {
    let identity = identity_header.map(canonical);
    header_policy::retain(headers, |name| {
        let name = canonical(name);
        let is_identity = identity.as_ref().is_some_and(|identity| *identity == name);
        !is_identity && !name.starts_with("x-authentik-") && name != SECRET_HEADER.as_str()
    });
    cookies::withhold(headers, COOKIE_PREFIX);
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn every_spelling_goes_and_everything_else_stays() {
        let mut headers = HeaderMap::new();
        for name in [
            "a",
            "x-authentik-username",
            "x_authentik_groups",
            "x.authentik.jwt",
            "x-authentik_meta-jwks",
            "remote-user",
            "remote_user",
            "x-dispatcher-secret",
            "x_dispatcher_secret",
            "x-authentic",
            "b",
        ] {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static("v"));
        }
        strip(&mut headers, Some(&HeaderName::from_static("remote-user")));
        let left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        assert_eq!(left, ["a", "x-authentic", "b"]);
    }
}
