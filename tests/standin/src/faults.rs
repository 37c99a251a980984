//! Fault injection: a setting for each fault, shared by the server with the CLI through a file.

use std::fs::{self, File};
use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::base::{self, Base};
use crate::edition::Edition;

/// The injected faults. The default is a healthy t3, as the contract describes it.
///
/// `cli_*` settings are read by each `auth ...` run at its start; the others are read by the server at each request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Faults {
    /// The delay of each run, before it does anything.
    pub cli_delay_ms: u64,
    /// Each run ends 1 with an ERROR and its stack on stdout.
    pub cli_fail: bool,
    /// The next so many runs end 1, "database is locked". Each run counts it down.
    pub cli_locked_times: u64,
    /// Of two runs that overlap, the later one ends 1, "database is locked".
    pub cli_lock: bool,
    /// A run never ends, and ignores SIGTERM.
    pub cli_hang: bool,
    /// A run ends 0 with something other than JSON.
    pub cli_garbage: bool,
    /// A run prints so many bytes of garbage, then ends 0.
    pub cli_flood_bytes: u64,
    /// A run leaves a child process that holds its stdout open for a minute.
    pub cli_spawn_grandchild: bool,
    /// `auth pairing create` prints an empty credential.
    pub cli_empty_credential: bool,
    /// `auth session issue` ends 1.
    pub cli_no_session_issue: bool,
    /// The port that a run binds in passing, for as long as it takes, unless `T3CODE_PORT` is in its environment or
    /// `T3CODE_MODE` is `desktop` (contract §1). t3 always probes 3773; 0 is for none, as tests use ports of their own.
    pub cli_probe_port: u16,

    /// For so long after its start the port accepts but no request gets a response (contract §7).
    pub silent_start_ms: u64,
    /// For so long after that every request is held, and then gets its response (contract §7, protocol 2).
    pub held_start_ms: u64,
    /// No request gets a response.
    pub hang_all: bool,
    /// The delay of each response.
    pub answer_delay_ms: u64,
    /// The delay of the responses of the exchange and of pairing-token.
    pub auth_delay_ms: u64,
    /// The session cookie's name: set, advertised, and accepted.
    pub cookie_name: String,
    /// `GET /api/auth/session` does not advertise the cookie's name.
    pub hide_cookie_name: bool,
    /// The exchange responds 200 without Set-Cookie.
    pub no_set_cookie: bool,
    /// More Set-Cookie values on the exchange's 200.
    pub extra_set_cookie: Vec<String>,
    /// The exchange responds 401, the credential is kept.
    pub refuse_exchange: bool,
    /// The status of the exchange's response; from 500 on the credential is spent all the same (contract §2).
    pub exchange_status: Option<u16>,
    /// The exchange spends the credential and makes the session, but its response is lost with the connection.
    pub exchange_lost: bool,
    /// The status of the response to `POST /api/auth/pairing-token`.
    pub pairing_token_status: Option<u16>,
    /// The status of the response to `GET /api/auth/session`.
    pub session_status: Option<u16>,
    /// The status of the response to `GET /api/auth/clients`.
    pub clients_status: Option<u16>,
    /// The body of its 200, in the place of the list.
    pub clients_body: Option<String>,
    /// v0.0.24: `bootstrap` in place of `browser-session`, roles in place of scopes (contract §8).
    pub old_endpoint: bool,
    /// How long an idle connection is kept (contract §7: 5 s and 1 s of grace).
    pub keepalive_ms: u64,
    /// How long open WebSockets go on after the stop (contract §7).
    pub websocket_grace_ms: u64,
    /// The `threads` of `GET /api/orchestration/shell`, as JSON (contract §13).
    pub shell_threads: String,
    /// The body of its 200, in the place of the list.
    pub shell_body: Option<String>,
    /// How long new browser sessions live; 30 days by default.
    pub session_ttl_ms: Option<u64>,
}

impl Default for Faults {
    fn default() -> Faults {
        Faults::healthy(Edition::default())
    }
}

impl Faults {
    /// A healthy t3 of that edition.
    #[must_use]
    pub fn healthy(edition: Edition) -> Faults {
        Faults {
            cli_delay_ms: 0,
            cli_fail: false,
            cli_locked_times: 0,
            cli_lock: false,
            cli_hang: false,
            cli_garbage: false,
            cli_flood_bytes: 0,
            cli_spawn_grandchild: false,
            cli_empty_credential: false,
            cli_no_session_issue: false,
            cli_probe_port: 0,
            silent_start_ms: 0,
            held_start_ms: 0,
            hang_all: false,
            answer_delay_ms: 0,
            auth_delay_ms: 0,
            cookie_name: DEFAULT_COOKIE_NAME.to_owned(),
            hide_cookie_name: false,
            no_set_cookie: false,
            extra_set_cookie: Vec::new(),
            refuse_exchange: false,
            exchange_status: None,
            exchange_lost: false,
            pairing_token_status: None,
            session_status: None,
            clients_status: None,
            clients_body: None,
            old_endpoint: false,
            keepalive_ms: 6_000,
            websocket_grace_ms: edition.facts().websocket_grace_ms,
            shell_threads: "[]".to_owned(),
            shell_body: None,
            session_ttl_ms: None,
        }
    }
}

/// The cookie's name in mode web, up to v0.0.34 (contract §2).
pub(crate) const DEFAULT_COOKIE_NAME: &str = "t3_session";

/// Reads the faults of a base directory; none by default.
pub(crate) fn load(base: &Base, edition: Edition) -> Faults {
    let stored = fs::read(faults_file(base)).ok();
    let stored = stored.and_then(|json| serde_json::from_slice(&json).ok());
    let mut faults = stored.unwrap_or_else(|| Faults::healthy(edition));
    faults.cli_locked_times = locks_left(base);
    faults
}

/// Writes the faults, and one lock file for each run that is to find the database locked.
pub(crate) fn save(base: &Base, faults: &Faults) -> io::Result<()> {
    let json = serde_json::to_vec_pretty(faults)?;
    base::replace(&faults_file(base), &json)?;
    let locks = locks_directory(base);
    if let Err(error) = fs::remove_dir_all(&locks)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error);
    }
    fs::create_dir_all(&locks)?;
    (0..faults.cli_locked_times).try_for_each(|n| File::create(locks.join(n.to_string())).map(drop))
}

/// Takes one of the lock files: removing a file succeeds for one process only.
pub(crate) fn take_lock(base: &Base) -> bool {
    let Ok(locks) = fs::read_dir(locks_directory(base)) else {
        return false;
    };
    locks
        .flatten()
        .any(|lock| fs::remove_file(lock.path()).is_ok())
}

/// How many of the next runs will find the database locked.
pub(crate) fn locks_left(base: &Base) -> u64 {
    fs::read_dir(locks_directory(base)).map_or(0, |locks| locks.count() as u64)
}

fn faults_file(base: &Base) -> PathBuf {
    base.standin().join("faults.json")
}

fn locks_directory(base: &Base) -> PathBuf {
    base.standin().join("locked")
}
