//! Labels with a fixed set of values, and metrics that have one series for each of them.

use std::marker::PhantomData;

use prometheus::core::Collector;
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry,
};

/// The prefix of every name.
const NAMESPACE: &str = "t3_dispatcher";

/// One or several labels, each with a fixed set of values.
pub(super) trait Labels: Copy + 'static {
    /// The names of the labels.
    const NAMES: &'static [&'static str];

    /// How many values, or combinations of values, there are.
    const COUNT: usize;

    /// Every value, or combination of values, in the order of [`Labels::index`].
    fn all() -> Vec<Self>;

    /// The values as text, in the order of [`Labels::NAMES`].
    fn values(self) -> Vec<&'static str>;

    /// The position in [`Labels::all`].
    fn index(self) -> usize;
}

/// One series for every value of the labels `L`. An event finds its series by an index.
#[derive(Debug)]
pub(super) struct Family<L, M>(Vec<M>, PhantomData<fn(L)>);

/// A counter for every value.
pub(super) type Counters<L> = Family<L, IntCounter>;
/// A gauge for every value.
pub(super) type Gauges<L> = Family<L, IntGauge>;
/// A histogram for every value.
pub(super) type Histograms<L> = Family<L, Histogram>;

/// Makes metrics and registers them for the scrape.
pub(super) struct Maker<'a>(pub(super) &'a Registry);

/// Defines the enum of a label's values, which is also the one that the rest of the code uses.
macro_rules! label {
    ($(#[$doc:meta])* $name:ident, $label:literal, { $($(#[$about:meta])* $value:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {
            $($(#[$about])* $value,)+
        }

        impl $name {
            /// The text of the value, in metrics and in log lines.
            pub fn text(self) -> &'static str {
                match self { $(Self::$value => $text),+ }
            }
        }

        impl $crate::metrics::labels::Labels for $name {
            const NAMES: &'static [&'static str] = &[$label];
            const COUNT: usize = [$($text),+].len();

            fn all() -> Vec<Self> {
                vec![$(Self::$value),+]
            }

            fn values(self) -> Vec<&'static str> {
                vec![self.text()]
            }

            fn index(self) -> usize {
                self as usize
            }
        }
    };
}

impl<L: Labels, M> Family<L, M> {
    /// The series with these labels.
    pub(super) fn of(&self, labels: L) -> &M {
        &self.0[labels.index()]
    }

    fn of_each(resolve: impl Fn(&[&str]) -> M) -> Self {
        let all = L::all().into_iter();
        let resolved = all.map(|labels| resolve(&labels.values()));
        Self(resolved.collect(), PhantomData)
    }
}

impl Maker<'_> {
    /// A counter without labels.
    pub(super) fn counter(&self, name: &str, help: &str) -> IntCounter {
        self.registered(valid(IntCounter::with_opts(options(name, help))))
    }

    /// A gauge without labels.
    pub(super) fn gauge(&self, name: &str, help: &str) -> IntGauge {
        self.registered(valid(IntGauge::with_opts(options(name, help))))
    }

    /// A counter for every value of its labels.
    pub(super) fn counters<L: Labels>(&self, name: &str, help: &str) -> Counters<L> {
        let family = valid(IntCounterVec::new(options(name, help), L::NAMES));
        let family = self.registered(family);
        Family::of_each(|values| family.with_label_values(values))
    }

    /// A gauge for every value of its labels.
    pub(super) fn gauges<L: Labels>(&self, name: &str, help: &str) -> Gauges<L> {
        let family = valid(IntGaugeVec::new(options(name, help), L::NAMES));
        let family = self.registered(family);
        Family::of_each(|values| family.with_label_values(values))
    }

    /// A histogram for every value of its labels. `buckets` are upper bounds in seconds.
    pub(super) fn histograms<L: Labels>(
        &self,
        name: &str,
        help: &str,
        buckets: &[f64],
    ) -> Histograms<L> {
        let options = HistogramOpts::new(name, help).namespace(NAMESPACE);
        let family = HistogramVec::new(options.buckets(buckets.to_vec()), L::NAMES);
        let family = self.registered(valid(family));
        Family::of_each(|values| family.with_label_values(values))
    }

    /// A gauge that is always 1, with the version as its label.
    pub(super) fn build_info(&self, version: &str) {
        let options =
            options("build_info", "The version of the dispatcher").const_label("version", version);
        self.registered(valid(IntGauge::with_opts(options))).set(1);
    }

    /// A gauge whose labels are not known beforehand: who sets them bounds how many there are.
    pub(super) fn gauges_by_name(&self, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
        self.registered(valid(IntGaugeVec::new(options(name, help), labels)))
    }

    /// Registers `metric` for the scrape.
    pub(super) fn registered<M: Collector + Clone + 'static>(&self, metric: M) -> M {
        valid(self.0.register(Box::new(metric.clone())));
        metric
    }
}

fn options(name: &str, help: &str) -> Opts {
    Opts::new(name, help).namespace(NAMESPACE)
}

/// The metric: names, labels and buckets are constants of this program, and tested.
pub(super) fn valid<T>(made: prometheus::Result<T>) -> T {
    made.expect("a valid metric, under a name of its own")
}

/// Every combination of two labels.
impl<A: Labels, B: Labels> Labels for (A, B) {
    const NAMES: &'static [&'static str] = &[A::NAMES[0], B::NAMES[0]];
    const COUNT: usize = A::COUNT * B::COUNT;

    fn all() -> Vec<Self> {
        let with = |a| B::all().into_iter().map(move |b| (a, b));
        A::all().into_iter().flat_map(with).collect()
    }

    fn values(self) -> Vec<&'static str> {
        [self.0.values(), self.1.values()].concat()
    }

    fn index(self) -> usize {
        self.0.index() * B::COUNT + self.1.index()
    }
}

pub(super) use label;
