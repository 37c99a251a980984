//! What never reaches t3, and what never reaches the browser's disk unprotected: rows 15, 16.

use crate::common::{Client, World, request};
use crate::harness::{HANDSHAKE, each, load, seen_last};

const HEADER: [&str; 2] = ["--identity-header", "X-authentik-username"];
const ADA: &str = "X-authentik-username: ada\n";

const TWINS: &str = "X_authentik_username: intruder\nX.authentik.username: intruder\nX-authentik_uid: intruder\n\
    X_Authentik-email: intruder\nx.authentik-groups: intruder\nX_Forwarded_For: intruder\nX.Forwarded.For: intruder\n\
    X_Forwarded_Proto: intruder\nX-Forwarded_Host: intruder\nX_Real_IP: intruder\nX_Dispatcher_Secret: intruder\n\
    X.Dispatcher.Secret: intruder\n";

const SSO: &str = "X-authentik-uid: intruder\nX-authentik-email: intruder\nX-authentik-name: intruder\n\
    X-authentik-groups: intruder\nX-authentik-jwt: intruder\nX-authentik-meta-jwks: intruder\n\
    X-authentik-entitlements: intruder\nX-Authentik-Anything: intruder\nX-Dispatcher-Secret: intruder\n";

/// Nothing of single sign-on is in what t3 saw, whatever it was asked for.
fn assert_withheld(world: &World) {
    for seen in world.standin.requests() {
        for (name, value) in &seen.headers {
            let plain = name.to_lowercase().replace(['_', '.'], "-");
            let of_sso = plain.starts_with("x-authentik") || plain == "x-dispatcher-secret";
            let value = String::from_utf8_lossy(value);
            let line = format!("{name}: {value}");
            assert!(!of_sso && value != "intruder" && value != "ada", "{line}");
        }
    }
}

#[tokio::test]
async fn row_16_twins_of_a_field_go_with_it_or_without() {
    for options in [&[][..], &HEADER] {
        let world = World::with(options).await;
        let head = format!("GET /standin/head\n{TWINS}X_Kept: 1\nX.Kept: 2");
        assert_eq!(request(world.addr(), &head).await.status, 200);
        assert_withheld(&world);
        assert_eq!(seen_last(&world, "x_kept"), ["1"], "others keep theirs");
        assert_eq!(seen_last(&world, "x.kept"), ["2"]);
    }
}

#[tokio::test]
async fn single_sign_on_s_fields_stay_here() {
    for options in [&[][..], &HEADER] {
        let world = World::with(options).await;
        let head = format!("GET /standin/head\n{ADA}{SSO}");
        assert_eq!(request(world.addr(), &head).await.status, 200);
        assert_eq!(load(world.addr(), &format!("{ADA}{SSO}")).await.status, 302);
        let session = world
            .standin
            .issue_browser_session("test")
            .expect("writable");
        let mut client = Client::connect(world.addr()).await;
        let head = format!("GET /ws\n{ADA}{SSO}Cookie: t3_session={session}\n{HANDSHAKE}");
        client.send_head(&head).await;
        assert_eq!(client.head().await.expect("an answer").status, 101);
        assert!(world.standin.requests().len() >= 3);
        assert_withheld(&world);
    }
}

#[tokio::test]
async fn another_identity_header_stays_here_too() {
    let world = World::with(&["--identity-header", "Remote-User"]).await;
    let fields = "Remote-User: ada\nRemote_User: ada\nRemote.User: ada";
    let head = format!("GET /standin/head\n{fields}");
    assert_eq!(request(world.addr(), &head).await.status, 200);
    assert_withheld(&world);
    for name in ["remote-user", "remote_user", "remote.user"] {
        assert_eq!(seen_last(&world, name), [""; 0]);
    }
}

