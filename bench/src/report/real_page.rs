//! The rows of a page of the real t3.

use super::{Row, row};

pub(super) const ROWS: &[Row] = &[
    row("real_desk_cold_ms", "10 Mbit/s, 40 ms; first load: ms", 0),
    row("real_desk_cold_bytes", "… bytes on the wire", 0),
    row("real_desk_cold_requests", "… requests", 0),
    row("real_desk_again_ms", "… reload: ms", 0),
    row("real_desk_again_bytes", "… bytes on the wire", 0),
    row("real_desk_again_requests", "… requests", 0),
    row(
        "real_tabs_ms",
        "… ten tabs at once: ms until all are live",
        0,
    ),
    row("real_phone_cold_ms", "3 Mbit/s, 80 ms; first load: ms", 0),
    row("real_phone_again_ms", "… reload: ms", 0),
    row(
        "real_h2_cold_ms",
        "10 Mbit/s, 40 ms, Traefik, h2; first load: ms",
        0,
    ),
    row("real_h2_cold_bytes", "… bytes on the wire", 0),
    row("real_h2_again_ms", "… reload: ms", 0),
    row("real_near_cold_ms", "no line; first load: ms", 0),
    row("real_near_again_ms", "… reload: ms", 0),
];
