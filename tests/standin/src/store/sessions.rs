//! Sessions: one file each, named by the token; the file tells whether the session is alive.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

use super::client::Client;
use super::token::{self, Claims};
use super::{Store, scopes};
use crate::{base, clock, random};

/// The kinds of token.
const SESSION: &str = "session";
const TICKET: &str = "websocket";

/// How long a signed path is good: 60 minutes (contract §6).
const SIGNED_TTL_MS: u64 = 3_600_000;

/// One session, as stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SessionRow {
    /// Its id.
    pub id: String,
    /// The pairing link's label, or the one given to `session issue`.
    pub label: Option<String>,
    /// The User-Agent of the exchange.
    pub user_agent: Option<String>,
    /// The device and system that its client named itself, at `/oauth/token`.
    #[serde(default)]
    pub device: Option<Device>,
    /// The TCP peer of the exchange.
    pub ip: Option<String>,
    /// `browser-session-cookie` or `bearer-access-token`.
    pub method: String,
    /// Its scopes.
    pub scopes: Vec<String>,
    /// `one-time-token` or `cli-issued-session`.
    pub subject: String,
    /// Milliseconds since 1970.
    pub issued_ms: u64,
    /// Milliseconds since 1970.
    pub expires_ms: u64,
    /// Its position in the order of creation.
    pub order: u64,
    /// Whether it was revoked.
    pub revoked: bool,
}

/// What a client says of itself.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Device {
    /// `desktop`, `mobile`, `tablet`, `bot` or `unknown`.
    pub kind: Option<String>,
    /// Its operating system.
    pub os: Option<String>,
}

/// The parts of a new session.
pub(crate) struct NewSession {
    pub(crate) label: Option<String>,
    pub(crate) user_agent: Option<String>,
    pub(crate) device: Option<Device>,
    pub(crate) ip: Option<String>,
    pub(crate) method: &'static str,
    pub(crate) scopes: Vec<String>,
    pub(crate) subject: String,
    pub(crate) ttl_ms: u64,
}

impl SessionRow {
    fn claims(&self) -> Claims {
        Claims {
            v: 1,
            kind: SESSION.to_owned(),
            sid: self.id.clone(),
            sub: Some(self.subject.clone()),
            scopes: Some(self.scopes.clone()),
            method: Some(self.method.clone()),
            iat: self.issued_ms,
            exp: self.expires_ms,
        }
    }

    pub(crate) fn may(&self, scope: &str) -> bool {
        self.scopes.iter().any(|own| own == scope)
    }

    pub(crate) fn is_live(&self) -> bool {
        !self.revoked && self.expires_ms > clock::now_ms()
    }

    pub(crate) fn role(&self) -> &'static str {
        scopes::role(&self.scopes)
    }

    pub(crate) fn client(&self) -> Client<'_> {
        Client::of(
            self.label.as_deref(),
            self.ip.as_deref(),
            self.user_agent.as_deref(),
            self.device.as_ref(),
        )
    }
}

impl Store {
    /// Makes a session and its token.
    pub(crate) fn create_session(&self, new: NewSession) -> io::Result<(SessionRow, String)> {
        let issued_ms = clock::now_ms();
        let row = SessionRow {
            id: random::uuid(),
            label: new.label,
            user_agent: new.user_agent,
            device: new.device,
            ip: new.ip,
            method: new.method.to_owned(),
            scopes: new.scopes,
            subject: new.subject,
            issued_ms,
            expires_ms: issued_ms.saturating_add(new.ttl_ms),
            order: next_order(),
            revoked: false,
        };
        self.put(&row)?;
        let token = row.claims().sign(&self.signing_key);
        Ok((row, token))
    }

    /// The live session of a token.
    pub(crate) fn session_of(&self, token: &str) -> Option<SessionRow> {
        let claims = token::claims(&self.signing_key, SESSION, token)?;
        self.session(&claims.sid).filter(SessionRow::is_live)
    }

