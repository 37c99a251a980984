//! `X-Forwarded-*` and `Forwarded`: replaced, or kept from a trusted proxy: row 15.

use t3_standin::seen::Seen;

use crate::common::{Client, HANDSHAKE, World, request};
use crate::harness::{ADA, HEADER, each, load, seen_last};

#[tokio::test]
async fn row_15_what_anyone_claims_of_a_proxy_is_replaced() {
    let claims = "X-Forwarded-For: 203.0.113.99\nX-Forwarded-Proto: https\n\
        X-Forwarded-Host: evil.test\nX-Forwarded-For: 203.0.113.98\nX-Real-IP: 203.0.113.97\n\
        Forwarded: for=203.0.113.96;proto=https;host=evil.test\nX-Forwarded-Port: 444\n\
        X-Forwarded-Server: evil.test";
    let unbelieved = [&HEADER[..], &["--trusted-proxies", "127.0.0.2/32"]].concat();
    for options in [&[][..], &unbelieved] {
        let world = World::with(options).await;
        let response = request(world.addr(), &format!("GET /standin/head\n{claims}")).await;
        assert_eq!(response.status, 200);
        assert_eq!(seen_last(&world, "x-forwarded-for"), ["127.0.0.1"]);
        assert_eq!(seen_last(&world, "x-forwarded-proto"), ["http"]);
        assert_eq!(seen_last(&world, "x-forwarded-host"), ["t3.localhost"]);
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
        let response = request(world.addr(), &format!("GET /standin/head\n{ADA}{told}")).await;
        assert_eq!(response.status, 200);
        let seen = seen_last(&world, "x-forwarded-for").join(", ");
        assert_eq!(seen, "203.0.113.9, 198.51.100.7, 127.0.0.1");
        assert_eq!(seen_last(&world, "x-forwarded-proto"), ["https"]);
        assert_eq!(seen_last(&world, "x-forwarded-host"), ["cockpit.test"]);
    }
}

/// t3 knows `http` and `https` only (contract §4, §7), and one name as `X-Forwarded-Host`.
#[tokio::test]
async fn row_15_t3_is_told_what_was_understood_of_a_trusted_proxy_s_scheme_and_host() {
    let cases = [
        ("X-Forwarded-Proto: https", "https", ""),
        ("X-Forwarded-Proto: wss", "https", ""),
        ("X-Forwarded-Proto: ws", "http", ""),
        ("X-Forwarded-Proto: https,http", "https", ""),
        ("X-Forwarded-Proto: https, https", "https", ""),
        ("X-Forwarded-Proto: http, https", "http", ""),
        (
            "X-Forwarded-Proto: https\nX-Forwarded-Proto: http",
            "https",
            "",
        ),
        ("X-Forwarded-Proto: gopher", "gopher", ""),
        ("X-Forwarded-Host: pub.test, t3.test", "", "pub.test"),
        (
            "X-Forwarded-Host: pub.test\nX-Forwarded-Host: t3.test",
            "",
            "pub.test",
        ),
    ];
    each(cases, |(fields, proto, host)| async move {
        for switch in ["on", "off"] {
            let world = World::with(&[HEADER, ["--fast-path", switch]].concat()).await;
            let head = format!("GET /standin/head\n{ADA}{fields}");
            // The second one is served by the fast path.
            for _ in 0..2 {
                assert_eq!(request(world.addr(), &head).await.status, 200);
                let seen = ["x-forwarded-proto", "x-forwarded-host"]
                    .map(|name| seen_last(&world, name).join("|"));
                assert_eq!(seen, [proto, host], "{fields}, fast path {switch}");
            }
        }
    })
    .await;
}

/// The exchange states the browser's address, alone.
#[tokio::test]
async fn row_15_a_client_s_address_may_have_a_port_and_brackets() {
    let cases = [
        ("203.0.113.9", "203.0.113.9"),
        ("203.0.113.9:567", "203.0.113.9"),
        ("198.51.100.7, 203.0.113.9:567", "203.0.113.9"),
        ("[2001:db8::1]:567", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
        ("nonsense:567", "127.0.0.1"),
    ];
    each(cases, |(stated, expected)| async move {
        let world = World::with(&HEADER).await;
        let fields = format!("{ADA}X-Forwarded-For: {stated}\n");
        assert_eq!(load(world.addr(), &fields).await.status, 302, "{stated}");
        let seen = world.standin.requests();
        let exchange = |seen: &&Seen| seen.target == b"/api/auth/browser-session";
        let exchange = seen.iter().find(exchange).expect("an exchange");
        let told = exchange.header("x-forwarded-for");
        assert_eq!(told, Some(expected.as_bytes()), "{stated}");
    })
    .await;
}

/// Traefik states `wss` of an upgrade.
#[tokio::test]
async fn a_healed_upgrade_s_cookie_is_secure_behind_trusted_https() {
    let cases = [
        ("X-Forwarded-Proto: wss\n", true),
        ("X-Forwarded-Proto: https,http\n", true),
        ("X-Forwarded-Proto: https, https\n", true),
        ("X-Forwarded-Proto: http, https\n", false),
    ];
    each(cases, |(fields, secure)| async move {
        let world = World::with(&HEADER).await;
        let scheme = if secure { "https" } else { "http" };
        let head = format!(
            "GET /ws\n{ADA}{fields}Origin: {scheme}://t3.localhost\nCookie: t3_session=dead\n{HANDSHAKE}"
        );
        let mut client = Client::connect(world.addr()).await;
        client.send_head(&head).await;
        let response = client.head().await.expect("a response");
        assert_eq!(response.status, 101, "{fields}");
        let line = response.header("set-cookie");
        assert!(line.starts_with("t3_session="), "{fields}: {line}");
        assert_eq!(line.ends_with("; Secure"), secure, "{fields}: {line}");
    })
    .await;
}

/// t3's session cookie gets `Secure` behind https, and is unchanged otherwise.
#[tokio::test]
async fn the_session_cookie_is_secure_behind_trusted_https() {
    let trusted = [&HEADER[..], &["--trusted-proxies", "127.0.0.1/32"]].concat();
    let cases = [
        (HEADER.to_vec(), "X-Forwarded-Proto: https\n", true),
        (HEADER.to_vec(), "X-Forwarded-Proto: HTTPS\n", true),
        (trusted, "X-Forwarded-Proto: https\n", true),
        (HEADER.to_vec(), "X-Forwarded-Proto: http\n", false),
        (HEADER.to_vec(), "", false),
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
        for response in [paired, client.response(false).await] {
            let lines = response.all("set-cookie");
            assert_eq!(lines.len(), 3, "{response:?}");
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
