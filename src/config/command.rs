//! What the binary can do besides serving.

use std::path::PathBuf;

use clap::Subcommand;
use clap_complete::Shell;

use crate::config::t3::T3Options;

/// What the binary can do besides serving.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Copy this binary to PATH, whole or not at all: for an image that does not hold it.
    Install {
        /// The file to write; its folder must be there.
        path: PathBuf,
    },
    /// Go the whole way to a live cockpit once, and tell what stands in it.
    ///
    /// The steps: t3's command, its base directory, t3 itself, its cookie, a session, a WebSocket.
    /// What it makes it revokes. The exit code is 0 where all is well, else 1.
    Check {
        /// t3 and its command.
        #[command(flatten)]
        t3: Box<T3Options>,

        /// One JSON object in place of the table.
        #[arg(long)]
        json: bool,
    },
    /// Print what makes a shell complete this command line.
    ///
    /// For bash: t3-dispatcher completions bash >/etc/bash_completion.d/t3-dispatcher
    Completions {
        /// Which shell.
        shell: Shell,
    },
}
