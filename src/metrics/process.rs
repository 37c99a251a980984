//! The metrics of the process, under the names that Prometheus' own client libraries use.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus::{Counter, Gauge, IntGauge, Opts};
use rustix::time::{ClockId, clock_gettime};

use crate::metrics::labels::{Maker, valid};

/// The metrics of the process.
#[derive(Debug)]
pub(super) struct ProcessMetrics {
    cpu: Counter,
    resident: IntGauge,
    open_files: IntGauge,
}

impl ProcessMetrics {
    pub(super) fn new(make: &Maker<'_>) -> Self {
        let start = Gauge::with_opts(Opts::new(
            "process_start_time_seconds",
            "Start time of this process, in seconds since 1970",
        ));
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
        make.registered(valid(start))
            .set(since_epoch.unwrap_or_default().as_secs_f64());
        let gauge = |name, help| make.registered(valid(IntGauge::with_opts(Opts::new(name, help))));
        let cpu = Counter::with_opts(Opts::new(
            "process_cpu_seconds_total",
            "CPU time that this process has used, in seconds",
        ));
        Self {
            cpu: make.registered(valid(cpu)),
            resident: gauge("process_resident_memory_bytes", "Resident memory in bytes"),
            open_files: gauge("process_open_fds", "Open file descriptors"),
        }
    }

    /// Reads the current values. A value that cannot be read stays as it was.
    pub(super) fn refresh(&self) {
        let used = clock_gettime(ClockId::ProcessCPUTime);
        let used = used.tv_sec as f64 + used.tv_nsec as f64 * 1e-9;
        self.cpu.inc_by((used - self.cpu.get()).max(0.0));
        if let Some(bytes) = resident() {
            self.resident.set(bytes);
        }
        if let Ok(open) = fs::read_dir("/proc/self/fd") {
            // One of them is that of the directory that is being read.
            let count = open.count().saturating_sub(1);
            self.open_files
                .set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }
}

/// `VmRSS:     1234 kB` (proc_pid_status(5)).
fn resident() -> Option<i64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: i64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus::Registry;

    #[test]
    fn the_process_s_own_values_are_plausible() {
        let process = ProcessMetrics::new(&Maker(&Registry::new()));
        process.refresh();
        assert!(process.resident.get() > 100_000, "{process:?}");
        assert!(process.open_files.get() >= 3, "{process:?}");
        let before = process.cpu.get();
        process.refresh();
        assert!(process.cpu.get() >= before && before > 0.0, "{process:?}");
    }
}
