//! The process: options, logs, listening sockets, signals and the exit code.

use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::process::ExitCode;

use clap::CommandFactory;
use clap::error::ErrorKind;
use clap_complete::Shell;
use t3_dispatcher::check::devices::DevicesCheck;
use t3_dispatcher::check::people::PeopleCheck;
use t3_dispatcher::config::options::{LogFormat, LogsConfig, UpstreamConfig};
use t3_dispatcher::config::subcommands::Command;
use t3_dispatcher::config::timing::Timing;
use t3_dispatcher::config::unknown_variables::unknown_variables;
use t3_dispatcher::config::{CommandLine, Config};
use t3_dispatcher::process::install::install;
use t3_dispatcher::process::interrupt::cancel_on_interrupt;
use t3_dispatcher::process::{allocator, forbid_inspection, orphans};
use t3_dispatcher::server::{self, Listeners};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{error, info, warn};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// The exit code for a usage error, as shells and sysexits have it.
const USAGE_ERROR: u8 = 2;

fn main() -> ExitCode {
    let CommandLine { command, config } = match CommandLine::of_this_process() {
        Ok(command_line) => command_line,
        Err(error) => return report_usage(&error),
    };
    match command {
        None => run_server(config),
        Some(command) => run_subcommand(command, config.timing),
    }
}

/// Does another task than serving.
fn run_subcommand(command: Command, timing: Timing) -> ExitCode {
    match command {
        Command::Install { path } => exit_code(install(&path).map(|()| ExitCode::SUCCESS)),
        Command::Check {
            upstream,
            pairing,
            routes,
            access,
            devices_config,
            cache,
            devices,
            user,
            all,
            json,
        } => {
            let check = PeopleCheck {
                routes: *routes,
                upstream: *upstream,
                pairing: *pairing,
                access: *access,
                cache: *cache,
                devices: DevicesCheck {
                    is_wanted: devices,
                    port: devices_config.port,
                },
                timing,
                interrupted: Default::default(),
            };
            exit_code(run_check(check, user.as_deref(), all, json))
        }
        Command::Completions { shell } => {
            print_completions(shell);
            ExitCode::SUCCESS
        }
    }
}

/// Serves until the process is told to end.
fn run_server(config: Config) -> ExitCode {
    allocator::restart_with_settings();
    init_logs(&config.logs);
    for variable in unknown_variables(std::env::vars_os().map(|(name, _)| name)) {
        warn!(variable, "no option has this name: it is not used");
    }
    // After that restart, which would undo it, and before there is anything to read.
    if let Err(error) = forbid_inspection() {
        warn!(%error, "other processes of this user can read this one's memory");
    }
    let outcome = runtime().and_then(|runtime| {
        let served = runtime.block_on(serve(config));
        // The end does not wait for a look-up of a name that hangs.
        runtime.shutdown_background();
        served
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error!(%error, "cannot serve");
            ExitCode::FAILURE
        }
    }
}

fn runtime() -> io::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
}

/// The exit code of a subcommand; its error is printed.
fn exit_code<E: std::fmt::Display>(outcome: Result<ExitCode, E>) -> ExitCode {
    outcome.unwrap_or_else(|error| {
        eprintln!("t3-dispatcher: {error}");
        ExitCode::FAILURE
    })
}

/// Runs a check, of one t3, of `user` or of everybody, and prints its report.
fn run_check(
    check: PeopleCheck,
    user: Option<&str>,
    is_of_all: bool,
    json: bool,
) -> io::Result<ExitCode> {
    // Where the system does not allow it, the check is made all the same.
    let _ = forbid_inspection();
    let runtime = runtime()?;
    runtime.spawn(cancel_on_interrupt(check.interrupted.clone()));
    if is_of_all {
        let report = runtime.block_on(check.all())?;
        return Ok(told(&report, || report.json(), report.is_well(), json));
    }
    let report = match user {
        Some(user) => runtime.block_on(check.one(user))?,
        None => runtime.block_on(check.only_t3()),
    };
    Ok(told(&report, || report.json(), report.is_well(), json))
}

/// Prints a report; returns the exit code for it.
fn told(
    report: &impl std::fmt::Display,
    as_json: impl FnOnce() -> serde_json::Value,
    is_well: bool,
    json: bool,
) -> ExitCode {
    match json {
        true => print(format_args!("{:#}\n", as_json())),
        false => print(format_args!("{report}")),
    }
    ExitCode::from(u8::from(!is_well))
}

