//! Labels whose values are known: all of them, whatever a client sends.

/// A label, or several, each with a fixed set of values.
pub(super) trait Labels: Copy + 'static {
    /// The labels' names.
    const NAMES: &'static [&'static str];

    /// How many values, or combinations of values, there are.
    const COUNT: usize;

    /// Every value, or combination of values, in the order of [`Labels::index`].
    fn all() -> Vec<Self>;

    /// The values as text, in the order of [`Labels::NAMES`].
    fn values(self) -> Vec<&'static str>;

    /// Its place among [`Labels::all`].
    fn index(self) -> usize;
}

/// Makes an enum of a label's values.
macro_rules! label {
    ($(#[$doc:meta])* $name:ident, $label:literal, { $($(#[$about:meta])* $value:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {
            $($(#[$about])* $value,)+
        }

        impl $crate::metrics::labels::Labels for $name {
            const NAMES: &'static [&'static str] = &[$label];
            const COUNT: usize = [$($text),+].len();

            fn all() -> Vec<Self> {
                vec![$(Self::$value),+]
            }

            fn values(self) -> Vec<&'static str> {
                vec![match self { $(Self::$value => $text),+ }]
            }

            fn index(self) -> usize {
                self as usize
            }
        }
    };
}

/// Two labels side by side.
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
