//! How sessions are made on the t3 of one row, by what the row brings and what is the same for everybody. Pure.

use std::fmt::Write;

use crate::config::cli_options::CliConfig;
use crate::config::command_template::CommandTemplate;
use crate::config::options::{InnerConfig, MintMode, PairingConfig};
use crate::config::path_template::PathTemplate;
use crate::config::placeholders::{Placeholder, is_plain};
use crate::routes::row::{Row, Via};
use crate::routes::table::Table;
use crate::routes::table_file::shown;

/// How many people are named who lack something.
const MAX_NAMED: usize = 5;

impl Row {
    /// How sessions are made on its t3. Of `common` it has the command, where the row brings none and can fill
    /// it; of T3_BIN, T3CODE_HOME and DISPATCHER_TOKEN_FILE nothing.
    pub fn pairing(&self, common: &PairingConfig) -> PairingConfig {
        let is_filled = |command: &&CommandTemplate| {
            self.os_user.is_some() || !command.contains(Placeholder::OsUser)
        };
        let of_all = common.mint_command().filter(is_filled).cloned();
        let mint_command = match (self.via, &self.mint) {
            // The dispatcher there makes its sessions itself.
            (Via::Dispatcher, _) => None,
            (Via::T3, Some(words)) => Some(CommandTemplate::literal(words)),
            (Via::T3, None) => of_all,
        };
        PairingConfig {
            cli: CliConfig::of_row(self.t3_bin.clone(), self.base_dir.clone()),
            // It is about t3's API and the t3 CLI of a base directory.
            mint: match self.token_file.is_some() {
                true => MintMode::Auto,
                false => common.mint,
            },
            token_file: self.token_file.clone(),
            mint_command,
            os_user: self.os_user.clone(),
            user: String::new(),
            guest_scopes: common.guest_scopes.clone(),
        }
    }
}

impl Row {
    /// The dispatcher that its upstream is, if it is one, for the person of `identity`: known by the secret of
    /// the row, or of `common`.
    pub fn inner(&self, common: Option<&PathTemplate>, identity: &str) -> Option<InnerConfig> {
        let of_all = || common.map(|path| path.fill(identity));
        (self.via == Via::Dispatcher).then(|| InnerConfig {
            secret_file: self.secret_file.clone().or_else(of_all),
        })
    }
}

impl PairingConfig {
    /// May a person be called `identity`, where a command has names in it? Whom it is not run for is nobody.
    pub fn admits(&self, identity: &str) -> bool {
        let has_name = |command: &CommandTemplate| command.contains(Placeholder::User);
        !self.mint_command().is_some_and(has_name) || is_plain(identity)
    }
}

/// What people of `table` lack, with `common` for all: a line for each thing, with the number of those who lack
/// it and some of their names.
pub fn lacks(table: &Table, common: &PairingConfig) -> Vec<String> {
    let (mut unpaired, mut without_session, mut nobody) = (vec![], vec![], vec![]);
    for (identity, row) in table.people() {
        let pairing = row.pairing(common);
        if row.via == Via::Dispatcher {
            continue;
        }
        if !pairing.admits(identity) {
            nobody.push(identity);
        } else if pairing.token_file.is_none() && !pairing.has_issued_session() {
            match pairing.mint_command() {
                Some(_) => without_session.push(identity),
                None => unpaired.push(identity),
            }
        }
    }
    let lines = [
        (
            nobody,
            "cannot stand for {user} in DISPATCHER_MINT_COMMAND and get 403",
        ),
        (
            unpaired,
            "have nothing that mints credentials, and see t3's own pairing screen: a row needs `mint` (or \
             `os_user` for DISPATCHER_MINT_COMMAND), `token_file` or `base_dir`",
        ),
        (
            without_session,
            "have a mint command alone: without `token_file` or `base_dir` there is no administrative session, so \
             that t3's list of clients, scopes and revoking are not had",
        ),
    ];
    let lines = lines.into_iter().filter(|(people, _)| !people.is_empty());
    lines.map(|(people, lack)| line(people, lack)).collect()
}

