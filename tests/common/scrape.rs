//! A scrape of `/metrics`, as Prometheus does it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::{PATIENCE, request};

/// Every series at one moment.
#[derive(Debug, Clone)]
pub struct Scrape {
    pub text: String,
    series: BTreeMap<String, f64>,
}

impl Scrape {
    pub async fn of(metrics: SocketAddr) -> Self {
        let response = request(metrics, "GET /metrics").await;
        assert_eq!(response.status, 200);
        let text = response.text();
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        let series = samples.map(|line| {
            let (name, value) = line.rsplit_once(' ').expect("a sample");
            (name.to_owned(), value.parse().expect("a number"))
        });
        let series = series.collect();
        Self { text, series }
    }

    /// Scrapes until `holds` is true; fails after [`PATIENCE`].
    pub async fn until(metrics: SocketAddr, holds: impl Fn(&Self) -> bool) -> Self {
        Self::until_within(PATIENCE, metrics, holds).await
    }

    /// The same; fails after `patience`.
    pub async fn until_within(
        patience: Duration,
        metrics: SocketAddr,
        holds: impl Fn(&Self) -> bool,
    ) -> Self {
        let start = Instant::now();
        loop {
            let scrape = Self::of(metrics).await;
            if holds(&scrape) {
                return scrape;
            }
            assert!(start.elapsed() < patience, "{}", scrape.text);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// The value of a series: its name without the common prefix, with its labels.
    pub fn get(&self, series: &str) -> f64 {
        let name = format!("t3_dispatcher_{series}");
        let value = self.series.get(&name);
        *value.unwrap_or_else(|| panic!("no {name} in\n{}", self.text))
    }

    /// The sum of all series whose name begins with `prefix`.
    pub fn sum(&self, prefix: &str) -> f64 {
        let prefix = format!("t3_dispatcher_{prefix}");
        let series = self.series.iter();
        series
            .filter(|(name, _)| name.starts_with(&prefix))
            .map(|(_, value)| value)
            .sum()
    }

    /// The names of all series.
    pub fn names(&self) -> Vec<&str> {
        self.series.keys().map(String::as_str).collect()
    }
}
