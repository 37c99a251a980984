//! A child with all processes that it starts.

use std::io;
use std::process::{ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};

use crate::process::orphans::OwnChild;

/// A child and all processes that it started: dropping this kills them.
#[derive(Debug)]
pub struct ProcessGroup {
    child: Child,
    group: Option<Pid>,
    _own: OwnChild,
}

impl ProcessGroup {
    /// Starts `command` without input; both outputs are for the caller to read.
    ///
    /// # Errors
    /// Where the system does not start it.
    pub fn start(command: &mut Command) -> io::Result<Self> {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        let own = OwnChild::about_to_start();
        let child = command.spawn()?;
        let group = child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .and_then(Pid::from_raw);
        Ok(Self {
            child,
            group,
            _own: own,
        })
    }

    /// Its outputs, once.
    pub fn take_outputs(&mut self) -> (Option<ChildStdout>, Option<ChildStderr>) {
        (self.child.stdout.take(), self.child.stderr.take())
    }

    /// Waits for the end of the child. It may be called again if it was given up.
    ///
    /// # Errors
    /// Where the system does not tell of it.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// Kills what is left of it.
    pub fn kill(&mut self) {
        if let Some(group) = self.group.take() {
            // It fails if the group has ended by itself.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }

    /// Lets go on what the child, which has ended, has left running.
    pub fn leave(&mut self) {
        self.group = None;
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        self.kill();
    }
}