fn print_completions(shell: Shell) {
    let (mut command, mut script) = (CommandLine::command(), Vec::new());
    clap_complete::generate(shell, &mut command, "t3-dispatcher", &mut script);
    print(format_args!("{}", String::from_utf8_lossy(&script)));
}

/// Prints to standard output; a reader that is gone is no error.
fn print(text: std::fmt::Arguments<'_>) {
    let _ = io::stdout().write_fmt(text);
}

async fn serve(config: Config) -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let mut child_ended = match orphans::are_inherited() {
        true => Some(signal(SignalKind::child())?),
        false => None,
    };
    let public = bind("DISPATCHER_PORT", config.listen.address()).await?;
    let devices = listen_for_devices(&config).await?;
    let metrics = match config.listen.metrics_address() {
        Some(address) => Some(bind("DISPATCHER_METRICS_PORT", address).await),
        None => None,
    };
    info!(
        "listening on http://{}, in front of {}",
        public.local_addr()?,
        upstream_of(&config),
    );
    for option in config.routes.unused(&config.pairing) {
        warn!(option, "it is not used: each person's row says it");
    }
    let metrics = resolve_metrics_listener(metrics, config.listen.metrics_port.is_some())?;
    let shutdown = async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => return info!("SIGTERM: draining"),
                _ = interrupt.recv() => return info!("SIGINT: draining"),
                // Unhandled, it would end the process.
                _ = hangup.recv() => info!("SIGHUP: nothing to do, files are read again as they change"),
                () = next(&mut child_ended) => orphans::reap(),
            }
        }
    };
    let listeners = Listeners {
        public,
        devices,
        metrics,
    };
    server::run(listeners, config, shutdown).await?;
    info!("drained");
    Ok(())
}

/// The listener for apps, if there is to be one.
async fn listen_for_devices(config: &Config) -> io::Result<Option<TcpListener>> {
    let Some(port) = config.devices.port else {
        return Ok(None);
    };
    let address = (config.listen.host, port).into();
    let listener = bind("DISPATCHER_DEVICE_PORT", address).await?;
    info!("listening for apps on {}", listener.local_addr()?);
    Ok(Some(listener))
}

/// What this dispatcher is in front of, for people to read.
fn upstream_of(config: &Config) -> String {
    let UpstreamConfig { host, port, .. } = &config.upstream;
    match (&config.routes.routes, &config.routes.upstream_template) {
        (Some(table), _) => format!("the t3s of the people in {}", table.display()),
        (None, Some(_)) => "a t3 for each person by DISPATCHER_UPSTREAM_TEMPLATE".to_owned(),
        (None, None) => format!("t3 at {host}:{port}"),
    }
}

/// Waits for the next of a signal that may not be waited for.
async fn next(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}

/// Binds a listener to `address`; an error names the `option` that says its port.
async fn bind(option: &str, address: SocketAddr) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address).await;
    listener.map_err(|error| {
        let text = format!("{option}: cannot listen on {address}: {error}");
        io::Error::new(error.kind(), text)
    })
}

/// A port that was set must be free: metrics that are relied on must not be missing unnoticed. The
/// default one may be taken, by another dispatcher on this machine.
fn resolve_metrics_listener(
    metrics: Option<io::Result<TcpListener>>,
    is_set: bool,
) -> io::Result<Option<TcpListener>> {
    match metrics {
        Some(Ok(listener)) => {
            info!("metrics on http://{}/metrics", listener.local_addr()?);
            Ok(Some(listener))
        }
        Some(Err(error)) if !is_set => {
            warn!("{error}; serving without metrics, set another port or 0");
            Ok(None)
        }
        refused => refused.transpose(),
    }
}

/// Prints a usage error in one line; help and version are no errors.
fn report_usage(error: &clap::Error) -> ExitCode {
    if matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    ) {
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    // The error, which may name options in further lines; after an empty one come usage and hints.
    let text = error.to_string();
    let lines = text.lines().map(str::trim);
    let lines: Vec<_> = lines.take_while(|line| !line.is_empty()).collect();
    eprintln!("t3-dispatcher: {}", lines.join(" "));
    ExitCode::from(USAGE_ERROR)
}

/// Sends log lines to standard output. If it is full or closed they are lost, and nothing else is.
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
