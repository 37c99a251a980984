//! A stand-in for t3's server and CLI, written from the measured contract, so that tests need no t3.
//!
//! [`server::Standin`] is the server in-process, [`cli::main`] the command line. Both share one base directory, as the
//! real ones share a database: a credential the CLI writes there is the one the server takes. A request goes
//! `server` → `connection` → `routes` → `store`; an accepted upgrade goes on to `websocket`. What is to go wrong is said
//! in [`faults::Faults`], and what happened is read from [`seen::Seen`] and [`journal`].

mod base;
pub mod bundle;
pub mod cli;
mod clock;
mod connection;
pub mod edition;
pub mod faults;
mod http;
pub mod journal;
pub mod port;
mod random;
mod routes;
pub mod seen;
pub mod server;
mod state;
pub mod store;
mod ttl;
mod websocket;
