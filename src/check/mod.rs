//! `t3-dispatcher check`: makes every step to a live cockpit once, and reports which one fails and
//! why.
//!
//! It pairs with the code that the dispatcher pairs with, opens a WebSocket with the session, and
//! revokes the sessions that it made. The dispatcher itself need not run.

pub mod advice;
mod cache;
mod clean_up;
pub mod devices;
mod inner;
pub mod people;
pub mod report;
pub mod steps;

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::check::advice::{finding, on_cli, on_command, on_exchange, on_mint, on_token_file};
use crate::check::devices::DevicesCheck;
use crate::check::report::{CheckReport, Finding};
use crate::check::steps::{Proof, bare_upstream};
use crate::config::options::{MintMode, PairingConfig, UpstreamConfig};
use crate::config::timing::Timing;
use crate::http_rules::cookies;
use crate::pairing::cli_error::CliError;
use crate::pairing::dry_run::{AdminToken, Credential, DryRun};
use crate::pairing::exchange::Session;
use crate::upstream::Upstream;
use crate::upstream::descriptor::Protocol;

const NO_CLI: &str = "the t3 CLI cannot be run";
const TOKEN_FILE: &str = "DISPATCHER_TOKEN_FILE needs none";
const MINT_COMMAND: &str = "DISPATCHER_MINT_COMMAND needs none";
const NO_MINT: &str = "the person's row brings none";
const NO_SESSION: &str = "not available: with a mint command alone no list, no scopes, no revoking";
const NO_T3: &str = "t3 does not respond";

/// One check, with the report of the steps that it has made.
#[derive(Debug)]
struct Check {
    pairing: PairingConfig,
    devices: DevicesCheck,
    upstream: Arc<Upstream>,
    upstream_config: UpstreamConfig,
    dry_run: DryRun,
    timing: Timing,
    /// Whom single sign-on would name, where each person has another t3.
    user: String,
    report: CheckReport,
}

/// Makes every step once, on the only t3.
pub async fn check(
    upstream: UpstreamConfig,
    pairing: PairingConfig,
    devices: DevicesCheck,
    timing: Timing,
) -> CheckReport {
    check_t3(upstream, pairing, (devices, timing), "").await
}

/// Makes every step once, on the t3 of `upstream`; one is skipped if it needs one that failed. It is that of `user` where each person has another one.
async fn check_t3(
    upstream_config: UpstreamConfig,
    pairing: PairingConfig,
    (devices, timing): (DevicesCheck, Timing),
    user: &str,
) -> CheckReport {
    let upstream = bare_upstream(upstream_config.clone(), timing);
    let check = Check {
        dry_run: DryRun::new(&pairing, Arc::clone(&upstream), timing),
        timing,
        pairing,
        devices,
        upstream,
        upstream_config,
        user: user.to_owned(),
        report: CheckReport::default(),
    };
    check.run().await
}

impl Check {
    async fn run(mut self) -> CheckReport {
        let has_cli = self.cli().await;
        let has_base_dir = self.base_dir();
        let described = self.t3().await;
        let obstacle = match (has_cli && has_base_dir, described.is_some()) {
            (true, true) => None,
            (false, _) => Some(NO_CLI),
            (true, false) => Some(NO_T3),
        };
        let (admin, credential) = match obstacle {
            None => {
                let admin = self.admin_session().await;
                let credential = self.credential(admin.as_ref()).await;
                (admin, credential)
            }
            Some(why) => (
                self.skip("admin session", why),
                self.skip("credential", why),
            ),
        };
        let (protocol, cookie) = described.unwrap_or((Protocol::One, String::new()));
        let session = match &credential {
            Some(credential) => self.session(credential, &cookie).await,
            None => self.skip("session", "there is no credential"),
        };
        match &session {
            Some(session) => self.websocket(session, &protocol).await,
            None => self.report.skip("websocket", "there is no session"),
        }
        let device = self.devices(admin.as_ref(), &protocol, obstacle).await;
        let made = [session.map(|session| session.cookie_value), device];
        self.clean_up(&made, admin.as_ref()).await;
        self.report
    }

    fn skip<T>(&mut self, name: &'static str, why: &'static str) -> Option<T> {
        self.report.skip(name, why);
        None
    }

    /// Reports a step that began at `start`, and returns what later steps need of it.
    fn done<T>(
        &mut self,
        name: &'static str,
        start: Instant,
        found: Result<(T, String), Finding>,
    ) -> Option<T> {
        let (value, found) = match found {
            Ok((value, what)) => (Some(value), Ok(what)),
            Err(finding) => (None, Err(finding)),
        };
        self.report.add(name, found, start.elapsed());
        value
    }

