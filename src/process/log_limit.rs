//! A bound on the log lines that clients can cause: so many of a kind a minute, and a count of the others.
//!
//! Every such line goes through [`limited!`](crate::limited); `tests/operations/log_lines.rs` lists
//! all other lines with what bounds them.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};
use tracing::{Level, info, warn};

/// For how long lines are counted, from the first one on.
const PERIOD: Duration = Duration::from_secs(60);

/// How many lines of a kind are written in a minute.
pub const LINES_A_MINUTE: u32 = 10;

/// How many lines about the ends of WebSockets are written in a minute: one for each, as long as people
/// cause them.
pub const ENDS_A_MINUTE: u32 = 300;

/// The kinds of which lines were left out that nobody has been told of.
static UNTOLD: Untold = Untold {
    limits: Mutex::new(Vec::new()),
    noted: Notify::const_new(),
};

/// Writes a line that clients can cause, or counts it: at most [`LINES_A_MINUTE`] of its kind in a minute,
/// or the number before the text. The fields are as `tracing::event` takes them; the kind is the text,
/// or stands before `=>` where that differs from line to line. A line tells the number `left_out` before
/// it, if there is one.
#[macro_export]
macro_rules! limited {
    ($level:ident, $text:literal; $($field:tt)+) => {
        $crate::limited!(@ $level, $crate::process::log_limit::LINES_A_MINUTE, $text, $($field)+, $text)
    };
    ($level:ident, $kind:literal => $($line:tt)+) => {
        $crate::limited!(@ $level, $crate::process::log_limit::LINES_A_MINUTE, $kind, $($line)+)
    };
    ($level:ident, $most:expr, $text:literal; $($field:tt)+) => {
        $crate::limited!(@ $level, $most, $text, $($field)+, $text)
    };
    (@ $level:ident, $most:expr, $kind:literal, $($line:tt)+) => {{
        use $crate::process::log_limit::LogLimit;
        static LIMIT: LogLimit = LogLimit::new(tracing::Level::$level, $kind, $most);
        if let Some(left_out) = LIMIT.admit() {
            tracing::event!(tracing::Level::$level, left_out, $($line)+);
        }
    }};
}

/// The bound of one kind of line, whoever causes it.
#[derive(Debug)]
pub struct LogLimit {
    level: Level,
    kind: &'static str,
    most: u32,
    state: Mutex<Period>,
}

#[derive(Debug)]
struct Period {
    began: Option<Instant>,
    written: u32,
    left_out: u64,
}

#[derive(Debug)]
struct Untold {
    limits: Mutex<Vec<&'static LogLimit>>,
    noted: Notify,
}

impl LogLimit {
    /// Admits `most` lines a minute of what is called `kind`.
    pub const fn new(level: Level, kind: &'static str, most: u32) -> Self {
        Self {
            level,
            kind,
            most,
            state: Mutex::new(Period {
                began: None,
                written: 0,
                left_out: 0,
            }),
        }
    }

    /// May a line be written now? If so, the number of those that were left out and not told of, if
    /// there are any. Otherwise it is told of by [`report_left_out`].
    pub fn admit(&'static self) -> Option<Option<u64>> {
        let now = Instant::now();
        let mut state = self.state.lock();
        if state.end().is_none_or(|end| end <= now) {
            state.began = Some(now);
            state.written = 0;
        }
        if state.written < self.most {
            state.written += 1;
            let left_out = std::mem::take(&mut state.left_out);
            return Some((left_out > 0).then_some(left_out));
        }
        state.left_out += 1;
        let is_first = state.left_out == 1;
        drop(state);
        if is_first {
            UNTOLD.note(self);
        }
        None
    }

    /// Tells how many lines were left out and not told of, if any were.
    fn tell(&self) {
        let left_out = std::mem::take(&mut self.state.lock().left_out);
        let kind = self.kind;
        match (left_out, self.level) {
            (0, _) => {}
            (_, Level::WARN) => warn!(left_out, "more of: {kind}"),
            _ => info!(left_out, "more of: {kind}"),
        }
    }

    fn end(&self) -> Option<Instant> {
        self.state.lock().end()
    }
}

impl Period {
    fn end(&self) -> Option<Instant> {
        self.began.map(|began| began + PERIOD)
    }
}

impl Untold {
    fn note(&self, limit: &'static LogLimit) {
        let mut limits = self.limits.lock();
        if !limits.iter().any(|held| std::ptr::eq(*held, limit)) {
            limits.push(limit);
        }
        drop(limits);
        self.noted.notify_one();
    }

    /// When the first of the minutes ends in which lines were left out.
    fn next_end(&self) -> Option<Instant> {
        let limits = self.limits.lock().clone();
        limits.iter().filter_map(|limit| limit.end()).min()
    }

    /// Tells of all whose minute has ended by `now`, or of all.
    fn tell(&self, now: Option<Instant>) {
        let is_meant = |limit: &LogLimit| match (limit.end(), now) {
            (Some(end), Some(now)) => end <= now,
            _ => true,
        };
        let (meant, others) = std::mem::take(&mut *self.limits.lock())
            .into_iter()
            .partition::<Vec<_>, _>(|limit| is_meant(limit));
        self.limits.lock().extend(others);
        for limit in meant {
            limit.tell();
        }
    }
}

/// Tells at the end of each minute in which lines were left out how many, for ever. Sleeps while there
/// are none.
pub async fn report_left_out() {
    loop {
        UNTOLD.noted.notified().await;
        while let Some(end) = UNTOLD.next_end() {
            sleep_until(end).await;
            UNTOLD.tell(Some(Instant::now()));
        }
    }
}

/// Tells at once how many lines were left out that nobody has been told of: the process ends.
pub fn tell_left_out() {
    UNTOLD.tell(None);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One test, as what is untold is of the whole process.
    #[tokio::test(start_paused = true)]
    async fn so_many_lines_a_minute_are_admitted_and_the_others_are_told_in_number() {
        static LIMIT: LogLimit = LogLimit::new(Level::WARN, "a test", 3);
        let untold = || LIMIT.state.lock().left_out;
        for _ in 0..3 {
            tokio::time::advance(Duration::from_secs(10)).await;
            assert_eq!(LIMIT.admit(), Some(None));
        }
        for _ in 0..4 {
            assert_eq!(LIMIT.admit(), None);
        }
        // A minute after the first one, by the next line.
        tokio::time::advance(Duration::from_secs(40)).await;
        assert_eq!((LIMIT.admit(), LIMIT.admit()), (Some(Some(4)), Some(None)));
        assert_eq!((LIMIT.admit(), LIMIT.admit()), (Some(None), None));

        // Or by itself.
        let reporting = tokio::spawn(report_left_out());
        tokio::time::sleep(Duration::from_secs(59)).await;
        assert_eq!(untold(), 1);
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(untold(), 0);
        reporting.abort();

        // Or at the end.
        for expected in [Some(None), Some(None), Some(None), None] {
            assert_eq!(LIMIT.admit(), expected);
        }
        tell_left_out();
        assert_eq!(untold(), 0);
    }
}
