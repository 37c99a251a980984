//! The options that say by whom a request may be, and what of it t3 does not see.

use std::path::PathBuf;

use clap::{ArgGroup, Args};
use http::{HeaderName, StatusCode};
use ipnet::IpNet;

use crate::config::allow_options::AllowConfig;
use crate::config::gate_options::Gate;
use crate::config::jwt_options::JwtConfig;
use crate::config::parse;
use crate::config::rights_options::RightsConfig;
use crate::config::signed_config::SignedConfig;
use crate::http_rules::name_pattern::NamePattern;

/// Who is let in, and the status of the page for a person who has to wait.
#[derive(Debug, Clone, Args)]
#[command(
    next_help_heading = "Access",
    group = ArgGroup::new("identity_source").args(["gate", "identity_header", "jwt_jwks", "jwt_secret_file"]).multiple(true),
    group = ArgGroup::new("groups_source").args(["gate", "groups_header", "jwt_groups_claim"]).multiple(true)
)]
pub struct AccessConfig {
    /// Single sign-on gate in front, which says in what headers the user and the groups are; without
    /// it and the next option only browsers on this machine are paired.
    #[arg(long, env = "DISPATCHER_GATE", value_name = "GATE")]
    pub gate: Option<Gate>,

    /// Header in which single sign-on names the user [default: none, or the gate's].
    #[arg(long, env = "DISPATCHER_IDENTITY_HEADER", value_name = "NAME")]
    pub identity_header: Option<HeaderName>,

    /// What stands before the user's name in that header; no option sets it.
    #[arg(skip)]
    pub identity_prefix: &'static str,

    /// Which of the users are let in.
    #[command(flatten)]
    pub allow: AllowConfig,

    /// Whose sessions may do more than the standard, and whose less.
    #[command(flatten)]
    pub rights: RightsConfig,

    /// File with a secret that the ingress adds as X-Dispatcher-Secret; an identity counts only
    /// with that secret. It may hold two, one a line, while one replaces the other.
    #[arg(
        long,
        env = "DISPATCHER_SECRET_FILE",
        value_name = "PATH",
        requires = "identity_source"
    )]
    pub secret_file: Option<PathBuf>,

    /// Networks whose identity header and X-Forwarded-* are trusted, separated by commas [default:
    /// everywhere, once an identity header is set].
    #[arg(long, env = "DISPATCHER_TRUSTED_PROXIES", value_name = "CIDRS", value_delimiter = ',', value_parser = parse::network)]
    pub trusted_proxies: Option<Vec<IpNet>>,

    /// Further fields of requests that t3 does not get, separated by commas; `*` at the end of one
    /// stands for any end. They add to those that it never gets: those of Authentik, Authelia,
    /// oauth2-proxy, Cloudflare Access, Pomerium, IAP and Tailscale, `Forwarded` and `Set-Cookie`.
    #[arg(long, env = "DISPATCHER_WITHHOLD_HEADERS", hide_short_help = true, value_name = "NAMES", value_delimiter = ',', value_parser = NamePattern::read_fields)]
    pub withhold_headers: Vec<NamePattern>,

    /// Further cookies that t3 does not get, separated by commas; `*` at the end of one stands for
    /// any end. They add to those of the same gates.
    #[arg(long, env = "DISPATCHER_WITHHOLD_COOKIES", hide_short_help = true, value_name = "NAMES", value_delimiter = ',', value_parser = NamePattern::read_cookies)]
    pub withhold_cookies: Vec<NamePattern>,

    /// Address at which a person signs out of single sign-on, as `/oauth2/sign_out`: the page for who
    /// is not let in names it [default: none, or the gate's].
    #[arg(long, env = "DISPATCHER_SIGN_OUT_URL", hide_short_help = true, value_name = "URL", value_parser = parse::link)]
    pub sign_out_url: Option<String>,

    /// Status of the page that waits for t3 while it is not up; use 200 behind a proxy that
    /// replaces 5xx responses by its own pages.
    #[arg(long, env = "DISPATCHER_WAITING_STATUS", value_name = "STATUS", default_value = "503", value_parser = parse::page_status)]
    pub waiting_status: StatusCode,

    /// The token that proves who the user is.
    #[command(flatten)]
    pub jwt: JwtConfig,
}

impl AccessConfig {
    /// The same, with what the gate states wherever no option says otherwise.
    #[must_use]
    pub fn with_gate(mut self) -> Self {
        let Some(preset) = self.gate.map(Gate::preset) else {
            return self;
        };
        let header = &preset.identity_header;
        let stated = self.identity_header.get_or_insert_with(|| header.clone());
        if stated == header {
            self.identity_prefix = preset.identity_prefix;
        }
        if let Some(url) = preset.sign_out {
            self.sign_out_url.get_or_insert_with(|| url.to_owned());
        }
        if let Some(groups) = &preset.groups {
            let header = || groups.header.clone();
            self.allow.groups_header.get_or_insert_with(header);
            self.allow.groups_separator.get_or_insert(groups.separator);
        }
        self
    }

    /// Does a trusted peer prove that it is the gate, or a signature who the person is?
    pub fn is_proven(&self) -> bool {
        self.secret_file.is_some() || self.trusted_proxies.is_some() || self.jwt.is_any_set()
    }

    /// The token that alone is an identity, if any is required.
    ///
    /// # Errors
    /// Where something of it is missing, or two options contradict each other.
    pub fn signed(&self) -> Result<Option<SignedConfig>, String> {
        let preset = self.gate.map(Gate::preset);
        self.jwt
            .signed(preset.and_then(|preset| preset.signature.as_ref()))
    }

