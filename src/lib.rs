//! The dispatcher in front of `t3 serve`: whoever single sign-on let through lands in a live cockpit.
//!
//! A request's path, top down:
//!
//! 1. [`server`] accepts the connection and owns its task until it has ended or the drain cut it.
//! 2. [`connection`] speaks HTTP/1.1 on it and, after a 101, becomes the tunnel.
//!    A plain request, which is to be forwarded whatever else is the case, goes by [`fast_path`]
//!    and no further down this list.
//! 3. [`headers`] takes off what belongs to the client's hop alone.
//! 4. [`dispatch`] lets [`route`] make the one decision about what is left: answer, pair, upgrade
//!    or forward.
//! 5. [`pairing`] turns a browser without a session into one with it, by t3's own API and CLI;
//!    [`readiness`] knows whether t3 is there to ask.
//! 6. [`proxy`] sends everything else on and brings the answer back, whole and in order.
//! 7. [`assets`] looks at what may be a static file: compressed once, kept, cacheable.
//! 8. [`pwa`] puts into t3's page what makes it an app of the home screen.
//! 9. [`upstream`] keeps the connections to t3: who may be reused, what may be tried again.
//! 10. [`tunnel`] copies two upgraded sockets until both are done, and says who ended it.
//!
//! All of them tell [`metrics`] what happened; [`scrape`] answers whoever asks for that.
//!
//! Comments that cite `contract §n` mean section n of `docs/t3-contract.md`.

#![forbid(unsafe_code)]

pub mod activity;
pub mod allocator;
pub mod answers;
pub mod assets;
pub mod browser;
pub mod byte_set;
pub mod check;
pub mod client_io;
pub mod config;
pub mod connection;
pub mod cookies;
pub mod dispatch;
pub mod door;
pub mod fast_path;
pub mod fields;
pub mod growing;
pub mod headers;
pub mod host;
pub mod hygiene;
pub mod install;
pub mod metrics;
pub mod navigation;
pub mod origin;
pub mod pairing;
pub mod probe;
pub mod proxy;
pub mod pwa;
pub mod readiness;
pub mod request_id;
pub mod request_line;
pub mod rewritten;
pub mod route;
pub mod scrape;
pub mod server;
pub mod session;
pub mod set_cookie;
pub mod tasks;
pub mod transforming;
pub mod tunnel;
pub mod tunnels;
pub mod upload;
pub mod upstream;
pub mod websocket;
