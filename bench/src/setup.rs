//! How each peer is started: its command line, its configuration, its environment.

mod real_t3;

use std::ffi::OsString;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::{Resource, getrlimit};
use tempfile::TempDir;

use crate::machine::Cores;
use crate::peers::Peer;
use crate::roles::{Failure, upstream};
use crate::running::Running;
pub(crate) use real_t3::RealT3;

/// A variable of the environment, and its value.
pub(crate) type Variable = (&'static str, &'static str);

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
        fs::create_dir(setup.home())?;
        Ok(setup)
    }

    /// The bench's own upstream, on this process's processor.
    pub(crate) async fn upstream(&self) -> Result<Running, Failure> {
        let listen = free_port()?;
        let mut command = Command::new(&self.own);
        let running = Running::spawn(command.args(["upstream", &listen.to_string()]), listen)?;
        running.serving().await
    }

    /// nginx that answers as that one does, on this process's processor too.
    pub(crate) async fn nginx_upstream(&self) -> Result<Running, Failure> {
        let listen = free_port()?;
        let path = self.configure("nginx-upstream.conf", listen, listen)?;
        let fixed = upstream::FIXED
            .iter()
            .map(|(target, body)| format!("    location = {target} {{ return 200 '{body}'; }}\n"));
        let text = fs::read_to_string(&path)?
            .replace("@fixed@", fixed.collect::<String>().trim())
            .replace("@kibibyte@", &upstream::kibibyte());
        fs::write(&path, text)?;
        let mut command = nginx(&path);
        Running::spawn(&mut command, listen)?.serving().await
    }

    /// The same at `count` addresses.
    pub(crate) async fn upstreams(&self, count: usize) -> Result<Running, Failure> {
        let listen = free_port()?;
        let mut command = Command::new(&self.own);
        command.args(["upstreams", &listen.to_string(), &count.to_string()]);
        Running::spawn(&mut command, listen)?.serving().await
    }

    /// The dispatcher in front of those whom the table at that path names.
    pub(crate) async fn many(&self, table: &Path) -> Result<Running, Failure> {
        let listen = free_port()?;
        let mut command = Command::new(&self.dispatcher);
        self.environment(&mut command, listen, listen);
        command
            .env_remove("T3_UPSTREAM_PORT")
            .env_remove("T3_BIN")
            .env("DISPATCHER_ROUTES", table)
            .env("DISPATCHER_MAX_CONNECTIONS", "20000");
        self.aside(&mut command, listen).await
    }

    async fn aside(&self, command: &mut Command, listen: u16) -> Result<Running, Failure> {
        let running = match self.cores {
            Some(cores) => cores.aside(|| Running::spawn(command, listen))?,
            None => Running::spawn(command, listen),
        };
        running?.serving().await
    }

    /// `bench/peers`.
    pub(crate) fn peers(&self) -> &Path {
        &self.peers
    }

    /// Where the bench writes.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The stand-in for t3, with files of t3's sizes.
    pub(crate) async fn standin(&self) -> Result<Running, Failure> {
        let listen = free_port()?;
        let mut command = Command::new(&self.standin);
        command.args(["serve", "--bundle", "real", "--port", &listen.to_string()]);
        command.env("T3CODE_HOME", self.home());
        Running::spawn(&mut command, listen)?.serving().await
    }

    /// That peer in front of `upstream`, serving; `None` where there is nothing in front.
    pub(crate) async fn start(
        &self,
        peer: Peer,
        upstream: u16,
    ) -> Result<Option<Running>, Failure> {
        self.start_with(peer, upstream, None).await
    }

    /// The same, told more by its environment.
    pub(crate) async fn start_with(
        &self,
        peer: Peer,
        upstream: u16,
        more: Option<Variable>,
    ) -> Result<Option<Running>, Failure> {
        let listen = free_port()?;
        let Some(mut command) = self.command(peer, listen, upstream)? else {
            return Ok(None);
        };
        command.envs(more);
        let running = self.aside(&mut command, listen).await;
        running
            .map(Some)
            .map_err(|error| format!("{}: {error}", peer.name()).into())
    }

    /// How that peer is started; `None` where there is nothing to start.
    fn command(&self, peer: Peer, listen: u16, upstream: u16) -> Result<Option<Command>, Failure> {
        let ports = [listen.to_string(), upstream.to_string()];
        let script = |name: &str| self.peers.join(name).into_os_string();
        let mut args: Vec<OsString> = match peer {
            Peer::Direct => return Ok(None),
            Peer::Relay => vec![self.own.clone().into(), "relay".into()],
            Peer::Hyper => vec![self.own.clone().into(), "hyper".into()],
            Peer::Nginx => {
                let file = self.configure("nginx.conf", listen, upstream)?;
                return Ok(Some(nginx(&file)));
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

    /// nginx with the files below `files` in [`Setup::dir`], with those lines for their fields and for its cache.
    pub(crate) async fn nginx_with_files(
        &self,
        fields: &str,
        cache: &str,
    ) -> Result<Running, Failure> {
        let listen = free_port()?;
        let file = self.configure("nginx-files.conf", listen, listen)?;
        let text = fs::read_to_string(&file)?.replace("@fields@", fields);
        fs::write(&file, text.replace("@cache@", cache))?;
        self.aside(&mut nginx(&file), listen).await
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
            .env("T3CODE_HOME", self.home())
            .env("RUST_LOG", "warn");
    }

    /// t3's base directory.
    pub(crate) fn home(&self) -> PathBuf {
        self.dir.path().join("home")
    }

    fn node(&self) -> OsString {
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

/// nginx with that configuration, in the foreground.
fn nginx(configuration: &Path) -> Command {
    let mut command = Command::new("nginx");
    command.args(["-e", "stderr", "-c"]).arg(configuration);
    command
}

/// A port that nobody listens on, for now.
fn free_port() -> Result<u16, Failure> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?.port())
}