    /// What contradicts itself in these options.
    pub(super) fn contradiction(&self) -> Option<String> {
        let signed = match self.signed() {
            Ok(signed) => signed,
            Err(why) => return Some(why),
        };
        let option = self.option_of_groups()?;
        let allow = &self.clone().with_gate().allow;
        let why = match signed {
            Some(signed) if signed.groups_claim.is_none() => {
                "DISPATCHER_JWT_GROUPS_CLAIM: nothing signs the groups of a header"
            }
            None if allow.groups_header.is_none() => {
                "DISPATCHER_GROUPS_HEADER: the gate of DISPATCHER_GATE states no groups"
            }
            _ => return self.rights.contradiction(),
        };
        Some(format!("{option} needs {why}"))
    }

    /// The first option that is set and needs to know the groups of a person.
    fn option_of_groups(&self) -> Option<&'static str> {
        let options = [
            (&self.allow.allowed_groups, "DISPATCHER_ALLOWED_GROUPS"),
            (&self.rights.admin_groups, "DISPATCHER_ADMIN_GROUPS"),
            (&self.rights.guest_groups, "DISPATCHER_GUEST_GROUPS"),
        ];
        let mut set = options.iter().filter(|(groups, _)| groups.is_some());
        set.next().map(|(_, option)| *option)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::config::Config;

    fn access(args: &[&str]) -> AccessConfig {
        let config = Config::try_parse_from([&["t3-dispatcher"], args].concat());
        config.unwrap_or_else(|error| panic!("{error}")).access
    }

    #[test]
    fn every_option_overrides_what_the_gate_states() {
        let stated = |args: &[&str]| {
            let access = access(args).with_gate();
            let shown = |name: Option<HeaderName>| name.map(|name| name.to_string());
            (
                shown(access.identity_header).unwrap_or_default(),
                access.identity_prefix,
                shown(access.allow.groups_header).unwrap_or_default(),
                access.allow.groups_separator.map(char::from),
            )
        };
        let of = |user: &str, prefix, groups: &str, separator| {
            (user.to_owned(), prefix, groups.to_owned(), separator)
        };
        let email = "x-goog-authenticated-user-email";
        let prefix = "accounts.google.com:";
        for (args, expected) in [
            (&[][..], of("", "", "", None)),
            (
                &["--gate", "authelia"],
                of("remote-user", "", "remote-groups", Some(',')),
            ),
            (
                &["--gate", "authelia", "--identity-header", "Remote-Email"],
                of("remote-email", "", "remote-groups", Some(',')),
            ),
            (
                &["--gate", "authelia", "--groups-separator", ";"],
                of("remote-user", "", "remote-groups", Some(';')),
            ),
            (
                &[
                    "--gate",
                    "authelia",
                    "--groups-header",
                    "X-Teams",
                    "--allowed-groups",
                    "a",
                ],
                of("remote-user", "", "x-teams", Some(',')),
            ),
            (&["--gate", "iap"], of(email, prefix, "", None)),
            (
                &["--gate", "iap", "--identity-header", email],
                of(email, prefix, "", None),
            ),
            (
                &["--gate", "iap", "--identity-header", "x-user"],
                of("x-user", "", "", None),
            ),
            (&["--identity-header", email], of(email, "", "", None)),
        ] {
            assert_eq!(stated(args), expected, "{args:?}");
        }
    }

    #[test]
    fn groups_need_a_field_that_states_them() {
        for (gate, is_contradicted) in [
            ("authentik", false),
            ("authelia", false),
            ("oauth2-proxy", false),
            ("pomerium", false),
            ("cloudflare-access", true),
            ("iap", true),
            ("tailscale", true),
        ] {
            let named = ["--gate", gate, "--allowed-groups", "admins"];
            let contradiction = access(&named).contradiction();
            assert_eq!(contradiction.is_some(), is_contradicted, "{gate}");
            let with_field = [&named[..], &["--groups-header", "X-Groups"]].concat();
            assert_eq!(access(&with_field).contradiction(), None, "{gate}");
        }
        for option in ["--admin-groups", "--guest-groups"] {
            let why = access(&["--gate", "iap", option, "staff"]).contradiction();
            let named = format!(
                "DISPATCHER_{}",
                option[2..].to_uppercase().replace('-', "_")
            );
            assert!(why.is_some_and(|why| why.starts_with(&named)), "{option}");
        }
    }

    #[test]
    fn a_group_has_one_kind_of_rights_and_a_scope_is_one_of_t3_s() {
        let rights = |admins: &str, guests: &str| {
            let groups = ["--admin-groups", admins, "--guest-groups", guests];
            access(&[&["--gate", "authelia"], &groups[..]].concat()).contradiction()
        };
        assert_eq!(rights("staff, ops", "visitors"), None);
        let both = rights("staff,ops", "visitors, ops").expect("a contradiction");
        assert!(both.contains("\"ops\""), "{both}");
        let gate = ["t3-dispatcher", "--gate", "authelia", "--guest-groups", "x"];
        for (scopes, is_taken) in [
            ("orchestration:read", true),
            ("orchestration:read, source-control:write", true),
            ("orchestration", false),
            ("orchestration:", false),
            (":read", false),
            ("a:b:c", false),
            ("Orchestration:read", false),
            ("orchestration:read b", false),
            ("--x:y", false),
            ("access:read", false),
            ("", false),
        ] {
            let args = [&gate[..], &["--guest-scopes", scopes]].concat();
            assert_eq!(Config::try_parse_from(args).is_ok(), is_taken, "{scopes:?}");
        }
        assert_eq!(
            access(&gate[1..]).rights.guest_scopes,
            ["orchestration:read"]
        );
        let bare = ["t3-dispatcher", "--admin-groups", "x"];
        assert!(Config::try_parse_from(bare).is_err(), "of nobody's");
    }
}
