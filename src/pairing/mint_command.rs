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
    /// The person, of several, for whom the t3 was first asked for.
    user: String,
}

impl MintCommand {
    /// The command that `config` names, if it names one.
    pub(super) fn of(config: &PairingConfig) -> Option<Self> {
        Some(Self {
            template: config.mint_command()?.clone(),
            os_user: config.os_user.clone(),
            user: config.user.clone(),
        })
    }

    /// What it runs, for people to read.
    pub(super) fn program(&self) -> &str {
        self.template.program()
    }

    /// The program and its arguments for the person whom single sign-on calls `user`; for nobody's browser if that
    /// is empty.
    pub(super) fn words(&self, user: &str) -> Result<Vec<String>, CliError> {
        let names = Names {
            user: match user {
                "" => &self.user,
                user => user,
            },
            os_user: self.os_user.as_deref(),
        };
        self.template.fill(names).map_err(CliError::Unfilled)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::config::Config;

    #[test]
    fn it_is_run_for_its_person_where_no_browser_of_anybody_s_needs_it() {
        let args = ["t3-dispatcher", "--mint-command", "mint {user}"];
        let mut config = Config::parse_from(args).pairing;
        let words = |config: &PairingConfig, user: &str| {
            let command = MintCommand::of(config).expect("a command");
            command.words(user)
        };
        assert!(words(&config, "").is_err(), "there are not several people");
        config.user = "ada".to_owned();
        assert_eq!(words(&config, "").expect("filled"), ["mint", "ada"]);
        assert_eq!(words(&config, "bob").expect("filled"), ["mint", "bob"]);
        config.user = "a person with a name of her own".to_owned();
        assert!(words(&config, "").is_err());
    }
}
