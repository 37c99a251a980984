//! The machine: its cores and its kernel, and which core who runs on.

use std::fs;
use std::io;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// One core for the load and the upstream, one for the proxy under test.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cores {
    load: usize,
    proxy: usize,
}

impl Cores {
    /// The first two cores that this process may use, with this process on the first: on a machine with one, both.
    pub(crate) fn take() -> io::Result<Self> {
        let allowed = sched_getaffinity(None)?;
        let mut cores = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core));
        let load = cores.next().unwrap_or_default();
        let proxy = cores.next().unwrap_or(load);
        pin(load)?;
        Ok(Self { load, proxy })
    }

    /// Runs `spawn` so that what it starts stays on the proxy's core.
    pub(crate) fn aside<T>(self, spawn: impl FnOnce() -> T) -> io::Result<T> {
        pin(self.proxy)?;
        let spawned = spawn();
        pin(self.load)?;
        Ok(spawned)
    }
}

fn pin(core: usize) -> io::Result<()> {
    let mut only = CpuSet::new();
    only.set(core);
    Ok(sched_setaffinity(None, &only)?)
}

/// How many programs wanted a core at a time, over the last minute (proc_loadavg(5)).
pub(crate) fn load() -> Option<f64> {
    let load = fs::read_to_string("/proc/loadavg").ok()?;
    load.split(' ').next()?.parse().ok()
}

/// What lets figures be judged, without a host's name.
pub(crate) fn describe() -> String {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let cpus = read("/proc/cpuinfo");
    let cores = cpus
        .lines()
        .filter(|line| line.starts_with("processor"))
        .count();
    let kernel = read("/proc/sys/kernel/osrelease");
    // What follows the version's numbers names a build.
    let kernel = kernel.trim().split('-').next().unwrap_or_default();
    format!("{cores} cores, Linux {kernel}")
}
