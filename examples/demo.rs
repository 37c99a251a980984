//! The whole way on one machine: a t3, its CLI as a real child process, the dispatcher.
//!
//! `-- --real` shows the real t3, which `.ci/t3` installs from npm; else t3 is the stand-in. Started under the name `t3`
//! this same program is the stand-in's CLI, so that the demo needs nothing but cargo.

use std::error::Error;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use clap::Parser;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use t3_dispatcher::config::Config;
use t3_dispatcher::server;
use t3_standin::server::{Options as StandinOptions, Standin};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;
use tracing_subscriber::filter::LevelFilter;

/// Where the demo listens unless an argument names another address.
const DEFAULT_LISTEN: &str = "127.0.0.1:8080";

/// The ports of the real t3: below those that the kernel gives to connections.
const REAL_PORTS: std::ops::Range<u16> = 23_773..24_773;

/// The real t3 takes 3 s to exit (contract §11).
const EXIT: Duration = Duration::from_secs(10);

/// The t3 of the demo.
enum T3 {
    Standin(Standin),
    Real(Box<Child>, SocketAddr),
}

fn main() -> ExitCode {
    let mut args = std::env::args();
    let name = args.next().unwrap_or_default();
    if name.ends_with("/t3") {
        return t3_standin::cli::main(args);
    }
    tracing_subscriber::fmt()
        .with_max_level(LevelFilter::INFO)
        .with_target(false)
        .init();
    let (real, listen): (Vec<_>, Vec<_>) = args.partition(|arg| arg == "--real");
    let listen = listen.first().map_or(DEFAULT_LISTEN, String::as_str);
    match demo(listen, !real.is_empty()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("demo: {error}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn demo(listen: &str, real: bool) -> Result<(), Box<dyn Error>> {
    let listen: SocketAddr = listen.parse()?;
    let listener = TcpListener::bind(listen)
        .await
        .map_err(|error| format!("{listen}: {error}; name another address: -- 127.0.0.1:0"))?;
    let mut terminated = signal(SignalKind::terminate())?;
    let dir = tempfile::tempdir()?;
    let base_dir = dir.path().join("base");
    let installed = if real { installed().await } else { None };
    let (t3, bin) = match installed {
        Some(bin) => (start_real(&bin, dir.path(), &base_dir)?, bin),
        None => {
            let bin = dir.path().join("t3");
            symlink(std::env::current_exe()?, &bin)?;
            let standin = Standin::start(StandinOptions::new(&base_dir)).await?;
            (T3::Standin(standin), bin)
        }
    };
    let (what, upstream) = match &t3 {
        T3::Standin(standin) => ("stand-in t3", standin.addr()),
        T3::Real(_, addr) => ("the real t3", *addr),
    };
    let upstream_port = upstream.port().to_string();
    let config = Config::try_parse_from([
        "demo".as_ref(),
        "--upstream-port".as_ref(),
        upstream_port.as_ref(),
        "--t3-bin".as_ref(),
        bin.as_os_str(),
        "--t3-home".as_ref(),
        base_dir.as_os_str(),
    ])?;
    println!("{what} on http://{upstream}");
    println!("open http://{}/", listener.local_addr()?);
    let interrupt = async move {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminated.recv() => {}
        }
    };
    let served = server::run(listener, config, interrupt).await;
    if let T3::Real(child, _) = t3 {
        stop(*child).await?;
    }
    Ok(served?)
}

/// The path of the real t3's executable; `None` if this machine cannot have it, which one line says.
async fn installed() -> Option<PathBuf> {
    let mut install = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.ci/t3"));
    match install.output().await {
        Ok(run) if run.status.success() => {
            let path = String::from_utf8_lossy(&run.stdout).trim().to_owned();
            return Some(path.into());
        }
        run => {
            let said = run.map_or_else(
                |error| error.to_string(),
                |run| String::from_utf8_lossy(&run.stderr).into_owned(),
            );
            let why = said.trim().lines().last().unwrap_or("it says nothing");
            println!("the real t3 cannot be had here, so this is the stand-in (.ci/t3: {why})");
        }
    }
    None
}

/// Starts it on a free port and a base directory of its own, with this user's home for the agents.
fn start_real(bin: &Path, dir: &Path, base_dir: &Path) -> Result<T3, Box<dyn Error>> {
    let is_free = |port: &u16| StdListener::bind(("127.0.0.1", *port)).is_ok();
    let port = REAL_PORTS.clone().find(is_free).ok_or("no free port")?;
    let child = Command::new(bin)
        .args(["serve", "--mode", "web", "--host", "127.0.0.1", "--port"])
        .arg(port.to_string())
        .arg("--base-dir")
        .arg(base_dir)
        .current_dir(dir)
        .env("T3CODE_NO_BROWSER", "1")
        .env("T3CODE_TELEMETRY_ENABLED", "false")
        // What it starts ends with its group. It prints a token of its own.
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    Ok(T3::Real(
        Box::new(child),
        SocketAddr::from(([127, 0, 0, 1], port)),
    ))
}

async fn stop(mut child: Child) -> Result<(), Box<dyn Error>> {
    let Some(pid) = child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?)) else {
        return Ok(());
    };
    kill_process(pid, Signal::TERM)?;
    let ended = timeout(EXIT, child.wait()).await;
    // The group may have more than its first process.
    let _ = kill_process_group(pid, Signal::KILL);
    ended??;
    Ok(())
}
