//! An identity is one value of one name; nothing that looks like one ever goes on to t3.

#![no_main]

use std::net::{IpAddr, Ipv4Addr};

use http::{HeaderMap, HeaderName};
use libfuzzer_sys::fuzz_target;
use t3_dispatcher::access::allow_list::Users;
use t3_dispatcher::access::identity;
use t3_dispatcher::http_rules::forwarded;
use t3_dispatcher::http_rules::gates::{self, GateCredentials};
use t3_dispatcher::http_rules::header_policy::HeaderPolicy;
use t3_dispatcher::http_rules::name_pattern::NamePattern;
use t3_dispatcher::http_rules::withhold;
use t3_dispatcher_fuzz::{decoded, fields, listed};

static NAME: HeaderName = HeaderName::from_static("x-authentik-username");
const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));

fn plain(name: &str) -> String {
    name.replace(['_', '.'], "-")
}

fn of<'a>(headers: &'a HeaderMap, name: &str) -> Vec<&'a [u8]> {
    headers
        .get_all(name)
        .iter()
        .map(|value| value.as_bytes())
        .collect()
}

/// `value` without the SP and HTAB around it.
fn trimmed(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

fuzz_target!(|data: &[u8]| {
    let before = fields(data);
    let stated = identity::stated(&before, &NAME, "");
    let values = of(&before, NAME.as_str());
    match (&stated, &*values) {
        (Some(stated), [value]) => {
            assert!(!stated.is_empty());
            assert_eq!(decoded(stated), trimmed(value), "exact");
        }
        (None, [value]) => assert!(trimmed(value).is_empty()),
        (Some(_), _) => panic!("an identity of {} values", values.len()),
        (None, _) => {}
    }
    if let Some(stated) = stated {
        let name = trimmed(values[0]);
        let is_domain = name.starts_with(b"@");
        assert_eq!(Users::of([name]).contains(&stated, &stated), !is_domain);
        for other in [
            [name, b"x"].concat(),
            [name, b"@"].concat(),
            [b"x", name].concat(),
        ] {
            let other = Users::of([&*other]);
            assert!(is_domain || !other.contains(&stated, &stated));
        }
        let of_domain = Users::of([&b"@h.test"[..]]).contains(&stated, &stated);
        let local = stated.strip_suffix("@h.test");
        let is_local = |local: &str| !local.is_empty() && !local.contains('@');
        assert_eq!(of_domain, local.is_some_and(is_local));
    }

    let named = ["x-gate-*", "b3"].map(|text| NamePattern::read_fields(text).expect("a name"));
    let policy = HeaderPolicy::new(Some(&NAME)).withholding(&named, &[]);
    let mut trusted = before.clone();
    withhold::withhold(&mut trusted, &policy, true);
    let withheld = |name: &str| {
        let name = plain(name);
        let is_own = name == "x-dispatcher-secret" || name == "forwarded" || name == "set-cookie";
        let is_named = name.starts_with("x-gate-") || name == "b3";
        is_own || is_named || gates::is_gate_field(name.as_bytes())
    };
    for name in ["remote-user", "tailscale-user-login", "x-forwarded-user"] {
        assert!(withheld(name), "{name}");
    }
    let lookalike = |name: &str| {
        let plain = plain(name);
        plain != name && (plain.starts_with("x-forwarded-") || plain == "x-real-ip")
    };
    let dropped = |name: &str| withheld(name) || lookalike(name);
    assert!(!trusted.keys().any(|name| dropped(name.as_str())));
    let others = |headers: &HeaderMap| -> Vec<_> {
        let lines = listed(headers).into_iter();
        lines
            .filter(|(name, _)| !dropped(name) && name != "cookie")
            .collect()
    };
    assert_eq!(
        others(&trusted),
        others(&before),
        "the rest stays as it was"
    );

    let mut replaced = before.clone();
    withhold::withhold(&mut replaced, &policy, false);
    forwarded::set(&mut replaced, false, PEER);
    assert_eq!(of(&replaced, "x-forwarded-for"), [b"192.0.2.7"]);
    assert_eq!(of(&replaced, "x-forwarded-proto"), [b"http"]);
    for name in [
        "forwarded",
        "x-real-ip",
        "x-forwarded-port",
        "x-forwarded-server",
    ] {
        assert!(of(&replaced, name).is_empty(), "{name}");
    }

    for gate in [
        GateCredentials::None,
        GateCredentials::Basic,
        GateCredentials::BasicAndJwt,
    ] {
        let mut without = before.clone();
        withhold::withhold_credentials(&mut without, gate);
        let lines = of(&before, "authorization").into_iter();
        let kept: Vec<_> = lines.filter(|line| !gate.include(line)).collect();
        assert_eq!(of(&without, "authorization"), kept);
        // t3's tokens have two parts.
        let dots = |line: &&[u8]| line.iter().filter(|byte| **byte == b'.').count();
        let of_t3 = of(&before, "authorization")
            .into_iter()
            .filter(|line| line.to_ascii_lowercase().starts_with(b"bearer ") && dots(line) < 2);
        assert!(of_t3.into_iter().all(|line| kept.contains(&line)));
    }

    let held = of(&trusted, "x-forwarded-for").join(&b", "[..]);
    forwarded::set(&mut trusted, true, PEER);
    let line = of(&trusted, "x-forwarded-for");
    assert_eq!(line.len(), 1);
    assert!(line[0].ends_with(b"192.0.2.7"));
    assert!(line[0].starts_with(&held));
    for headers in [&replaced, &trusted] {
        assert!(!headers.keys().any(|name| lookalike(name.as_str())));
    }
    forwarded::client(&before, PEER, &[]);
});
