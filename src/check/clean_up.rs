//! The end of a check: the sessions that it has made are revoked.

use std::time::Instant;

use crate::check::Check;
use crate::check::advice::finding;
use crate::pairing::dry_run::AdminToken;

impl Check {
    /// Revokes what was made, the sessions of these tokens first, as the admin session revokes them. An admin
    /// session that a file gives was not made here.
    pub(super) async fn clean_up(&mut self, made: &[Option<String>], admin: Option<&AdminToken>) {
        let is_own = self.pairing.token_file.is_none();
        let mut made = made.iter().flatten().peekable();
        if made.peek().is_none() && (admin.is_none() || !is_own) {
            return self.report.skip("clean-up", "nothing was made");
        }
        if admin.is_none() && self.without_cli().is_some() {
            let why = "its session stays until it ends: a mint command revokes nothing";
            return self.report.skip("clean-up", why);
        }
        let start = Instant::now();
        let mut revoked = Ok(());
        for token in made {
            revoked = revoked.and(self.revoke(token, admin).await);
        }
        if let Some(admin) = admin.filter(|_| is_own) {
            let admin = self.dry_run.revoke_admin_session(admin).await;
            revoked = revoked.and(admin.map_err(|error| error.to_string()));
        }
        let found = revoked
            .map(|()| "its sessions are revoked".to_owned())
            .map_err(|error| {
                let advice =
                    "revoke `t3-dispatcher check` in t3's settings, or by `t3 auth session revoke`";
                finding(error, advice)
            });
        self.report.add("clean-up", found, start.elapsed());
    }

    /// Revokes the session of `token`: by t3's API, else by the t3 CLI if it may run.
    async fn revoke(&self, token: &str, admin: Option<&AdminToken>) -> Result<(), String> {
        if let Some(admin) = admin {
            match self.dry_run.revoke_by_api(token, admin).await {
                Ok(()) => return Ok(()),
                Err(error) if self.pairing.token_file.is_some() => return Err(error.to_string()),
                Err(_) => {}
            }
        }
        let revoked = self.dry_run.revoke_by_cli(token).await;
        revoked.map_err(|error| error.to_string())
    }
}
