//! Prometheus metrics: typed events in, text out.
//!
//! It uses no other part of the dispatcher. An event costs a few atomic additions, as the series of
//! every label value are looked up when [`Metrics`] is made.

pub mod devices;
pub mod labels;
pub mod pairing;
pub mod people;
pub mod power;
pub mod process;
pub mod requests;
pub mod routes;
pub mod upstream;
mod upstream_info;

use prometheus::{Registry, TextEncoder};

use crate::metrics::devices::DeviceMetrics;
use crate::metrics::labels::Maker;
use crate::metrics::pairing::PairingMetrics;
use crate::metrics::people::PeopleMetrics;
use crate::metrics::power::PowerMetrics;
use crate::metrics::process::ProcessMetrics;
use crate::metrics::requests::RequestMetrics;
use crate::metrics::routes::RoutesMetrics;
use crate::metrics::upstream::UpstreamMetrics;

/// The metrics of one dispatcher.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    devices: DeviceMetrics,
    pairing: PairingMetrics,
    people: PeopleMetrics,
    power: PowerMetrics,
    process: ProcessMetrics,
    requests: RequestMetrics,
    routes: RoutesMetrics,
    upstream: UpstreamMetrics,
}

impl Default for Metrics {
    fn default() -> Self {
        let registry = Registry::new();
        let make = Maker(&registry);
        make.build_info(env!("CARGO_PKG_VERSION"));
        Self {
            devices: DeviceMetrics::new(&make),
            pairing: PairingMetrics::new(&make),
            people: PeopleMetrics::new(&make),
            power: PowerMetrics::new(&make),
            process: ProcessMetrics::new(&make),
            requests: RequestMetrics::new(&make),
            routes: RoutesMetrics::new(&make),
            upstream: UpstreamMetrics::new(&make),
            registry,
        }
    }
}

