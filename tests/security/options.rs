//! The options of the access policy and of the limits: their defaults and their validation.

use clap::Parser;

use crate::common::process::{command, output};
use t3_dispatcher::config::Config;

#[test]
fn help_names_the_defaults() {
    let help = output(command().arg("--help")).stdout;
    let help = String::from_utf8(help).expect("text");
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    for (flag, variable, default) in [
        ("--drain-timeout", "DISPATCHER_DRAIN_TIMEOUT", "20s"),
        ("--drain-delay", "DISPATCHER_DRAIN_DELAY", "0s"),
        ("--gate", "DISPATCHER_GATE", ""),
        ("--identity-header", "DISPATCHER_IDENTITY_HEADER", ""),
        ("--allowed-users", "DISPATCHER_ALLOWED_USERS", ""),
        ("--allowed-users-file", "DISPATCHER_ALLOWED_USERS_FILE", ""),
        ("--allowed-groups", "DISPATCHER_ALLOWED_GROUPS", ""),
        ("--groups-header", "DISPATCHER_GROUPS_HEADER", ""),
        (
            "--groups-separator",
            "DISPATCHER_GROUPS_SEPARATOR",
            "`|`, or the gate's",
        ),
        ("--identity-domains", "DISPATCHER_IDENTITY_DOMAINS", ""),
        ("--secret-file", "DISPATCHER_SECRET_FILE", ""),
        ("--withhold-headers", "DISPATCHER_WITHHOLD_HEADERS", ""),
        ("--withhold-cookies", "DISPATCHER_WITHHOLD_COOKIES", ""),
        ("--trusted-proxies", "DISPATCHER_TRUSTED_PROXIES", ""),
        ("--frame-ancestors", "DISPATCHER_FRAME_ANCESTORS", "'self'"),
        ("--header-timeout", "DISPATCHER_HEADER_TIMEOUT", "10s"),
        ("--header-limit", "DISPATCHER_HEADER_LIMIT", "131072"),
        ("--max-connections", "DISPATCHER_MAX_CONNECTIONS", "10000"),
        ("--max-tunnels", "DISPATCHER_MAX_TUNNELS", "256"),
        ("--idle-timeout", "DISPATCHER_IDLE_TIMEOUT", "2m"),
        ("--body-timeout", "DISPATCHER_BODY_TIMEOUT", "60s"),
        ("--session-check", "DISPATCHER_SESSION_CHECK", "15s"),
    ] {
        let told = help.split(&format!("{flag} <")).nth(1);
        let told = told.unwrap_or_else(|| panic!("{flag} is not in the help"));
        let told = told.split(" --").next().unwrap_or_default();
        assert!(
            told.contains(&format!("[env: {variable}=")),
            "{flag}: {told}"
        );
        let is_told = default.is_empty() || told.contains(&format!("[default: {default}]"));
        assert!(is_told, "{flag}: {told}");
    }
}

#[test]
fn invalid_values_end_the_start() {
    for (flag, good, bad) in [
        ("--identity-header", "X-Remote-User", "X Remote User"),
        ("--identity-header", "X-Remote-User", ""),
        ("--trusted-proxies", "10.0.0.0/8,::1", "10.0.0.0/33"),
        ("--trusted-proxies", "::/0", "traefik"),
        ("--trusted-proxies", "10.0.0.1", "10.0.0"),
        ("--secret-file", "/dev/null", ""),
        ("--allowed-users", "ada,bob@h.test,@h.test", "ada,,bob"),
        ("--allowed-users", "ada", "@"),
        ("--allowed-users", "@h.test", "@h.test@"),
        ("--groups-separator", ",", ""),
        ("--groups-separator", ";", "||"),
        ("--groups-separator", "|", " "),
        ("--identity-domains", "h.test,d.test", "@h.test"),
        ("--identity-domains", "h.test", ""),
        ("--withhold-headers", "X-Gate-*,b3", "X-*-Gate"),
        ("--withhold-cookies", "gate_*,session", "a=b"),
        ("--frame-ancestors", "'self' https://dash.test", "self"),
        ("--frame-ancestors", "'none'", "'self'; script-src *"),
        ("--frame-ancestors", "https:", ""),
        ("--header-limit", "131072", "128k"),
        ("--header-timeout", "10s", "soon"),
        ("--idle-timeout", "2m", "2"),
        ("--body-timeout", "60s", "-1s"),
        ("--session-check", "15s", "never"),
        ("--max-connections", "10000", "0"),
        ("--max-tunnels", "256", "many"),
    ] {
        let parse = |value| {
            let named = [
                "t3-dispatcher",
                "--identity-header",
                "X-User",
                "--header-limit",
                "65536",
            ];
            Config::try_parse_from(named.iter().chain(&[flag, value]))
        };
        assert!(
            parse(good).is_ok(),
            "{flag} {good}: {:?}",
            parse(good).err()
        );
        assert!(parse(bad).is_err(), "{flag} {bad:?} is taken");
    }
}
