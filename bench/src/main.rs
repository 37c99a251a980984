//! The bench: measures proxies side by side over one upstream, and writes the table and its plot.

/// The browser tests' own driver.
#[path = "../../tests/common"]
mod tests {
    pub(crate) mod browser;
}
mod figures;
mod footprint;
mod hop;
mod load;
mod machine;
mod page;
mod peers;
mod proc;
mod report;
mod roles;
mod running;
mod setup;

use std::process::ExitCode;

use tokio::runtime::Builder;

/// `roles`: `upstream`, `relay`, `hyper` with the ports to listen on and to ask; the rest measure.
fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let result = runtime.block_on(async {
        match args.as_slice() {
            ["upstream", listen] => roles::upstream::run(roles::port(listen)?).await,
            ["relay", listen, upstream] => {
                roles::relay::run(roles::port(listen)?, roles::port(upstream)?).await
            }
            ["hyper", listen, upstream] => {
                roles::hyper::run(roles::port(listen)?, roles::port(upstream)?).await
            }
            ["hop", file, how @ ..] => hop::run(file.as_ref(), how.contains(&"--smoke")).await,
            ["page", file, how @ ..] => page::run(file.as_ref(), how.contains(&"--smoke")).await,
            ["report", dir] => {
                print!(
                    "{}",
                    report::hop(&figures::Figures::load(
                        &std::path::Path::new(dir).join("hop.json")
                    )?)
                );
                let page = figures::Figures::load(&std::path::Path::new(dir).join("page.json"))?;
                println!("{page:?}");
                Ok(())
            }
            _ => Err("see bench/run".into()),
        }
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("t3-bench: {error}");
            ExitCode::FAILURE
        }
    }
}
