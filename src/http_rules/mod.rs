//! What HTTP lets a proxy hop keep, drop, replace or refuse: pure rules, the security surface.

pub mod byte_set;
pub mod cookies;
pub mod forwarded;
pub mod header_policy;
pub mod header_view;
pub mod host;
pub mod navigation;
pub mod origin;
pub mod paths;
pub mod request_id;
pub mod scan;
pub mod set_cookie;
pub mod transform;
pub mod validation;
pub mod websocket;