#[tokio::test]
async fn single_sign_on_s_cookies_stay_here_and_the_rest_of_the_line_as_it_is() {
    let cases = [
        ("authentik_proxy_1=x; a=1", "a=1"),
        ("a=1; authentik_proxy_1=x", "a=1"),
        ("a=1; authentik_proxy_1=x; b=2", "a=1; b=2"),
        ("a=1;authentik_session=x;b=2", "a=1;b=2"),
        ("authentik_csrf=x; authentik_session=y; a=1", "a=1"),
        (
            "a=\"1 2\";  b = 2 ;; c; =d; authentik_x=1; e==f",
            "a=\"1 2\";  b = 2 ;; c; =d; e==f",
        ),
        ("a=\u{e9}; authentik_x=\u{e9}; b=2", "a=\u{e9}; b=2"),
        (
            "xauthentik_x=1; authentik=2; a=authentik_x=3",
            "xauthentik_x=1; authentik=2; a=authentik_x=3",
        ),
        (
            "t3_session=abc; authentik_x=1; t3_session=def",
            "t3_session=abc; t3_session=def",
        ),
        ("a=1; b=2", "a=1; b=2"),
    ];
    each(cases, |(sent, expected)| async move {
        let world = World::start().await;
        let head = format!("GET /standin/head\nCookie: {sent}");
        assert_eq!(request(world.addr(), &head).await.status, 200);
        assert_eq!(seen_last(&world, "cookie"), [expected], "{sent}");
    })
    .await;
    let world = World::start().await;
    let head = "GET /standin/head\nCookie: authentik_x=1\nCookie: a=1\nCookie: authentik_x=1; b=2";
    assert_eq!(request(world.addr(), head).await.status, 200);
    assert_eq!(seen_last(&world, "cookie"), ["a=1", "b=2"], "line by line");
    assert_eq!(
        request(world.addr(), "GET /standin/head\nCookie: authentik_x=1")
            .await
            .status,
        200
    );
    assert_eq!(
        seen_last(&world, "cookie"),
        [""; 0],
        "nothing is left of it"
    );
}

/// They have grown past the 16 KiB that t3 takes for a whole head (contract §7).
#[tokio::test]
async fn forty_eight_kibibytes_of_such_cookies_do_not_make_t3_refuse() {
    let world = World::start().await;
    let grown: Vec<_> = (0..24)
        .map(|n| format!("authentik_proxy_{n}={}", "x".repeat(2020)))
        .collect();
    let line = format!("Cookie: a=1; {}; b=2\n", grown.join("; "));
    let answer = request(world.addr(), &format!("GET /standin/head\n{line}")).await;
    assert_eq!(answer.status, 200);
    assert_eq!(seen_last(&world, "cookie"), ["a=1; b=2"]);
    assert_eq!(load(world.addr(), &line).await.status, 302, "and it pairs");
    let session = world
        .standin
        .issue_browser_session("test")
        .expect("writable");
    let mut client = Client::connect(world.addr()).await;
    let head = format!("GET /ws\n{line}Cookie: t3_session={session}\n{HANDSHAKE}");
    client.send_head(&head).await;
    assert_eq!(client.head().await.expect("an answer").status, 101);
}

#[tokio::test]
async fn row_15_what_anyone_claims_of_a_proxy_is_replaced() {
    let claims = "X-Forwarded-For: 203.0.113.99\nX-Forwarded-Proto: https\n\
        X-Forwarded-Host: evil.test\nX-Forwarded-For: 203.0.113.98\nX-Real-IP: 203.0.113.97\n\
        Forwarded: for=203.0.113.96;proto=https;host=evil.test\nX-Forwarded-Port: 444\n\
        X-Forwarded-Server: evil.test";
    let unbelieved = [&HEADER[..], &["--trusted-proxies", "127.0.0.2/32"]].concat();
    for options in [&[][..], &unbelieved] {
        let world = World::with(options).await;
        let answer = request(world.addr(), &format!("GET /standin/head\n{claims}")).await;
        assert_eq!(answer.status, 200);
        assert_eq!(seen_last(&world, "x-forwarded-for"), ["127.0.0.1"]);
        assert_eq!(seen_last(&world, "x-forwarded-proto"), ["http"]);
        assert_eq!(seen_last(&world, "x-forwarded-host"), ["t3.test"]);
        for name in [
            "forwarded",
            "x-real-ip",
            "x-forwarded-port",
            "x-forwarded-server",
        ] {
            let seen = seen_last(&world, name).concat();
            let claimed = seen.contains("203.0.113") || seen.contains("evil") || seen == "444";
            assert!(!claimed, "{name}: {seen}");
        }
    }
}

