//! A person's devices: those that have a session of t3's, and the codes by which another one gets one.

use std::sync::Arc;

use thiserror::Error;
use tokio::time::{Instant, timeout_at};
use tracing::info;

use crate::access::identity::Browser;
use crate::access::session_label::{SessionLabel, label_of};
use crate::http_rules::request_id::RequestId;
use crate::metrics::devices::DeviceEvent;
use crate::pairing::Pairing;
use crate::pairing::admin_api::AdminApiError;
use crate::pairing::client_list::ClientSession;
use crate::pairing::keys::PersonKey;
use crate::pairing::mint::{MintError, MintOrder};
use crate::pairing::secret::Secret;

/// A device of a person's.
#[derive(Debug)]
pub struct Device {
    /// What it is called.
    pub name: String,
    /// Its session.
    pub session: ClientSession,
}

/// Why there is no code for a device.
#[derive(Debug, Error)]
pub enum NoCode {
    /// The person has had too many.
    #[error("too many codes and sessions in a minute")]
    TooMany,
    /// The person was let in no more meanwhile.
    #[error("access has ended")]
    Left,
    /// It took longer than a person waits.
    #[error("no code in time")]
    Late,
    /// None was minted.
    #[error(transparent)]
    Mint(#[from] MintError),
}

impl Pairing {
    /// The devices of the person of `identity`: those in use first, then by when they were last connected.
    ///
    /// # Errors
    /// Where t3's list of clients cannot be had.
    pub async fn devices(&self, identity: &str) -> Result<Vec<Device>, AdminApiError> {
        let sessions = self.admin_api.clients().await?;
        if sessions.is_empty() {
            // The admin session is always on it.
            return Err(AdminApiError::Unusable);
        }
        let owner = label_of(identity);
        let devices = sessions.into_iter().filter_map(|session| {
            let label = SessionLabel::read(session.label.as_deref()?)?;
            let is_own = label.owner == owner && !session.current;
            let name = label.device.filter(|_| is_own)?.to_owned();
            Some(Device { name, session })
        });
        let mut devices: Vec<_> = devices.collect();
        devices.sort_by_key(|Device { session, .. }| {
            std::cmp::Reverse((
                session.connected,
                session.last_connected_at,
                session.issued_at,
            ))
        });
        Ok(devices)
    }

    /// A code by which a device gets a session of the person of `browser`, with that one's rights, whose name is
    /// `identity`. It is minted by `deadline`, or not at all.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn device_code(
        self: &Arc<Self>,
        browser: &Browser,
        identity: &Arc<str>,
        deadline: Instant,
        request_id: &RequestId,
    ) -> Result<Secret, NoCode> {
        let person = PersonKey::of(browser);
        if let Err(refusal) = self.rate.take(person) {
            self.metrics.pairing_refused(refusal.cause);
            return Err(NoCode::TooMany);
        }
        // The device's name becomes its label, beside the person's, when the code is exchanged.
        let minted = async {
            // A device may do what its person may.
            let grants = self.named_grants(browser.rights).await?;
            let order = MintOrder {
                label: None,
                user: identity,
                grants: grants.as_ref(),
                deadline,
            };
            self.mint.mint(&order).await
        };
        let minted = timeout_at(deadline, minted).await;
        let (credential, _) = minted.map_err(|_| NoCode::Late)??;
        if self.has_left_since(identity, deadline) {
            return Err(NoCode::Left);
        }
        self.device_codes
            .add(credential.reveal(), Arc::clone(identity), browser.rights);
        self.metrics.device(DeviceEvent::Code);
        info!(user = &**identity, ip = %browser.address, %request_id, "device code made");
        Ok(credential)
    }

    /// Revokes `session`, which is to be one of a device of the person of `identity`. False if it is none, or not any
    /// more.
    ///
    /// # Errors
    /// Where t3 cannot be asked.
    pub async fn revoke_device(
        &self,
        identity: &str,
        session: &str,
    ) -> Result<bool, AdminApiError> {
        let mut devices = self.devices(identity).await?.into_iter();
        let Some(device) = devices.find(|device| device.session.id == session) else {
            return Ok(false);
        };
        if !self.admin_api.revoke(session).await? {
            return Ok(false);
        }
        self.device_revoked(identity, &device.name);
        Ok(true)
    }
}
