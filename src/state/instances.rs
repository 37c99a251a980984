//! The t3s of this process, and which of them a request is for.

use std::sync::Arc;

use crate::state::instance::Instance;
use crate::upstream::health_state::HealthState;

/// The t3s of this process.
#[derive(Debug)]
pub struct Instances {
    only: Arc<Instance>,
}

impl Instances {
    /// One t3, for everybody who is let in. It is started.
    pub fn one(instance: Instance) -> Self {
        let only = Arc::new(instance);
        only.start();
        Self { only }
    }

    /// The t3 of the person of `identity`; `None` if there is none.
    pub fn of(&self, _identity: Option<&str>) -> Option<Arc<Instance>> {
        Some(Arc::clone(&self.only))
    }

    /// Whether page loads can be served.
    pub fn state(&self) -> HealthState {
        self.only.readiness.status().state
    }

    /// Closes the tunnels of all, also those that are registered from now on: the drain has begun.
    pub fn drain_tunnels(&self) {
        self.only.tunnels.drain();
    }

    /// Ends the tunnels of all at once.
    pub fn cut_tunnels(&self) {
        self.only.tunnels.cut();
    }
}
