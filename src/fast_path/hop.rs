//! Where a plain request comes from, by which rules it is judged, and what it is called.

use std::net::IpAddr;

use crate::access::Door;
use crate::http_rules::request_id::RequestIds;

/// Where a request comes from, and by which rules it is judged.
#[derive(Debug)]
pub struct Hop<'a> {
    pub(super) door: &'a Door,
    pub(super) request_ids: &'a RequestIds,
    pub(super) peer: IpAddr,
    pub(super) peer_text: String,
    /// Whether what may be a static file is looked at on its way, and so is not plain.
    pub(super) files_are_plain: bool,
}

/// Where the name of a request is to be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Name {
    /// It came with it: where in its head, and how long it is.
    Given(usize, usize),
    /// It was made.
    Made(u64),
}

impl<'a> Hop<'a> {
    /// For requests that come from `peer`, by the rules of `door`; those without a name get one of
    /// `request_ids`. Those for what may be a static file are plain only if `files_are_plain`.
    pub fn new(
        door: &'a Door,
        request_ids: &'a RequestIds,
        peer: IpAddr,
        files_are_plain: bool,
    ) -> Self {
        Self {
            door,
            request_ids,
            peer,
            peer_text: peer.to_string(),
            files_are_plain,
        }
    }
}
