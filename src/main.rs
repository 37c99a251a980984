//! The process: options, logs, the listening socket, signals and the exit code.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use t3_dispatcher::check::check;
use t3_dispatcher::config::options::{
    ListenConfig, LogFormat, LogsConfig, PairingConfig, UpstreamConfig,
};
use t3_dispatcher::config::timing::Timing;
use t3_dispatcher::config::{Command, CommandLine, Config};
use t3_dispatcher::process::allocator;
use t3_dispatcher::process::install::install;
use t3_dispatcher::server::{self, Listeners};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tracing::{error, info, warn};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// What sysexits and shells take for a usage error.
const USAGE_ERROR: u8 = 2;

fn main() -> ExitCode {
    let CommandLine { command, config } = match CommandLine::try_parse() {
        Ok(command_line) => command_line,
        Err(error) => return refuse(&error),
    };
    match command {
        None => {}
        Some(Command::Install { path }) => return told(install(&path).map(|()| ExitCode::SUCCESS)),
        Some(Command::Check {
            upstream,
            pairing,
            json,
        }) => return told(check_t3(*upstream, *pairing, config.timing, json)),
        Some(Command::Completions { shell }) => {
            let mut text = Vec::new();
            clap_complete::generate(
                shell,
                &mut CommandLine::command(),
                "t3-dispatcher",
                &mut text,
            );
            write(format_args!("{}", String::from_utf8_lossy(&text)));
            return ExitCode::SUCCESS;
        }
    }
    allocator::settle();
    init_logs(&config.logs);
    let address = config.listen.address();
    let outcome = runtime().and_then(|runtime| runtime.block_on(serve(config)));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error!(%error, "cannot serve on {address}");
            ExitCode::FAILURE
        }
    }
}

fn runtime() -> io::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
}

/// What came of a command besides serving, as an exit code.
fn told<E: std::fmt::Display>(outcome: Result<ExitCode, E>) -> ExitCode {
    outcome.unwrap_or_else(|error| {
        eprintln!("t3-dispatcher: {error}");
        ExitCode::FAILURE
    })
}

/// Prints what a check found.
fn check_t3(
    upstream: UpstreamConfig,
    pairing: PairingConfig,
    timing: Timing,
    json: bool,
) -> io::Result<ExitCode> {
    let report = runtime()?.block_on(check(upstream, pairing, timing));
    match json {
        true => write(format_args!("{:#}\n", report.json())),
        false => write(format_args!("{report}")),
    }
    Ok(match report.is_well() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// Prints to whoever still reads.
fn write(text: std::fmt::Arguments<'_>) {
    let _ = io::stdout().write_fmt(text);
}

async fn serve(config: Config) -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let public = TcpListener::bind(config.listen.address()).await?;
    let metrics = listen_for_metrics(&config.listen).await;
    info!(
        "listening on http://{}, in front of t3 at {}:{}",
        public.local_addr()?,
        config.upstream.host,
        config.upstream.port,
    );
    let metrics = found(metrics, config.listen.metrics_port.is_some())?;
    let shutdown = async move {
        tokio::select! {
            _ = terminate.recv() => info!("SIGTERM: draining"),
            _ = interrupt.recv() => info!("SIGINT: draining"),
        }
    };
    server::run(Listeners { public, metrics }, config, shutdown).await?;
    info!("drained");
    Ok(())
}

/// The listener for /metrics, if there is to be one.
async fn listen_for_metrics(listen: &ListenConfig) -> Option<io::Result<TcpListener>> {
    let address = listen.metrics_address()?;
    let listener = TcpListener::bind(address).await;
    Some(listener.map_err(|error| {
        let option = "DISPATCHER_METRICS_PORT";
        let what = format!("{option}: cannot listen on {address} for metrics: {error}");
        io::Error::new(error.kind(), what)
    }))
}

/// A port that was named must be had: whoever relies on metrics must not lose them without notice.
/// The default one may be taken, by another dispatcher that somebody tries out on this machine.
fn found(
    metrics: Option<io::Result<TcpListener>>,
    is_named: bool,
) -> io::Result<Option<TcpListener>> {
    match metrics {
        Some(Ok(listener)) => {
            info!("metrics on http://{}/metrics", listener.local_addr()?);
            Ok(Some(listener))
        }
        Some(Err(error)) if !is_named => {
            warn!("{error}; serving without, name another port or 0");
            Ok(None)
        }
        refused => refused.transpose(),
    }
}

/// Says in one line what is wrong with the options; help and version are no errors.
fn refuse(error: &clap::Error) -> ExitCode {
    if matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    ) {
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    let text = error.to_string();
    let line = text.lines().next().unwrap_or("error: unusable options");
    eprintln!("t3-dispatcher: {line}");
    ExitCode::from(USAGE_ERROR)
}

/// Log lines go to standard output. A full or closed output loses them and nothing else.
fn init_logs(logs: &LogsConfig) {
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(io::stdout().is_terminal())
        .with_target(false)
        .log_internal_errors(false);
    let lines = match logs.format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    tracing_subscriber::registry()
        .with(lines.with_filter(logs.filter.clone()))
        .init();
}
