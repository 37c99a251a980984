//! t3's list of clients: its living sessions, whose they are and how they were made (contract §4). Pure.

use std::time::SystemTime;

use serde::{Deserialize, Deserializer};

use crate::pairing::grants::Grants;

/// One session of t3's list of clients: of a browser, of an app, or an administrative one.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "ListedSession")]
pub struct ClientSession {
    /// Its id: the `sid` of its token's claims.
    pub id: String,
    /// The label of the credential that it was made with, or that it was issued with.
    pub label: Option<String>,
    /// `browser-session-cookie`, `bearer-access-token` or `dpop-access-token`; empty if t3 does not say.
    pub method: String,
    /// `one-time-token`, `cli-issued-session` or another; empty if t3 does not say.
    pub subject: String,
    /// What it may do, if t3 says so.
    pub grants: Option<Grants>,
    /// When it was made, if t3 says so.
    pub issued_at: Option<SystemTime>,
    /// When it will end, if t3 says so.
    pub expires_at: Option<SystemTime>,
    /// Does it have an open WebSocket?
    pub connected: bool,
    /// When it last asked for one, if it ever did.
    pub last_connected_at: Option<SystemTime>,
    /// The operating system of its device, if t3 knows it.
    pub os: Option<String>,
    /// The kind of its device, such as `mobile`; `unknown` or nothing if t3 does not know it.
    pub device_type: Option<String>,
    /// Is it the admin session that the list was got with?
    pub current: bool,
}

/// A row of the list as t3 sends it, as far as it is used.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListedSession {
    session_id: String,
    #[serde(default)]
    client: ListedClient,
    #[serde(default)]
    method: String,
    #[serde(default)]
    subject: String,
    /// All that it may do, where `scopes` has the names of before only (contract §4).
    #[serde(default, deserialize_with = "Grants::lenient")]
    permissions: Option<Grants>,
    #[serde(default, deserialize_with = "Grants::lenient")]
    scopes: Option<Grants>,
    #[serde(default, deserialize_with = "time")]
    issued_at: Option<SystemTime>,
    #[serde(default, deserialize_with = "time")]
    expires_at: Option<SystemTime>,
    #[serde(default, deserialize_with = "time")]
    last_connected_at: Option<SystemTime>,
    #[serde(default)]
    connected: bool,
    #[serde(default)]
    current: bool,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListedClient {
    label: Option<String>,
    #[serde(default, deserialize_with = "text")]
    os: Option<String>,
    #[serde(default, deserialize_with = "text")]
    device_type: Option<String>,
}

/// The rows of t3's list; `None` if `body` is none.
pub(super) fn read(body: &[u8]) -> Option<Vec<ClientSession>> {
    serde_json::from_slice(body).ok()
}

impl ClientSession {
    /// Is it an administrative session that was issued under the name `label`?
    pub(super) fn is_admin_session(&self, label: &str) -> bool {
        self.label.as_deref() == Some(label) && self.method == "bearer-access-token"
    }

    /// Was it issued before `time`? No, if t3 does not say when.
    pub(super) fn was_issued_before(&self, time: SystemTime) -> bool {
        self.issued_at.is_some_and(|issued| issued < time)
    }
}

impl From<ListedSession> for ClientSession {
    fn from(listed: ListedSession) -> Self {
        Self {
            id: listed.session_id,
            label: listed.client.label,
            method: listed.method,
            subject: listed.subject,
            grants: listed.permissions.or(listed.scopes),
            issued_at: listed.issued_at,
            expires_at: listed.expires_at,
            connected: listed.connected,
            last_connected_at: listed.last_connected_at,
            os: listed.client.os,
            device_type: listed.client.device_type,
            current: listed.current,
        }
    }
}

/// A time as t3 writes it, `2026-11-22T14:36:11.379Z`; `None` if it is none.
fn time<'de, D: Deserializer<'de>>(value: D) -> Result<Option<SystemTime>, D::Error> {
    let text = text(value)?;
    Ok(text.and_then(|text| humantime::parse_rfc3339(&text).ok()))
}

/// A text; what is none says nothing.
fn text<'de, D: Deserializer<'de>>(value: D) -> Result<Option<String>, D::Error> {
    let value = serde_json::Value::deserialize(value)?;
    Ok(value.as_str().map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_row_of_t3_s_list_is_read() {
        let row = r#"[{"sessionId":"3f0c2a4e-0000-4000-8000-000000000000","subject":"one-time-token",
            "scopes":["orchestration:read"],"method":"browser-session-cookie",
            "client":{"label":"alice","ipAddress":"127.0.0.1","deviceType":"desktop","os":"Linux"},
            "issuedAt":"2026-11-22T14:36:11.379Z","expiresAt":"2026-12-22T14:36:11.379Z",
            "lastConnectedAt":"2026-11-22T14:36:12.379Z","connected":true,"current":false}]"#;
        let issued = SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_358_171_379);
        let expected = ClientSession {
            id: "3f0c2a4e-0000-4000-8000-000000000000".to_owned(),
            label: Some("alice".to_owned()),
            method: "browser-session-cookie".to_owned(),
            subject: "one-time-token".to_owned(),
            grants: Some(Grants::of(["orchestration:read"])),
            issued_at: Some(issued),
            expires_at: Some(issued + Duration::from_secs(30 * 24 * 3600)),
            connected: true,
            last_connected_at: Some(issued + Duration::from_secs(1)),
            os: Some("Linux".to_owned()),
            device_type: Some("desktop".to_owned()),
            current: false,
        };
        assert_eq!(read(row.as_bytes()), Some(vec![expected]));
    }

    #[test]
    fn what_t3_does_not_say_is_left_open_and_what_is_no_list_is_none() {
        let rows = read(
            br#"[{"sessionId":"a","client":{"os":7},"issuedAt":"yesterday","lastConnectedAt":7}]"#,
        );
        let row = rows.expect("a list").remove(0);
        assert_eq!((row.label, row.issued_at), (None, None));
        assert_eq!(
            (row.os, row.device_type, row.last_connected_at),
            (None, None, None)
        );
        let both = br#"[{"sessionId":"a","scopes":["a:b"],"permissions":["a:b","c:d"]}]"#;
        let row = read(both).expect("a list").remove(0);
        assert_eq!(row.grants, Some(Grants::of(["a:b", "c:d"])));
        for odd in ["null", "7", r#"[7]"#, r#""a:b""#] {
            let row = format!(r#"[{{"sessionId":"a","scopes":{odd}}}]"#);
            let row = read(row.as_bytes()).expect("a list").remove(0);
            assert_eq!(row.grants, None, "{odd}");
        }
        assert_eq!(read(b"[]"), Some(Vec::new()));
        for none in ["", "<!doctype html>", "{}", r#"[{"client":{}}]"#] {
            assert_eq!(read(none.as_bytes()), None, "{none}");
        }
    }
}
