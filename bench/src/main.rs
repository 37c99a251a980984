//! The bench: measures proxies side by side over one upstream, and writes the table and its plot.

/// The browser tests' own driver, and their line.
#[path = "../../tests/common"]
mod tests {
    pub(crate) mod browser;
    pub(crate) mod line;
}
mod figures;
mod footprint;
mod hop;
mod kept;
mod load;
mod machine;
mod many;
mod neighbours;
mod page;
mod peers;
mod proc;
mod report;
mod roles;
mod running;
mod setup;
mod tools;

use std::io;
use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

use roles::Failure;
use tests::line::{self, Line};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    runtime.block_on(async {
        tokio::select! {
            result = run(&args) => match result {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => {
                    eprintln!("t3-bench: {error}");
                    ExitCode::FAILURE
                }
            },
            // What was started is ended with it.
            _ = interrupted() => ExitCode::FAILURE,
        }
    })
}

/// `upstream`, `upstreams`, `relay`, `hyper`, `line`: with the ports to listen on and to ask; the others are for
/// `bench/run`.
async fn run(args: &[&str]) -> Result<(), Failure> {
    match args {
        ["upstream", listen] => roles::upstream::run(roles::port(listen)?).await,
        ["upstreams", listen, count] => {
            roles::upstream::run_many(roles::port(listen)?, count.parse()?).await
        }
        ["relay", listen, upstream] => {
            roles::relay::run(roles::port(listen)?, roles::port(upstream)?).await
        }
        ["hyper", listen, upstream] => {
            roles::hyper::run(roles::port(listen)?, roles::port(upstream)?).await
        }
        ["line", listen, upstream, round_trip_ms, bytes_a_second] => {
            let line = Line {
                round_trip: Duration::from_millis(round_trip_ms.parse()?),
                bytes_a_second: bytes_a_second.parse()?,
            };
            let listener = roles::listen(roles::port(listen)?)?;
            let upstream = (Ipv4Addr::LOCALHOST, roles::port(upstream)?).into();
            Ok(line::carry_all(listener, upstream, line).await?)
        }
        ["hop", file, how @ ..] => hop::run(file.as_ref(), how.contains(&"--smoke")).await,
        ["kept", file, how @ ..] => kept::run(file.as_ref(), how.contains(&"--smoke")).await,
        ["many", file, how @ ..] => many::run(file.as_ref(), how.contains(&"--smoke")).await,
        ["page", file, how @ ..] => page::run(file.as_ref(), how.contains(&"--smoke")).await,
        ["real_t3", file, how @ ..] => {
            page::real_t3::run(file.as_ref(), how.contains(&"--smoke")).await
        }
        ["print", file] => report::print(file.as_ref()),
        ["report", work, docs] => report::write(work.as_ref(), docs.as_ref()),
        ["check", work] => report::check(work.as_ref()),
        _ => Err("see bench/run".into()),
    }
}

async fn interrupted() -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
    }
}
