//! t3's database: pairing links and sessions, here one file each.

pub(crate) mod client;
pub(crate) mod pairing;
pub(crate) mod scopes;
pub mod sessions;
mod token;

use std::io;

use crate::base::Base;
use crate::edition::Facts;

/// The pairing links and sessions of one base directory. Nothing is cached: what another process wrote counts at once.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    base: Base,
    signing_key: Vec<u8>,
    facts: &'static Facts,
}

impl Store {
    /// Opens the store, making the directory's tree where it is missing.
    pub(crate) fn open(base: Base, facts: &'static Facts) -> io::Result<Store> {
        base.create(facts.database)?;
        let signing_key = base.signing_key()?;
        Ok(Store {
            base,
            signing_key,
            facts,
        })
    }

    pub(crate) fn facts(&self) -> &'static Facts {
        self.facts
    }

    pub(crate) fn base(&self) -> &Base {
        &self.base
    }
}
