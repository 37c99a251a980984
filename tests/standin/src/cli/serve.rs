//! `serve`: runs the server until a signal.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use tokio::signal::unix::{SignalKind, signal};

use super::failure::Failure;
use super::options::Options;
use super::print;
use crate::base::Base;
use crate::clock;
use crate::edition::Edition;
use crate::faults;
use crate::server::{self, Standin};

/// t3's default port.
const DEFAULT_PORT: u16 = 3773;

/// The exit status after a signal, in all cases (contract §7).
const STOPPED_BY_SIGNAL: u8 = 130;

pub(super) fn serve(edition: Edition, options: &Options) -> Result<u8, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(run(edition, options))
}

async fn run(edition: Edition, options: &Options) -> Result<u8, Failure> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let standin = start(edition, options).await?;
    announce(&standin)?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    // Further signals change nothing: the handlers stay installed (contract §7).
    standin.stop().await;
    Ok(STOPPED_BY_SIGNAL)
}

/// Without `--port`: 3773 or, if that is taken, any (contract §7). Without `--host`: loopback, as v0.0.28.
async fn start(edition: Edition, options: &Options) -> Result<Standin, Failure> {
    let host = match options.host.as_deref() {
        Some("localhost") | None => IpAddr::V4(Ipv4Addr::LOCALHOST),
        Some(host) => host
            .parse()
            .map_err(|_| Failure::Usage(format!("Invalid value for flag --host: {host}")))?,
    };
    let base_dir: PathBuf = options.base_dir.clone().unwrap_or_default();
    let mut server = server::Options::of(edition, &base_dir);
    server.faults = faults::load(&Base::at(base_dir), edition);
    server.desktop = options.desktop;
    server.bundle = options.bundle;
    // The requests of this process cannot be queried.
    server.keep_requests = 0;
    server.listen = SocketAddr::new(host, options.port.unwrap_or(DEFAULT_PORT));
    let mut any_port = server.clone();
    any_port.listen.set_port(0);
    match Standin::start(server).await {
        Err(error) if options.port.is_none() && error.kind() == std::io::ErrorKind::AddrInUse => {
            Ok(Standin::start(any_port).await?)
        }
        started => Ok(started?),
    }
}

/// Startup prints an administrative one-time token (contract §7).
fn announce(standin: &Standin) -> Result<(), Failure> {
    let now = clock::time_of_day(clock::now_ms());
    let origin = format!("http://{}", standin.addr());
    let token = standin.pairing_credential_for_administration()?;
    print::raw(format!("[{now}] INFO (#1): Listening on {origin}\n").as_bytes());
    print::raw(format!("Connection string: {origin}\nToken: {token}\n").as_bytes());
    print::raw(format!("Pairing URL: {origin}/pair#token={token}\n").as_bytes());
    Ok(())
}
