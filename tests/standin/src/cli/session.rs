//! `auth session issue`, `list` and `revoke`.

use serde::Serialize;

use super::failure::Failure;
use super::options::Options;
use super::print;
use crate::clock;
use crate::faults::Faults;
use crate::store::client::Client;
use crate::store::sessions::{Device, NewSession, SessionRow};
use crate::store::{Store, scopes};

/// In the order of contract §4.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Issued<'a> {
    session_id: &'a str,
    token: &'a str,
    method: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scopes: Option<&'a [String]>,
    subject: &'a str,
    client: Client<'a>,
    expires_at: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed<'a> {
    session_id: &'a str,
    method: &'a str,
    scopes: &'a [String],
    subject: &'a str,
    client: Client<'a>,
    connected: bool,
    issued_at: String,
    expires_at: String,
    last_connected_at: Option<String>,
}

pub(super) fn issue(store: &Store, options: &Options, faults: &Faults) -> Result<(), Failure> {
    if faults.cli_no_session_issue {
        return Err(Failure::Run(
            "Error: the stand-in was told to issue no session".to_owned(),
        ));
    }
    let (row, token) = store.create_session(NewSession {
        label: options.label.clone().filter(|label| !label.is_empty()),
        user_agent: None,
        device: Some(Device {
            kind: Some("bot".to_owned()),
            os: None,
        }),
        ip: None,
        method: "bearer-access-token",
        scopes: scopes::owned(options.scopes_or(store.facts().administrative_scopes)),
        subject: "cli-issued-session".to_owned(),
        ttl_ms: options.ttl_ms.unwrap_or(clock::SESSION_TTL_MS),
    })?;
    if options.token_only {
        print::raw(format!("{token}\n").as_bytes());
    } else if options.json {
        print::json(&Issued {
            session_id: &row.id,
            token: &token,
            method: &row.method,
            role: faults.old_endpoint.then_some("owner"),
            scopes: (!faults.old_endpoint).then_some(&row.scopes),
            subject: &row.subject,
            client: row.client(),
            expires_at: clock::iso(row.expires_ms),
        });
    } else {
        print::text(&lines(&row, &token));
    }
    Ok(())
}

pub(super) fn list(store: &Store, options: &Options) -> Result<(), Failure> {
    let mut rows = store.sessions();
    rows.retain(SessionRow::is_live);
    if options.json {
        // The newest first.
        let listed: Vec<_> = rows.iter().rev().map(|row| listed(store, row)).collect();
        print::json(&listed);
    } else if rows.is_empty() {
        print::text("No active sessions.");
    } else {
        let blocks: Vec<String> = rows.iter().map(block).collect();
        print::text(&blocks.join("\n\n"));
    }
    Ok(())
}

/// The exit status is 0 even if nothing matched (contract §4).
pub(super) fn revoke(store: &Store, id: &str) -> Result<(), Failure> {
    print::text(&if store.revoke_session(id) {
        format!("Revoked session {id}.")
    } else {
        format!("No active session found for {id}.")
    });
    Ok(())
}

fn listed<'a>(store: &Store, row: &'a SessionRow) -> Listed<'a> {
    Listed {
        session_id: &row.id,
        method: &row.method,
        scopes: &row.scopes,
        subject: &row.subject,
        client: row.client(),
        connected: false,
        issued_at: clock::iso(row.issued_ms),
        expires_at: clock::iso(row.expires_ms),
        last_connected_at: store.last_connection_ms(&row.id).map(clock::iso),
    }
}

fn lines(row: &SessionRow, token: &str) -> String {
    format!(
        "Issued {} bearer session {}.\nToken: {token}\nSubject: {}\nClient: {}\nExpires at: {}",
        row.role(),
        row.id,
        row.subject,
        row.label.as_deref().unwrap_or("unlabeled client"),
        clock::iso(row.expires_ms),
    )
}

fn block(row: &SessionRow) -> String {
    format!(
        "{}\n  method: {}\n  subject: {}\n  client: {}\n  issued: {}\n  expires: {}",
        row.id,
        row.method,
        row.subject,
        row.label.as_deref().unwrap_or("unlabeled client"),
        clock::iso(row.issued_ms),
        clock::iso(row.expires_ms),
    )
}
