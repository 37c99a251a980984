//! `t3-dispatcher check`: the whole way to a live cockpit once, and what stands in it.
//!
//! It takes the steps of a pairing by the code that pairs, opens a WebSocket with the session, and
//! ends the sessions that it made. The dispatcher itself need not run.

pub mod advice;
pub mod report;
pub mod steps;

use std::sync::Arc;
use std::time::Instant;

use crate::check::advice::{finding, of_command, of_exchange, of_mint};
use crate::check::report::{Finding, Report};
use crate::config::options::{CliConfig, MintMode, PairingConfig, UpstreamConfig};
use crate::config::timing::Timing;
use crate::http_rules::cookies;
use crate::pairing::dry_run::{AdminToken, Credential, DryRun};
use crate::pairing::exchange::Session;
use crate::process::Tasks;
use crate::upstream::Upstream;

const NO_COMMAND: &str = "t3's command cannot be run";
const NO_T3: &str = "t3 does not answer";

/// What a check is about.
#[derive(Debug)]
struct Setup {
    pairing: PairingConfig,
    upstream: Arc<Upstream>,
    address: (String, u16),
    dry_run: DryRun,
    timing: Timing,
}

/// One way through.
#[derive(Debug)]
struct Walk<'a> {
    setup: &'a Setup,
    report: Report,
}

/// Goes the whole way once, and tells of every step.
pub async fn check(upstream: UpstreamConfig, pairing: PairingConfig, timing: Timing) -> Report {
    let address = (upstream.host.clone(), upstream.port);
    let upstream = Arc::new(Upstream::new(upstream, Tasks::default()));
    let dry_run = DryRun::new(pairing.cli.clone(), Arc::clone(&upstream), timing);
    let setup = Setup {
        pairing,
        upstream,
        address,
        dry_run,
        timing,
    };
    Walk::new(&setup).run().await
}

impl Setup {
    fn cli(&self) -> &CliConfig {
        &self.pairing.cli
    }
}

impl<'a> Walk<'a> {
    fn new(setup: &'a Setup) -> Self {
        let report = Report::default();
        Self { setup, report }
    }

    async fn run(mut self) -> Report {
        let has_command = self.command().await;
        let is_right = self.base_dir();
        let (is_up, cookie) = self.t3().await;
        let own = match (has_command && is_right, is_up) {
            (true, true) => self.own_session().await,
            (false, _) => self.none("own session", NO_COMMAND),
            (_, false) => self.none("own session", NO_T3),
        };
        let credential = match (has_command && is_right, is_up) {
            (true, true) => self.credential(own.as_ref()).await,
            (false, _) => self.none("credential", NO_COMMAND),
            (_, false) => self.none("credential", NO_T3),
        };
        let session = match &credential {
            Some(credential) => self.session(credential, &cookie).await,
            None => self.none("session", "there is no credential"),
        };
        match &session {
            Some(session) => self.websocket(session).await,
            None => self.report.skipped("websocket", "there is no session"),
        }
        self.clean_up(session.as_ref(), own.as_ref()).await;
        self.report
    }

    fn none<T>(&mut self, name: &'static str, why: &'static str) -> Option<T> {
        self.report.skipped(name, why);
        None
    }

    /// Notes what was found, and how long that took.
    fn taken<T>(
        &mut self,
        name: &'static str,
        start: Instant,
        found: Result<(T, String), Finding>,
    ) -> Option<T> {
        let (value, found) = match found {
            Ok((value, what)) => (Some(value), Ok(what)),
            Err(finding) => (None, Err(finding)),
        };
        self.report.taken(name, found, start.elapsed());
        value
    }

    async fn command(&mut self) -> bool {
        let (start, program) = (Instant::now(), self.setup.cli().program());
        let version = self.setup.dry_run.version().await;
        let found = match version {
            Ok(version) => Ok(((), format!("{}, {version}", program.display()))),
            Err(error) => {
                let found = of_command(&error);
                let what = format!("{}: {}", program.display(), found.what);
                Err(finding(what, found.cure))
            }
        };
        self.taken("command", start, found).is_some()
    }

