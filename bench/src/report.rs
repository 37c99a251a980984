//! The report: which rows there are, and the files that show them.

mod check;
mod loads;
mod plot;
mod real_page;
mod table;

use std::fs;
use std::path::Path;

use crate::figures::Figures;
use crate::hop::OTHERS;
use crate::kept;
use crate::machine;
use crate::many;
use crate::page;
use crate::peers::Peer;
use crate::roles::Failure;

pub(crate) use check::check;

/// One line of a table.
#[derive(Debug)]
struct Row {
    key: &'static str,
    title: &'static str,
    decimals: usize,
    /// Its title above its bars, for the rows that the plot shows.
    plotted: Option<&'static str>,
}

const fn row(key: &'static str, title: &'static str, decimals: usize) -> Row {
    Row {
        key,
        title,
        decimals,
        plotted: None,
    }
}

const fn plotted(row: Row, title: &'static str) -> Row {
    Row {
        plotted: Some(title),
        ..row
    }
}

const PAGE: &[Row] = &[
    plotted(
        row("page_cold_ms", "first visit: ms to a live cockpit", 0),
        "First visit: ms to a live cockpit",
    ),
    row("page_cold_bytes", "first visit: bytes on the wire", 0),
    plotted(
        row("page_again_ms", "reload: ms to a live cockpit", 0),
        "Reload: ms to a live cockpit",
    ),
    row("page_again_bytes", "reload: bytes on the wire", 0),
];

const MANY: &[Row] = &[
    row("many_start_kib", "with nobody yet: KiB resident", 0),
    row(
        "many_people_kib",
        "1,000 people, each with a t3: KiB resident",
        0,
    ),
    row("many_wakeups", "… wake-ups in 10 s", 0),
    row(
        "many_tunnels_kib",
        "10,000 WebSockets with them: KiB resident",
        0,
    ),
    row("many_tunnel_kib", "… KiB each", 1),
    row(
        "reload_slowest_ms",
        "a table of 10,000 rows read again: the slowest answer meanwhile, ms",
        1,
    ),
    row("reload_median_ms", "… the median, ms", 1),
    row(
        "neighbour_well_p99_ms",
        "one person's answers beside 48 clients of others' t3s: 99th percentile, ms",
        2,
    ),
    row(
        "neighbour_ill_p99_ms",
        "… where these t3s hang, are slow and are gone",
        2,
    ),
];

/// A hop with a table of 1,000 people beside one with one t3.
const ROUTES: &[Row] = &[
    row(
        "routes_get_cpu_us",
        "1 KiB GET, one person: CPU, µs a request",
        1,
    ),
    row("routes_get_per_second", "… requests a second", 0),
    row(
        "routes_people_get_cpu_us",
        "1 KiB GET, 32 people, each with a t3: CPU, µs a request",
        1,
    ),
    row("routes_people_get_per_second", "… requests a second", 0),
];

/// A file that is kept, beside nginx serving it from disk.
const KEPT: &[Row] = &[
    row("kept_304_cpu_us", "kept file, 304: CPU, µs a request", 1),
    row("kept_304_user_us", "… of it in the program", 1),
    row("kept_304_per_second", "… requests a second", 0),
    row("kept_cpu_us", "kept file, 7 KiB: CPU, µs a request", 1),
    row("kept_user_us", "… of it in the program", 1),
    row("kept_per_second", "… requests a second", 0),
];

const HOP: &[Row] = &[
    plotted(
        row("get_cpu_us", "1 KiB GET: CPU, µs a request", 1),
        "1 KiB GET: CPU µs a request",
    ),
    row("get_user_us", "… of it in the program", 1),
    row("get_system_us", "… of it in the kernel", 1),
    row("get_per_second", "… requests a second", 0),
    row("get_p99_us", "… 99th percentile, µs", 0),
    plotted(
        row("body_cpu_ms_per_gb", "10 MB bodies: CPU, ms a GB", 0),
        "10 MB bodies: CPU ms a GB",
    ),
    row("body_mb_per_second", "… MB a second", 0),
    row("upload_cpu_ms_per_gb", "10 MB sent to t3: CPU, ms a GB", 0),
    row("upload_mb_per_second", "… MB a second", 0),
    plotted(
        row("ws_cpu_us", "WebSocket, 64 B: CPU, µs a round trip", 1),
        "WebSocket, 64 B: CPU µs a round trip",
    ),
    row("ws_per_second", "… round trips a second", 0),
    plotted(
        row("tunnel_kib", "idle tunnel: KiB resident", 1),
        "Idle tunnel: KiB resident",
    ),
    row("tunnels_kib", "… all 4,000 and the process: KiB", 0),
    row("idle_kib", "resident, idle: KiB", 0),
    row("loaded_kib", "resident, after the load: KiB", 0),
    row("idle_wakeups", "wake-ups, idle, in 10 s", 0),
    row("start_ms", "start to first answer: ms", 1),
];

