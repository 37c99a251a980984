//! Prometheus metrics: typed events in, text out.
//!
//! It uses no other part of the dispatcher. An event costs a few atomic additions, as the series of
//! every label value are looked up when [`Metrics`] is made.

pub mod labels;
pub mod pairing;
pub mod process;
pub mod requests;
pub mod upstream;

use prometheus::{Registry, TextEncoder};

use crate::metrics::labels::Maker;
use crate::metrics::pairing::PairingMetrics;
use crate::metrics::process::ProcessMetrics;
use crate::metrics::requests::RequestMetrics;
use crate::metrics::upstream::UpstreamMetrics;

/// The metrics of one dispatcher.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    pairing: PairingMetrics,
    process: ProcessMetrics,
    requests: RequestMetrics,
    upstream: UpstreamMetrics,
}

impl Default for Metrics {
    fn default() -> Self {
        let registry = Registry::new();
        let make = Maker(&registry);
        make.build_info(env!("CARGO_PKG_VERSION"));
        Self {
            pairing: PairingMetrics::new(&make),
            process: ProcessMetrics::new(&make),
            requests: RequestMetrics::new(&make),
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
    use crate::metrics::requests::{Answered, Class, Kind, Stream};
    use std::collections::BTreeSet;
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
        ] {
            assert!(text.lines().any(|line| line == series), "{series}\n{text}");
        }
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
            BTreeSet::from(["pairing_create", "session_issue"])
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

    /// A proxied request costs one of these, and four counts of bytes.
    #[test]
    fn an_answer_costs_next_to_nothing() {
        let metrics = Metrics::default();
        let rounds = 10_000_u32;
        let best = (0..10).map(|_| {
            let start = Instant::now();
            for n in 0..rounds {
                metrics.answered(Answered {
                    kind: Kind::Fetch,
                    class: Class::of(200),
                    took: Duration::from_micros(u64::from(n)),
                    waited: Duration::from_micros(u64::from(n / 2)),
                });
                metrics.received(Stream::Http, 300);
                metrics.sent(Stream::Http, 1400);
            }
            start.elapsed() / rounds
        });
        let best = best.min().unwrap_or_default();
        println!("{best:?} an answer");
        if !cfg!(debug_assertions) {
            assert!(best < Duration::from_nanos(300), "{best:?}");
        }
    }
}
