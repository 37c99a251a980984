//! From a browser without a session to one with it: one credential minted and exchanged.

pub mod admin_session;
pub mod cli_process;
pub mod dry_run;
pub mod error;
pub mod exchange;
pub mod liveness;
pub mod loop_guard;
pub mod mint;
pub mod policy;
pub mod request;
pub mod secret;
pub mod service;
pub mod t3_cli;
pub mod tabs;
