//! The rows of a hop under other loads.

use super::{Row, row};
use crate::tools::PEERS;

pub(super) const LOADS: &[Row] = &[
    row("own_one_cpu_us", "1 client: CPU, µs a request", 1),
    row("own_one_wakeups", "… wake-ups a request", 2),
    row("own_many_cpu_us", "32 clients: CPU, µs a request", 1),
    row("own_many_wakeups", "… wake-ups a request", 2),
    row("own_paced_cpu_us", "1,000 a second: CPU, µs a request", 1),
    row("own_paced_wakeups", "… wake-ups a request", 2),
    row(
        "wrk_one_cpu_us",
        "wrk and nginx, 1 client: CPU, µs a request",
        1,
    ),
    row("wrk_one_system_us", "… of it in the kernel", 1),
    row("wrk_one_wakeups", "… wake-ups a request", 2),
    row(
        "wrk_many_cpu_us",
        "wrk and nginx, 32 clients: CPU, µs a request",
        1,
    ),
    row("wrk_many_system_us", "… of it in the kernel", 1),
    row("wrk_many_wakeups", "… wake-ups a request", 2),
    row("wrk_many_per_second", "… requests a second", 0),
    row(
        "wrk_paced_cpu_us",
        "wrk and nginx, 1,000 a second: CPU, µs a request",
        1,
    ),
    row("wrk_paced_wakeups", "… wake-ups a request", 2),
    row("wrk_paced_per_second", "… requests a second", 0),
];

/// Those that the README shows.
pub(super) fn short() -> impl Iterator<Item = &'static Row> {
    LOADS.iter().filter(|row| row.key.ends_with("_cpu_us"))
}

pub(super) fn names() -> Vec<&'static str> {
    PEERS.map(|peer| peer.name()).to_vec()
}
