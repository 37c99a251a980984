//! The settings by which glibc's allocator returns freed memory to the system.

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
