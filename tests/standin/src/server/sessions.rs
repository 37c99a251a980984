//! A server's sessions and credentials, made and ended without a request.

use std::io;

use super::Standin;
use crate::clock;
use crate::store::scopes;
use crate::store::sessions::{NewSession, SessionRow};

impl Standin {
    /// All sessions, revoked ones too, in the order of creation.
    #[must_use]
    pub fn sessions(&self) -> Vec<SessionRow> {
        self.state.store.sessions()
    }

    /// Deletes all sessions, administrative ones too; open WebSockets stay open (contract §4).
    pub fn wipe_sessions(&self) {
        self.state.store.wipe_sessions();
    }

    /// The token of a new browser session.
    ///
    /// # Errors
    /// The base directory cannot be written.
    pub fn issue_browser_session(&self, label: &str) -> io::Result<String> {
        self.issue(
            label,
            "browser-session-cookie",
            self.state.facts.standard_scopes,
        )
    }

    /// A new administrative bearer token, as from `auth session issue`.
    ///
    /// # Errors
    /// The base directory cannot be written.
    pub fn issue_administrative_session(&self, label: &str) -> io::Result<String> {
        self.issue(
            label,
            "bearer-access-token",
            self.state.facts.administrative_scopes,
        )
    }

    /// The signed path of a file, as t3 gives it over its WebSocket (contract §6).
    #[must_use]
    pub fn asset_path(&self, name: &str) -> String {
        let token = self.state.store.sign(crate::routes::ASSET, name);
        format!("/api/assets/{token}/{name}")
    }

    /// The signed path to which so many bytes are uploaded.
    #[must_use]
    pub fn upload_path(&self, bytes: usize) -> String {
        let token = self
            .state
            .store
            .sign(crate::routes::UPLOAD, &bytes.to_string());
        format!("/api/attachments/upload/{token}")
    }

    fn issue(&self, label: &str, method: &'static str, scopes: &[&str]) -> io::Result<String> {
        let new = NewSession {
            label: Some(label.to_owned()),
            user_agent: None,
            device: None,
            ip: None,
            method,
            scopes: scopes::owned(scopes),
            subject: "one-time-token".to_owned(),
            ttl_ms: clock::SESSION_TTL_MS,
        };
        Ok(self.state.store.create_session(new)?.1)
    }

    /// A credential as from `auth pairing create`.
    ///
    /// # Errors
    /// The base directory cannot be written.
    pub fn pairing_credential(&self, label: Option<&str>) -> io::Result<String> {
        let label = label.map(str::to_owned);
        let pairing = self.state.store.create_pairing(
            label,
            self.state.facts.standard_scopes,
            clock::PAIRING_TTL_MS,
        )?;
        Ok(pairing.credential)
    }

    /// The credential that startup prints (contract §7).
    ///
    /// # Errors
    /// The base directory cannot be written.
    pub fn pairing_credential_for_administration(&self) -> io::Result<String> {
        let pairing = self.state.store.create_pairing(
            None,
            self.state.facts.administrative_scopes,
            clock::PAIRING_TTL_MS,
        )?;
        Ok(pairing.credential)
    }
}
