//! The failures of a command, and where each is reported.

use std::io;

/// The reasons for exit status 1.
#[derive(Debug)]
pub(super) enum Failure {
    /// Reported on stdout, with a stack (contract §1).
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
