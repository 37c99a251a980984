//! The metrics of who uses which t3, where an operator has them shown.

use std::time::Duration;

use prometheus::IntGaugeVec;

use crate::metrics::Metrics;
use crate::metrics::labels::Maker;

/// How many people have series: two each.
const MAX_PEOPLE: usize = 500;

/// The series of people. There are none unless they are asked for.
#[derive(Debug)]
pub(super) struct PeopleMetrics {
    idle: IntGaugeVec,
    tunnels: IntGaugeVec,
    left_out: IntGaugeVec,
}

impl PeopleMetrics {
    pub(super) fn new(make: &Maker<'_>) -> Self {
        Self {
            idle: make.gauges_by_name(
                "instance_idle_seconds",
                "How long a person's t3 has not been used; 0 while it is",
                &["user"],
            ),
            tunnels: make.gauges_by_name(
                "instance_tunnels",
                "WebSockets to a person's t3 that are open",
                &["user"],
            ),
            left_out: make.gauges_by_name(
                "people_left_out",
                "People without series, as there are too many",
                &[],
            ),
        }
    }
}

impl Metrics {
    /// Each of `people` with how long his t3 has been idle, and how many tunnels to it are open: in the place
    /// of whoever was told before.
    pub fn people(&self, people: impl Iterator<Item = (Box<str>, Duration, usize)>) {
        let series = &self.people;
        series.idle.reset();
        series.tunnels.reset();
        let mut people = people.fuse();
        for (person, idle, tunnels) in people.by_ref().take(MAX_PEOPLE) {
            let seconds = i64::try_from(idle.as_secs()).unwrap_or(i64::MAX);
            series.idle.with_label_values(&[&*person]).set(seconds);
            let of_person = series.tunnels.with_label_values(&[&*person]);
            of_person.set(i64::try_from(tunnels).unwrap_or(i64::MAX));
        }
        let left_out = i64::try_from(people.count()).unwrap_or(i64::MAX);
        let none: [&str; 0] = [];
        series.left_out.with_label_values(&none).set(left_out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_have_series_only_when_they_are_told_and_so_many_at_most() {
        let metrics = Metrics::default();
        let count = |of: &str| {
            let text = metrics.text().expect("text");
            text.lines().filter(|line| line.starts_with(of)).count()
        };
        assert_eq!(count("t3_dispatcher_instance_"), 0);
        assert_eq!(count("t3_dispatcher_people_"), 0);
        let person = |number: usize| {
            let name = Box::<str>::from(number.to_string());
            (name, Duration::from_secs(7), number)
        };
        metrics.people((0..MAX_PEOPLE + 3).map(person));
        assert_eq!(count("t3_dispatcher_instance_idle_seconds{"), MAX_PEOPLE);
        assert_eq!(count("t3_dispatcher_instance_tunnels{"), MAX_PEOPLE);
        assert_eq!(count("t3_dispatcher_people_left_out 3"), 1);
        metrics.people((2..3).map(person));
        assert_eq!(
            count("t3_dispatcher_instance_idle_seconds{user=\"2\"} 7"),
            1
        );
        assert_eq!(count("t3_dispatcher_instance_tunnels{user=\"2\"} 2"), 1);
        assert_eq!(count("t3_dispatcher_instance_tunnels{"), 1);
        assert_eq!(count("t3_dispatcher_people_left_out 0"), 1);
    }
}
