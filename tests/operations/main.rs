//! Operations: subcommands, process, metrics, log, probes.

#[path = "../common/mod.rs"]
mod common;

mod activity;
mod audit;
mod check;
mod check_devices;
mod check_faults;
mod check_interrupted;
mod check_people;
mod cli;
mod help;
mod install;
mod isolation;
mod log_and_metrics;
mod log_lines;
mod metrics;
mod pid_1;
mod power;
mod probe;
mod process;
mod protocol;
mod readiness;
