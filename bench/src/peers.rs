//! Who is compared: how each is started in front of the upstream, and ended.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Signal, getrlimit, kill_process};
use tempfile::TempDir;

use crate::load::http;
use crate::machine::Cores;
use crate::proc;
use crate::roles::Failure;

/// How long a process may take to serve, and to end.
const START: Duration = Duration::from_secs(15);
const END: Duration = Duration::from_secs(3);

/// Who is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    Direct,
    Relay,
    Hyper,
    Nginx,
    Haproxy,
    HttpProxy,
    OldWay,
    Dispatcher,
}

impl Peer {
    pub(crate) const ALL: [Self; 8] = [
        Self::Direct,
        Self::Relay,
        Self::Hyper,
        Self::Nginx,
        Self::Haproxy,
        Self::HttpProxy,
        Self::OldWay,
        Self::Dispatcher,
    ];

    /// Its name in the figures.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Direct => "no proxy",
            Self::Relay => "TCP relay",
            Self::Hyper => "bare hyper",
            Self::Nginx => "nginx",
            Self::Haproxy => "HAProxy",
            Self::HttpProxy => "http-proxy",
            Self::OldWay => "old way",
            Self::Dispatcher => "t3-dispatcher",
        }
    }

    /// Does a WebSocket pass it?
    pub(crate) fn upgrades(self) -> bool {
        self != Self::Hyper
    }
}

/// Where the programs are, and a directory for what they write.
#[derive(Debug)]
pub(crate) struct Setup {
    own: PathBuf,
    /// `bench/peers`.
    peers: PathBuf,
    /// Where `node_modules` is.
    npm: PathBuf,
    dispatcher: PathBuf,
    standin: PathBuf,
    dir: TempDir,
    cores: Option<Cores>,
}

/// A program that runs; ended when dropped.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    pub(crate) addr: SocketAddr,
    started: Instant,
    /// How long it took until a fetch through it was answered.
    pub(crate) start: Duration,
}

impl Setup {
    /// As `bench/run` laid it out in the environment; without `cores` everything runs where it likes.
    pub(crate) fn from_environment(cores: Option<Cores>) -> Result<Self, Failure> {
        let path = |name: &str| {
            let value =
                std::env::var_os(name).ok_or_else(|| format!("{name} is not set: see bench/run"));
            value.map(PathBuf::from)
        };
        let setup = Self {
            own: std::env::current_exe()?,
            peers: path("BENCH_PEERS")?,
            npm: path("BENCH_NPM")?,
            dispatcher: path("DISPATCHER_BINARY")?,
            standin: path("STANDIN_BINARY")?,
            dir: tempfile::tempdir()?,
            cores,
        };
        fs::create_dir(setup.dir.path().join("home"))?;
        Ok(setup)
    }

    /// The bench's own upstream, on this process's processor.
    pub(crate) async fn upstream(&self) -> Result<Running, Failure> {
        let listen = free_port()?;
        let mut command = Command::new(&self.own);
        let running = Running::spawn(command.args(["upstream", &listen.to_string()]), listen)?;
        running.serving().await
    }

    /// That peer in front of `upstream`, serving; `None` where there is nothing in front.
    pub(crate) async fn start(
        &self,
        peer: Peer,
        upstream: u16,
    ) -> Result<Option<Running>, Failure> {
        let listen = free_port()?;
        let Some(mut command) = self.command(peer, listen, upstream)? else {
            return Ok(None);
        };
        let running = match self.cores {
            Some(cores) => cores.aside(|| Running::spawn(&mut command, listen))?,
            None => Running::spawn(&mut command, listen),
        };
        let running = match running {
            Ok(running) => running.serving().await,
            failed => failed,
        };
        running
            .map(Some)
            .map_err(|error| format!("{}: {error}", peer.name()).into())
    }

    /// How that peer is started; `None` where there is nothing to start.
    fn command(&self, peer: Peer, listen: u16, upstream: u16) -> Result<Option<Command>, Failure> {
        let ports = [listen.to_string(), upstream.to_string()];
        let script = |name: &str| self.peers.join(name).into_os_string();
        let mut args = match peer {
            Peer::Direct => return Ok(None),
            Peer::Relay => vec![self.own.clone().into(), "relay".into()],
            Peer::Hyper => vec![self.own.clone().into(), "hyper".into()],
            Peer::Nginx => {
                let file = self.configure("nginx.conf", listen, upstream)?;
                vec![
                    "nginx".into(),
                    "-e".into(),
                    "stderr".into(),
                    "-c".into(),
                    file.into(),
                ]
            }
            Peer::Haproxy => {
                let file = self.configure("haproxy.cfg", listen, upstream)?;
                vec!["haproxy".into(), "-db".into(), "-f".into(), file.into()]
            }
            Peer::HttpProxy => vec![self.node(), script("http-proxy.js")],
            Peer::OldWay => vec![self.node(), script("old-way.js")],
            Peer::Dispatcher => vec![self.dispatcher.clone().into()],
        };
        if matches!(peer, Peer::Relay | Peer::Hyper | Peer::HttpProxy) {
            args.extend(ports.iter().map(Into::into));
        }
        let mut command = Command::new(args.remove(0));
        command.args(args);
        self.environment(&mut command, listen, upstream);
        Ok(Some(command))
    }

    /// What both dispatchers are told; the others do not ask.
    fn environment(&self, command: &mut Command, listen: u16, upstream: u16) {
        command
            .env("NODE_PATH", self.npm.join("node_modules"))
            .env("NODE_ENV", "production")
            .env("DISPATCHER_HOST", "127.0.0.1")
            .env("DISPATCHER_PORT", listen.to_string())
            .env("DISPATCHER_IDENTITY_HEADER", "X-authentik-username")
            .env(
                "DISPATCHER_METRICS_PORT",
                free_port().unwrap_or_default().to_string(),
            )
            .env("T3_UPSTREAM_PORT", upstream.to_string())
            .env("T3_BIN", &self.standin)
            .env("T3CODE_HOME", self.dir.path().join("home"))
            .env("RUST_LOG", "warn");
    }

    fn node(&self) -> std::ffi::OsString {
        self.npm.join("node_modules/node/bin/node").into()
    }

    /// A configuration with its `@names@` filled in.
    fn configure(&self, name: &str, listen: u16, upstream: u16) -> Result<PathBuf, Failure> {
        let files = getrlimit(Resource::Nofile).maximum.unwrap_or(65_536);
        let text = fs::read_to_string(self.peers.join(name))?
            .replace("@listen@", &listen.to_string())
            .replace("@upstream@", &upstream.to_string())
            .replace("@files@", &files.to_string())
            .replace("@dir@", &self.dir.path().display().to_string());
        let path = self.dir.path().join(format!("{listen}-{name}"));
        fs::write(&path, text)?;
        Ok(path)
    }
}

impl Running {
    fn spawn(command: &mut Command, port: u16) -> Result<Self, Failure> {
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
    async fn serving(mut self) -> Result<Self, Failure> {
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

fn free_port() -> Result<u16, Failure> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?.port())
}
