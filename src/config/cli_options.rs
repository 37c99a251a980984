//! The options that say where the t3 CLI and t3's base directory are.

use std::path::PathBuf;

use clap::Args;

/// Path of the t3 CLI in the stack; used if it is there and no other is set.
const STACK_BIN: &str = "/data/npm-global/bin/t3";

/// t3's base directory in the stack; used if it is there and no other is set.
const STACK_HOME: &str = "/data/t3";

/// The t3 CLI and its base directory.
#[derive(Debug, Clone, Args)]
pub struct CliConfig {
    /// The t3 CLI; its folder is put first in the child's PATH [default: /data/npm-global/bin/t3 if
    /// it is there, else `t3` on PATH].
    #[arg(long, env = "T3_BIN", value_name = "PATH")]
    t3_bin: Option<PathBuf>,

    /// t3's base directory [default: /data/t3 if it is there, else t3's own default].
    #[arg(long, env = "T3CODE_HOME", value_name = "DIR")]
    t3_home: Option<PathBuf>,
}

impl CliConfig {
    /// The program to start, looked up at each call: an installation may have ended meanwhile.
    pub fn program(&self) -> PathBuf {
        self.t3_bin.clone().unwrap_or_else(|| {
            let stack = PathBuf::from(STACK_BIN);
            if stack.is_file() { stack } else { "t3".into() }
        })
    }

    /// The value of `--base-dir`, or `None` for t3's own default.
    pub fn base_dir(&self) -> Option<PathBuf> {
        self.t3_home.clone().or_else(|| {
            let stack = PathBuf::from(STACK_HOME);
            stack.is_dir().then_some(stack)
        })
    }
}
