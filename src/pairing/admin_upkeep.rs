//! The upkeep of the admin session and of what issues it: it is there before a person needs it, and none is
//! left behind.

use std::time::Duration;

use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use crate::pairing::Pairing;
use crate::pairing::admin_api::{AdminApi, AdminApiError};
use crate::pairing::issued_session::IssuedSession;
use crate::upstream::health::Readiness;

/// How long the sessions of earlier starts may take to revoke.
const REVOKE_TIMEOUT: Duration = Duration::from_secs(30);

impl Pairing {
    /// Tells which t3 CLI is to run, if one is, or which command, and what is not had with it. Of the t3 of
    /// one person among several it tells nothing.
    pub async fn tell_cli(&self) {
        if self.is_one_of_several {
            return;
        }
        if self.may_run_cli() {
            self.mint.cli().log_place().await;
        } else if let Some(program) = self.mint.cli().command_program() {
            match self.mint.uses_api() {
                true => {
                    info!(%program, "credentials are minted by a command if t3's API mints none");
                }
                false => warn!(
                    %program,
                    "credentials are minted by a command alone: without DISPATCHER_TOKEN_FILE there is no \
                     administrative session, so that t3's list of clients, scopes and revoking are not had"
                ),
            }
        }
    }

    /// Tells the version of the t3 CLI, for which it is run: to be called after [`Self::warm_up`].
    pub async fn tell_cli_version(&self) {
        if self.may_run_cli() && !self.is_one_of_several {
            self.mint.cli().log_version().await;
        }
    }

    fn may_run_cli(&self) -> bool {
        self.admin_api.session().issued().is_some()
    }

    fn has_admin_session(&self) -> bool {
        self.mint.uses_api() && !self.admin_api.session().is_absent()
    }

    /// Gets the admin session, so that no page load waits for it. To be called when t3 is first up.
    pub async fn warm_up(&self) {
        if self.has_admin_session() {
            self.admin_api.ensure_session().await;
        }
    }

    /// Keeps the admin session, for ever: t3 is asked for it each time that it comes up after the one
    /// that was counted as `seen`. Those of earlier starts of this dispatcher are revoked.
    pub async fn keep_admin_session(&self, seen: u64) {
        tokio::join!(Box::pin(self.admin_api.revoke_earlier()), async {
            if self.has_admin_session() {
                self.admin_api.keep_session(&self.readiness, seen).await;
            }
        });
    }
}

impl AdminApi {
    /// Gets the admin session if there is none, and another one if t3 says that it is dead: after t3
    /// has lost its database, no page load is to wait for the t3 CLI.
    pub(super) async fn ensure_session(&self) {
        match self.session().present() {
            Some(_) => self.check_session().await,
            None => drop(self.session().token().await),
        }
    }

    /// Ensures the session at each coming up of t3 after the one that was counted as `seen`, and
    /// checks it between, while t3 is up, for ever.
    pub(super) async fn keep_session(&self, readiness: &Readiness, mut seen: u64) {
        loop {
            let check = async {
                sleep(self.check_interval()).await;
                readiness.wait_until_surely_up().await;
            };
            tokio::select! {
                biased;
                count = readiness.wait_until_up_again(seen) => {
                    seen = count;
                    Box::pin(self.ensure_session()).await;
                }
                () = check => Box::pin(self.check_session()).await,
            }
        }
    }

    /// Revokes the sessions that earlier starts of this dispatcher had issued, once it has one of its
    /// own: those of exactly its name, issued before this start. Another that lives has another name.
    pub(super) async fn revoke_earlier(&self) {
        let Some(own) = self.session().issued() else {
            return;
        };
        own.wait_until_issued().await;
        match timeout(REVOKE_TIMEOUT, self.revoke_older_than(own)).await {
            Ok(Ok(0)) => {}
            Ok(Ok(count)) => info!(count, "admin sessions of earlier starts revoked"),
            Ok(Err(error)) => info!(%error, "admin sessions of earlier starts are not revoked"),
            Err(_) => info!("admin sessions of earlier starts are not revoked in time"),
        }
    }

    /// If there is a session and t3 says that it is dead, gets another one.
    async fn check_session(&self) {
        if let Some(token) = self.session().present()
            && self.is_alive(&token).await == Some(false)
        {
            self.refused(&token);
            drop(self.session().token().await);
        }
    }

    async fn revoke_older_than(&self, own: &IssuedSession) -> Result<usize, AdminApiError> {
        let (label, started) = (own.label(), own.started());
        let mut count = 0;
        for client in self.clients().await? {
            if client.is_admin_session(label) && client.was_issued_before(started) {
                count += usize::from(self.revoke(&client.id).await?);
            }
        }
        Ok(count)
    }
}
