//! Programs that others wrote, each in a process that ends with the test.

use std::ffi::OsString;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

/// How long a program may take until it listens.
const START: Duration = Duration::from_secs(30);

/// A program that runs; killed with the test.
pub(crate) struct Program(Child);

impl Program {
    /// Starts `command` and waits until something listens at `addr`.
    pub(crate) fn start(command: &mut Command, addr: SocketAddr) -> Self {
        let name = command.get_program().to_owned();
        // nginx leaves its workers behind where it is killed: all of them are ended.
        command.stdin(Stdio::null()).process_group(0);
        let child = command.spawn();
        let mut program = Self(child.unwrap_or_else(|error| panic!("{name:?}: {error}")));
        let start = Instant::now();
        while TcpStream::connect(addr).is_err() {
            let ended = program.0.try_wait().expect("a child");
            assert!(ended.is_none(), "{name:?} has ended: {ended:?}");
            assert!(start.elapsed() < START, "{name:?} does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        program
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = kill_process_group(Pid::from_child(&self.0), Signal::KILL);
        let _ = self.0.wait();
    }
}

/// Runs `command` to its end, which has to be a good one.
pub(crate) fn run(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
}

/// The program that the variable names; the test is skipped where there is none.
pub(crate) fn named_by(variable: &str) -> Option<PathBuf> {
    let path: Option<OsString> = std::env::var_os(variable).filter(|path| !path.is_empty());
    if path.is_none() {
        crate::common::skip(&format!("{variable} names no program (.ci/edge sets it)"));
    }
    path.map(PathBuf::from)
}