    /// What needs no t3 CLI, if it is not run.
    fn without_cli(&self) -> Option<&'static str> {
        let has_command = self.pairing.mint_command().is_some();
        let file = self.pairing.token_file.is_some().then_some(TOKEN_FILE);
        let command = has_command.then_some(MINT_COMMAND);
        let no_mint = (!self.pairing.cli.may_run()).then_some(NO_MINT);
        file.or(command).or(no_mint)
    }

    async fn cli(&mut self) -> bool {
        if let Some(why) = self.without_cli() {
            self.report.skip("t3 CLI", why);
            return true;
        }
        let (start, program) = (Instant::now(), self.pairing.cli.program());
        let program = program.display();
        let found = match self.dry_run.version().await {
            Ok(version) => {
                let others = match self.pairing.cli.others() {
                    others if others.is_empty() => others,
                    others => format!("; T3_BIN chooses another: {others}"),
                };
                Ok(((), format!("{program}, {version}{others}")))
            }
            Err(error @ CliError::Spawn(_)) => Err(on_cli(&error)),
            Err(error) => {
                let found = on_cli(&error);
                Err(finding(format!("{program}: {}", found.what), found.advice))
            }
        };
        self.done("t3 CLI", start, found).is_some()
    }

    fn base_dir(&mut self) -> bool {
        if let Some(why) = self.without_cli() {
            self.report.skip("base directory", why);
            return true;
        }
        let start = Instant::now();
        let found = steps::base_dir(self.pairing.cli.base_dir().as_deref());
        let found = found.map(|what| ((), what));
        self.done("base directory", start, found).is_some()
    }

    /// The protocol of t3 and the name of its session cookie, if it is up.
    async fn t3(&mut self) -> Option<(Protocol, String)> {
        let (start, limit) = (Instant::now(), self.timing.api_response);
        let found = steps::descriptor(&self.upstream, limit).await;
        let Some(descriptor) = self.done("t3", start, found) else {
            self.report.skip("protocol", NO_T3);
            self.report.skip("cookie", NO_T3);
            return None;
        };
        let protocol = descriptor.protocol;
        self.report
            .add("protocol", steps::protocol(&protocol), Duration::ZERO);
        let start = Instant::now();
        let found = steps::cookie_name(&self.upstream, limit).await;
        let name = self.done("cookie", start, found);
        let default = || cookies::DEFAULT_COOKIE_NAME.to_owned();
        Some((protocol, name.unwrap_or_else(default)))
    }

    async fn admin_session(&mut self) -> Option<AdminToken> {
        if self.pairing.mint == MintMode::Cli {
            return self.skip("admin session", "DISPATCHER_MINT=cli needs none");
        }
        match self.without_cli() {
            Some(MINT_COMMAND) => return self.skip("admin session", NO_SESSION),
            Some(NO_MINT) => return self.skip("admin session", NO_MINT),
            _ => {}
        }
        let start = Instant::now();
        if let Some(path) = &self.pairing.token_file {
            let found = match self.dry_run.read_admin_session(path) {
                Ok(admin) => Ok((admin, format!("read from {}", path.display()))),
                Err(error) => Err(on_token_file(&error)),
            };
            return self.done("admin session", start, found);
        }
        let issued = self.dry_run.issue_admin_session().await;
        let found = issued
            .map(|admin| (admin, "issued by the t3 CLI".to_owned()))
            .map_err(|error| on_cli(&error));
        self.done("admin session", start, found)
    }

    /// Mints in the way that pairing would. If the API fails and the t3 CLI replaces it, both are
    /// reported.
    async fn credential(&mut self, admin: Option<&AdminToken>) -> Option<Credential> {
        let mode = self.pairing.mint_mode();
        if self.without_cli() == Some(NO_MINT) {
            let advice = "the person sees t3's own pairing screen: give the row `mint`, `token_file` or `base_dir`, or `os_user` for DISPATCHER_MINT_COMMAND";
            let found = Err(finding("the row has nothing that mints", advice));
            return self.done("credential", Instant::now(), found);
        }
        if let Some(admin) = admin {
            let start = Instant::now();
            let minted = self.dry_run.mint_by_api(admin).await;
            let found = minted
                .map(|credential| (credential, "minted by t3's API".to_owned()))
                .map_err(|error| on_mint(&error));
            let credential = self.done("credential", start, found);
            if credential.is_some() || mode == MintMode::Api {
                return credential;
            }
        } else if mode == MintMode::Api {
            return self.skip("credential", "there is no admin session for t3's API");
        }
        let name = match mode {
            MintMode::Cli => "credential",
            MintMode::Auto | MintMode::Api => "fallback",
        };
        let start = Instant::now();
        let (minted, by) = match self.pairing.mint_command() {
            Some(_) => {
                let minted = self.dry_run.mint_by_command(&self.user).await;
                (
                    minted.map_err(|error| on_command(&error)),
                    "the mint command",
                )
            }
            None => {
                let minted = self.dry_run.mint_by_cli().await;
                (minted.map_err(|error| on_cli(&error)), "the t3 CLI")
            }
        };
        let found = minted.map(|credential| (credential, format!("minted by {by}")));
        self.done(name, start, found)
    }

    async fn session(&mut self, credential: &Credential, cookie: &str) -> Option<Session> {
        let start = Instant::now();
        let exchanged = self.dry_run.exchange(credential, cookie).await;
        let found = exchanged
            .map(|(session, endpoint)| {
                let what = format!("by {endpoint}, cookie {}", session.cookie_name);
                (session, what)
            })
            .map_err(|error| on_exchange(&error));
        self.done("session", start, found)
    }

    async fn websocket(&mut self, session: &Session, protocol: &Protocol) {
        let start = Instant::now();
        let proof = Proof::Session(session);
        let found = steps::open_websocket(&self.upstream, proof, protocol).await;
        self.report.add("websocket", found, start.elapsed());
    }
}
