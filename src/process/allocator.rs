//! The settings by which glibc's allocator returns freed memory to the system.
//!
//! Resident, with files as long as those of t3 v0.0.27, in the binary of the image:
//!
//! | allocator | idle | after the warm-up | at its peak |
//! |---|---:|---:|---:|
//! | glibc 2.36 with these settings | 6.4 MiB | 11 MiB | 55 MiB |
//! | glibc 2.36 as it is | 6.1 MiB | 50 MiB | 66 MiB |
//! | mimalloc 2.0 | 7.0 MiB | 49 MiB | 71 MiB |
//! | jemalloc 5.3 | 8.5 MiB | 46 MiB | 65 MiB |
//!
//! mallopt(3) would spare the second start, which takes 1.4 ms, but is unsafe to call.

use std::env;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Allocations of at least so many bytes are returned as soon as they are freed. Unless it is set,
/// glibc raises the threshold with every large allocation, up to 32 MiB, and keeps 40 MiB after t3's
/// script was compressed.
const RETURN_THRESHOLD_BYTES: &str = "131072";

/// The variables that glibc reads (mallopt(3)).
const VARIABLES: [&str; 2] = ["MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"];

/// Executes this program again with the settings, as glibc reads them only at the start. Returns if
/// they are set already, if another C library does not need them, or if it fails, which costs only
/// memory.
pub fn restart_with_settings() {
    if !cfg!(target_env = "gnu") || VARIABLES.iter().any(|name| env::var_os(name).is_some()) {
        return;
    }
    let mut arguments = env::args_os();
    let (Ok(program), Some(name)) = (env::current_exe(), arguments.next()) else {
        return;
    };
    let settings = VARIABLES.map(|name| (name, RETURN_THRESHOLD_BYTES));
    let mut anew = Command::new(program);
    let _ = anew.arg0(name).args(arguments).envs(settings).exec();
}
