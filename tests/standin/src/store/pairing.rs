//! Pairing links: one file per credential, spent by a rename, in which only one caller succeeds.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Store;
use crate::edition::Facts;
use crate::{base, clock, random};

/// One pairing link.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Pairing {
    pub(crate) id: String,
    pub(crate) credential: String,
    pub(crate) label: Option<String>,
    pub(crate) scopes: Vec<String>,
    pub(crate) subject: String,
    pub(crate) created_ms: u64,
    pub(crate) expires_ms: u64,
}

/// A link as `GET /api/auth/pairing-links` and `auth pairing list` show it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Listed<'a> {
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    credential: Option<&'a str>,
    scopes: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    permissions: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<&'a str>,
    created_at: String,
    expires_at: String,
}

impl Pairing {
    /// As the server lists it, where some t3 shows the credential (contract §4), or as the CLI does.
    pub(crate) fn listed(&self, facts: &Facts, by_server: bool) -> Listed<'_> {
        let in_clear = by_server && facts.links_show_credentials;
        Listed {
            id: &self.id,
            credential: in_clear.then_some(self.credential.as_str()),
            scopes: super::scopes::shown(&self.scopes, facts),
            permissions: super::scopes::permissions(&self.scopes, facts),
            subject: by_server.then_some(self.subject.as_str()),
            label: self.label.as_deref(),
            created_at: clock::iso(self.created_ms),
            expires_at: clock::iso(self.expires_ms),
        }
    }
}

impl Store {
    pub(crate) fn create_pairing(
        &self,
        label: Option<String>,
        scopes: &[&str],
        ttl_ms: u64,
    ) -> io::Result<Pairing> {
        let created_ms = clock::now_ms();
        let pairing = Pairing {
            id: random::uuid(),
            credential: random::credential(),
            label,
            scopes: super::scopes::owned(scopes),
            subject: "one-time-token".to_owned(),
            created_ms,
            expires_ms: created_ms.saturating_add(ttl_ms),
        };
        base::replace(
            &self.unspent(&pairing.credential),
            &serde_json::to_vec(&pairing)?,
        )?;
        Ok(pairing)
    }

    /// The link of a credential that can still be spent.
    pub(crate) fn pairing_of(&self, credential: &str) -> Option<Pairing> {
        self.pairings()
            .into_iter()
            .find(|pairing| pairing.credential == credential)
    }

    /// Spends the credential; `None` if it is wrong, spent, revoked or expired.
    pub(crate) fn spend_pairing(&self, credential: &str) -> Option<Pairing> {
        if credential.is_empty() || !credential.bytes().all(|c| c.is_ascii_alphanumeric()) {
            return None;
        }
        let pairing = read(&self.unspent(credential))?;
        let live = pairing.expires_ms > clock::now_ms();
        (live && self.retire(credential, "consumed")).then_some(pairing)
    }

    /// The links that can still be spent, oldest first.
    pub(crate) fn pairings(&self) -> Vec<Pairing> {
        let now = clock::now_ms();
        let files = fs::read_dir(self.base.pairing())
            .into_iter()
            .flatten()
            .flatten();
        let is_unspent = |path: &PathBuf| path.extension().is_some_and(|kind| kind == "json");
        let mut pairings: Vec<Pairing> = files
            .map(|file| file.path())
            .filter(is_unspent)
            .filter_map(|path| read(&path))
            .collect();
        pairings.retain(|pairing| pairing.expires_ms > now);
        pairings.sort_by_key(|pairing| pairing.created_ms);
        pairings
    }

    pub(crate) fn revoke_pairing(&self, id: &str) -> bool {
        let pairings = self.pairings();
        let found = pairings.iter().find(|pairing| pairing.id == id);
        found.is_some_and(|pairing| self.retire(&pairing.credential, "revoked"))
    }

    /// Rows are never deleted (contract §1): the file stays under another extension.
    fn retire(&self, credential: &str, ending: &str) -> bool {
        let unspent = self.unspent(credential);
        fs::rename(&unspent, unspent.with_extension(ending)).is_ok()
    }

    fn unspent(&self, credential: &str) -> PathBuf {
        self.base.pairing().join(format!("{credential}.json"))
    }
}

fn read(path: &Path) -> Option<Pairing> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}
