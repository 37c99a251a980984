//! What a single sign-on gate leaves on a request, and what is the operator's to withhold: row 79.

use clap::Parser;

use crate::common::{Client, Config, HANDSHAKE, World, request};
use crate::harness::{ADA, HEADER, assert_paired, each, load, seen_last};

/// A field of each gate that says who the person is.
const IDENTITIES: [&str; 15] = [
    "X-authentik-username",
    "X-authentik-email",
    "Remote-User",
    "Remote-Email",
    "X-Auth-Request-User",
    "X-Auth-Request-Email",
    "X-Auth-Request-Preferred-Username",
    "X-Forwarded-User",
    "X-Forwarded-Email",
    "X-Forwarded-Preferred-Username",
    "Cf-Access-Authenticated-User-Email",
    "X-Pomerium-Claim-Email",
    "X-Goog-Authenticated-User-Email",
    "Tailscale-User-Login",
    "X-Gate-User",
];

/// What else gates leave on a request; no other value has `gate's` in it.
const LEFT: &str = "Set-Cookie: authentik_proxy=gate's; Path=/\nSet-Cookie: b=gate's\nSet_Cookie: gate's\n\
    Forwarded: for=203.0.113.9;by=\"gate's\"\n\
    X-authentik-jwt: gate's\nX-authentik-groups: gate's\nX-authentik-entitlements: gate's\n\
    Remote-User: gate's\nRemote-Groups: gate's\nRemote_Email: gate's\nRemote.Name: gate's\n\
    X-Auth-Request-Access-Token: gate's\nX-Auth-Request-Groups: gate's\nX_Auth_Request_User: gate's\n\
    X-Forwarded-User: gate's\nX-Forwarded-Email: gate's\nX-Forwarded-Groups: gate's\n\
    X-Forwarded-Preferred-Username: gate's\nX-Forwarded-Access-Token: gate's\n\
    X_Forwarded_Access_Token: gate's\nX.Forwarded.User: gate's\n\
    Cf-Access-Jwt-Assertion: gate's\nCf_Access_Authenticated_User_Email: gate's\n\
    X-Pomerium-Jwt-Assertion: gate's\nX-Pomerium-Claim-Groups: gate's\n\
    X-Goog-IAP-JWT-Assertion: gate's\nX-Goog-Authenticated-User-ID: gate's\n\
    Tailscale-User-Name: gate's\nTailscale-User-Profile-Pic: gate's\nTailscale.User.Login: gate's\n\
    Cookie: authentik_session=gate's; authelia_session=gate's; a=1; _oauth2_proxy_0=gate's\n\
    Cookie: _pomerium=gate's; CF_Authorization=gate's; GCP_IAP_UID=gate's; __Host-_oauth2_proxy=gate's; b=2\n";

/// No request of a client that t3 received has a gate's field or cookie.
fn assert_nothing_left(world: &World, of: &str) {
    let asked = world.asked();
    assert!(!asked.is_empty(), "{of}");
    for seen in asked {
        for (name, value) in &seen.headers {
            let value = String::from_utf8_lossy(value);
            assert!(!value.contains("gate's"), "{name}: {value}, {of}");
        }
    }
}

#[tokio::test]
async fn row_79_what_gates_leave_on_a_request_never_reaches_t3() {
    let proven = [&HEADER[..], &["--trusted-proxies", "127.0.0.1"]].concat();
    for options in [vec![], HEADER.to_vec(), proven] {
        for switch in ["on", "off"] {
            let world = World::with(&[&*options, &["--fast-path", switch]].concat()).await;
            let head = format!("GET /standin/head\n{ADA}{LEFT}");
            // The second one is served by the fast path.
            for _ in 0..2 {
                assert_eq!(request(world.addr(), &head).await.status, 200);
                assert_eq!(seen_last(&world, "cookie"), ["a=1", "b=2"]);
            }
            let scrape = world.metrics().await;
            let fast = scrape.get("requests_by_way_total{way=\"fast_path\"}");
            assert_eq!(fast > 0.0, switch == "on");
            // Without an identity header a proxy's request is not paired.
            let page = load(world.addr(), &format!("{ADA}{LEFT}")).await;
            assert_paired(&page, !options.is_empty(), switch);
            let session = world.standin.issue_browser_session("test");
            let cookie = format!("Cookie: t3_session={}", session.expect("writable"));
            let mut client = Client::connect(world.addr()).await;
            client
                .send_head(&format!("GET /ws\n{ADA}{LEFT}{cookie}\n{HANDSHAKE}"))
                .await;
            assert_eq!(client.head().await.expect("a response").status, 101);
            assert_nothing_left(&world, &format!("{options:?}, {switch}"));
        }
    }
}

#[tokio::test]
async fn row_79_every_gate_s_identity_pairs_and_stays_here() {
    each(IDENTITIES, |name| async move {
        let world = World::with(&["--identity-header", name]).await;
        let fields = format!("{name}: gate's ada\n");
        let paired = load(world.addr(), &fields).await;
        assert_paired(&paired, true, name);
        assert_paired(&load(world.addr(), "X-Other: ada\n").await, false, name);
        for _ in 0..2 {
            let head = format!("GET /standin/head\n{fields}");
            assert_eq!(request(world.addr(), &head).await.status, 200, "{name}");
        }
        assert_nothing_left(&world, name);
    })
    .await;
}

