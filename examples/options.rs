//! Writes docs/options.md from the definitions of the options.

use std::fmt::Write;
use std::{fs, io};

use clap::{Arg, CommandFactory};
use t3_dispatcher::config::Config;

/// The page.
pub(crate) const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/options.md");

/// The command that writes it.
pub(crate) const COMMAND: &str = "cargo run --example options";

/// How a description ends whose default is no value of the option's.
const DEFAULT: &str = " [default: ";

fn main() -> io::Result<()> {
    fs::write(PATH, page())
}

/// A section for each group of options, with a table.
pub(crate) fn page() -> String {
    let mut page = format!(
        "# Options\n\n\
        Each option can be given as a flag or as an environment variable; the flag takes precedence, and a flag that is\n\
        given twice has its last value. Durations are written as `20s`, `2m` or `1m 30s`. A value that does not parse ends\n\
        the start with one line and exit code 2. `{COMMAND}` writes this page from the program.\n"
    );
    let mut heading = None;
    for option in Config::command().get_arguments() {
        if option.get_help_heading() != heading {
            heading = option.get_help_heading();
            let name = heading.unwrap_or_default();
            page += &format!(
                "\n## {name}\n\n| flag | variable | value | default | |\n|---|---|---|---|---|\n"
            );
        }
        page += &row(option);
    }
    page
}

fn row(option: &Arg) -> String {
    let flag = option.get_long().unwrap_or_default();
    let variable = option.get_env().unwrap_or_default().to_string_lossy();
    let values = values(option).join(", ");
    let help = option.get_long_help().or(option.get_help());
    let help = help.map(ToString::to_string).unwrap_or_default();
    let given = option.get_default_values().first();
    let given = given.map(|default| in_cell(&default.to_string_lossy()));
    let (mut what, default) = match (help.split_once(DEFAULT), given) {
        (Some((what, default)), None) => (what.to_owned(), in_cell(default.trim_end_matches(']'))),
        (_, Some(default)) => (help, format!("`{default}`")),
        (None, None) => (help, "none".to_owned()),
    };
    for choice in option.get_possible_values() {
        if let Some(meaning) = choice.get_help() {
            write!(what, "; `{}`: {meaning}", choice.get_name()).expect("a string");
        }
    }
    format!("| `--{flag}` | `{variable}` | {values} | {default} | {what} |\n")
}

/// `text` without what would end the cell of the table.
fn in_cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// The values that there are to choose from, or a name for all of them.
fn values(option: &Arg) -> Vec<String> {
    let choices = option.get_possible_values();
    if choices.is_empty() {
        let names = option.get_value_names().unwrap_or_default();
        return names.iter().map(ToString::to_string).collect();
    }
    let quoted = choices
        .iter()
        .map(|choice| format!("`{}`", choice.get_name()));
    quoted.collect()
}
