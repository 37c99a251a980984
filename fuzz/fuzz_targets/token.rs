//! Whatever a token says, it names somebody only if the gate has signed it and its claims are for here.

#![no_main]

use std::net::{IpAddr, Ipv4Addr};
use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Parser;
use data_encoding::BASE64URL_NOPAD;
use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;
use ring::hmac;
use serde_json::Value;
use t3_dispatcher::access::AccessPolicy;
use t3_dispatcher::config::Config;
use t3_dispatcher::process::Tasks;
use t3_dispatcher_fuzz::decoded;
use tokio::runtime::{Builder, Runtime};

const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));
const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime")
});

static POLICY: LazyLock<AccessPolicy> = LazyLock::new(|| {
    let path = std::env::temp_dir().join(format!("t3-dispatcher-fuzz-{}", std::process::id()));
    std::fs::write(&path, SECRET).expect("writable");
    let secret = path.to_str().expect("a UTF-8 path");
    let args = [
        "t3-dispatcher",
        "--jwt-secret-file",
        secret,
        "--jwt-header",
        "X-Token",
    ];
    let of_gate = ["--jwt-issuer", "i", "--jwt-audience", "a"];
    let mut config = Config::parse_from(args.iter().chain(&of_gate));
    // Once is enough.
    config.timing.file_reread = std::time::Duration::MAX / 4;
    let policy = AccessPolicy::new(config.access, config.timing, &Tasks::default());
    policy.expect("a policy with a secret")
});

/// Whom `token` names, as hyper's way finds it and the fast path then does.
fn named(token: &[u8]) -> Option<String> {
    let mut headers = HeaderMap::new();
    headers.insert("x-token", HeaderValue::from_bytes(token).ok()?);
    RUNTIME.block_on(POLICY.refresh(&headers, PEER));
    let name = || {
        let assessment = POLICY.assess(&headers, PEER);
        assert!(assessment.identity.is_none() || !assessment.is_unverified);
        assessment.identity.map(|name| name.to_string())
    };
    let first = name();
    assert_eq!(name(), first);
    first
}

fuzz_target!(|data: &[u8]| {
    assert_eq!(named(data), None, "nobody has signed it");

    let end = data
        .iter()
        .position(|byte| *byte == b'\n')
        .unwrap_or(data.len());
    let (header, claims) = data.split_at(end);
    let claims = claims.get(1..).unwrap_or_default();
    let [first, second] = [header, claims].map(|text| BASE64URL_NOPAD.encode(text));
    let signed = format!("{first}.{second}");
    let signature = hmac::sign(
        &hmac::Key::new(hmac::HMAC_SHA256, SECRET),
        signed.as_bytes(),
    );
    let token = format!("{signed}.{}", BASE64URL_NOPAD.encode(signature.as_ref()));
    assert_eq!(
        named(&token.as_bytes()[..token.len() - 1]),
        None,
        "a part of it"
    );
    let Some(name) = named(token.as_bytes()) else {
        return;
    };
    let header: Value = serde_json::from_slice(header).expect("a header");
    assert!(header["alg"] == "HS256" && header.get("crit").is_none());
    let claims: Value = serde_json::from_slice(claims).expect("claims");
    assert_eq!(claims["iss"], "i");
    let for_here = |audience: &Value| audience == "a";
    let audiences = claims["aud"].as_array();
    assert!(for_here(&claims["aud"]) || audiences.is_some_and(|all| all.iter().any(for_here)));
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970");
    assert!(claims["exp"].as_f64().expect("an end") + 62.0 >= now.as_secs_f64());
    let stated = claims["sub"].as_str().expect("a name");
    assert_eq!(decoded(&name), stated.trim_matches([' ', '\t']).as_bytes());
    assert!(!name.is_empty() && !name.chars().any(char::is_control));
});