#[tokio::test]
async fn row_79_an_operator_s_names_add_to_those_of_gates() {
    let options = [
        "--withhold-headers",
        "X-Gate-*, b3",
        "--withhold-cookies",
        "gate_*,session",
    ];
    let sent = "X-Gate-User: gate's\nx_gate.id: gate's\nB3: gate's\nX-authentik-uid: gate's\n\
        X-Gate: 1\nB3-Sampled: 2\nCookie: gate_a=gate's; Session=gate's; sessions=3; authentik_a=gate's; gate=4";
    for switch in ["on", "off"] {
        let world = World::with(&[&options[..], &["--fast-path", switch]].concat()).await;
        for _ in 0..2 {
            let head = format!("GET /standin/head\n{sent}");
            assert_eq!(request(world.addr(), &head).await.status, 200);
            assert_nothing_left(&world, switch);
            assert_eq!(seen_last(&world, "x-gate"), ["1"]);
            assert_eq!(seen_last(&world, "b3-sampled"), ["2"]);
            assert_eq!(seen_last(&world, "cookie"), ["sessions=3; gate=4"]);
        }
    }
}

#[test]
fn row_79_what_t3_needs_cannot_be_withheld() {
    for (flag, names) in [
        ("--withhold-headers", "X-Gate,Host"),
        ("--withhold-headers", "cookie"),
        ("--withhold-headers", "Authorization"),
        ("--withhold-headers", "upgrade"),
        ("--withhold-headers", "Sec_WebSocket_Key"),
        ("--withhold-headers", "sec-*"),
        ("--withhold-headers", "*"),
        ("--withhold-cookies", "t3_session"),
        ("--withhold-cookies", "t3*"),
    ] {
        let refused = Config::try_parse_from(["t3-dispatcher", flag, names]);
        let error = refused.expect_err(names);
        assert_eq!(error.exit_code(), 2, "{names}");
        assert!(error.to_string().contains("needed"), "{error}");
    }
}

const BASIC: &str = "Authorization: Basic dTpw\n";
const JWT: &str = "Authorization: Bearer eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmVk\n";

/// Options; fields of a request; is `Authorization` the gate's?
fn credentials(secret: &str) -> Vec<(Vec<&str>, String, bool)> {
    let proxies = ["--trusted-proxies", "127.0.0.1"];
    let by_secret = ["--secret-file", secret];
    let oauth2 = ["--identity-header", "X-Forwarded-User"];
    let user = "X-Forwarded-User: ada\n";
    let shown = "X-Dispatcher-Secret: s3cret\n";
    vec![
        (HEADER.to_vec(), format!("{ADA}{BASIC}"), true),
        (
            HEADER.to_vec(),
            format!("{ADA}{}", BASIC.to_lowercase()),
            true,
        ),
        (HEADER.to_vec(), BASIC.to_owned(), false),
        (vec![], BASIC.to_owned(), false),
        (HEADER.to_vec(), format!("{ADA}{JWT}"), false),
        ([HEADER, proxies].concat(), format!("{ADA}{JWT}"), false),
        (oauth2.to_vec(), format!("{user}{JWT}"), false),
        ([oauth2, proxies].concat(), format!("{user}{JWT}"), true),
        ([oauth2, proxies].concat(), format!("{user}{BASIC}"), true),
        ([oauth2, proxies].concat(), JWT.to_owned(), false),
        (
            [oauth2, by_secret].concat(),
            format!("{user}{shown}{JWT}"),
            true,
        ),
        ([oauth2, by_secret].concat(), format!("{user}{JWT}"), false),
        (
            [["--identity-header", "X-Auth-Request-Email"], proxies].concat(),
            format!("X-Auth-Request-Email: ada\n{JWT}"),
            true,
        ),
        (
            [oauth2, proxies].concat(),
            format!("{user}Authorization: Bearer e30.c2lnbmVk\n"),
            false,
        ),
        (
            [oauth2, proxies].concat(),
            format!("{user}Authorization: DPoP a.b.c\n"),
            false,
        ),
    ]
}

#[tokio::test]
async fn row_79_a_gate_s_credential_goes_no_further_and_keeps_nobody_from_being_paired() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let secret = dir.path().join("secret");
    std::fs::write(&secret, "s3cret").expect("writable");
    for (options, fields, is_gate_s) in credentials(secret.to_str().expect("a UTF-8 path")) {
        for switch in ["on", "off"] {
            let world = World::with(&[&*options, &["--fast-path", switch]].concat()).await;
            let of = format!("{fields} by {options:?}, fast path {switch}");
            for _ in 0..2 {
                let head = format!("GET /standin/head\n{fields}");
                assert_eq!(request(world.addr(), &head).await.status, 200, "{of}");
                let seen = seen_last(&world, "authorization");
                assert_eq!(seen.is_empty(), is_gate_s, "{seen:?}, {of}");
            }
            assert_paired(&load(world.addr(), &fields).await, is_gate_s, &of);
            let head = format!(
                "GET /ws\n{fields}Origin: http://t3.localhost\nCookie: t3_session=dead\n{HANDSHAKE}"
            );
            let mut client = Client::connect(world.addr()).await;
            client.send_head(&head).await;
            let response = client.head().await.expect("a response");
            assert_eq!(response.status == 101, is_gate_s, "{of}");
            let is_healed = !response.header("set-cookie").is_empty();
            assert_eq!(is_healed, is_gate_s, "{of}");
        }
    }
}
