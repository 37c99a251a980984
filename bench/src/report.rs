//! The report: the table in Markdown.

use std::fmt::Write as _;

use crate::figures::Figures;
use crate::peers::Peer;

/// One line of the table.
struct Row {
    key: &'static str,
    title: &'static str,
    decimals: usize,
}

const fn row(key: &'static str, title: &'static str, decimals: usize) -> Row {
    Row {
        key,
        title,
        decimals,
    }
}

const HOP: &[Row] = &[
    row("get_cpu_us", "1 KiB GET: CPU, µs a request", 1),
    row("get_user_us", "… of it in the program", 1),
    row("get_system_us", "… of it in the kernel", 1),
    row("get_per_second", "… requests a second", 0),
    row("get_p99_us", "… 99th percentile, µs", 0),
    row("ws_cpu_us", "WebSocket, 64 B: CPU, µs a round trip", 1),
    row("ws_per_second", "… round trips a second", 0),
    row("body_cpu_ms_per_gb", "10 MB bodies: CPU, ms a GB", 0),
    row("body_mb_per_second", "… MB a second", 0),
    row("tunnel_kib", "Idle tunnel: KiB resident", 1),
    row("tunnels_kib", "All of them: KiB resident", 0),
    row("idle_kib", "Idle: KiB resident", 0),
    row("loaded_kib", "After the load: KiB resident", 0),
    row("idle_wakeups", "Idle: wake-ups in 10 s", 0),
    row("start_ms", "Start to first answer, ms", 1),
];

/// The hop's table: a line a row, a column a peer, each median with its ratio to the dispatcher's.
pub(crate) fn hop(figures: &Figures) -> String {
    let mut table = String::from("| |");
    for peer in Peer::ALL {
        let _ = write!(table, " {} |", peer.name());
    }
    table.push_str("\n|---|");
    table.push_str(&"---:|".repeat(Peer::ALL.len()));
    for row in HOP {
        let own = figures.median(row.key, Peer::Dispatcher.name());
        let _ = write!(table, "\n| {} |", row.title);
        for peer in Peer::ALL {
            let _ = write!(
                table,
                " {} |",
                cell(row, figures.median(row.key, peer.name()), own)
            );
        }
    }
    table.push('\n');
    table
}

fn cell(row: &Row, value: Option<f64>, own: Option<f64>) -> String {
    match (value, own) {
        (Some(value), Some(own)) => format!("{value:.*} ({:.2})", row.decimals, own / value),
        _ => "–".to_owned(),
    }
}
