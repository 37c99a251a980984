//! What a t3 is doing, as far as it can be known: what stops one asks this first.

use std::time::Duration;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use crate::state::instance::Instance;
use crate::upstream::health_state::HealthState;
use crate::upstream::turns::Turns;

/// How many bytes of a hash name an instance.
const ID_BYTES: usize = 8;

impl Instance {
    /// A short name of its address: the start of the SHA-256 of `host:port`, in hexadecimal. It is the same in
    /// every process, and tells nothing to somebody who cannot guess the address.
    pub fn id(&self) -> String {
        id_of(&self.upstream.to_string())
    }

    /// What its agents do, or did up to `max_age` ago; `None` where that is not known. One that is not up is
    /// not asked, and one behind another dispatcher is that one's to ask.
    pub async fn turns(&self, max_age: Duration) -> Option<Turns> {
        let is_up = self.readiness.status().state == HealthState::Up;
        match is_up && self.inner.is_none() {
            true => self.pairing.agent_turns().ask(max_age).await,
            false => None,
        }
    }

    /// Has no client used it for as long as `idle`, and is none of its agents at work? No where that cannot
    /// be known.
    pub async fn is_at_rest(&self, idle: Duration) -> bool {
        let is_idle = || self.usage.idle_for().is_some_and(|since| since >= idle);
        if !is_idle() {
            return false;
        }
        let turns = self.turns(Duration::ZERO).await;
        // Somebody may have come while it was asked.
        turns.is_some_and(|turns| turns.running == 0) && is_idle()
    }
}

fn id_of(address: &str) -> String {
    let hash = Sha256::digest(address);
    HEXLOWER.encode(&hash[..ID_BYTES])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `printf %s 127.0.0.1:3774 | sha256sum | cut -c1-16` prints it.
    #[test]
    fn an_id_is_what_the_runbook_computes() {
        assert_eq!(id_of("127.0.0.1:3774"), "d185085396fc7a77");
    }
}
