//! The t3s of this process, and which of them a request is for.

use std::sync::Arc;

use tracing::warn;

use crate::config::options::{PairingConfig, UpstreamConfig};
use crate::state::instance::{Instance, SharedParts};
use crate::state::routed::{Routed, Routes, Uncertain};
use crate::tunnel::registry::Tunnels;
use crate::upstream::health_state::HealthState;

/// What whoever runs several dispatchers has to know.
const SLEEPS: &str = "a t3 is stopped where this dispatcher sees nobody use it (DISPATCHER_SLEEP_AFTER): no other one may \
    lead to the same t3";

/// The t3s of this process.
#[derive(Debug, Clone)]
pub enum Instances {
    /// One t3, for everybody who is let in.
    One(Arc<Instance>),
    /// One a person, as a table or a name says.
    Routed(Arc<Routed>),
}

impl Instances {
    /// One t3 that is started, or one a person as `routes` says, of which each is started at the first
    /// request of its person.
    pub fn start(
        upstream: UpstreamConfig,
        pairing: PairingConfig,
        routes: Option<Routes>,
        shared: &Arc<SharedParts>,
    ) -> Self {
        let instances = match routes {
            None => {
                let only = Arc::new(Instance::new(upstream, pairing, shared, None, ""));
                only.start();
                Self::One(only)
            }
            Some(routes) => Self::routed(upstream, pairing, routes, shared),
        };
        let power = shared.power.as_ref();
        if let Some(after) = power.and_then(|power| power.sleep_after()) {
            if let Self::Routed(_) = instances {
                warn!("{SLEEPS}");
            }
            let all = instances.clone();
            let sleeping = async move { all.sleep_when_idle(after).await };
            shared.tasks.until_drained(sleeping);
        }
        instances
    }

    fn routed(
        upstream: UpstreamConfig,
        pairing: PairingConfig,
        routes: Routes,
        shared: &Arc<SharedParts>,
    ) -> Self {
        let routed = Arc::new(Routed::new(routes, upstream, pairing, shared));
        let following = Arc::clone(&routed);
        shared
            .tasks
            .until_drained(async move { following.follow_table().await });
        Self::Routed(routed)
    }

    /// The t3 of the person of `identity`, if it is known already.
    pub fn known(&self, identity: Option<&str>) -> Option<Arc<Instance>> {
        match self {
            Self::One(only) => Some(Arc::clone(only)),
            Self::Routed(routed) => routed.known(identity?),
        }
    }

    /// The t3 of the person of `identity`; `None` if there is none.
    pub async fn find(&self, identity: Option<&str>) -> Option<Arc<Instance>> {
        match self {
            Self::One(only) => Some(Arc::clone(only)),
            Self::Routed(routed) => routed.find(identity?).await,
        }
    }

    /// The same for an app, which anybody may be.
    ///
    /// # Errors
    /// Where it cannot be told whether there is one.
    pub async fn find_for_app(
        &self,
        identity: Option<&str>,
    ) -> Result<Option<Arc<Instance>>, Uncertain> {
        match (self, identity) {
            (Self::One(only), _) => Ok(Some(Arc::clone(only))),
            (Self::Routed(routed), Some(identity)) => routed.find_for_app(identity).await,
            (Self::Routed(_), None) => Ok(None),
        }
    }

    /// Is `instance` the t3 of the person of `identity`?
    pub fn is_of(&self, identity: Option<&str>, instance: &Arc<Instance>) -> bool {
        let known = self.known(identity);
        known.is_some_and(|known| Arc::ptr_eq(&known, instance))
    }

    /// Every t3 that is known.
    pub fn all(&self) -> Vec<Arc<Instance>> {
        match self {
            Self::One(only) => vec![Arc::clone(only)],
            Self::Routed(routed) => routed.all(),
        }
    }

    /// May one of them have another dispatcher before it?
    pub fn may_have_inner(&self) -> bool {
        matches!(self, Self::Routed(_))
    }

    /// Whom t3s belong to, sorted by name, as far as they are known: nobody with one t3, which is everybody's.
    pub fn people(&self) -> Vec<(Box<str>, Arc<Instance>)> {
        match self {
            Self::One(_) => Vec::new(),
            Self::Routed(routed) => routed.people(),
        }
    }

    /// Whether requests can be served: with one t3 its state, unless a command can start it. With several a
    /// table is there, and each person is told of his own t3.
    pub fn state(&self) -> HealthState {
        match self {
            Self::One(only) if only.power.is_none() => only.readiness.status().state,
            _ => HealthState::Up,
        }
    }

    /// Closes the tunnels of all, also those that are registered from now on: the drain has begun.
    pub fn drain_tunnels(&self) {
        self.end_tunnels(Tunnels::drain);
    }

    /// Ends the tunnels of all at once.
    pub fn cut_tunnels(&self) {
        self.end_tunnels(Tunnels::cut);
    }

    fn end_tunnels(&self, end: fn(&Tunnels)) {
        match self {
            Self::One(only) => end(&only.tunnels),
            Self::Routed(routed) => routed.end_tunnels(end),
        }
    }
}
