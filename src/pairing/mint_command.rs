//! The command that mints a credential in place of the t3 CLI, with a person's names filled in.

use crate::config::command_template::CommandTemplate;
use crate::config::options::PairingConfig;
use crate::config::placeholders::Names;
use crate::pairing::cli_error::CliError;

/// A command, which mints for the t3 of one person or of several.
#[derive(Debug)]
pub(super) struct MintCommand {
    template: CommandTemplate,
    os_user: Option<String>,
}

impl MintCommand {
    /// The command that `config` names, if it names one.
    pub(super) fn of(config: &PairingConfig) -> Option<Self> {
        Some(Self {
            template: config.mint_command()?.clone(),
            os_user: config.os_user.clone(),
        })
    }

    /// What it runs, for people to read.
    pub(super) fn program(&self) -> &str {
        self.template.program()
    }

    /// The program and its arguments for the person whom single sign-on calls `user`.
    pub(super) fn words(&self, user: &str) -> Result<Vec<String>, CliError> {
        let names = Names {
            user,
            os_user: self.os_user.as_deref(),
        };
        self.template.fill(names).map_err(CliError::Unfilled)
    }
}
