//! The options that say where each person's t3 is, if there are several.

use std::path::PathBuf;

use clap::{ArgGroup, Args};

use crate::config::options::PairingConfig;
use crate::config::path_template::PathTemplate;
use crate::config::placeholders::Placeholder;
use crate::config::upstream_template::UpstreamTemplate;

/// Where each person's t3 is; without any of it there is one t3, everybody's.
#[derive(Debug, Clone, Args)]
#[command(
    next_help_heading = "Several people",
    group = ArgGroup::new("routes_source").args(["routes", "upstream_template"]).multiple(false)
)]
pub struct RoutesConfig {
    /// File that says where each person's t3 is, and how its sessions are made, as `{"alice": {"port":
    /// 3773}, …}`; it is read again when it changes. Who is not in it gets 403. T3_UPSTREAM_*, T3_BIN,
    /// T3CODE_HOME and DISPATCHER_TOKEN_FILE are of one t3, and not used then.
    #[arg(
        long,
        env = "DISPATCHER_ROUTES",
        hide_short_help = true,
        value_name = "PATH",
        requires = "identity_source"
    )]
    pub routes: Option<PathBuf>,

    /// Host name and port of each person's t3, as `t3-{user}.t3.svc.cluster.local:8080`: who has no
    /// such name in DNS gets 403.
    #[arg(long, env = "DISPATCHER_UPSTREAM_TEMPLATE", hide_short_help = true, value_name = "HOST:PORT", requires = "identity_source", value_parser = UpstreamTemplate::parse)]
    pub upstream_template: Option<UpstreamTemplate>,

    /// File with the secret that proves this dispatcher to those which it has for upstreams: those of
    /// `"via": "dispatcher"`, or all of a template, where `{user}` in it makes it one a person. Of two
    /// secrets, one a line, the first is sent; the file is read again when it changes.
    #[arg(
        long,
        env = "DISPATCHER_UPSTREAM_SECRET_FILE",
        hide_short_help = true,
        value_name = "PATH",
        requires = "routes_source",
        value_parser = PathTemplate::parse
    )]
    pub upstream_secret_file: Option<PathTemplate>,
}

impl RoutesConfig {
    /// Does each person have another t3?
    pub fn is_any_set(&self) -> bool {
        self.routes.is_some() || self.upstream_template.is_some()
    }

