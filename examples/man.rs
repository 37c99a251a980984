//! Writes the man pages, of the program and of each of its commands, into the folder named.

use std::io;
use std::path::PathBuf;

use clap::CommandFactory;
use t3_dispatcher::config::CommandLine;

fn main() -> io::Result<()> {
    let folder = std::env::args().nth(1).map(PathBuf::from);
    let folder = folder.ok_or_else(|| io::Error::other("name a folder: -- target/man"))?;
    std::fs::create_dir_all(&folder)?;
    clap_mangen::generate_to(CommandLine::command(), folder)
}
