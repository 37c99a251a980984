//! What the access policy tells the operator, once each.

use std::net::IpAddr;
use std::sync::atomic::Ordering;

use http::HeaderValue;
use tracing::warn;

use crate::access::AccessPolicy;

impl AccessPolicy {
    /// Says once what to configure, when somebody would have been paired who asked for `host`.
    pub fn explain_unidentified(&self, peer: IpAddr, host: Option<&HeaderValue>) {
        if !self.is_behind_single_sign_on() && !self.has_warned.swap(true, Ordering::Relaxed) {
            unidentified(peer, host);
        }
    }
}

/// What it means to trust everybody who can connect.
pub(super) fn unproven_identities() {
    warn!(
        "the identity header counts from whoever can connect: any pod, and any client on a path that \
         was carved out of single sign-on, can claim to be anybody and gets a session, by healing on \
         /ws and /api too; set DISPATCHER_SECRET_FILE, or DISPATCHER_TRUSTED_PROXIES"
    );
}

/// What it means that a dispatcher behind this one has no secret to know it by.
pub(super) fn unproven_to_inner() {
    warn!(
        "a dispatcher behind this one is sent no secret, so that it cannot tell who names the person: any \
         pod that reaches it can claim to be anybody there; set DISPATCHER_UPSTREAM_SECRET_FILE"
    );
}

/// What to configure, when somebody at `peer` would have been paired who asked for `host`.
fn unidentified(peer: IpAddr, host: Option<&HeaderValue>) {
    warn!(
        %peer,
        ?host,
        "a page load is not paired: it came from another machine, through a proxy, or for a name that \
         is not this machine's. Open localhost, or set DISPATCHER_GATE to the single sign-on gate in \
         front, or DISPATCHER_IDENTITY_HEADER to the header by which it says who it let through"
    );
}
