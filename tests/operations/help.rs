//! The command line's own documentation: help, completions.

use std::process::{Command, Stdio};

use clap::{CommandFactory, Parser};
use t3_dispatcher::config::CommandLine;

use crate::common::process::{command, output};

#[path = "../../examples/options.rs"]
#[allow(dead_code, reason = "an example has a main function")]
mod options_page;

fn said(args: &[&str]) -> String {
    let run = output(command().args(args));
    assert!(run.status.success(), "{args:?}");
    String::from_utf8(run.stdout).expect("text")
}

#[test]
fn help_names_every_option_its_variable_and_a_group() {
    let help = said(&["--help"]);
    for option in CommandLine::command().get_arguments() {
        let Some(long) = option.get_long() else {
            continue;
        };
        assert!(help.contains(&format!("--{long}")), "{long}");
        if ["help", "version"].contains(&long) {
            continue;
        }
        let variable = option
            .get_env()
            .unwrap_or_else(|| panic!("{long} has no variable"));
        let variable = format!("[env: {}=", variable.to_string_lossy());
        assert!(help.contains(&variable), "{variable}");
        assert!(option.get_help_heading().is_some(), "{long} is in no group");
    }
    assert!(help.contains("Examples:") && help.contains("t3-dispatcher check"));
    assert!(
        said(&["-h"]).lines().count() < 60,
        "short help fits on a screen"
    );
}

#[test]
fn the_examples_of_the_help_parse() {
    let help = said(&["--help"]);
    let (_, examples) = help.split_once("Examples:").expect("examples");
    let examples = examples.lines().map(str::trim);
    let mut count = 0;
    for line in examples.filter(|line| line.starts_with("t3-dispatcher ")) {
        CommandLine::try_parse_from(line.split(' ')).unwrap_or_else(|error| panic!("{error}"));
        count += 1;
    }
    assert!(count >= 4, "{count}");
}

#[test]
fn completions_know_the_options_and_commands() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = said(&["completions", shell]);
        for word in ["metrics-port", "check", "identity-header"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    let bash = Command::new("bash")
        .args(["-n", "-c", &said(&["completions", "bash"])])
        .stderr(Stdio::inherit())
        .status();
    assert!(bash.expect("bash runs").success());
}

#[test]
fn the_page_of_options_is_as_the_program_has_them() {
    let held = std::fs::read_to_string(options_page::PATH).expect("docs/options.md");
    let command = options_page::COMMAND;
    assert_eq!(held, options_page::page(), "write it anew: {command}");
}
