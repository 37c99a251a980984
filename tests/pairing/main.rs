//! Pairing: sessions for page loads, healing of dead ones, failures, concurrency, restarts of t3.

#[path = "../common/mod.rs"]
mod common;

mod admin_session;
mod concurrency;
mod failures;
mod healing;
mod labels;
mod loops;
mod mint_command;
mod other_sockets;
mod page_load;
mod protocol_2;
mod replaced;
mod restart;
mod surplus;
mod token_file;
