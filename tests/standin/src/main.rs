//! The process `t3-standin`: arguments and exit status.

use std::process::ExitCode;

fn main() -> ExitCode {
    t3_standin::cli::main(std::env::args().skip(1))
}
