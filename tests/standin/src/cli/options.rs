//! Parses the arguments into a command and its options.

use std::path::PathBuf;

use super::failure::Failure;
use crate::bundle::Bundle;
use crate::edition::{Edition, Facts};
use crate::ttl;

/// The commands.
pub(super) enum Command {
    PairingCreate,
    PairingList,
    PairingRevoke(String),
    SessionIssue,
    SessionList,
    SessionRevoke(String),
    Serve,
}

/// The flags of all commands together.
#[derive(Default)]
pub(super) struct Options {
    pub(super) json: bool,
    pub(super) token_only: bool,
    pub(super) ttl_ms: Option<u64>,
    pub(super) label: Option<String>,
    pub(super) base_url: Option<String>,
    pub(super) base_dir: Option<PathBuf>,
    pub(super) desktop: bool,
    /// In place of the default ones, where t3 takes them.
    pub(super) scopes: Vec<&'static str>,
    /// For the stand-in only.
    pub(super) bundle: Bundle,
    pub(super) host: Option<String>,
    pub(super) port: Option<u16>,
}

/// The edition that the arguments name, determined first as the options depend on it.
pub(super) fn edition(args: &[String]) -> Option<Edition> {
    ["protocol", "edition"]
        .iter()
        .find_map(|name| Edition::named(value(args, name)?))
}

/// The base directory of a run, determined first so that a refused run is recorded too.
pub(super) fn base_dir(args: &[String]) -> PathBuf {
    value(args, "base-dir").map_or_else(default_base_dir, PathBuf::from)
}

/// The value of a flag, in either of its forms.
fn value<'a>(args: &'a [String], name: &str) -> Option<&'a str> {
    let named = |arg: &'a String| arg.strip_prefix("--")?.strip_prefix(name);
    let with_equals = args.iter().find_map(|arg| named(arg)?.strip_prefix('='));
    let flag = args.iter().position(|arg| named(arg) == Some(""));
    with_equals.or_else(|| args.get(flag? + 1).map(String::as_str))
}

fn default_base_dir() -> PathBuf {
    let from_env = std::env::var_os("T3CODE_HOME").filter(|home| !home.is_empty());
    from_env.map_or_else(
        || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".t3"),
        PathBuf::from,
    )
}

pub(super) fn parse(args: &[String], facts: &Facts) -> Result<(Command, Options), Failure> {
    let mut options = Options::default();
    let mut words = Vec::new();
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        let Some(flag) = arg.strip_prefix("--") else {
            if arg.starts_with('-') {
                return Err(Failure::Usage(format!("Unrecognized flag: {arg}")));
            }
            words.push(arg.as_str());
            continue;
        };
        if options.switch(flag) {
            continue;
        }
        let (name, value) = match flag.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            // A value that looks like a flag is one: `--ttl -5m` has no value (contract §1).
            None => (
                flag,
                rest.next().filter(|value| !value.starts_with('-')).cloned(),
            ),
        };
        let value =
            value.ok_or_else(|| Failure::Usage(format!("Missing value for flag: --{name}")))?;
        options.set(name, value, facts)?;
    }
    options.base_dir.get_or_insert_with(default_base_dir);
    Ok((command(&words)?, options))
}

fn command(words: &[&str]) -> Result<Command, Failure> {
    Ok(match words {
        ["auth", "pairing", "create"] => Command::PairingCreate,
        ["auth", "pairing", "list"] => Command::PairingList,
        ["auth", "pairing", "revoke", id] => Command::PairingRevoke((*id).to_owned()),
        ["auth", "session", "issue"] => Command::SessionIssue,
        ["auth", "session", "list"] => Command::SessionList,
        ["auth", "session", "revoke", id] => Command::SessionRevoke((*id).to_owned()),
        ["serve"] => Command::Serve,
        _ => {
            return Err(Failure::Usage(format!(
                "Unknown command: {}",
                words.join(" ")
            )));
        }
    })
}

impl Options {
    /// Whether stdout has only the result.
    pub(super) fn is_quiet(&self) -> bool {
        self.json || self.token_only
    }

    fn switch(&mut self, flag: &str) -> bool {
        match flag {
            "json" => self.json = true,
            "token-only" => self.token_only = true,
            "no-browser" => {}
            _ => return false,
        }
        true
    }

    fn set(&mut self, name: &str, value: String, facts: &Facts) -> Result<(), Failure> {
        let refused = || Failure::Usage(format!("Invalid value for flag --{name}: {value}"));
        match name {
            "ttl" => self.ttl_ms = Some(ttl::parse(&value).ok_or_else(refused)?),
            "port" => self.port = Some(value.parse().map_err(|_| refused())?),
            "mode" if value == "web" || value == "desktop" => self.desktop = value == "desktop",
            "mode" => return Err(refused()),
            "bundle" if value == "small" => self.bundle = Bundle::Small,
            "bundle" if value == "real" => self.bundle = Bundle::Real,
            "bundle" => return Err(refused()),
            "label" => self.label = Some(value),
            "base-url" => self.base_url = Some(value),
            "base-dir" => self.base_dir = Some(PathBuf::from(value)),
            "host" => self.host = Some(value),
            "scope" if facts.cli_takes_scopes => {
                self.add_scope(&value, facts).ok_or_else(refused)?
            }
            "protocol" | "edition" => drop(Edition::named(&value).ok_or_else(refused)?),
            "dev-url" | "log-level" => {}
            _ => return Err(Failure::Usage(format!("Unrecognized flag: --{name}"))),
        }
        Ok(())
    }

    /// Repetitions count once; a name that cannot be granted is refused (contract §1).
    fn add_scope(&mut self, name: &str, facts: &Facts) -> Option<()> {
        let mut grantable = facts.administrative_scopes.iter();
        let scope = grantable.find(|scope| **scope == name)?;
        if !self.scopes.contains(scope) {
            self.scopes.push(scope);
        }
        Some(())
    }

    /// The scopes that were asked for, else those by default.
    pub(super) fn scopes_or(&self, default: &'static [&'static str]) -> &[&'static str] {
        match self.scopes.as_slice() {
            [] => default,
            asked => asked,
        }
    }
}