    /// What contradicts itself in these options and those of `pairing`.
    pub(super) fn contradiction(&self, pairing: &PairingConfig) -> Option<&'static str> {
        let secret = self.upstream_secret_file.as_ref();
        if self.routes.is_some() && secret.is_some_and(PathTemplate::has_user) {
            return Some(
                "{user} of DISPATCHER_UPSTREAM_SECRET_FILE needs DISPATCHER_UPSTREAM_TEMPLATE: a row of \
                 DISPATCHER_ROUTES names its own `secret_file`",
            );
        }
        let command = pairing.mint_command()?;
        if command.contains(Placeholder::OsUser) && self.routes.is_none() {
            return Some("{os_user} of DISPATCHER_MINT_COMMAND is a row's of DISPATCHER_ROUTES");
        }
        let is_filled = !command.contains(Placeholder::User) || self.is_any_set();
        (!is_filled).then_some(
            "{user} of DISPATCHER_MINT_COMMAND needs DISPATCHER_ROUTES or DISPATCHER_UPSTREAM_TEMPLATE",
        )
    }

    /// The options of `pairing` that are set and not used, as each person has another t3.
    pub fn unused(&self, pairing: &PairingConfig) -> Vec<&'static str> {
        let mut unused = pairing.cli.set_options();
        unused.extend(
            pairing
                .token_file
                .is_some()
                .then_some("DISPATCHER_TOKEN_FILE"),
        );
        match self.is_any_set() {
            true => unused,
            false => vec![],
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use crate::config::Config;

    const TABLE: [&str; 4] = ["--gate", "authelia", "--routes", "/people.json"];
    const TEMPLATE: [&str; 4] = [
        "--gate",
        "authelia",
        "--upstream-template",
        "t3-{user}.svc:8080",
    ];

    fn parse(args: &[&str]) -> Result<Config, clap::Error> {
        Config::try_parse_from([&["t3-dispatcher"], args].concat())
    }

    fn contradiction(args: &[&str]) -> Option<&'static str> {
        let config = parse(args).unwrap_or_else(|error| panic!("{args:?}: {error}"));
        config.routes.contradiction(&config.pairing)
    }

    #[test]
    fn several_people_need_somebody_who_says_who_they_are() {
        for source in [&TABLE[2..], &TEMPLATE[2..]] {
            assert!(parse(source).is_err(), "{source:?}");
            for identity in [
                ["--gate", "iap"],
                ["--identity-header", "X-User"],
                ["--jwt-jwks", "https://h.test/"],
            ] {
                let config = parse(&[source, &identity].concat()).expect("somebody says so");
                assert!(config.routes.is_any_set());
            }
        }
        assert!(!parse(&[]).expect("one t3").routes.is_any_set());
    }

    #[test]
    fn there_is_one_source_and_a_secret_needs_it() {
        assert!(parse(&[&TABLE[..], &TEMPLATE[2..]].concat()).is_err());
        let secret = ["--upstream-secret-file", "/secret"];
        assert!(parse(&[&TABLE[..2], &secret].concat()).is_err());
        for source in [&TABLE[..], &TEMPLATE[..]] {
            let config = parse(&[source, &secret].concat()).expect("a secret for somebody");
            let file = config.routes.upstream_secret_file.expect("a file");
            assert_eq!(file.fill("ada"), std::path::PathBuf::from("/secret"));
        }
        let a_person = ["--upstream-secret-file", "/secret/{user}"];
        for (source, is_contradicted) in [(&TABLE[..], true), (&TEMPLATE[..], false)] {
            let found = contradiction(&[source, &a_person].concat());
            assert_eq!(found.is_some(), is_contradicted, "{source:?}");
        }
        let wrong = [
            "--gate",
            "authelia",
            "--upstream-template",
            "{user}.svc:8080",
        ];
        let error = parse(&wrong)
            .expect_err("nothing before the name")
            .to_string();
        assert!(error.contains("something fixed before it"), "{error}");
    }

    #[test]
    fn a_command_has_names_only_where_there_are_some() {
        let of_user = ["--mint-command", "mint {user}"];
        let of_os_user = ["--mint-command", "sudo mint {os_user}"];
        let fixed = ["--mint-command", "mint"];
        for (source, command, is_contradicted) in [
            (&[][..], &fixed, false),
            (&[], &of_user, true),
            (&[], &of_os_user, true),
            (&TABLE, &of_user, false),
            (&TABLE, &of_os_user, false),
            (&TEMPLATE, &of_user, false),
            (&TEMPLATE, &of_os_user, true),
            (&[], &["--mint-command", ""], false),
        ] {
            let found = contradiction(&[source, command].concat());
            assert_eq!(found.is_some(), is_contradicted, "{source:?} {command:?}");
        }
        assert!(parse(&["--mint-command", "mint {name}"]).is_err());
    }

    #[test]
    fn what_is_one_t3_s_is_not_used_for_several() {
        let of_one = [
            "--t3-bin",
            "/t3",
            "--t3-home",
            "/data",
            "--token-file",
            "/token",
        ];
        let unused = |args: &[&str]| {
            let config = parse(args).expect("options");
            config.routes.unused(&config.pairing)
        };
        let named = ["T3_BIN", "T3CODE_HOME", "DISPATCHER_TOKEN_FILE"];
        assert_eq!(unused(&[&TABLE[..], &of_one].concat()), named);
        assert_eq!(unused(&[&TEMPLATE[..], &of_one[..2]].concat()), named[..1]);
        assert!(unused(&of_one).is_empty());
        assert!(unused(&TABLE).is_empty());
    }
}
