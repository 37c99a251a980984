//! The header of a token: what of it is believed before anything is verified. Pure.

use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::Algorithm;
use serde_json::{Map, Value};

use crate::access::jwt::refusal::Refusal;
use crate::access::jwt::strict_json::StrictObject;

/// The algorithm that the header of a token names, and the key, if it names one.
pub(super) fn admitted(header: &Map<String, Value>) -> Result<(Algorithm, Option<&str>), Refusal> {
    // What must be understood is not (RFC 7515 §4.1.11); nor are keys and addresses of keys ever looked
    // at (`jwk`, `jku`, `x5u`, `x5c`).
    if header.contains_key("crit") || header.contains_key("b64") {
        return Err(Refusal::Critical);
    }
    // A token of another kind is signed by the same keys, as that of a sign-out (RFC 8725 §3.11).
    if header
        .get("typ")
        .is_some_and(|kind| !is_type_of_identity(kind))
    {
        return Err(Refusal::Type);
    }
    let algorithm = match header.get("alg").and_then(Value::as_str) {
        Some("RS256") => Algorithm::RS256,
        Some("ES256") => Algorithm::ES256,
        Some("EdDSA") => Algorithm::EdDSA,
        Some("HS256") => Algorithm::HS256,
        _ => return Err(Refusal::Algorithm),
    };
    match header.get("kid") {
        None => Ok((algorithm, None)),
        Some(Value::String(id)) => Ok((algorithm, Some(id))),
        Some(_) => Err(Refusal::Malformed),
    }
}

/// Is it the type of an ID token or of an access token (RFC 7519 §5.1, RFC 9068 §2.1)?
fn is_type_of_identity(kind: &Value) -> bool {
    let kind = kind.as_str().unwrap_or_default().to_ascii_lowercase();
    let kind = kind.strip_prefix("application/").unwrap_or(&kind);
    matches!(kind, "jwt" | "at+jwt")
}

/// The header of a token of three parts.
pub(super) fn header(token: &[u8]) -> Option<Map<String, Value>> {
    let mut parts = token.split(|byte| *byte == b'.');
    let header = parts.next()?;
    if parts.count() != 2 {
        return None;
    }
    let text = BASE64URL_NOPAD.decode(header).ok()?;
    StrictObject::parse(&text).map(|object| object.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_names_one_algorithm_and_at_most_one_key() {
        use Algorithm::{ES256, EdDSA, HS256, RS256};
        use Refusal::{Critical, Malformed, Type};
        for (text, expected) in [
            (r#"{"alg":"RS256"}"#, Ok((RS256, None))),
            (
                r#"{"alg":"ES256","kid":"e","typ":"JWT"}"#,
                Ok((ES256, Some("e"))),
            ),
            (
                r#"{"alg":"EdDSA","kid":"","typ":"at+jwt"}"#,
                Ok((EdDSA, Some(""))),
            ),
            (
                r#"{"alg":"HS256","typ":"application/JWT"}"#,
                Ok((HS256, None)),
            ),
            (
                r#"{"alg":"ES256","jku":"x","x5u":"x","jwk":{},"x5c":[]}"#,
                Ok((ES256, None)),
            ),
            (r#"{"alg":"none"}"#, Err(Refusal::Algorithm)),
            (r#"{"alg":"None"}"#, Err(Refusal::Algorithm)),
            (r#"{"alg":"es256"}"#, Err(Refusal::Algorithm)),
            (r#"{"alg":"ES384"}"#, Err(Refusal::Algorithm)),
            (r#"{"alg":["ES256"]}"#, Err(Refusal::Algorithm)),
            (r#"{"kid":"e"}"#, Err(Refusal::Algorithm)),
            (r#"{"alg":"ES256","kid":7}"#, Err(Malformed)),
            (r#"{"alg":"ES256","kid":null}"#, Err(Malformed)),
            (r#"{"alg":"ES256","crit":[]}"#, Err(Critical)),
            (r#"{"alg":"ES256","crit":["exp"],"exp":1}"#, Err(Critical)),
            (r#"{"alg":"ES256","b64":true}"#, Err(Critical)),
            (r#"{"alg":"ES256","typ":"logout+jwt"}"#, Err(Type)),
            (r#"{"alg":"ES256","typ":7}"#, Err(Type)),
            (r#"{"alg":"ES256","kid":"e","kid":"e"}"#, Err(Malformed)),
            (r#"{"alg":"none","alg":"ES256"}"#, Err(Malformed)),
            (r#"{"alg":"ES256","x":{"a":1,"a":2}}"#, Err(Malformed)),
            (r#"["ES256"]"#, Err(Malformed)),
            ("", Err(Malformed)),
        ] {
            let token = format!("{}.e30.AA", BASE64URL_NOPAD.encode(text.as_bytes()));
            let header = header(token.as_bytes()).ok_or(Malformed);
            let found = header
                .as_ref()
                .map_err(|refusal| *refusal)
                .and_then(admitted);
            assert_eq!(found, expected, "{text}");
        }
        for token in [
            "",
            ".",
            "..",
            "e30",
            "e30.e30",
            "e30.e30.e30.e30",
            "e30=.e30.e30",
            "e3 0.e30.e30",
        ] {
            assert!(header(token.as_bytes()).is_none(), "{token}");
        }
    }
}
