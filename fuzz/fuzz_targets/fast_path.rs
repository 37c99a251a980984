//! What the fast path sends to t3 is what the other way would send, and that by which it finds a kept file what the
//! other way finds it by.

#![no_main]

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::LazyLock;
use std::time::Duration;

use clap::Parser;
use http::header::COOKIE;
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use libfuzzer_sys::fuzz_target;
use t3_dispatcher::access::AccessPolicy;
use t3_dispatcher::access::inner::InnerDispatcher;
use t3_dispatcher::access::visitor::Standing;
use t3_dispatcher::config::Config;
use t3_dispatcher::config::options::InnerConfig;
use t3_dispatcher::fast_path::request::{EligibleRequest, rewrite, rewrite_for_kept};
use t3_dispatcher::fast_path::request_writer::{Files, Rules};
use t3_dispatcher::http_rules::request_id::{RequestIds, X_REQUEST_ID};
use t3_dispatcher::http_rules::{cookies, header_map, validation, withhold};
use t3_dispatcher::pairing::admission::{Admission, admission};
use t3_dispatcher::pairing::policy::RequestFacts;
use t3_dispatcher::process::Tasks;
use t3_dispatcher::router::route::{self, Route};

const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));

/// A policy that trusts its peer, one that does not, one whose gate sends tokens of its own, and one that
/// lets groups in.
static POLICIES: LazyLock<[AccessPolicy; 4]> = LazyLock::new(|| {
    let policy = |args: &[&str]| {
        let config = Config::parse_from([&["t3-dispatcher"], args].concat());
        AccessPolicy::new(config.access, config.timing, &Tasks::default())
            .expect("a policy without a secret")
    };
    let trusting = [
        "--identity-header",
        "X-authentik-username",
        "--allowed-users",
        "alice,bob",
    ];
    let of_oauth2_proxy = [
        "--identity-header",
        "X-Forwarded-User",
        "--trusted-proxies",
        "192.0.2.0/24",
        "--withhold-headers",
        "X-Gate-*,b3",
        "--withhold-cookies",
        "gate_*",
    ];
    let groups = [
        "--allowed-groups",
        "admins",
        "--groups-header",
        "X-Groups",
        "--identity-domains",
        "h.test",
    ];
    let grouped = [&trusting[..], &groups].concat();
    [
        policy(&trusting),
        policy(&[]),
        policy(&of_oauth2_proxy),
        policy(&grouped),
    ]
});

/// A dispatcher behind this one.
static INNER: LazyLock<InnerDispatcher> =
    LazyLock::new(|| InnerDispatcher::new(&InnerConfig::default(), Duration::ZERO));

static IDS: LazyLock<RequestIds> = LazyLock::new(RequestIds::default);

type Lines = BTreeMap<String, Vec<Vec<u8>>>;

fn lines<'a>(fields: impl Iterator<Item = (&'a str, &'a [u8])>) -> Lines {
    let mut lines = Lines::new();
    for (name, value) in fields {
        let held = lines.entry(name.to_ascii_lowercase()).or_default();
        // White space around a value is none of it (RFC 9112 §5).
        held.push(value.trim_ascii().to_vec());
    }
    lines
}

/// The head that `bytes` begin with, as hyper has it.
fn parsed(bytes: &[u8]) -> Request<http_body_util::Empty<&'static [u8]>> {
    let mut fields = [httparse::EMPTY_HEADER; 128];
    let mut request = httparse::Request::new(&mut fields);
    assert!(request.parse(bytes).expect("a head").is_complete());
    let mut parsed = Request::new(http_body_util::Empty::new());
    *parsed.method_mut() = request.method.expect("a method").parse().expect("a method");
    *parsed.uri_mut() = request.path.expect("a target").parse().expect("a target");
    for line in request.headers.iter() {
        let name = HeaderName::from_bytes(line.name.as_bytes()).expect("a name");
        let value = HeaderValue::from_bytes(line.value).expect("a value");
        parsed.headers_mut().append(name, value);
    }
    parsed
}

fn of_map(headers: &HeaderMap) -> Lines {
    lines(
        headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_bytes())),
    )
}

