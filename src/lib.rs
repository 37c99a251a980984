//! A reverse proxy in front of `t3 serve` that gives a person who passed single sign-on a t3 session.
//!
//! The life of a request, top down (`ARCHITECTURE.md` has the picture):
//!
//! 1. [`server`] accepts the connection and tracks its task until it ends or the drain cuts it.
//! 2. [`connection`] chooses the way for each request: [`fast_path`] for a plain GET or HEAD that is
//!    certainly forwarded, hyper and the [`router`] for everything else.
//! 3. [`http_rules`] decides which header fields cross the hop; [`access`] decides who the client is.
//! 4. [`router`] answers locally, pairs, upgrades or forwards. It uses [`pairing`] for sessions,
//!    [`assets`] for static files, [`pwa`] for the page's manifest, [`probe`] for synthetic clients.
//! 5. [`upstream`] sends the request to t3 and knows whether t3 is up.
//! 6. [`tunnel`] copies an upgraded connection until one side ends it.
//!
//! [`state`] holds the services that the router and the fast path share, [`responses`] the responses
//! written here, [`metrics`] the counters, [`config`] the options, [`process`] the tasks.
//!
//! Comments that cite `contract §n` mean section n of `docs/t3-contract.md`.

#![forbid(unsafe_code)]

pub mod access;
pub mod assets;
pub mod check;
pub mod config;
pub mod connection;
pub mod fast_path;
pub mod http_rules;
pub mod metrics;
pub mod pairing;
pub mod probe;
pub mod process;
pub mod pwa;
pub mod responses;
pub mod router;
pub mod routes;
pub mod server;
pub mod state;
pub mod tunnel;
pub mod upstream;
