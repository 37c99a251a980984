//! A program that was started: when it serves, which processes it is, how it ends.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tokio::time::timeout;

use crate::load::http;
use crate::proc;
use crate::roles::Failure;

/// How long it may take to serve, and to end.
const START: Duration = Duration::from_secs(15);
const END: Duration = Duration::from_secs(3);

/// How long one try may take.
const TRY: Duration = Duration::from_secs(1);

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
        Self::spawn_telling(command, port, Stdio::null())
    }

    /// The same; what it tells goes to `log`.
    pub(crate) fn spawn_telling(
        command: &mut Command,
        port: u16,
        log: Stdio,
    ) -> Result<Self, Failure> {
        let started = Instant::now();
        let child = command.stdin(Stdio::null()).stdout(log).spawn();
        Ok(Self {
            child: child.map_err(|error| format!("{:?}: {error}", command.get_program()))?,
            addr: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            started,
            start: Duration::MAX,
        })
    }

    /// Returns as soon as a fetch through it is answered.
    pub(crate) async fn serving(self) -> Result<Self, Failure> {
        self.serving_at(http::KIBIBYTE).await
    }

    /// The same for a fetch of `target`.
    pub(crate) async fn serving_at(mut self, target: &str) -> Result<Self, Failure> {
        // What the real t3 accepts before it responds is never served.
        let addr = self.addr;
        let is_served = || timeout(TRY, http::is_served_at(addr, target, 0));
        while !matches!(is_served().await, Ok(true)) {
            self.check_start()?;
        }
        self.start = self.started.elapsed();
        Ok(self)
    }

    /// An error where it has ended, or takes too long.
    fn check_start(&mut self) -> Result<(), Failure> {
        if let Some(status) = self.child.try_wait()? {
            return Err(format!("it ended at its start: {status}").into());
        }
        match self.started.elapsed() > START {
            true => Err(format!("it serves nothing after {START:?}").into()),
            false => Ok(()),
        }
    }

    /// Returns as soon as it takes connections.
    pub(crate) async fn listening(mut self) -> Result<Self, Failure> {
        while TcpStream::connect(self.addr).is_err() {
            self.check_start()?;
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