fuzz_target!(|data: &[u8]| {
    for (policy, inner) in POLICIES
        .iter()
        .flat_map(|policy| [(policy, None), (policy, Some(&*INNER))])
    {
        let mut onward = Vec::new();
        let rules = Rules::new(policy, &IDS, PEER, Files::Eligible);
        let locate = |_: Option<&str>| Some(inner);
        let rewritten = rewrite(
            data,
            &rules,
            locate,
            |inner| *inner,
            &|_, _, _, _| true,
            &mut onward,
        );
        if let Some((plain, _)) = rewritten {
            compare(data, policy, inner, plain, &onward, Purpose::Sent);
        }
        if inner.is_none()
            && let Some((plain, ())) = rewrite_for_kept(data, &rules, |_| Some(()), &mut onward)
        {
            compare(data, policy, None, plain, &onward, Purpose::Kept);
        }
    }
});

/// What a head was written for.
#[derive(Clone, Copy, PartialEq)]
enum Purpose {
    /// To be sent to t3.
    Sent,
    /// To find a kept file by.
    Kept,
}

/// Asserts that `onward` is the head that the other way has of the request `plain`, which `data` begins with.
fn compare(
    data: &[u8],
    policy: &AccessPolicy,
    inner: Option<&InnerDispatcher>,
    plain: EligibleRequest,
    onward: &[u8],
    purpose: Purpose,
) {
    let mut other = parsed(&data[..plain.length]);
    validation::check(&mut other)
        .map_err(|refusal| refusal.why)
        .expect("clean");
    assert!(!data[..plain.length].starts_with(b"GET /#"), "no fragment");
    let wants_websocket = validation::is_asked_for(other.headers());
    header_map::strip_request(other.headers_mut());
    let visitor = policy.admit(other.headers_mut(), PEER);
    assert_ne!(visitor.standing, Standing::Denied);
    assert_eq!(visitor.is_https, plain.is_https);
    let route = route::of(&other, wants_websocket, visitor.is_proxied);
    assert_eq!(route, Route::Forward);
    assert_eq!(other.method() == "HEAD", plain.is_head);
    let (head, body) = other.into_parts();
    let is_behind_sso = policy.is_behind_single_sign_on();
    let facts = RequestFacts::of(route.kind(), &head, &visitor, true, is_behind_sso);
    let mut other = Request::from_parts(head, body);
    if let Some(inner) = inner {
        let identity = visitor.browser.identity.as_deref().expect("somebody");
        let groups = visitor.groups.as_deref().map(Cow::Borrowed);
        let passed_on = policy.passed_on(inner, identity, groups).expect("told");
        passed_on
            .set(other.headers_mut())
            .expect("no secret is needed");
    }
    match admission(&facts) {
        _ if inner.is_some() => {}
        Admission::AsItIs => {}
        Admission::WithoutSession => {
            let name = cookies::DEFAULT_COOKIE_NAME;
            withhold::take_session_off(other.headers_mut(), name);
        }
        // No kept file is sent to whoever sends `Authorization`.
        Admission::SessionAsToken if purpose == Purpose::Kept => {}
        refused => panic!("{refused:?} on the fast path"),
    }

    let mut sent = parsed(onward);
    if purpose == Purpose::Kept {
        // With and without a session it is the same file.
        sent.headers_mut().remove(COOKIE);
        other.headers_mut().remove(COOKIE);
        assert!(other.uri().query().is_none() && other.uri().path().starts_with("/assets/"));
    }
    let name = sent.headers().get(X_REQUEST_ID).expect("a name").clone();
    assert_eq!(plain.id(data, &IDS).value(), name);
    match other.headers().contains_key(X_REQUEST_ID) {
        true => assert_eq!(IDS.of(other.headers()).value(), name),
        false => drop(sent.headers_mut().remove(X_REQUEST_ID)),
    }
    assert_eq!(sent.method(), other.method());
    assert_eq!(sent.uri(), other.uri());
    assert_eq!(of_map(sent.headers()), of_map(other.headers()));
}