    fn base_dir(&mut self) -> bool {
        let start = Instant::now();
        let found = steps::base_dir(self.setup.cli().base_dir().as_deref());
        let found = found.map(|what| ((), what));
        self.taken("base directory", start, found).is_some()
    }

    async fn t3(&mut self) -> (bool, String) {
        let (start, limit) = (Instant::now(), self.setup.timing.api_response);
        let found = steps::version(&self.setup.upstream, limit).await;
        let found = found.map(|what| ((), what));
        if self.taken("t3", start, found).is_none() {
            self.report.skipped("cookie", NO_T3);
            return (false, String::new());
        }
        let start = Instant::now();
        let found = steps::cookie_name(&self.setup.upstream, limit).await;
        let name = self.taken("cookie", start, found);
        let default = || cookies::DEFAULT_COOKIE_NAME.to_owned();
        (true, name.unwrap_or_else(default))
    }

    async fn own_session(&mut self) -> Option<AdminToken> {
        if self.setup.pairing.mint == MintMode::Cli {
            return self.none("own session", "DISPATCHER_MINT=cli needs none");
        }
        let start = Instant::now();
        let issued = self.setup.dry_run.issue_admin_session().await;
        let found = issued
            .map(|own| (own, "issued by t3's command".to_owned()))
            .map_err(|error| of_command(&error));
        self.taken("own session", start, found)
    }

    /// By the way that pairing would take; where the API fails and the command may step in, both
    /// are told.
    async fn credential(&mut self, own: Option<&AdminToken>) -> Option<Credential> {
        let mode = self.setup.pairing.mint;
        if let Some(own) = own {
            let start = Instant::now();
            let minted = self.setup.dry_run.mint_by_api(own).await;
            let found = minted
                .map(|credential| (credential, "minted by t3's API".to_owned()))
                .map_err(|error| of_mint(&error));
            let credential = self.taken("credential", start, found);
            if credential.is_some() || mode == MintMode::Api {
                return credential;
            }
        } else if mode == MintMode::Api {
            return self.none("credential", "there is no session to ask t3's API with");
        }
        let name = match mode {
            MintMode::Cli => "credential",
            MintMode::Auto | MintMode::Api => "fallback",
        };
        let start = Instant::now();
        let minted = self.setup.dry_run.mint_by_cli().await;
        let found = minted
            .map(|credential| (credential, "minted by t3's command".to_owned()))
            .map_err(|error| of_command(&error));
        self.taken(name, start, found)
    }

    async fn session(&mut self, credential: &Credential, cookie: &str) -> Option<Session> {
        let start = Instant::now();
        let exchanged = self.setup.dry_run.exchange(credential, cookie).await;
        let found = exchanged
            .map(|(session, endpoint)| {
                let what = format!("by {endpoint}, cookie {}", session.cookie_name);
                (session, what)
            })
            .map_err(|error| of_exchange(&error));
        self.taken("session", start, found)
    }

    async fn websocket(&mut self, session: &Session) {
        let start = Instant::now();
        let found = steps::open_websocket(&self.setup.address, session).await;
        self.report.taken("websocket", found, start.elapsed());
    }

    /// Ends what was made; the session first, as the other is needed for that.
    async fn clean_up(&mut self, session: Option<&Session>, own: Option<&AdminToken>) {
        if session.is_none() && own.is_none() {
            return self.report.skipped("clean up", "nothing was made");
        }
        let (start, dry_run) = (Instant::now(), &self.setup.dry_run);
        let mut ended = Ok(());
        if let Some(session) = session {
            ended = dry_run.revoke(session, own).await;
        }
        if let Some(own) = own {
            ended = ended.and(dry_run.revoke_admin_session(own).await);
        }
        let found = ended
            .map(|()| "its sessions are revoked".to_owned())
            .map_err(|error| {
                let cure =
                    "revoke `t3-dispatcher check` in t3's settings, or by `t3 auth session revoke`";
                finding(error, cure)
            });
        self.report.taken("clean up", found, start.elapsed());
    }
}
