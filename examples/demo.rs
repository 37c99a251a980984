//! The whole way on one machine: a stand-in t3, its CLI as a real child process, the dispatcher.
//!
//! Started under the name `t3` this same program is the stand-in's CLI, so that the demo needs
//! nothing but cargo.

use std::error::Error;
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::process::ExitCode;

use clap::Parser;
use t3_dispatcher::config::Config;
use t3_dispatcher::server;
use t3_standin::server::{Options as StandinOptions, Standin};
use tokio::net::TcpListener;
use tracing_subscriber::filter::LevelFilter;

/// Where the demo listens unless the first argument names another address.
const DEFAULT_LISTEN: &str = "127.0.0.1:8080";

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
    let listen = args.next().unwrap_or_else(|| DEFAULT_LISTEN.to_owned());
    match demo(&listen) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("demo: {error}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn demo(listen: &str) -> Result<(), Box<dyn Error>> {
    let listen: SocketAddr = listen.parse()?;
    let dir = tempfile::tempdir()?;
    let bin = dir.path().join("t3");
    symlink(std::env::current_exe()?, &bin)?;
    let base_dir = dir.path().join("base");
    let standin = Standin::start(StandinOptions::new(&base_dir)).await?;
    let upstream_port = standin.addr().port().to_string();
    let config = Config::try_parse_from([
        "demo".as_ref(),
        "--upstream-port".as_ref(),
        upstream_port.as_ref(),
        "--t3-bin".as_ref(),
        bin.as_os_str(),
        "--t3-home".as_ref(),
        base_dir.as_os_str(),
    ])?;
    let listener = TcpListener::bind(listen)
        .await
        .map_err(|error| format!("{listen}: {error}; name another address: -- 127.0.0.1:0"))?;
    println!("stand-in t3 on http://{}", standin.addr());
    println!("open http://{}/", listener.local_addr()?);
    let interrupt = async { drop(tokio::signal::ctrl_c().await) };
    server::run(listener, config, interrupt).await?;
    Ok(())
}