impl Metrics {
    /// Their current values, in the text format that [`TEXT_FORMAT`] names.
    ///
    /// # Errors
    /// None is known: names and labels are constants of this program.
    pub fn text(&self) -> prometheus::Result<String> {
        self.process.refresh();
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

/// The content type of [`Metrics::text`].
pub use prometheus::TEXT_FORMAT;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::pairing::{CliCommand, CliOutcome};
    use crate::metrics::requests::{Answered, Class, Kind, RequestWay, Stream};
    use crate::metrics::upstream::{UpstreamState, UpstreamTally};
    use std::collections::BTreeSet;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::{Duration, Instant};

    #[test]
    fn every_series_is_there_from_the_start() {
        let text = Metrics::default().text().expect("text");
        for series in [
            concat!(
                "t3_dispatcher_build_info{version=\"",
                env!("CARGO_PKG_VERSION"),
                "\"} 1"
            ),
            "t3_dispatcher_pairings_total{way=\"joined\"} 0",
            "t3_dispatcher_pairings_failed_total{cause=\"late\"} 0",
            "t3_dispatcher_cli_runs_total{command=\"session_issue\",outcome=\"unusable\"} 0",
            "t3_dispatcher_requests_total{class=\"5xx\",kind=\"invalid\"} 0",
            "t3_dispatcher_upstream_state{state=\"up\"} 0",
            "t3_dispatcher_instances 0",
            "t3_dispatcher_upstream_info{protocol=\"unknown\",version=\"unknown\"} 0",
        ] {
            assert!(text.lines().any(|line| line == series), "{series}\n{text}");
        }
    }

    /// The series of `family`, without the prefix of all, sorted.
    fn series(metrics: &Metrics, family: &str) -> Vec<String> {
        let text = metrics.text().expect("text");
        let names = text
            .lines()
            .filter_map(|line| line.strip_prefix("t3_dispatcher_"));
        let mut series: Vec<_> = names
            .filter(|line| line.starts_with(family))
            .map(str::to_owned)
            .collect();
        series.sort();
        series
    }

    #[test]
    fn of_one_t3_version_and_protocol_are_one_series_at_a_time() {
        let metrics = Arc::<Metrics>::default();
        let mut t3 = UpstreamTally::new(Arc::clone(&metrics));
        t3.describes("0.0.42", "1");
        t3.describes("0.0.46", "2");
        let expected = ["upstream_info{protocol=\"2\",version=\"0.0.46\"} 1"];
        assert_eq!(series(&metrics, "upstream_info"), expected);
        drop(t3);
        let none = ["upstream_info{protocol=\"unknown\",version=\"unknown\"} 0"];
        assert_eq!(series(&metrics, "upstream_info"), none);
    }

    #[test]
    fn t3s_are_counted_by_state_and_version_until_they_end() {
        let metrics = Arc::<Metrics>::default();
        let mut t3s: Vec<_> = (0..40)
            .map(|_| UpstreamTally::new(Arc::clone(&metrics)))
            .collect();
        for (number, t3) in t3s.iter_mut().enumerate() {
            t3.came_into(Some(UpstreamState::Down));
            if number >= 3 {
                t3.came_into(Some(UpstreamState::Up));
                t3.describes(&format!("0.0.{number}"), "2");
            }
        }
        let counted = |up: usize, down: usize| {
            assert_eq!(
                series(&metrics, "upstream_state{"),
                [
                    "upstream_state{state=\"asleep\"} 0".to_owned(),
                    "upstream_state{state=\"busy\"} 0".to_owned(),
                    format!("upstream_state{{state=\"down\"}} {down}"),
                    "upstream_state{state=\"starting\"} 0".to_owned(),
                    format!("upstream_state{{state=\"up\"}} {up}"),
                ]
            );
            assert_eq!(
                series(&metrics, "instances "),
                [format!("instances {}", up + down)]
            );
        };
        counted(37, 3);
        let versions = series(&metrics, "upstream_info");
        assert_eq!(versions.len(), 33, "{versions:?}");
        let rest = "upstream_info{protocol=\"2\",version=\"other\"} 5".to_owned();
        assert!(versions.contains(&rest), "{versions:?}");
        t3s.truncate(4);
        counted(1, 3);
        let left = ["upstream_info{protocol=\"2\",version=\"0.0.3\"} 1"];
        assert_eq!(series(&metrics, "upstream_info"), left);
        drop(t3s);
        counted(0, 0);
        let into = series(&metrics, "upstream_state_changes_total{state=\"up\"}");
        assert_eq!(into, ["upstream_state_changes_total{state=\"up\"} 37"]);
    }

    #[test]
    fn only_commands_that_the_dispatcher_runs_have_series() {
        let text = Metrics::default().text().expect("text");
        let runs = text
            .lines()
            .filter(|line| line.starts_with("t3_dispatcher_cli_run"));
        let commands: BTreeSet<_> = runs
            .filter_map(|line| line.split_once("command=\"")?.1.split('"').next())
            .collect();
        assert_eq!(
            commands,
            BTreeSet::from(["mint_command", "pairing_create", "session_issue"])
        );
    }

    #[test]
    fn an_event_is_counted_where_it_belongs() {
        let metrics = Metrics::default();
        metrics.cli_run(
            CliCommand::SessionIssue,
            CliOutcome::Locked,
            Duration::from_secs(2),
        );
        let text = metrics.text().expect("text");
        let counted: Vec<_> = text
            .lines()
            .filter(|line| line.starts_with("t3_dispatcher_cli_runs_total") && line.ends_with(" 1"))
            .collect();
        assert_eq!(
            counted,
            ["t3_dispatcher_cli_runs_total{command=\"session_issue\",outcome=\"locked\"} 1"]
        );
    }

    /// A proxied request costs one of these and two counts of bytes: some 20 atomic additions.
    #[test]
    fn a_request_costs_about_as_much_as_its_atomic_additions() {
        let metrics = Metrics::default();
        let counted = best_of(|n| {
            metrics.answered(Answered {
                way: RequestWay::FastPath,
                kind: Kind::Fetch,
                class: Class::of(200),
                took: Duration::from_micros(n),
                waited: Duration::from_micros(n / 2),
            });
            metrics.received(Stream::Http, 300);
            metrics.sent(Stream::Http, 1400);
        });
        let bare: [AtomicU64; 20] = Default::default();
        let bare = best_of(|n| {
            for counter in &bare {
                counter.fetch_add(n, Ordering::Relaxed);
            }
        });
        let ratio = counted.as_secs_f64() / bare.as_secs_f64();
        println!("{counted:?} and {bare:?}: {ratio:.1}");
        assert!(ratio < 6.0, "{counted:?} and {bare:?}");
    }

    /// The least time that some rounds of `event` took.
    fn best_of(event: impl Fn(u64)) -> Duration {
        let rounds = (0..50).map(|_| {
            let start = Instant::now();
            (0..1000).for_each(&event);
            start.elapsed()
        });
        rounds.min().unwrap_or_default()
    }
}
