//! The versions of t3 that this stand-in can be, and all in which they differ: one table.

use std::fs;
use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::base::{self, Base};

/// A version of t3.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Edition {
    /// v0.0.27, of June: what most tests are written for.
    #[default]
    June,
    /// v0.0.42, of September: still protocol 1. A table test compares it with the real one (contract §11).
    September,
    /// Between v0.0.45 and v0.0.46: orchestration protocol 2, read in source only.
    Protocol2,
}

/// What t3 says of its static files to caches (contract §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caching {
    /// Nothing.
    Silent,
    /// Everything is to be revalidated.
    Revalidate,
    /// Everything is, but for what carries a hash in its name.
    ImmutableHashed,
}

/// In what the editions differ.
#[derive(Debug)]
pub(crate) struct Facts {
    /// What the descriptor says of itself, and `--version`.
    pub(crate) server_version: &'static str,
    pub(crate) cli_version: &'static str,
    /// The query that `/ws` demands, the descriptor's field and the header of `/api/orchestration`; none in protocol 1.
    pub(crate) orchestration_protocol: Option<u8>,
    pub(crate) capabilities: &'static str,
    /// The scopes of a pairing, and of `auth session issue` and of the token that a start prints (contract §4).
    pub(crate) standard_scopes: &'static [&'static str],
    pub(crate) administrative_scopes: &'static [&'static str],
    /// `permissions` beside `scopes`, which has the names of before only.
    pub(crate) shows_permissions: bool,
    /// The cookie's name carries port and directory or environment (contract §2).
    pub(crate) hashes_cookie_name: bool,
    /// An exchange revokes the session whose cookie it carries.
    pub(crate) exchange_replaces: bool,
    pub(crate) malformed_json_status: u16,
    /// `GET /api/auth/pairing-links` shows the credentials.
    pub(crate) links_show_credentials: bool,
    /// `/oauth/token` drops scopes that it does not know; before, one of them is an error.
    pub(crate) oauth_drops_unknown_scopes: bool,
    /// A credential that grants none of the scopes asked for stays unspent there; before, it is spent.
    pub(crate) oauth_spends_for_scopes_only: bool,
    pub(crate) caching: Caching,
    /// Responses are coded br, gzip or deflate.
    pub(crate) codes_content: bool,
    /// permessage-deflate is negotiated.
    pub(crate) deflates_websocket: bool,
    pub(crate) has_manifest: bool,
    /// `/attachments` with a session, public traces; gone since, and `/mcp` and signed `/api/assets` there (contract §8).
    pub(crate) routes_of_june: bool,
    /// `/api/orchestration/snapshot`.
    pub(crate) has_snapshot: bool,
    pub(crate) has_shell: bool,
    pub(crate) preflight_headers: &'static str,
    /// How long open WebSockets go on after the stop (contract §7).
    pub(crate) websocket_grace_ms: u64,
    pub(crate) database: &'static str,
    /// A run that finds the database locked waits for it.
    pub(crate) cli_waits_for_database: bool,
    /// `--scope` of `auth pairing create` and `auth session issue`.
    pub(crate) cli_takes_scopes: bool,
}

const JUNE: Facts = Facts {
    server_version: "0.0.26",
    cli_version: "t3 v0.0.26",
    orchestration_protocol: None,
    capabilities: r#"{"repositoryIdentity":true}"#,
    standard_scopes: PROTOCOL_1_SCOPES.split_at(5).0,
    administrative_scopes: &PROTOCOL_1_SCOPES,
    shows_permissions: false,
    hashes_cookie_name: false,
    exchange_replaces: false,
    malformed_json_status: 500,
    links_show_credentials: true,
    oauth_drops_unknown_scopes: false,
    oauth_spends_for_scopes_only: false,
    caching: Caching::Silent,
    codes_content: false,
    deflates_websocket: false,
    has_manifest: false,
    routes_of_june: true,
    has_snapshot: false,
    has_shell: false,
    preflight_headers: "authorization,b3,traceparent,content-type,dpop",
    websocket_grace_ms: 20_000,
    database: "state.sqlite",
    cli_waits_for_database: false,
    cli_takes_scopes: false,
};

const SEPTEMBER: Facts = Facts {
    server_version: "0.0.42",
    cli_version: "t3 v0.0.42",
    capabilities: SEPTEMBER_CAPABILITIES,
    hashes_cookie_name: true,
    malformed_json_status: 400,
    links_show_credentials: false,
    caching: Caching::Revalidate,
    codes_content: true,
    deflates_websocket: true,
    has_manifest: true,
    routes_of_june: false,
    has_snapshot: true,
    has_shell: true,
    websocket_grace_ms: 0,
    cli_waits_for_database: true,
    ..JUNE
};

