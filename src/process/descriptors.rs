//! Tells an error that is this process's own lack of descriptors from one of the other side.

use std::io;

use rustix::io::Errno;

/// Has this process, or the machine, no descriptor left?
pub fn are_out(error: &io::Error) -> bool {
    let codes = [Errno::MFILE, Errno::NFILE].map(Errno::raw_os_error);
    error
        .raw_os_error()
        .is_some_and(|code| codes.contains(&code))
}