#[tokio::test]
async fn row_15_what_a_believed_proxy_says_is_kept_and_appended() {
    for options in [
        &HEADER[..],
        &[HEADER, ["--trusted-proxies", "127.0.0.0/8"]].concat(),
    ] {
        let world = World::with(options).await;
        let told = "X-Forwarded-For: 203.0.113.9\nX-Forwarded-Proto: https\n\
            X-Forwarded-Host: cockpit.test\nX-Forwarded-For: 198.51.100.7";
        let answer = request(world.addr(), &format!("GET /standin/head\n{ADA}{told}")).await;
        assert_eq!(answer.status, 200);
        let seen = seen_last(&world, "x-forwarded-for").join(", ");
        assert_eq!(seen, "203.0.113.9, 198.51.100.7, 127.0.0.1");
        assert_eq!(seen_last(&world, "x-forwarded-proto"), ["https"]);
        assert_eq!(seen_last(&world, "x-forwarded-host"), ["cockpit.test"]);
    }
}

/// What t3 sets is handed on with `Secure` behind https, and as it is anywhere else.
#[tokio::test]
async fn the_session_cookie_is_secure_behind_believed_https() {
    let trusted = [&HEADER[..], &["--trusted-proxies", "127.0.0.1/32"]].concat();
    let cases = [
        (HEADER.to_vec(), "X-Forwarded-Proto: https\n", true),
        (HEADER.to_vec(), "X-Forwarded-Proto: HTTPS\n", true),
        (trusted, "X-Forwarded-Proto: https\n", true),
        (HEADER.to_vec(), "X-Forwarded-Proto: http\n", false),
        (HEADER.to_vec(), "", false),
        (vec![], "X-Forwarded-Proto: https\n", false),
        (vec![], "", false),
    ];
    each(cases, |(options, fields, secure)| async move {
        let world = World::with(&options).await;
        let others = ["b=2; Path=/x", "c=3; secure; HttpOnly"].map(str::to_owned);
        world
            .standin
            .set_faults(|faults| faults.extra_set_cookie = others.to_vec());
        let paired = load(world.addr(), &format!("{ADA}{fields}")).await;
        assert_eq!(paired.status, 302, "{options:?} {fields}");
        // t3's own pairing screen does the same exchange in the browser.
        let credential = world.standin.pairing_credential(None).expect("writable");
        let body = format!(r#"{{"credential":"{credential}"}}"#);
        let mut client = Client::connect(world.addr()).await;
        let head = format!(
            "POST /api/auth/browser-session\n{ADA}{fields}Content-Type: application/json\n\
             Content-Length: {}",
            body.len()
        );
        client.send_head(&head).await;
        client.send(body.as_bytes()).await;
        for answer in [paired, client.answer(false).await] {
            let lines = answer.all("set-cookie");
            assert_eq!(lines.len(), 3, "{answer:?}");
            let (line, added) = match lines[0].strip_suffix("; Secure") {
                Some(line) => (line, true),
                None => (&*lines[0], false),
            };
            assert_eq!(added, secure, "{options:?} {fields}: {lines:?}");
            assert!(line.starts_with("t3_session="), "{line}");
            assert!(line.ends_with(" GMT; HttpOnly; SameSite=Lax"), "{line}");
            assert_eq!(
                lines[1..],
                others,
                "the other cookies are not the dispatcher's"
            );
        }
    })
    .await;
}
