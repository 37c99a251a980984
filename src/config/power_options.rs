//! The options that say how a t3 is started when its person comes, and stopped when nobody uses it.

use std::time::Duration;

use clap::Args;

use crate::config::command_template::CommandTemplate;
use crate::config::parse;
use crate::config::placeholders::Placeholder;
use crate::config::routes_options::RoutesConfig;

/// How a t3 is started when its person comes, and stopped when nobody uses it.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "t3")]
pub struct PowerConfig {
    /// Command that starts a t3 which is down when a person who is let in opens it, as `systemctl start
    /// t3-serve@{os_user}`; run without a shell, for 60 s at most. With several people `{user}` and
    /// `{os_user}` stand for the person's names. With one t3, /readyz then says whether this dispatcher
    /// serves, and not whether t3 is up.
    #[arg(long, env = "DISPATCHER_WAKE_COMMAND", hide_short_help = true, value_name = "COMMAND", value_parser = CommandTemplate::parse)]
    wake_command: Option<CommandTemplate>,

    /// Command that stops a t3 which nobody has used for DISPATCHER_SLEEP_AFTER, as `systemctl stop
    /// t3-serve@{os_user}`; it is not run while an agent is at work or waits for a person, nor where
    /// that cannot be known.
    #[arg(long, env = "DISPATCHER_SLEEP_COMMAND", hide_short_help = true, value_name = "COMMAND", value_parser = CommandTemplate::parse)]
    sleep_command: Option<CommandTemplate>,

    /// How long a t3 has no request, no WebSocket and no agent's turn before it is stopped. Not for one
    /// of several dispatchers in front of the same t3: each knows only its own requests.
    #[arg(long, env = "DISPATCHER_SLEEP_AFTER", hide_short_help = true, value_name = "TIME", value_parser = parse::duration)]
    sleep_after: Option<Duration>,
}

/// What stops a t3, and when.
#[derive(Debug, Clone, Copy)]
pub struct SleepConfig<'a> {
    /// The command.
    pub command: &'a CommandTemplate,
    /// How long nobody has used it.
    pub after: Duration,
}

impl PowerConfig {
    /// What starts a t3, if anything.
    pub fn wake(&self) -> Option<&CommandTemplate> {
        given(self.wake_command.as_ref())
    }

    /// What stops a t3 and when, if anything.
    pub fn sleep(&self) -> Option<SleepConfig<'_>> {
        let (command, after) = given(self.sleep_command.as_ref()).zip(self.sleep_after)?;
        Some(SleepConfig { command, after })
    }

    /// What contradicts itself in these options and those of `routes`.
    pub(super) fn contradiction(&self, routes: &RoutesConfig) -> Option<&'static str> {
        let (wake, sleep) = (self.wake(), given(self.sleep_command.as_ref()));
        let contains = |placeholder| {
            let mut commands = [wake, sleep].into_iter().flatten();
            commands.any(|command| command.contains(placeholder))
        };
        if sleep.is_some() != self.sleep_after.is_some() {
            return Some(
                "DISPATCHER_SLEEP_COMMAND and DISPATCHER_SLEEP_AFTER are only used together",
            );
        }
        if sleep.is_some() && wake.is_none() {
            return Some(
                "DISPATCHER_SLEEP_COMMAND needs DISPATCHER_WAKE_COMMAND: what sleeps could not be used again",
            );
        }
        if self
            .sleep_after
            .is_some_and(|after| after < Duration::from_secs(1))
        {
            return Some("DISPATCHER_SLEEP_AFTER is 1 s at least");
        }
        if contains(Placeholder::OsUser) && routes.routes.is_none() {
            return Some(
                "{os_user} of DISPATCHER_WAKE_COMMAND and DISPATCHER_SLEEP_COMMAND is a row's of DISPATCHER_ROUTES",
            );
        }
        let is_unfilled = contains(Placeholder::User) && !routes.is_any_set();
        is_unfilled.then_some(
            "{user} of DISPATCHER_WAKE_COMMAND and DISPATCHER_SLEEP_COMMAND needs DISPATCHER_ROUTES or DISPATCHER_UPSTREAM_TEMPLATE",
        )
    }
}

/// A command that is set and not empty.
fn given(command: Option<&CommandTemplate>) -> Option<&CommandTemplate> {
    command.filter(|command| !command.is_none())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use crate::config::Config;

    fn contradiction(args: &[&str]) -> Option<&'static str> {
        let config = Config::try_parse_from([&["t3-dispatcher"], args].concat());
        let config = config.unwrap_or_else(|error| panic!("{args:?}: {error}"));
        config.power.contradiction(&config.routes)
    }

    #[test]
    fn what_sleeps_can_be_woken() {
        let wake = ["--wake-command", "start t3"];
        let sleep = ["--sleep-command", "stop t3"];
        let after = ["--sleep-after", "2h"];
        for (args, is_contradicted) in [
            (vec![], false),
            (vec![wake], false),
            (vec![wake, sleep, after], false),
            (vec![sleep, after], true),
            (vec![["--wake-command", ""], sleep, after], true),
            (vec![wake, sleep], true),
            (vec![wake, after], true),
            (vec![wake, ["--sleep-command", " "], after], true),
            (vec![wake, sleep, ["--sleep-after", "0s"]], true),
        ] {
            let found = contradiction(&args.concat());
            assert_eq!(found.is_some(), is_contradicted, "{args:?}: {found:?}");
        }
    }

    #[test]
    fn names_are_filled_in_only_where_there_are_some() {
        let table = ["--gate", "authelia", "--routes", "/people.json"];
        let template = [
            "--gate",
            "authelia",
            "--upstream-template",
            "t3-{user}.t3:80",
        ];
        for (word, routes, is_contradicted) in [
            ("{user}", &[][..], true),
            ("{user}", &template, false),
            ("{user}", &table, false),
            ("{os_user}", &[], true),
            ("{os_user}", &template, true),
            ("{os_user}", &table, false),
        ] {
            let command = format!("start {word}");
            let args = [routes, &["--wake-command", &command]].concat();
            let found = contradiction(&args);
            assert_eq!(found.is_some(), is_contradicted, "{args:?}: {found:?}");
        }
    }
}