/// How many `people` lack something, and who some of them are.
fn line(mut people: Vec<&str>, lack: &str) -> String {
    people.sort_unstable();
    let mut line = format!("{} of the table ", people.len());
    let named = people.iter().take(MAX_NAMED);
    let named: Vec<_> = named.map(|name| shown(name, 40)).collect();
    // A `String` takes everything.
    let _ = write!(line, "({}", named.join(", "));
    let more = if people.len() > MAX_NAMED {
        ", …"
    } else {
        ""
    };
    line + more + ") " + lack
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::config::Config;
    use crate::config::placeholders::{Names, Unfilled};

    fn common(args: &[&str]) -> PairingConfig {
        let of_one = ["--t3-bin", "/one/t3", "--t3-home", "/one"];
        let config = Config::try_parse_from([&["t3-dispatcher"], &of_one[..], args].concat());
        config.unwrap_or_else(|error| panic!("{error}")).pairing
    }

    fn row(text: &str) -> Row {
        serde_json::from_str(text).expect(text)
    }

    fn words(pairing: &PairingConfig, user: &str) -> Option<Result<Vec<String>, Unfilled>> {
        let os_user = pairing.os_user.as_deref();
        let command = pairing.mint_command()?;
        Some(command.fill(Names { user, os_user }))
    }

    #[test]
    fn nothing_of_one_t3_is_a_row_s() {
        let one = common(&["--token-file", "/one/token"]);
        let bare = row(r#"{"port": 1}"#).pairing(&one);
        assert_eq!((bare.cli.base_dir(), bare.token_file.clone()), (None, None));
        assert!(!bare.cli.found().contains(&"/one/t3".into()));
        assert!(!bare.cli.may_run() && !bare.has_issued_session());
        assert_eq!(
            bare.mint_mode(),
            MintMode::Api,
            "neither the t3 CLI nor a command runs"
        );

        let own = row(r#"{"port": 1, "base_dir": "/bob", "t3_bin": "/bob/t3"}"#).pairing(&one);
        assert_eq!(own.cli.base_dir(), Some("/bob".into()));
        assert_eq!(own.cli.found(), ["/bob/t3"].map(std::path::PathBuf::from));
        assert!(own.has_issued_session());
        assert_eq!(own.mint_mode(), MintMode::Auto);

        let given =
            row(r#"{"port": 1, "token_file": "/bob/token"}"#).pairing(&common(&["--mint", "cli"]));
        assert_eq!(
            (given.mint_mode(), given.token_file),
            (MintMode::Api, Some("/bob/token".into()))
        );
    }

    #[test]
    fn a_row_s_own_command_is_before_everybody_s() {
        let sudo = common(&["--mint-command", "sudo -n /t3-mint {os_user}"]);
        for (text, expected) in [
            (
                r#"{"port": 1, "os_user": "bob"}"#,
                Some(&["sudo", "-n", "/t3-mint", "bob"][..]),
            ),
            (r#"{"port": 1}"#, None),
            (
                r#"{"port": 1, "os_user": "bob", "mint": ["m", "{os_user}"]}"#,
                Some(&["m", "{os_user}"]),
            ),
            (r#"{"port": 1, "os_user": "bob", "mint": []}"#, None),
            (
                r#"{"port": 1, "os_user": "bob", "via": "dispatcher"}"#,
                None,
            ),
        ] {
            let pairing = row(text).pairing(&sudo);
            let words = words(&pairing, "bob").map(|words| words.expect("filled"));
            let expected =
                expected.map(|words| words.iter().map(|word| (*word).to_owned()).collect());
            assert_eq!(words, expected, "{text}");
            assert!(!pairing.has_issued_session(), "{text}");
        }
        let both = row(r#"{"port": 1, "mint": ["m"], "token_file": "/t"}"#).pairing(&sudo);
        assert_eq!(both.mint_mode(), MintMode::Auto, "t3's API, or the command");
    }

    #[test]
    fn a_name_that_cannot_stand_in_a_command_is_nobody() {
        let of_user = row(r#"{"port": 1}"#).pairing(&common(&["--mint-command", "mint {user}"]));
        let fixed = row(r#"{"port": 1}"#).pairing(&common(&["--mint-command", "mint"]));
        for (name, is_plain) in [
            ("bob", true),
            ("Bob", false),
            ("bob@h.test", false),
            ("-n", false),
        ] {
            assert_eq!(of_user.admits(name), is_plain, "{name}");
            assert_eq!(words(&of_user, name).expect("a command").is_ok(), is_plain);
            assert!(fixed.admits(name));
        }
    }

    #[test]
    fn who_lacks_something_is_said() {
        let table = br#"{"ann": {"port": 1, "os_user": "ann"}, "bob": {"port": 2}, "c@h.test": {"port": 3, "os_user": "c"},
            "dan": {"port": 4, "token_file": "/t"}, "eve": {"port": 5, "via": "dispatcher"}, "B\nB": {"port": 6, "mint": []}}"#;
        let table = Table::parse(table).expect("a table");
        let told = lacks(&table, &common(&["--mint-command", "mint {os_user}"]));
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(
            told[0].starts_with(r#"2 of the table (B\nB, bob) have nothing that mints"#),
            "{told:?}"
        );
        assert!(
            told[1].starts_with(r#"2 of the table (ann, c@h.test) have a mint command alone"#),
            "{told:?}"
        );
        let told = lacks(&table, &common(&["--mint-command", "mint {user}"]));
        assert!(
            told[0].starts_with(r#"1 of the table (c@h.test) cannot stand for {user}"#),
            "{told:?}"
        );
        let many = (0..9).map(|at| format!(r#""p{at}": {{"port": {}}}"#, at + 1));
        let many = format!("{{{}}}", many.collect::<Vec<_>>().join(","));
        let told = lacks(
            &Table::parse(many.as_bytes()).expect("a table"),
            &common(&[]),
        );
        assert!(
            told[0].starts_with(r#"9 of the table (p0, p1, p2, p3, p4, …) have"#),
            "{told:?}"
        );
    }
}
