//! The check of the sessions of open tunnels, again and again while there are any.

use std::collections::HashSet;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use crate::limited;
use crate::state::instance::Instance;
use crate::tunnel::session::{SessionKey, TunnelSession};
use crate::upstream::api_call;

/// The least time between two checks, however many sessions this dispatcher revokes.
const LEAST_PAUSE: Duration = Duration::from_secs(1);

impl Instance {
    /// While there are tunnels, looks within the time between two checks whether each of their sessions lives,
    /// and sooner when this dispatcher has revoked one. The tunnels of a dead one are ended: t3 itself never does
    /// (contract §4).
    pub(super) async fn end_dead(&self) {
        let interval = self.shared.limits.session_check;
        let mut pause = interval;
        let mut has_list = true;
        loop {
            self.tunnels.wait_until_of_session().await;
            self.wait_for_check(pause).await;
            let start = Instant::now();
            self.check_sessions(&mut has_list).await;
            // From one beginning to the next, unless t3 is slow.
            pause = interval.saturating_sub(start.elapsed()).max(interval / 2);
        }
    }

    async fn wait_for_check(&self, pause: Duration) {
        let revoked = async {
            sleep(LEAST_PAUSE).await;
            self.pairing.admin_api().wait_until_revoked().await;
        };
        // Whichever is first.
        let _ = timeout(pause, revoked).await;
    }

    /// One look. `has_list` says whether t3's client list was had when it was last needed.
    async fn check_sessions(&self, has_list: &mut bool) {
        // A session that began later may lack on the list.
        let sessions = self.tunnels.sessions();
        let needs_list = sessions.iter().any(|session| session.proof.is_none());
        let living = self.pairing.admin_api().living_sessions(needs_list).await;
        if needs_list
            && std::mem::replace(has_list, living.is_ok())
            && let Err(error) = &living
        {
            limited!(WARN, "t3's client list cannot be had: WebSockets by tickets outlive their sessions"; %error);
        }
        let living = living.ok();
        if let Some(living) = &living {
            self.end_denied_devices(living).await;
        }
        let living = living.map(|living| {
            let keys = living.iter().map(|session| SessionKey::of(&session.id));
            keys.collect()
        });
        for session in sessions {
            if self.is_dead(&session, living.as_ref()).await {
                let ended = self.tunnels.end_session(&session);
                limited!(INFO, "a session with open tunnels has died"; tunnels = ended);
            }
        }
    }

    /// Is `session` dead, as it is none of the `living`, those of t3's list? t3 is asked about it too, if it can be:
    /// only a definite no ends any, and a list that is not whole ends none of these.
    async fn is_dead(&self, session: &TunnelSession, living: Option<&HashSet<SessionKey>>) -> bool {
        let is_listed = living.map(|living| session.key.is_some_and(|key| living.contains(&key)));
        match (is_listed, &session.proof) {
            (Some(true), _) | (None, None) => false,
            (Some(false), None) => true,
            (_, Some(proof)) => {
                api_call::is_session_alive(&self.upstream, proof).await == Some(false)
            }
        }
    }
}
