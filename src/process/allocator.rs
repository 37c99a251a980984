//! What the C library's allocator is told before it begins, so that freed memory goes back.

use std::env;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// From how many bytes on an allocation is given back as soon as it is freed. Unless it is told,
/// glibc raises this with every large one, up to 32 MiB, and keeps what compressing t3's script
/// has left behind: 40 MiB.
const GIVEN_BACK_FROM: &str = "131072";

/// The variables by which glibc is told (mallopt(3)). Other processes are not to inherit them.
pub const VARIABLES: [&str; 2] = ["MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"];

/// Starts this process's program anew with the settings, which glibc reads at the start alone.
/// Comes back where they are there already, where another C library does not need them, or where
/// it cannot be done, which costs memory and nothing else.
pub fn settle() {
    if !cfg!(target_env = "gnu") || VARIABLES.iter().any(|name| env::var_os(name).is_some()) {
        return;
    }
    let mut arguments = env::args_os();
    let (Ok(program), Some(name)) = (env::current_exe(), arguments.next()) else {
        return;
    };
    let settings = VARIABLES.map(|name| (name, GIVEN_BACK_FROM));
    let mut anew = Command::new(program);
    let _ = anew.arg0(name).args(arguments).envs(settings).exec();
}