const PROTOCOL_2: Facts = Facts {
    server_version: "0.0.45",
    cli_version: "t3 v0.0.46-nightly.20261004.2644",
    orchestration_protocol: Some(2),
    capabilities: PROTOCOL_2_CAPABILITIES,
    standard_scopes: PROTOCOL_2_SCOPES.split_at(12).0,
    administrative_scopes: &PROTOCOL_2_SCOPES,
    shows_permissions: true,
    exchange_replaces: true,
    oauth_drops_unknown_scopes: true,
    oauth_spends_for_scopes_only: true,
    caching: Caching::ImmutableHashed,
    has_snapshot: false,
    preflight_headers: "authorization,b3,traceparent,content-type,dpop,x-t3-orchestration-protocol",
    database: "statev2.sqlite",
    cli_takes_scopes: true,
    ..SEPTEMBER
};

/// The standard ones first (contract §1, §4).
static PROTOCOL_1_SCOPES: [&str; 8] = [
    "orchestration:read",
    "orchestration:operate",
    "terminal:operate",
    "review:write",
    "relay:read",
    "access:read",
    "access:write",
    "relay:write",
];

/// The standard ones first (contract §4).
static PROTOCOL_2_SCOPES: [&str; 14] = [
    "orchestration:read",
    "orchestration:operate",
    "settings:write",
    "providers:manage",
    "environment:maintain",
    "preview:operate",
    "diagnostics:read",
    "terminal:read",
    "terminal:operate",
    "source-control:write",
    "filesystem:read",
    "filesystem:write",
    "access:read",
    "access:write",
];

/// The real v0.0.42's, byte for byte.
const SEPTEMBER_CAPABILITIES: &str = r#"{"repositoryIdentity":true,"connectionProbe":true,"attachmentUploads":true,"questionAttachments":true,"fileAttachments":{"maxUploadBytes":52428800},"pullRequests":true,"inlineMessageContext":true,"threadSettlement":true,"threadAutoSettlement":true,"threadRestartContinuation":true,"projectSettingsOverrides":true,"threadSnooze":true,"environmentThemes":true,"usageLimitSources":true,"usagePriceOverrides":true,"threadPinning":true,"threadPinReorder":true,"threadActiveReorder":true,"threadTitleRegeneration":true,"threadPullRequestLinking":true,"threadPullRequests":true,"pullRequestStackActions":true,"agentActivityPublishing":false,"projectCloneTracking":true,"environmentIcon":true}"#;

/// Over 1 KiB in all, so that the descriptor is coded when asked; those that the contract does not name are September's
/// and inventions.
const PROTOCOL_2_CAPABILITIES: &str = r#"{"repositoryIdentity":true,"connectionProbe":true,"attachmentUploads":true,"questionAttachments":true,"fileAttachments":{"maxUploadBytes":52428800},"pullRequests":true,"inlineMessageContext":true,"threadSettlement":true,"threadAutoSettlement":true,"threadRestartContinuation":true,"projectSettingsOverrides":true,"threadSnooze":true,"environmentThemes":true,"usageLimitSources":true,"usagePriceOverrides":true,"threadPinning":true,"threadPinReorder":true,"threadActiveReorder":true,"threadTitleRegeneration":true,"threadPullRequestLinking":true,"threadPullRequests":true,"pullRequestStackActions":true,"agentActivityPublishing":false,"projectCloneTracking":true,"environmentIcon":true,"orchestrationV2":true,"previewStream":true,"deviceHub":true,"backgroundTasks":true,"pendingRuntimeRequests":true,"proposedPlans":true,"serverHooks":true,"serverProviders":true,"serverDiagnostics":true,"serverTerminals":true,"serverFilesystem":true,"serverBrowser":true}"#;

impl Edition {
    pub(crate) const fn facts(self) -> &'static Facts {
        match self {
            Edition::June => &JUNE,
            Edition::September => &SEPTEMBER,
            Edition::Protocol2 => &PROTOCOL_2,
        }
    }

    /// What `--edition` and `--protocol` take.
    pub(crate) fn named(name: &str) -> Option<Edition> {
        Some(match name {
            "1" | "june" | "0.0.27" => Edition::June,
            "september" | "0.0.42" => Edition::September,
            "2" | "protocol2" => Edition::Protocol2,
            _ => return None,
        })
    }
}

/// The edition of the server that was last started on this base directory, for the CLI to be the same.
pub(crate) fn load(base: &Base) -> Edition {
    let stored = fs::read(file(base)).ok();
    stored
        .and_then(|json| serde_json::from_slice(&json).ok())
        .unwrap_or_default()
}

pub(crate) fn save(base: &Base, edition: Edition) -> io::Result<()> {
    base::replace(&file(base), &serde_json::to_vec(&edition)?)
}

fn file(base: &Base) -> PathBuf {
    base.standin().join("edition.json")
}
