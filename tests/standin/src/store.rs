//! t3's database: pairing links and sessions, here one file each.

pub(crate) mod client;
pub(crate) mod pairing;
pub(crate) mod scopes;
pub mod sessions;
mod token;

use std::io;

use crate::base::Base;

/// The pairing links and sessions of one base directory. Nothing is cached: what another process wrote counts at once.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    base: Base,
    signing_key: Vec<u8>,
}

impl Store {
    /// Opens the store, making the directory's tree where it is missing.
    pub(crate) fn open(base: Base) -> io::Result<Store> {
        base.create()?;
        let signing_key = base.signing_key()?;
        Ok(Store { base, signing_key })
    }

    pub(crate) fn base(&self) -> &Base {
        &self.base
    }
}
