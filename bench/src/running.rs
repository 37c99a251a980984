//! A program that was started: when it serves, which processes it is, how it ends.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::load::http;
use crate::proc;
use crate::roles::Failure;

/// How long it may take to serve, and to end.
const START: Duration = Duration::from_secs(15);
const END: Duration = Duration::from_secs(3);

/// A program that runs; ended when dropped.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    pub(crate) addr: SocketAddr,
    started: Instant,
    /// How long it took until a fetch through it was answered.
    pub(crate) start: Duration,
}

impl Running {
    /// Starts what will listen on that port.
    pub(crate) fn spawn(command: &mut Command, port: u16) -> Result<Self, Failure> {
        let started = Instant::now();
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn();
        Ok(Self {
            child: child.map_err(|error| format!("{:?}: {error}", command.get_program()))?,
            addr: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            started,
            start: Duration::MAX,
        })
    }

    /// Returns as soon as a fetch through it is answered.
    pub(crate) async fn serving(mut self) -> Result<Self, Failure> {
        while !http::is_served(self.addr).await {
            if let Some(status) = self.child.try_wait()? {
                return Err(format!("it ended at its start: {status}").into());
            }
            if self.started.elapsed() > START {
                return Err(format!("it serves nothing after {START:?}").into());
            }
        }
        self.start = self.started.elapsed();
        Ok(self)
    }

    /// Its processes now.
    pub(crate) fn tree(&self) -> io::Result<Vec<u32>> {
        proc::tree(self.child.id())
    }
}

impl Drop for Running {
    /// Asks it to end, as nginx's workers would outlive a master that is killed.
    fn drop(&mut self) {
        let _ended_already = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let start = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) && start.elapsed() < END {
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ended_already = self.child.kill();
        let _status = self.child.wait();
    }
}
