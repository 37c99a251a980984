//! Offboarding: who is let in no more loses the tunnels that are open, and the sessions.

use std::collections::HashSet;
use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::access::session_label::SessionLabel;
use crate::metrics::pairing::AccessEnd;
use crate::pairing::client_list::ClientSession;
use crate::routes::row::Row;
use crate::state::instance::Instance;
use crate::state::instances::Instances;
use crate::state::routed::Routed;

/// Held while a t3 is found for somebody who is not let in.
static FINDING: Semaphore = Semaphore::const_new(1);

impl Instances {
    /// Ends what the person of `identity`, who is not let in, may have had before, in the background.
    pub fn offboard(&self, identity: &str) {
        match self {
            Self::One(only) => only.offboard(identity, AccessEnd::Request),
            Self::Routed(routed) => offboard(routed, identity),
        }
    }
}

/// The same at the t3 of that person. One that nobody has asked for since the start of this process is found
/// first, one at a time: the person's next request tries again.
fn offboard(routed: &Arc<Routed>, identity: &str) {
    if let Some(instance) = routed.known(identity) {
        return instance.offboard(identity, AccessEnd::Request);
    }
    let Ok(turn) = FINDING.try_acquire() else {
        return;
    };
    let (finding, identity) = (Arc::clone(routed), Box::<str>::from(identity));
    routed.shared.tasks.until_drained(async move {
        let _turn = turn;
        if let Some(instance) = finding.find(&identity).await {
            instance.offboard(&identity, AccessEnd::Request);
        }
    });
}

impl Instance {
    /// Ends the tunnels of the person of `identity`, and has the sessions revoked, unless another dispatcher
    /// makes them, or a list of users that cannot be read names nobody for a while: devices that were paired would
    /// not come back with it.
    fn offboard(&self, identity: &str, cause: AccessEnd) {
        let tunnels = self.tunnels.end_of(identity);
        let is_certain = cause == AccessEnd::Table || self.shared.access.is_list_known();
        match self.inner {
            None if is_certain => self.pairing.offboard(identity, tunnels, cause),
            _ => self.pairing.left(identity, tunnels, cause),
        }
    }

    /// Ends what the person of `identity` has here, whom a new table gives another `row`, or none. Sessions
    /// stay where that leads to the same t3.
    pub(super) fn leave_to(&self, identity: &str, row: Option<&Arc<Row>>) {
        let own = self.row.as_ref().map(|own| own.address());
        match row.map(|row| row.address()) {
            Some(address) if own == Some(address) => {
                let _ = self.tunnels.end_of(identity);
            }
            _ => self.offboard(identity, AccessEnd::Table),
        }
    }

    /// Ends what people have who have devices, by the `sessions` of t3's list, and whom no list of users names any
    /// more: they need not come themselves to be noticed.
    pub(super) async fn end_denied_devices(&self, sessions: &[ClientSession]) {
        let owners = sessions.iter().filter_map(|session| {
            let label = SessionLabel::read(session.label.as_deref()?)?;
            label.device.and_then(|_| label.identity())
        });
        let owners: HashSet<Arc<str>> = owners.map(Arc::from).collect();
        if owners.is_empty() {
            return;
        }
        for identity in self.shared.access.denied_by_name(owners).await {
            self.offboard(&identity, AccessEnd::Users);
        }
    }

    /// The same at the start, as who was let in before may be no more.
    pub(super) async fn end_denied_devices_of_before(&self) {
        if let Ok(sessions) = self.pairing.admin_api().living_sessions(false).await {
            self.end_denied_devices(&sessions).await;
        }
    }

    /// While people have tunnels, looks again and again whether the list of users in the file names them
    /// still: within the time between two checks of sessions, the age of what was last read included.
    pub(super) async fn end_unlisted(&self) {
        let (access, interval) = (&self.shared.access, self.shared.limits.session_check);
        loop {
            self.tunnels.wait_until_of_person().await;
            tokio::time::sleep(interval * 2 / 3).await;
            for identity in access.unlisted(self.tunnels.people()).await {
                self.offboard(&identity, AccessEnd::Users);
            }
        }
    }
}
