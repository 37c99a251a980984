//! What any run must show, however short and however busy the machine: figures everywhere, none of them absurd.

use std::path::Path;

use super::{
    HOP, KEPT, MANY, PAGE, ROUTES, Row, hop_names, is_spared, loads, many_names, page_names,
};
use crate::figures::Figures;
use crate::peers::Peer;
use crate::roles::Failure;
use crate::{kept, many};

/// Nobody wakes up for nothing; and a short run spends less than the clock's hundredths in one half.
const MAY_BE_ZERO: [&str; 10] = [
    "kept_304_user_us",
    "kept_user_us",
    "idle_wakeups",
    "many_wakeups",
    "many_tunnel_kib",
    "get_user_us",
    "get_system_us",
    "wrk_one_system_us",
    "wrk_many_system_us",
    "tunnel_kib",
];

/// A row, whose figure is the measure, and how many times it the dispatcher's must stay under.
const BOUNDS: [(&str, Peer, f64); 10] = [
    ("get_cpu_us", Peer::Nginx, 6.0),
    ("get_cpu_us", Peer::HttpProxy, 1.0),
    ("own_paced_cpu_us", Peer::Nginx, 6.0),
    ("wrk_many_cpu_us", Peer::Nginx, 6.0),
    ("wrk_paced_cpu_us", Peer::Nginx, 6.0),
    ("body_cpu_ms_per_gb", Peer::Haproxy, 3.0),
    ("ws_cpu_us", Peer::Haproxy, 3.0),
    ("idle_kib", Peer::HttpProxy, 0.5),
    ("start_ms", Peer::HttpProxy, 1.0),
    ("page_cold_bytes", Peer::OldWay, 1.05),
];

/// Checks the figures that are in `work`.
///
/// # Errors
/// The first thing that is missing or out of bounds.
pub(crate) fn check(work: &Path) -> Result<(), Failure> {
    let hop = Figures::load(&work.join("hop.json"))?;
    let page = Figures::load(&work.join("page.json"))?;
    complete(HOP, &hop_names(), &hop)?;
    complete(loads::LOADS, &loads::names(), &hop)?;
    complete(PAGE, &page_names(), &page)?;
    let many = Figures::load(&work.join("many.json"))?;
    complete(MANY, &many_names(), &many)?;
    complete(ROUTES, &many::HOP_NAMES, &many)?;
    let kept = Figures::load(&work.join("kept.json"))?;
    complete(KEPT, &kept::NAMES, &kept)?;
    for (key, measure, most) in BOUNDS {
        let figures = if key.starts_with("page_") {
            &page
        } else {
            &hop
        };
        within(figures, key, measure.name(), most)?;
    }
    Ok(())
}

fn complete(rows: &[Row], names: &[&str], figures: &Figures) -> Result<(), String> {
    for row in rows {
        for name in names.iter().filter(|name| !is_spared(row, name)) {
            match figures.median(row.key, name) {
                Some(value) if value > 0.0 => {}
                Some(0.0) if MAY_BE_ZERO.contains(&row.key) => {}
                other => return Err(format!("{} of {name}: {other:?}", row.key)),
            }
        }
    }
    Ok(())
}

fn within(figures: &Figures, key: &str, measure: &str, most: f64) -> Result<(), String> {
    let of = |name| figures.median(key, name).unwrap_or(f64::NAN);
    let (own, other) = (of(Peer::Dispatcher.name()), of(measure));
    match own <= other * most {
        true => Ok(()),
        false => Err(format!(
            "{key}: {own} is more than {most} times {measure}'s {other}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::super::row;
    use super::*;

    #[test]
    fn what_is_missing_or_absurd_is_named() {
        let rows = [row("get_cpu_us", "", 0)];
        let names = ["nginx", "t3-dispatcher", "no proxy"];
        let mut figures = Figures::default();
        figures.add("get_cpu_us", "nginx", 20.0);
        let missing = complete(&rows, &names, &figures);
        assert_eq!(missing, Err("get_cpu_us of t3-dispatcher: None".to_owned()));
        figures.add("get_cpu_us", "t3-dispatcher", 50.0);
        assert_eq!(complete(&rows, &names, &figures), Ok(()));
        assert_eq!(within(&figures, "get_cpu_us", "nginx", 2.5), Ok(()));
        assert!(within(&figures, "get_cpu_us", "nginx", 2.4).is_err());
        assert!(within(&figures, "get_cpu_us", "nobody", 9.0).is_err());
        figures.add("get_cpu_us", "no proxy", f64::NAN);
        assert!(complete(&rows, &["nginx"], &Figures::default()).is_err());
    }
}
