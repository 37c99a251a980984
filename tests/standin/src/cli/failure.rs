//! Why a command failed, which decides where it is told.

use std::io;

/// Why a command ended 1.
#[derive(Debug)]
pub(super) enum Failure {
    /// Told on stdout, with a stack (contract §1).
    Run(String),
    /// Help on stdout, the reason on stderr (contract §1).
    Usage(String),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        let code = match error.kind() {
            io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => "ENOTDIR: ",
            io::ErrorKind::AddrInUse => "EADDRINUSE: ",
            _ => "",
        };
        Failure::Run(format!("PlatformError: {code}{error}"))
    }
}
