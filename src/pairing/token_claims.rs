//! What a token of t3 says of itself, in the claims before its signature (contract §4). Pure.

use data_encoding::BASE64URL_NOPAD;
use serde_json::Value;

/// The longest token. t3's session has 403 characters (contract §2), a browser keeps no cookie of more than
/// 4 KiB, and t3 accepts a head of 16 KiB (contract §7).
const MAX_TOKEN_BYTES: usize = 4096;

/// The id of a token's session: `sid` of its claims. Only a plain one, as it goes on a command line, and
/// only of a token of no more than 4 KiB. The signature is t3's to verify: nothing here says that the token is genuine.
pub fn session_id(token: &str) -> Option<String> {
    if token.len() > MAX_TOKEN_BYTES {
        return None;
    }
    let (claims, _) = token.split_once('.')?;
    let claims = BASE64URL_NOPAD.decode(claims.as_bytes()).ok()?;
    let claims: Value = serde_json::from_slice(&claims).ok()?;
    let id = claims["sid"].as_str()?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let is_id = !id.is_empty() && !id.starts_with('-') && id.bytes().all(is_plain);
    is_id.then(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_s_id_is_read_from_its_token() {
        let token = |claims: &str| format!("{}.mac", BASE64URL_NOPAD.encode(claims.as_bytes()));
        let id = "3f0c2a4e-0000-4000-8000-000000000000";
        let good = token(&format!(r#"{{"v":1,"sid":"{id}"}}"#));
        assert_eq!(session_id(&good).as_deref(), Some(id));
        // Of v0.0.42 and of protocol 2 alike: a cookie's, a bearer token's, a ticket's.
        for claims in [
            r#""kind":"session","sub":"one-time-token","scopes":["orchestration:read"],"method":"browser-session-cookie""#,
            r#""kind":"session","sub":"cli-issued-session","scopes":["access:write"],"method":"bearer-access-token""#,
            r#""kind":"websocket""#,
        ] {
            let token = token(&format!(
                r#"{{"v":1,{claims},"sid":"{id}","iat":1,"exp":2}}"#
            ));
            assert_eq!(session_id(&token).as_deref(), Some(id), "{claims}");
        }
        let long = format!("{good}{}", "c".repeat(MAX_TOKEN_BYTES));
        for bad in [
            "",
            &long,
            "no claims",
            &token("{}"),
            &token("not JSON"),
            &token(r#"{"sid":""}"#),
            &token(r#"{"sid":"--base-dir"}"#),
            &token(r#"{"sid":"a b"}"#),
        ] {
            assert_eq!(session_id(bad), None, "{bad}");
        }
    }
}
