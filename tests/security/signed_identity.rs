//! Signed identity: only a token that a gate has signed for this dispatcher names a person, on both ways.

use std::path::Path;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::common::http::Response;
use crate::common::process::{Process, output, standin_and_command};
use crate::common::{Client, HANDSHAKE, World, request};
use crate::harness::{ADA, assert_paired, each, load, seen_last};
use crate::signing::{
    AUDIENCE, ISSUER, SigningKey, claims, coded, key_file, key_set, seconds_since_1970,
};

/// A request that the fast path takes, once its token is known.
const FETCH: &str = "GET /standin/1k\nSec-Fetch-Dest: empty\n";

/// The options of tokens in `X-Token` by the keys in `file`.
fn options<'a>(file: &'a str, further: &[&'a str]) -> Vec<&'a str> {
    let own = ["--jwt-jwks", file, "--jwt-header", "X-Token"];
    let of_gate = ["--jwt-issuer", ISSUER, "--jwt-audience", AUDIENCE];
    [&own[..], &of_gate, further].concat()
}

/// `claims` with `more`; null takes one away.
fn with(mut claims: Value, more: Value) -> Value {
    for (name, value) in more.as_object().expect("members") {
        match value {
            Value::Null => drop(claims.as_object_mut().expect("claims").remove(name)),
            value => claims[name] = value.clone(),
        }
    }
    claims
}

/// Whether the request with `field` is that of somebody who is denied, as nobody but ada is let in. Asked
/// four times, as a token is known from the second time on.
async fn is_denied(world: &World, field: &str) -> bool {
    let mut statuses = Vec::new();
    for _ in 0..4 {
        let response = request(world.addr(), &format!("{FETCH}{field}")).await;
        statuses.push(response.status);
    }
    assert!(
        statuses.iter().all(|status| *status == statuses[0]),
        "{statuses:?}"
    );
    statuses[0] == 403
}

async fn assert_nobody(world: &World, field: &str, what: &str) {
    assert!(
        !is_denied(world, field).await,
        "{what}: somebody who is denied"
    );
    let response = load(world.addr(), &format!("{field}User-Agent: {what}\n")).await;
    assert_paired(&response, false, what);
}

/// The metric of requests on the fast path.
async fn fast(world: &World) -> f64 {
    let metrics = world.metrics().await;
    metrics.get("requests_by_way_total{way=\"fast_path\"}")
}

#[tokio::test]
async fn row_81_a_token_of_each_algorithm_names_its_person_on_both_ways() {
    for algorithm in ["RS256", "ES256", "EdDSA"] {
        for way in ["on", "off"] {
            let dir = tempfile::tempdir().expect("a temporary directory");
            let key = SigningKey::new(algorithm);
            let file = key_file(dir.path(), &[key.jwk("k")]);
            let further = ["--allowed-users", "ada", "--fast-path", way];
            let world = World::with(&options(&file, &further)).await;
            let of = |user: &str| format!("X-Token: {}\n", key.token("k", &claims(user)));
            let response = load(world.addr(), &of("ada")).await;
            assert_paired(&response, true, algorithm);
            let eve = load(world.addr(), &of("eve")).await;
            assert_eq!(eve.status, 403);
            assert!(eve.text().contains("eve"), "{}", eve.text());
            assert!(!is_denied(&world, &of("ada")).await && is_denied(&world, &of("eve")).await);
            for name in ["x-token", "X_Token"] {
                assert!(seen_last(&world, name).is_empty(), "{name} is withheld");
            }
            // The plain field is nobody's word, and loopback is nobody.
            for field in [ADA, "Remote-User: ada\n", "", "X-Token:\n", "X_Token: x\n"] {
                assert_nobody(&world, field, "without a token").await;
            }
        }
    }
}

#[tokio::test]
async fn row_81_a_known_token_goes_by_the_fast_path_until_it_expires() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let key = SigningKey::new("ES256");
    let file = key_file(dir.path(), &[key.jwk("k")]);
    let world = World::with(&options(&file, &["--allowed-users", "ada"])).await;
    let lasts = seconds_since_1970() - 57;
    let field = |claims: &Value| format!("X-Token: {}\n", key.token("k", claims));
    let short = field(&with(claims("eve"), json!({ "exp": lasts })));
    let long = field(&claims("ada"));
    let mut client = Client::connect(world.addr()).await;
    for _ in 0..10 {
        client.exchange(&format!("{FETCH}{long}")).await;
    }
    assert!(fast(&world).await >= 8.0, "{}", fast(&world).await);
    // It has expired, and the clocks may differ by 60 s.
    assert!(is_denied(&world, &short).await, "it counts yet");
    let over = async {
        while request(world.addr(), &format!("{FETCH}{short}"))
            .await
            .status
            == 403
        {}
    };
    let over = tokio::time::timeout(crate::common::PATIENCE, over).await;
    over.expect("a known token expires too");
    assert!(seconds_since_1970() > lasts + 60, "not before");
}

