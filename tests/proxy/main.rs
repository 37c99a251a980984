//! The proxied request: fields, bodies, failures, WebSockets, static files, t3's page.

#[path = "../common/mod.rs"]
mod common;

mod assets;
mod bodies;
mod ends;
mod failures;
mod fast_path;
mod forwarding;
mod pwa;
mod request_id;
mod websocket;
