//! What processes cost, as /proc tells it: processor time, resident memory, wake-ups.

use std::fs;
use std::io;
use std::ops::AddAssign;
use std::time::Duration;

/// Linux counts the two kinds in hundredths of a second, whatever its own clock does.
const TICK: Duration = Duration::from_millis(10);

/// Processor time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Cpu {
    /// To the nanosecond.
    pub(crate) total: Duration,
    /// Of it in the program's own code, and in the kernel: to the hundredth of a second.
    pub(crate) user: Duration,
    pub(crate) system: Duration,
}

impl Cpu {
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            total: self.total.saturating_sub(before.total),
            user: self.user.saturating_sub(before.user),
            system: self.system.saturating_sub(before.system),
        }
    }

    /// Which part of it was spent in the program's own code.
    pub(crate) fn user_share(self) -> f64 {
        let both = (self.user + self.system).as_secs_f64();
        if both > 0.0 {
            self.user.as_secs_f64() / both
        } else {
            0.0
        }
    }
}

impl AddAssign for Cpu {
    fn add_assign(&mut self, other: Self) {
        self.total += other.total;
        self.user += other.user;
        self.system += other.system;
    }
}

/// The process and all that it started, it first.
pub(crate) fn tree(root: u32) -> io::Result<Vec<u32>> {
    let mut parents = Vec::new();
    for entry in fs::read_dir("/proc")?.flatten() {
        let Some(pid): Option<u32> = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        // Whoever ended meanwhile is nobody's child.
        let stat = fs::read_to_string(entry.path().join("stat")).ok();
        if let Some(stat) = stat.as_deref().and_then(Stat::parse) {
            parents.push((pid, stat.parent));
        }
    }
    let mut tree = vec![root];
    let mut next = 0;
    while let Some(&parent) = tree.get(next) {
        let children = parents.iter().filter(|(_, of)| *of == parent);
        tree.extend(children.map(|(pid, _)| *pid));
        next += 1;
    }
    Ok(tree)
}

/// What the processes have spent so far, together.
pub(crate) fn cpu(tree: &[u32]) -> io::Result<Cpu> {
    let mut sum = Cpu::default();
    for pid in tree {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let stat = Stat::parse(&stat).ok_or(io::ErrorKind::InvalidData)?;
        let mut total = Duration::ZERO;
        for task in tasks(*pid)? {
            let Some(spent) = unless_gone(fs::read_to_string(format!("{task}/schedstat")))? else {
                continue;
            };
            total += on_cpu(&spent).ok_or(io::ErrorKind::InvalidData)?;
        }
        sum += Cpu {
            total,
            user: stat.user,
            system: stat.system,
        };
    }
    Ok(sum)
}

/// Resident memory of the processes, in KiB.
pub(crate) fn resident_kib(tree: &[u32]) -> io::Result<u64> {
    let of = |pid: &u32| status_field(&format!("/proc/{pid}"), "VmRSS:");
    tree.iter().map(of).sum()
}

/// How often the threads of the processes went to sleep of their own will, and so were woken.
pub(crate) fn wakeups(tree: &[u32]) -> io::Result<u64> {
    let mut sum = 0;
    for pid in tree {
        for task in tasks(*pid)? {
            let slept = unless_gone(status_field(&task, "voluntary_ctxt_switches:"))?;
            sum += slept.unwrap_or_default();
        }
    }
    Ok(sum)
}

/// A thread may have ended since it was listed.
fn unless_gone<T>(read: io::Result<T>) -> io::Result<Option<T>> {
    const ESRCH: i32 = 3;
    match read {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) if error.raw_os_error() == Some(ESRCH) => Ok(None),
        read => read.map(Some),
    }
}

fn tasks(pid: u32) -> io::Result<Vec<String>> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task"))?.flatten();
    Ok(tasks
        .map(|task| task.path().display().to_string())
        .collect())
}

fn status_field(of: &str, name: &str) -> io::Result<u64> {
    let status = fs::read_to_string(format!("{of}/status"))?;
    field(&status, name).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// The number behind `name` in a status file.
fn field(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find(|line| line.starts_with(name))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// The first number of a schedstat file: nanoseconds on a processor.
fn on_cpu(schedstat: &str) -> Option<Duration> {
    let nanoseconds = schedstat.split_whitespace().next()?.parse().ok()?;
    Some(Duration::from_nanos(nanoseconds))
}

/// What of `/proc/PID/stat` is of use here (proc_pid_stat(5)).
#[derive(Debug, PartialEq)]
struct Stat {
    parent: u32,
    user: Duration,
    system: Duration,
}

impl Stat {
    /// The name is in parentheses and may hold any byte, so fields are counted from the last of them.
    fn parse(stat: &str) -> Option<Self> {
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks = |at: usize| Some(TICK * fields.get(at)?.parse().ok()?);
        Some(Self {
            parent: fields.get(1)?.parse().ok()?,
            user: ticks(11)?,
            system: ticks(12)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stat_line_is_read_behind_whatever_name() {
        let line = "42 (a) R (b) S 7 42 42 0 -1 4194560 100 0 0 0 150 50 0 0 20 0 1 0 100 1000 10";
        let stat = Stat {
            parent: 7,
            user: Duration::from_millis(1500),
            system: Duration::from_millis(500),
        };
        assert_eq!(Stat::parse(line), Some(stat));
        assert_eq!(Stat::parse("42 (a"), None);
    }

    #[test]
    fn numbers_are_found_by_their_names() {
        let status = "Name:\tx\nVmRSS:\t    3840 kB\nvoluntary_ctxt_switches:\t17\n";
        assert_eq!(field(status, "VmRSS:"), Some(3840));
        assert_eq!(field(status, "voluntary_ctxt_switches:"), Some(17));
        assert_eq!(field(status, "VmHWM:"), None);
        assert_eq!(
            on_cpu("394516 3838266 4\n"),
            Some(Duration::from_nanos(394_516))
        );
    }

    #[test]
    fn this_process_has_a_cost() {
        // Not its children, which other tests start and end.
        let own = [std::process::id()];
        assert_eq!(tree(own[0]).expect("procfs")[0], own[0]);
        assert!(cpu(&own).expect("procfs").total > Duration::ZERO);
        assert!(resident_kib(&own).expect("procfs") > 0);
        assert!(wakeups(&own).is_ok());
    }
}
