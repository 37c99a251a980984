//! Single sign-on's cookies go, the rest stays byte for byte, and t3's is found as t3 finds it.

#![no_main]

use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;
use t3_dispatcher::http_rules::header_policy::HeaderPolicy;
use t3_dispatcher::http_rules::name_pattern::NamePattern;
use t3_dispatcher::http_rules::{cookies, withhold};

/// Beginnings of names of gates' cookies, the last one by configuration.
const BEGINNINGS: [&str; 5] = [
    "authentik_",
    "authelia_",
    "_oauth2_proxy",
    "_pomerium",
    "gate_",
];
/// Whole names, the last one by configuration.
const NAMES: [&str; 2] = ["cf_authorization", "session"];
const NAME: &str = "t3_session";

fn name_of(pair: &[u8]) -> &[u8] {
    let end = pair
        .iter()
        .position(|byte| *byte == b'=')
        .unwrap_or(pair.len());
    trimmed(&pair[..end])
}

/// As t3 trims it (JavaScript, in Latin-1).
fn trimmed(mut text: &[u8]) -> &[u8] {
    let is_space = |byte: &u8| byte.is_ascii_whitespace() || *byte == 0xa0;
    while let [first, rest @ ..] = text
        && is_space(first)
    {
        text = rest;
    }
    while let [rest @ .., last] = text
        && is_space(last)
    {
        text = rest;
    }
    text
}

fn is_session(pair: &[u8]) -> bool {
    let name = name_of(pair);
    name.starts_with(b"t3_session") || name.starts_with(b"t3_dev_session") || name == b"learned"
}

/// Of a gate, by the names above; some more are withheld.
fn is_withheld(pair: &[u8]) -> bool {
    let name = name_of(pair).to_ascii_lowercase();
    let begins = |prefix: &&str| name.starts_with(prefix.as_bytes());
    BEGINNINGS.iter().any(begins) || NAMES.iter().any(|held| held.as_bytes() == name)
}

fn may_be_withheld(pair: &[u8]) -> bool {
    let name = name_of(pair).to_ascii_lowercase();
    let begins = |prefix: &[u8]| name.starts_with(prefix);
    is_withheld(pair)
        || begins(b"__host-")
        || begins(b"__secure-")
        || begins(b"cf_")
        || begins(b"gcp_")
}

fn policy() -> HeaderPolicy {
    let named = ["gate_*", "session"].map(|text| NamePattern::read_cookies(text).expect("a name"));
    HeaderPolicy::default().withholding(&[], &named)
}

fn pairs(headers: &HeaderMap) -> Vec<Vec<u8>> {
    let lines = headers.get_all(COOKIE).iter();
    let pairs = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
    pairs
        .map(|pair| pair.trim_ascii().to_vec())
        .filter(|pair| !pair.is_empty())
        .collect()
}

fuzz_target!(|data: &[u8]| {
    let mut headers = HeaderMap::new();
    for line in data.split(|byte| *byte == b'\n').take(50) {
        if let Ok(line) = HeaderValue::from_bytes(line) {
            headers.append(COOKIE, line.clone());
            headers.append(SET_COOKIE, line);
        }
    }
    let before = pairs(&headers);
    let session = cookies::session_cookie(&headers, NAME).map(<[u8]>::to_vec);

    let policy = policy();
    let mut withheld = headers.clone();
    withhold::withhold_cookies(&mut withheld, &policy);
    let kept = pairs(&withheld);
    assert!(!kept.iter().any(|pair| is_withheld(pair)));
    // What is left was there before, in the same order, and nothing of t3's is missing.
    let mut rest = before.iter();
    assert!(kept.iter().all(|pair| rest.any(|held| held == pair)));
    let certain = |pairs: &[Vec<u8>]| -> Vec<_> {
        let stays = |pair: &&Vec<u8>| !may_be_withheld(pair);
        pairs.iter().filter(stays).cloned().collect()
    };
    assert_eq!(certain(&kept), certain(&before));
    assert_eq!(
        cookies::session_cookie(&withheld, NAME).map(<[u8]>::to_vec),
        session
    );
    let mut again = withheld.clone();
    withhold::withhold_cookies(&mut again, &policy);
    assert_eq!(again, withheld);

    let mut without = headers.clone();
    withhold::take_session_off(&mut without, "learned");
    let kept: Vec<_> = before
        .iter()
        .filter(|pair| !is_session(pair))
        .cloned()
        .collect();
    assert_eq!(pairs(&without), kept);
    assert_eq!(cookies::session_cookie(&without, NAME), None);

    let mut replaced = headers.clone();
    cookies::replace_session_cookie(&mut replaced, NAME, "new");
    assert_eq!(cookies::session_cookie(&replaced, NAME), Some(&b"new"[..]));
    let others = |pairs: Vec<Vec<u8>>| -> Vec<_> {
        let is_other = |pair: &Vec<u8>| !(pair.contains(&b'=') && name_of(pair) == NAME.as_bytes());
        pairs.into_iter().filter(is_other).collect()
    };
    assert_eq!(others(pairs(&replaced)), others(before));

    let mut secured = headers.clone();
    cookies::secure(&mut secured, NAME);
    for (old, new) in headers
        .get_all(SET_COOKIE)
        .iter()
        .zip(secured.get_all(SET_COOKIE))
    {
        let (old, new) = (old.as_bytes(), new.as_bytes());
        assert!(old == new || [old, b"; Secure"].concat() == new);
        if let Some((name, _)) = cookies::cookie_set_by(old).filter(|(name, _)| name == NAME) {
            let attributes = new.split(|byte| *byte == b';').skip(1);
            let is_secure = |item: &[u8]| item.trim_ascii().eq_ignore_ascii_case(b"secure");
            assert!({ attributes }.any(is_secure), "{name}");
        }
    }
    let mut again = secured.clone();
    cookies::secure(&mut again, NAME);
    assert_eq!(again, secured);
});
