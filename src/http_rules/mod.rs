//! What HTTP lets a proxy hop keep, drop, replace or refuse: pure rules, the security surface.

pub mod cookies;
pub mod forwarded;
pub mod grammar;
pub mod header_policy;
pub mod header_view;
pub mod navigation;
pub mod origin;
pub mod paths;
pub mod request_id;
pub mod scan;
pub mod transform;
pub mod validation;
pub mod websocket;