    /// A ticket for the WebSockets of a session, and its expiry in milliseconds since 1970; reusable until then
    /// (contract §4).
    pub(crate) fn issue_ticket(&self, session_id: String) -> (String, u64) {
        let now = clock::now_ms();
        let claims = Claims {
            v: 1,
            kind: TICKET.to_owned(),
            sid: session_id,
            sub: None,
            scopes: None,
            method: None,
            iat: now,
            exp: now + clock::PAIRING_TTL_MS,
        };
        (claims.sign(&self.signing_key), claims.exp)
    }

    pub(crate) fn session_of_ticket(&self, ticket: &str) -> Option<SessionRow> {
        let claims = token::claims(&self.signing_key, TICKET, ticket)?;
        let session = (claims.exp > clock::now_ms()).then(|| self.session(&claims.sid))?;
        session.filter(SessionRow::is_live)
    }

    /// What proves that one may read the file of that name, or upload that many bytes, for an hour (contract §6).
    pub(crate) fn sign(&self, kind: &str, what: &str) -> String {
        let now = clock::now_ms();
        let claims = Claims {
            v: 1,
            kind: kind.to_owned(),
            sid: what.to_owned(),
            sub: None,
            scopes: None,
            method: None,
            iat: now,
            exp: now + SIGNED_TTL_MS,
        };
        claims.sign(&self.signing_key)
    }

    /// What such a proof is for.
    pub(crate) fn signed(&self, kind: &str, token: &str) -> Option<String> {
        let claims = token::claims(&self.signing_key, kind, token)?;
        (claims.exp > clock::now_ms()).then_some(claims.sid)
    }

    pub(crate) fn session(&self, id: &str) -> Option<SessionRow> {
        let is_name = id.bytes().all(|c| c.is_ascii_hexdigit() || c == b'-');
        let json = is_name.then(|| fs::read(self.session_file(id)).ok())??;
        serde_json::from_slice(&json).ok()
    }

    /// Every session, in the order of creation.
    pub(crate) fn sessions(&self) -> Vec<SessionRow> {
        let files = fs::read_dir(self.base.sessions())
            .into_iter()
            .flatten()
            .flatten();
        let names = files.filter_map(|file| file.file_name().into_string().ok());
        let mut rows: Vec<SessionRow> = names
            .filter_map(|name| self.session(name.strip_suffix(".json")?))
            .collect();
        rows.sort_by_key(|row| row.order);
        rows
    }

    /// Whether there was a live session to revoke.
    pub(crate) fn revoke_session(&self, id: &str) -> bool {
        let Some(mut row) = self.session(id).filter(SessionRow::is_live) else {
            return false;
        };
        row.revoked = true;
        self.put(&row).is_ok()
    }

    /// Forgets every session.
    pub(crate) fn wipe_sessions(&self) {
        for row in self.sessions() {
            let _already_gone = fs::remove_file(self.session_file(&row.id));
        }
    }

    /// Records that a session came for a WebSocket, beside its row, which another process may be changing.
    pub(crate) fn note_connection(&self, id: &str) {
        let _unwritable = base::replace(
            &self.connection_file(id),
            clock::now_ms().to_string().as_bytes(),
        );
    }

    /// Milliseconds since 1970 when it last did.
    pub(crate) fn last_connection_ms(&self, id: &str) -> Option<u64> {
        let noted = fs::read_to_string(self.connection_file(id)).ok()?;
        noted.parse().ok()
    }

    fn connection_file(&self, id: &str) -> PathBuf {
        self.base.sessions().join(format!("{id}.connected"))
    }

    fn put(&self, row: &SessionRow) -> io::Result<()> {
        base::replace(&self.session_file(&row.id), &serde_json::to_vec(row)?)
    }

    fn session_file(&self, id: &str) -> PathBuf {
        self.base.sessions().join(format!("{id}.json"))
    }
}

/// Microseconds, unique within this process.
fn next_order() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let now = clock::now_us();
    let last = LAST.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| {
        Some(now.max(last + 1))
    });
    last.map_or(now, |last| now.max(last + 1))
}