#[tokio::test]
async fn row_81_a_token_that_is_not_of_this_gate_is_nobody_s_on_both_ways() {
    each(["on", "off"], |way| async move {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let [rsa, ec, other] = ["RS256", "ES256", "ES256"].map(SigningKey::new);
        let file = key_file(dir.path(), &[rsa.jwk("r"), ec.jwk("e")]);
        let further = ["--allowed-users", "ada", "--fast-path", way];
        let world = World::with(&options(&file, &further)).await;
        // Somebody who would be denied, and so is told from nobody.
        let own = claims("eve");
        let text = own.to_string();
        let good = ec.token("e", &own);
        assert!(is_denied(&world, &format!("X-Token: {good}\n")).await, "the gate's own");
        let (signed, signature) = good.rsplit_once('.').expect("three parts");
        let public = SigningKey::Secret(rsa.public());
        let [es, ec_of_r] = ["e", "r"].map(|id| format!(r#"{{"alg":"ES256","kid":"{id}"}}"#));
        let embedded = json!({"alg": "ES256", "kid": "e", "jwk": other.jwk("e")}).to_string();
        let pointed = json!({"alg": "ES256", "kid": "x", "jku": "https://evil.test", "x5u": "https://evil.test"});
        let hs = |id: &str| format!(r#"{{"alg":"HS256","kid":"{id}"}}"#);
        let now = seconds_since_1970();
        let none = |alg: &str| {
            let header = coded(format!(r#"{{"alg":"{alg}"}}"#).as_bytes());
            format!("{header}.{}.", coded(text.as_bytes()))
        };
        let by_gate = |more: Value| ec.token("e", &with(own.clone(), more));
        for (what, token) in [
            ("alg none", none("none")),
            ("alg None", none("None")),
            ("alg none and a signature", ec.sign(r#"{"alg":"none","kid":"e"}"#, &text)),
            ("HS256 by the public key", public.sign(&hs("r"), &text)),
            ("HS256 by the public key of no id", public.sign(r#"{"alg":"HS256"}"#, &text)),
            ("HS256 by the key set", SigningKey::Secret(key_set(&[rsa.jwk("r")]).into()).sign(&hs("r"), &text)),
            ("another algorithm of that key", rsa.sign(r#"{"alg":"RS512","kid":"r"}"#, &text)),
            ("the id of a key of another type", ec.sign(&ec_of_r, &text)),
            ("an unknown id", ec.sign(r#"{"alg":"ES256","kid":"x"}"#, &text)),
            ("an embedded key", other.sign(&embedded, &text)),
            ("an address of keys", other.sign(&pointed.to_string(), &text)),
            ("another key", other.sign(&es, &text)),
            ("no signature", signed.to_owned()),
            ("an empty signature", format!("{signed}.")),
            ("a cut signature", format!("{signed}.{}", &signature[..80])),
            ("other claims", format!("{}.{}.{signature}", &signed[..signed.find('.').expect("a dot")], coded(text.replace("eve", "ada").as_bytes()))),
            ("crit", ec.sign(r#"{"alg":"ES256","kid":"e","crit":["exp"]}"#, &text)),
            ("b64", ec.sign(r#"{"alg":"ES256","kid":"e","b64":false,"crit":["b64"]}"#, &text)),
            ("a repeated member of the header", ec.sign(r#"{"alg":"ES256","kid":"e","kid":"e"}"#, &text)),
            ("a repeated claim", ec.sign(&es, &text.replacen('{', r#"{"sub":"ada","#, 1))),
            ("a token of sign-out", ec.sign(r#"{"alg":"ES256","kid":"e","typ":"logout+jwt"}"#, &text)),
            ("another audience", by_gate(json!({"aud": "other"}))),
            ("no audience", by_gate(json!({"aud": null}))),
            ("another issuer", by_gate(json!({"iss": "https://evil.test"}))),
            ("no issuer", by_gate(json!({"iss": null}))),
            ("expired", by_gate(json!({"exp": now - 70}))),
            ("without an end", by_gate(json!({"exp": null}))),
            ("an end in text", by_gate(json!({"exp": "9999999999"}))),
            ("not yet valid", by_gate(json!({"nbf": now + 120}))),
            ("without a name", by_gate(json!({"sub": null}))),
            ("an empty name", by_gate(json!({"sub": " "}))),
            ("a list of names", by_gate(json!({"sub": ["eve"]}))),
            ("huge", by_gate(json!({"x": "x".repeat(60_000)}))),
            ("two in one", format!("{good},{good}")),
            ("Bearer", format!("Bearer {good}")),
            ("no token", "x".to_owned()),
        ] {
            assert_nobody(&world, &format!("X-Token: {token}\n"), what).await;
        }
        let line = format!("X-Token: {good}\n");
        for (what, fields) in [
            ("twice", format!("{line}{line}")),
            ("beside an empty one", format!("{line}X-Token:\n")),
            ("nominated", format!("{line}Connection: X-Token\n")),
            ("another spelling", format!("X_Token: {good}\n")),
        ] {
            assert_nobody(&world, &fields, what).await;
        }
        assert!(is_denied(&world, &line).await, "and the gate's own still counts");
    })
    .await;
}

/// A person has to bring both: what proves the proxy, and the token.
#[tokio::test]
async fn row_81_the_proxy_s_secret_is_needed_beside_a_token_where_one_is_set() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let key = SigningKey::new("ES256");
    let file = key_file(dir.path(), &[key.jwk("k")]);
    let secret = dir.path().join("secret");
    std::fs::write(&secret, "s3cret").expect("writable");
    let secret = ["--secret-file", secret.to_str().expect("a UTF-8 path")];
    let world = World::with(&options(&file, &secret)).await;
    let token = format!("X-Token: {}\n", key.token("k", &claims("ada")));
    for (fields, expected) in [
        (format!("{token}X-Dispatcher-Secret: s3cret\n"), true),
        (format!("{token}X-Dispatcher-Secret: guess\n"), false),
        (token.clone(), false),
        ("X-Dispatcher-Secret: s3cret\n".to_owned(), false),
    ] {
        assert_paired(&load(world.addr(), &fields).await, expected, &fields);
    }
}

/// On paths that skip the gate nobody overwrites what a client says: there is nothing to say without a key.
#[tokio::test]
async fn row_81_nobody_is_paired_or_healed_by_a_claim_alone() {
    let own = "Origin: http://t3.localhost\nSec-Fetch-Site: same-origin\nCookie: t3_session=dead";
    let query = format!("GET /api/auth/session\nSec-Fetch-Dest: empty\n{own}");
    let upgrade = format!("GET /ws\n{HANDSHAKE}\n{own}");
    let dir = tempfile::tempdir().expect("a temporary directory");
    let [key, other] = ["ES256", "ES256"].map(SigningKey::new);
    let file = key_file(dir.path(), &[key.jwk("k")]);
    let further = ["--identity-header", "X-authentik-username"];
    let world = World::with(&options(&file, &further)).await;
    let forged = format!("X-Token: {}", other.token("k", &claims("ada")));
    for claim in [ADA.trim_end(), &forged] {
        let response = request(world.addr(), &format!("{query}\n{claim}")).await;
        assert_eq!(response.header("set-cookie"), "", "{claim}");
        let mut client = Client::connect(world.addr()).await;
        client.send_head(&format!("{upgrade}\n{claim}")).await;
        let response = client.head().await.expect("a response");
        assert!(response.status >= 400, "{}: {claim}", response.status);
        assert_paired(
            &load(world.addr(), &format!("{claim}\n")).await,
            false,
            claim,
        );
        assert_eq!(world.exchanges(), 0, "{claim}");
    }
    let proven = format!("{query}\nX-Token: {}", key.token("k", &claims("ada")));
    let response = request(world.addr(), &proven).await;
    assert_eq!(response.json()["authenticated"], true, "the gate's own");
}

#[tokio::test]
async fn groups_are_those_of_the_token_and_of_no_field() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let key = SigningKey::new("ES256");
    let file = key_file(dir.path(), &[key.jwk("k")]);
    let groups = ["--allowed-groups", "dev", "--jwt-groups-claim", "groups"];
    let header = ["--groups-header", "X-authentik-groups"];
    let world = World::with(&options(
        &file,
        &[groups, [header[0], header[1], "--jwt-claim", "email"]].concat(),
    ))
    .await;
    for (groups, expected) in [
        (json!(["ops", "dev"]), true),
        (json!("dev"), true),
        (json!(["ops"]), false),
        (json!("ops,dev"), false),
        (json!(null), false),
    ] {
        let claims = with(
            claims("x"),
            json!({"email": "ada@h.test", "groups": groups}),
        );
        let field = format!("X-Token: {}\n", key.token("k", &claims));
        let field = format!("{field}X-authentik-groups: dev\nUser-Agent: {groups}\n");
        let response = load(world.addr(), &field).await;
        assert_eq!(
            response.status,
            if expected { 302 } else { 403 },
            "{groups}"
        );
    }
}

/// oauth2-proxy's `Authorization` with the provider's ID token, and t3's own Bearer tokens beside it.
#[tokio::test]
async fn row_79_a_token_in_authorization_is_the_gate_s_and_t3_s_own_stays() {
    for way in ["on", "off"] {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let [key, other] = ["RS256", "RS256"].map(SigningKey::new);
        let file = key_file(dir.path(), &[key.jwk("k")]);
        let options = [
            "--gate",
            "oauth2-proxy",
            "--jwt-jwks",
            &file,
            "--fast-path",
            way,
        ];
        let of_gate = ["--jwt-issuer", ISSUER, "--jwt-audience", AUDIENCE];
        let world = World::with(&[&options[..], &of_gate].concat()).await;
        let token = key.token("k", &claims("ada"));
        let response = load(world.addr(), &format!("Authorization: Bearer {token}\n")).await;
        assert_paired(&response, true, "a token of the gate's");
        let forged = other.token("k", &claims("ada"));
        for (line, kept) in [
            (format!("Bearer {token}"), false),
            (format!("bearer  {token}"), false),
            (format!("Bearer {forged}"), false),
            ("Bearer eyJ2IjoxfQ.bWFj".to_owned(), true),
            ("Bearer opaque".to_owned(), true),
            ("DPoP eyJ2IjoxfQ.bWFj".to_owned(), true),
            (format!("DPoP {token}"), true),
            ("Basic dTpw".to_owned(), true),
        ] {
            for _ in 0..2 {
                request(world.addr(), &format!("{FETCH}Authorization: {line}")).await;
                let seen = seen_last(&world, "authorization");
                assert_eq!(seen.first() == Some(&line), kept, "{line}: {seen:?}");
                assert!(kept || seen.is_empty(), "{seen:?}");
            }
        }
        for field in [
            format!("Authorization: Bearer {forged}\n"),
            format!("Authorization: Bearer {token}\nAuthorization: Basic dTpw\n"),
            "X-Forwarded-User: ada\n".to_owned(),
            "X-Forwarded-User: ada\nAuthorization: Bearer a.b.c\n".to_owned(),
        ] {
            assert_paired(&load(world.addr(), &field).await, false, &field);
        }
    }
}

/// Each gate that signs: its field, its claims, its algorithm, as its documentation has them.
#[tokio::test]
async fn each_gate_s_token_names_its_person_by_the_preset() {
    let cases = [
        (
            "cloudflare-access",
            "Cf-Access-Jwt-Assertion",
            "RS256",
            "email",
        ),
        ("pomerium", "X-Pomerium-Jwt-Assertion", "ES256", "email"),
        ("iap", "X-Goog-IAP-JWT-Assertion", "ES256", "email"),
        (
            "authentik",
            "X-authentik-jwt",
            "HS256",
            "preferred_username",
        ),
        (
            "authentik",
            "X-authentik-jwt",
            "RS256",
            "preferred_username",
        ),
        ("oauth2-proxy", "Authorization", "RS256", "sub"),
    ];
    each(cases, |(gate, header, algorithm, claim)| async move {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let key = SigningKey::new(algorithm);
        let secret = dir.path().join("secret");
        std::fs::write(&secret, key.public()).expect("writable");
        let source = match algorithm {
            "HS256" => [
                "--jwt-secret-file".to_owned(),
                secret.to_str().expect("UTF-8").to_owned(),
            ],
            _ => [
                "--jwt-jwks".to_owned(),
                key_file(dir.path(), &[key.jwk("k")]),
            ],
        };
        let issuer = match gate {
            "iap" => "https://cloud.google.com/iap",
            _ => ISSUER,
        };
        let own = [
            "--gate",
            gate,
            &source[0],
            &source[1],
            "--jwt-audience",
            AUDIENCE,
        ];
        let further = match gate {
            "iap" => &[][..],
            _ => &["--jwt-issuer", ISSUER],
        };
        let world = World::with(&[&own[..], further].concat()).await;
        let claims = with(
            claims("x"),
            json!({"iss": issuer, claim: "ada@h.test", "aud": [AUDIENCE]}),
        );
        let scheme = if header == "Authorization" {
            "Bearer "
        } else {
            ""
        };
        let field = format!("{header}: {scheme}{}\n", key.token("k", &claims));
        assert_paired(&load(world.addr(), &field).await, true, gate);
        request(world.addr(), &format!("{FETCH}{field}")).await;
        assert!(seen_last(&world, header).is_empty(), "{gate}");
        for alone in [
            "X-authentik-username: ada\n",
            "X-Forwarded-User: ada\n",
            "X-Pomerium-Claim-Email: ada\n",
            "X-Goog-Authenticated-User-Email: accounts.google.com:ada\n",
            "Cf-Access-Authenticated-User-Email: ada\n",
        ] {
            assert_paired(&load(world.addr(), alone).await, false, alone);
        }
    })
    .await;
}

#[tokio::test]
async fn a_signature_is_the_proof_of_the_gate_and_its_options_are_told_of_at_the_start() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let key = SigningKey::new("ES256");
    let file = key_file(dir.path(), &[key.jwk("k")]);
    let (code, log) = log_of(
        dir.path(),
        &options(&file, &["--identity-header", "X-User"]),
        &[],
    )
    .await;
    assert_eq!(code, Some(0), "{log}");
    assert!(!log.contains("carved out"), "{log}");

    let short = dir.path().join("short");
    std::fs::write(&short, "0123456789abcdef").expect("writable");
    let short = short.to_str().expect("a UTF-8 path");
    let of_gate = [
        "--jwt-issuer",
        "i",
        "--jwt-audience",
        "a",
        "--jwt-header",
        "x-token",
    ];
    for (args, named) in [
        (vec!["--jwt-header", "x-token"], "DISPATCHER_JWT_JWKS"),
        (vec!["--jwt-jwks", &file], "DISPATCHER_JWT_HEADER"),
        (
            [&of_gate[..], &["--jwt-jwks", "http://h.test/"]].concat(),
            "https",
        ),
        (
            [&of_gate[..], &["--jwt-secret-file", short]].concat(),
            "32 bytes",
        ),
        (
            [&of_gate[..], &["--jwt-secret-file", "/no/such"]].concat(),
            "/no/such",
        ),
        (
            options(
                &file,
                &["--allowed-groups", "a", "--groups-header", "x-groups"],
            ),
            "DISPATCHER_JWT_GROUPS_CLAIM",
        ),
        (
            options(&file, &["--jwt-algorithms", "HS256"]),
            "DISPATCHER_JWT_SECRET_FILE",
        ),
    ] {
        let (_standin, mut command) = standin_and_command(dir.path()).await;
        let output = output(command.args(&args));
        let text = [output.stderr, output.stdout].concat();
        let text = String::from_utf8_lossy(&text);
        assert!(
            matches!(output.status.code(), Some(1 | 2)),
            "{args:?}: {text}"
        );
        assert!(text.contains(named), "{args:?}: {text}");
    }
}

/// The log says why a token counted for nobody, so often a minute, and never what it was.
#[tokio::test]
async fn row_70_a_token_that_counts_for_nobody_is_told_of_and_never_shown() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let [key, other] = ["ES256", "ES256"].map(SigningKey::new);
    let file = key_file(dir.path(), &[key.jwk("k")]);
    let expired = with(claims("ada"), json!({"exp": 1}));
    let tokens = [
        key.token("k", &claims("ada")),
        key.token("k", &expired),
        other.token("k", &claims("ada")),
    ];
    let fields: Vec<_> = tokens
        .iter()
        .map(|token| format!("X-Token: {token}\n"))
        .collect();
    let many: Vec<_> = std::iter::repeat_n(&*fields[2], 100).collect();
    let sent = [&[&*fields[0], &fields[1]][..], &many].concat();
    let (_, log) = log_of(dir.path(), &options(&file, &["--log", "trace"]), &sent).await;
    for why in ["it has expired", "its signature is not that of its key"] {
        assert!(log.contains(why), "{why}: {log}");
    }
    let lines = log
        .lines()
        .filter(|line| line.contains("a token counts for nobody"));
    assert!(lines.count() <= 11, "{log}");
    for token in &tokens {
        for part in token.split('.').skip(1) {
            assert!(!log.contains(part), "{log}");
        }
    }
}

/// The exit code and the log of a dispatcher that gets requests with each of `fields`.
async fn log_of(dir: &Path, args: &[&str], fields: &[&str]) -> (Option<i32>, String) {
    let (_standin, mut command) = standin_and_command(dir).await;
    let process = Process::start(command.args(args));
    for field in fields {
        let response: Response = request(process.addr, &format!("{FETCH}{field}")).await;
        assert!(response.status > 0);
    }
    process.signal(Signal::TERM);
    let ended = tokio::task::spawn_blocking(|| process.end()).await;
    ended.expect("no panic")
}
