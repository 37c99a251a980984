//! Offboarding: the sessions of people who are let in no more, and of their devices, are revoked, in the background.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout};
use tracing::info;

use crate::access::session_label::{SessionLabel, label_of};
use crate::limited;
use crate::metrics::devices::DeviceEvent;
use crate::metrics::pairing::AccessEnd;
use crate::pairing::Pairing;
use crate::pairing::admin_api::AdminApiError;
use crate::pairing::leavers::Leaver;
use crate::pairing::session_request::PairingAttempt;

/// How many rounds run at a time in this process: each may need the t3 CLI for an admin session.
pub(super) static TURNS: Semaphore = Semaphore::const_new(4);

/// How long one round may take: t3's client list, and some milliseconds for each session.
const ROUND_TIMEOUT: Duration = Duration::from_secs(30);

/// The part of t3's time that rounds may take, however many people are denied: the pause after a round is
/// its duration times this.
const IDLE_FACTOR: u32 = 20;

/// The longest pause between two rounds.
const MAX_PAUSE: Duration = Duration::from_secs(1);

/// What `round` gives, which has its time; what was wrong, for a log line.
pub(super) async fn in_time<T>(
    round: impl Future<Output = Result<T, AdminApiError>>,
) -> Result<T, String> {
    match timeout(ROUND_TIMEOUT, round).await {
        Ok(outcome) => outcome.map_err(|error| error.to_string()),
        Err(_) => Err("t3 takes too long".to_owned()),
    }
}

/// Tells what the person called `user` has lost, who is let in no more as `cause` shows.
fn access_ended(user: &str, cause: AccessEnd, websockets: usize, sessions: usize) {
    let cause = cause.text();
    info!(user, cause, websockets, sessions, "access ended");
}

impl Pairing {
    /// Has the sessions revoked that were made for the person of `identity` and that one's devices, who is let
    /// in no more, as `cause` shows, and of whom so many `tunnels` have just been ended: once, until a session is made for
    /// that person again. What fails is told, and tried again when this is called again. Without an admin
    /// session nothing can be revoked. Codes for devices count no more.
    pub fn offboard(self: &Arc<Self>, identity: &str, tunnels: usize, cause: AccessEnd) {
        self.device_codes.forget(identity);
        if self.admin_api.session().is_absent() {
            return self.left(identity, tunnels, cause);
        }
        let leaver = Leaver {
            identity: identity.into(),
            cause,
            tunnels,
        };
        if self.leavers.add(leaver) {
            let pairing = Arc::clone(self);
            self.tasks.until_drained(async move {
                while let Some(leavers) = pairing.leavers.next_round() {
                    // The semaphore is never closed.
                    let turn = TURNS.acquire().await;
                    let start = Instant::now();
                    pairing.end_sessions(&leavers).await;
                    drop(turn);
                    sleep((start.elapsed() * IDLE_FACTOR).min(MAX_PAUSE)).await;
                }
            });
        }
    }

    /// Tells that the person of `identity`, who is let in no more, has lost so many `tunnels`, where nothing can
    /// be revoked here.
    pub fn left(&self, identity: &str, tunnels: usize, cause: AccessEnd) {
        if tunnels > 0 {
            self.metrics.offboarded(cause);
            access_ended(identity, cause, tunnels, 0);
        }
    }

    /// Tells and counts that the session of a device of the person called `user` was revoked.
    pub fn device_revoked(&self, user: &str, device: &str) {
        self.metrics.device(DeviceEvent::Revoked);
        info!(user, device, "device revoked");
    }

    /// Was its person let in no more while `attempt` made a session? Then that is revoked, too.
    pub(super) fn has_left(self: &Arc<Self>, attempt: &PairingAttempt) -> bool {
        let identity = attempt.browser.identity.as_deref();
        identity.is_some_and(|identity| self.has_left_since(identity, attempt.deadline))
    }

    /// Was the person of `identity` let in no more since a pairing was begun that has to end by `deadline`?
    pub(super) fn has_left_since(self: &Arc<Self>, identity: &str, deadline: Instant) -> bool {
        let began = deadline - self.patience;
        let left = self.leavers.came(identity, began);
        left.inspect(|cause| self.offboard(identity, 0, *cause))
            .is_some()
    }

    /// Revokes the sessions of `leavers`, and tells what each has lost.
    async fn end_sessions(&self, leavers: &[Leaver]) {
        let mut revoked = vec![0; leavers.len()];
        let ended = in_time(self.revoke_sessions(leavers, &mut revoked)).await;
        let failed = ended.err();
        if revoked.iter().any(|count| *count > 0) {
            self.liveness.forget_all();
        }
        for (leaver, sessions) in leavers.iter().zip(revoked) {
            let has_lost = leaver.tunnels > 0 || sessions > 0;
            let is_first = self.leavers.ended(leaver, has_lost, failed.is_some());
            let (user, cause, websockets) = (&*leaver.identity, leaver.cause, leaver.tunnels);
            if is_first {
                self.metrics.offboarded(cause);
            }
            if has_lost {
                access_ended(user, cause, websockets, sessions);
            }
            let cause = cause.text();
            if let Some(error) = &failed {
                limited!(WARN, "sessions of a user who is let in no more are not revoked"; user, cause, %error);
            }
        }
    }

    /// Revokes the sessions of `leavers`, those of exactly their labels and of their devices', and counts each
    /// one's. Each device is told and counted.
    async fn revoke_sessions(
        &self,
        leavers: &[Leaver],
        revoked: &mut [usize],
    ) -> Result<(), AdminApiError> {
        let labels = leavers.iter().map(|leaver| label_of(&leaver.identity));
        let labels: HashMap<_, _> = labels.zip(0..).collect();
        let sessions = self.admin_api.clients().await?;
        if sessions.is_empty() {
            // The admin session is always on it.
            return Err(AdminApiError::Unusable);
        }
        for session in sessions.iter().filter(|session| !session.current) {
            let label = session.label.as_deref().and_then(SessionLabel::read);
            let Some((label, at)) =
                label.and_then(|label| Some((label, *labels.get(label.owner)?)))
            else {
                continue;
            };
            if self.admin_api.revoke(&session.id).await? {
                revoked[at] += 1;
                if let Some(device) = label.device {
                    self.device_revoked(&leavers[at].identity, device);
                }
            }
        }
        Ok(())
    }
}
