//! What HTTP lets a proxy hop keep, drop, replace or refuse: pure rules, the security surface.

pub mod app_token;
pub mod browser_request;
pub mod chunks;
pub mod cookies;
pub mod credentials;
pub mod form_token;
pub mod forwarded;
pub mod frame_ancestors;
pub mod gates;
pub mod grammar;
pub mod header_map;
pub mod header_policy;
pub mod name_pattern;
pub mod name_text;
pub mod origin;
pub mod pair_link;
pub mod path_secrets;
pub mod paths;
pub mod plain_path;
pub mod representation;
pub mod request_id;
pub mod scan;
pub mod script_policy;
pub mod this_machine;
pub mod validation;
pub mod websocket_offers;
pub mod withhold;

use http::{HeaderMap, HeaderName};

/// The maximum of fields in the head of a message, either way: more than twice what browsers and proxies
/// send.
pub const MAX_FIELDS: usize = 256;

/// The header of one message.
pub trait HeaderView {
    /// The values of the lines called `name`, in their order.
    fn lines<'a>(&'a self, name: &'a HeaderName) -> impl Iterator<Item = &'a [u8]>;

    /// The value of `name`, if it has exactly one line.
    fn single<'a>(&'a self, name: &'a HeaderName) -> Option<&'a [u8]> {
        let mut lines = self.lines(name);
        let line = lines.next()?;
        lines.next().is_none().then_some(line)
    }
}

impl HeaderView for HeaderMap {
    fn lines<'a>(&'a self, name: &'a HeaderName) -> impl Iterator<Item = &'a [u8]> {
        self.get_all(name).iter().map(http::HeaderValue::as_bytes)
    }
}
