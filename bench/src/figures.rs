//! The figures: what was measured of whom, and what becomes of many rounds.

use std::path::Path;

use serde_json::{Map, Value, json};

use crate::roles::Failure;

/// The middle of the values; of two in the middle their mean. None of no values.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        length if length % 2 == 1 => Some(sorted[middle]),
        _ => Some((sorted[middle - 1] + sorted[middle]) / 2.0),
    }
}

/// The value that `share` of all are at or under. None of no values.
pub(crate) fn percentile(values: &[f64], share: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied()
}

/// Every value measured: row, then peer, then one value a round.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    rows: Map<String, Value>,
}

impl Figures {
    pub(crate) fn add(&mut self, row: &str, peer: &str, value: f64) {
        let peers = self.rows.entry(row).or_insert_with(|| json!({}));
        match &mut peers[peer] {
            Value::Array(values) => values.push(json!(value)),
            none => *none = json!([value]),
        }
    }

    /// The median of that row's values of that peer.
    pub(crate) fn median(&self, row: &str, peer: &str) -> Option<f64> {
        median(&self.values(row, peer))
    }

    /// How many times `other`'s value `own`'s is: round by round, as rounds differ by what else the machine does, and of
    /// these the median. None where there is nothing to divide by.
    pub(crate) fn ratio(&self, row: &str, own: &str, other: &str) -> Option<f64> {
        let (own, other) = (self.values(row, own), self.values(row, other));
        let rounds = own.iter().zip(&other);
        let ratios: Vec<f64> = rounds.map(|(own, other)| own / other).collect();
        median(&ratios).filter(|ratio| ratio.is_finite())
    }

    fn values(&self, row: &str, peer: &str) -> Vec<f64> {
        let values = self.rows.get(row).and_then(|peers| peers[peer].as_array());
        let values = values.into_iter().flatten();
        values.filter_map(Value::as_f64).collect()
    }

    /// Reads what [`Figures::save`] wrote.
    pub(crate) fn load(path: &Path) -> Result<Self, Failure> {
        let rows = serde_json::from_slice(&std::fs::read(path)?)?;
        Ok(Self { rows })
    }

    pub(crate) fn save(&self, path: &Path) -> Result<(), Failure> {
        Ok(std::fs::write(
            path,
            serde_json::to_vec_pretty(&self.rows)?,
        )?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle_and_the_percentile_where_it_says() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 3.0, 2.0]), Some(2.5));
        let hundred: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(percentile(&hundred, 0.99), Some(99.0));
        assert_eq!(percentile(&[7.0], 0.99), Some(7.0));
        assert_eq!(percentile(&[], 0.99), None);
    }

    #[test]
    fn a_row_keeps_each_round_of_each_peer() {
        let mut figures = Figures::default();
        for (peer, value) in [("a", 3.0), ("a", 1.0), ("b", 9.0), ("a", 2.0)] {
            figures.add("row", peer, value);
        }
        assert_eq!(figures.median("row", "a"), Some(2.0));
        assert_eq!(figures.median("row", "b"), Some(9.0));
        assert_eq!(figures.median("row", "c"), None);
        assert_eq!(figures.median("none", "a"), None);
        assert_eq!(figures.ratio("row", "a", "b"), Some(3.0 / 9.0));
        figures.add("row", "b", 0.5);
        figures.add("row", "b", 1.0);
        assert_eq!(figures.ratio("row", "a", "b"), Some(2.0));
        figures.add("zero", "a", 0.0);
        assert_eq!(figures.ratio("zero", "a", "a"), None);
        assert_eq!(figures.ratio("row", "a", "c"), None);
    }
}