/// Who has no figure in that row, and never will.
fn is_spared(row: &Row, peer: &str) -> bool {
    let is_tunnel = row.key.starts_with("ws_") || row.key.starts_with("tunnel");
    let is_seen_from_outside = row.key.ends_with("_per_second") || row.key == "get_p99_us";
    (peer == many::ONE && row.key.starts_with("routes_people_"))
        || (peer == Peer::Hyper.name() && is_tunnel)
        || (peer == Peer::Direct.name() && !is_seen_from_outside)
}

fn hop_names() -> Vec<&'static str> {
    Peer::ALL.iter().map(|peer| peer.name()).collect()
}

fn page_names() -> Vec<&'static str> {
    page::names().collect()
}

fn real_t3_names() -> Vec<&'static str> {
    page::real_t3::names().collect()
}

fn many_names() -> Vec<&'static str> {
    vec![Peer::Dispatcher.name()]
}

/// Writes `docs/bench.md`, `docs/bench.svg` and the README's table, from the figures that are in `work`.
pub(crate) fn write(work: &Path, root: &Path) -> Result<(), Failure> {
    let docs = root.join("docs");
    let hop = Figures::load(&work.join("hop.json"))?;
    let page = Figures::load(&work.join("page.json"))?;
    let many = Figures::load(&work.join("many.json"))?;
    let kept = Figures::load(&work.join("kept.json"))?;
    let real_t3 = Figures::load(&work.join("real_t3.json"))?;
    let others = hop.median(OTHERS, OTHERS);
    let binary = std::env::var("BENCH_CHECKSUM")?;
    let text = include_str!("report/bench.md")
        .replace("@binary@", &binary)
        .replace("@machine@", &machine::describe())
        .replace("@others@", &format!("{:.1}", others.unwrap_or_default()))
        .replace("@page@", &table::of(PAGE, &page_names(), &page))
        .replace(
            "@real_t3@",
            &table::of(real_page::ROWS, &real_t3_names(), &real_t3),
        )
        .replace("@hop@", &table::of(HOP, &hop_names(), &hop))
        .replace("@loads@", &table::of(loads::LOADS, &loads::names(), &hop))
        .replace("@kept@", &table::of(KEPT, &kept::NAMES, &kept))
        .replace("@many@", &table::of(MANY, &many_names(), &many))
        .replace("@routes@", &table::of(ROUTES, &many::HOP_NAMES, &many));
    fs::write(docs.join("bench.md"), text)?;
    let panels = plot::panels(PAGE, &page_names(), &page)
        .chain(plot::panels(HOP, &hop_names(), &hop))
        .collect::<Vec<_>>();
    fs::write(docs.join("bench.svg"), plot::svg(&panels))?;
    let short = |rows: &'static [Row], names: &[&str], figures: &Figures| {
        let plotted = rows.iter().filter(|row| row.plotted.is_some());
        table::of(plotted, names, figures)
    };
    let tables = [
        short(PAGE, &page_names(), &page),
        short(HOP, &hop_names(), &hop),
        table::of(loads::short(), &loads::names(), &hop),
    ];
    let readme = root.join("README.md");
    let text = between_marks(&fs::read_to_string(&readme)?, &tables.join("\n\n"));
    Ok(fs::write(
        readme,
        text.ok_or("the README has no marks for the table")?,
    )?)
}

/// The text with something else between its two marks.
fn between_marks(text: &str, new: &str) -> Option<String> {
    let (before, rest) = text.split_once("<!-- bench -->\n")?;
    let (_, after) = rest.split_once("<!-- /bench -->\n")?;
    Some(format!(
        "{before}<!-- bench -->\n{new}\n<!-- /bench -->\n{after}"
    ))
}

/// The tables of one part, for who tunes it.
pub(crate) fn print(file: &Path) -> Result<(), Failure> {
    let figures = Figures::load(file)?;
    let halves = [
        (PAGE, page_names()),
        (real_page::ROWS, real_t3_names()),
        (HOP, hop_names()),
        (loads::LOADS, loads::names()),
        (KEPT, kept::NAMES.to_vec()),
        (ROUTES, many::HOP_NAMES.to_vec()),
        (MANY, many_names()),
    ];
    for (rows, names) in halves {
        if figures
            .median(rows[0].key, Peer::Dispatcher.name())
            .is_some()
        {
            println!("{}", table::of(rows, &names, &figures));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_marks_is_replaced() {
        let text = "a\n<!-- bench -->\nold\n<!-- /bench -->\nb\n";
        let new = "a\n<!-- bench -->\nnew\n<!-- /bench -->\nb\n";
        assert_eq!(between_marks(text, "new").as_deref(), Some(new));
        assert_eq!(between_marks("no marks", "new"), None);
    }
}
