//! The command line: runs a command, records the run, returns its exit status.

mod failure;
mod fault;
mod options;
mod pairing;
mod print;
mod serve;
mod session;

use std::process::ExitCode;

use crate::base::Base;
use crate::edition::{self, Edition};
use crate::faults;
use crate::journal::Start;
use crate::store::Store;
use failure::Failure;
use options::Command;

/// Runs the command that the arguments name; they do not include the program's name.
pub fn main(args: impl Iterator<Item = String>) -> ExitCode {
    let args: Vec<String> = args.collect();
    match args.first().map(String::as_str) {
        Some("--version") => {
            println!("{}", edition(&args).facts().cli_version);
            ExitCode::SUCCESS
        }
        Some(fault::GRANDCHILD) => fault::be_grandchild(),
        Some("auth") => ExitCode::from(auth(&args)),
        _ => ExitCode::from(match serve_with(&args) {
            Ok(rc) => rc,
            Err(failure) => print::failure(&failure),
        }),
    }
}

fn serve_with(args: &[String]) -> Result<u8, Failure> {
    let edition = edition(args);
    match options::parse(args, edition.facts())? {
        (Command::Serve, options) => serve::serve(edition, &options),
        _ => Err(Failure::Usage(format!(
            "Unknown command: {}",
            args.join(" ")
        ))),
    }
}

/// The one that the arguments name, else that of the server on the same directory.
fn edition(args: &[String]) -> Edition {
    options::edition(args).unwrap_or_else(|| edition::load(&Base::at(options::base_dir(args))))
}

fn auth(args: &[String]) -> u8 {
    let base = Base::at(options::base_dir(args));
    let start = Start::note(&base, args);
    let rc = match run(&base, args) {
        Ok(()) => 0,
        Err(failure) => print::failure(&failure),
    };
    start.end(&base, rc);
    rc
}

fn run(base: &Base, args: &[String]) -> Result<(), Failure> {
    let edition = edition(args);
    let facts = edition.facts();
    let (command, options) = options::parse(args, facts)?;
    let faults = faults::load(base, edition);
    let _bound_to_the_end = fault::probe_port(&faults);
    let store = Store::open(base.clone(), facts)?;
    let _held_to_the_end = fault::lock(&store, &faults)?;
    if fault::misbehave(&faults)? {
        return Ok(());
    }
    if !options.is_quiet() {
        print::migrations();
    }
    match command {
        Command::PairingCreate => pairing::create(&store, &options, &faults),
        Command::PairingList => pairing::list(&store, &options),
        Command::PairingRevoke(id) => pairing::revoke(&store, &id),
        Command::SessionIssue => session::issue(&store, &options, &faults),
        Command::SessionList => session::list(&store, &options),
        Command::SessionRevoke(id) => session::revoke(&store, &id),
        Command::Serve => unreachable!("`auth` comes first in these arguments"),
    }
}
