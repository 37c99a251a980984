//! Variables of the environment that look like options and are none: misspelled, they would be silently without effect.

use std::ffi::OsString;

use clap::{Command, CommandFactory};

use crate::config::CommandLine;

/// What the names of all options' variables begin with, but for those that t3 knows too.
const PREFIX: &str = "DISPATCHER_";

/// Those of `names` that begin as an option's variable does, and are that of none.
pub fn unknown_variables(names: impl Iterator<Item = OsString>) -> Vec<String> {
    let command = CommandLine::command();
    let names = names.filter_map(|name| name.into_string().ok());
    let names = names.filter(|name| name.starts_with(PREFIX) && !is_known(&command, name));
    names.collect()
}

fn is_known(command: &Command, name: &str) -> bool {
    let mut variables = command
        .get_arguments()
        .filter_map(|option| option.get_env());
    variables.any(|variable| variable == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelled_variable_is_found() {
        let names = [
            "DISPATCHER_ALLOWED_USER",
            "DISPATCHER_ALLOWED_USERS",
            "DISPATCHER_PORT",
            "DISPATCHER_CACHE_DIR",
            "dispatcher_port",
            "DISPATCHER_",
            "T3_BIN",
            "PATH",
        ];
        let unknown = unknown_variables(names.into_iter().map(OsString::from));
        assert_eq!(unknown, ["DISPATCHER_ALLOWED_USER", "DISPATCHER_"]);
    }
}
