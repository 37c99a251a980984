//! Requests that a proxy lets past single sign-on, where nobody overwrites what a client says of itself.

use crate::common::http::Response;
use crate::common::{Client, HANDSHAKE, PAGE, World, request};
use crate::harness::{ADA, HEADER, assert_paired, each};

/// The targets that operators let past single sign-on, and other spellings of them.
const CARVED_OUT: [&str; 26] = [
    "/apple-touch-icon.png",
    "/favicon.ico",
    "/favicon.ico/x",
    "/manifest.webmanifest",
    "/robots.txt",
    "/assets/index.js",
    "/assets",
    "/api",
    "/api/auth/session",
    "/API/auth/session",
    "//api/auth/session",
    "/./api/auth/session",
    "/t/../api/auth/session",
    "/%61pi/auth/session",
    "/oauth/token",
    "/OAuth/mcp/authorize",
    "/.well-known/t3/environment",
    "/%2ewell-known/t3/environment",
    "/probe",
    "/probe/x",
    "/dispatcher",
    "/dispatcher/x",
    "/attachments/1",
    "/mcp",
    "/ws",
    "/ws/?wsTicket=x",
];

fn assert_unpaired(world: &World, response: &Response, of: &str) {
    assert_ne!(response.status, 302, "{of}");
    assert_eq!(response.header("set-cookie"), "", "{of}");
    assert_eq!(world.exchanges(), 0, "{of}");
}

#[tokio::test]
async fn nobody_is_paired_where_no_page_is_opened() {
    for options in [&[][..], &HEADER] {
        let world = World::with(options).await;
        for target in CARVED_OUT {
            for fields in [PAGE, "Accept: text/html"] {
                let head = format!("GET {target}\n{ADA}{fields}");
                assert_unpaired(&world, &request(world.addr(), &head).await, &head);
            }
        }
    }
}

#[tokio::test]
async fn a_person_is_paired_at_each_of_t3_s_pages() {
    let pages = [
        "/",
        "/?a=b%20c",
        "/welcome?token=x",
        "/settings/general",
        "/4f9d1c1e-8a55-4a3f-9a53-0d6f6d8f2a11/6b1e4c1b-0000-4000-8000-000000000000",
    ];
    each(pages, |target| async move {
        let world = World::with(&HEADER).await;
        let response = request(world.addr(), &format!("GET {target}\n{ADA}{PAGE}")).await;
        assert_paired(&response, true, target);
        assert_eq!(response.header("location"), target);
    })
    .await;
}

#[tokio::test]
async fn a_request_with_a_token_or_a_proof_is_neither_paired_nor_healed() {
    let credentials = [
        "Authorization: Bearer x",
        "Authorization: bearer x",
        "Authorization: DPoP x",
        "DPoP: x",
        "Authorization: Bearer x\nDPoP: x",
    ];
    each(credentials, |credential| async move {
        let world = World::with(&HEADER).await;
        let own = "Origin: http://t3.localhost\nSec-Fetch-Site: same-origin";
        for head in [
            format!("GET /\n{ADA}{PAGE}\n{credential}"),
            format!("GET /ws\n{ADA}{own}\n{credential}\n{HANDSHAKE}"),
            format!("GET /api/auth/session\n{ADA}{own}\n{credential}"),
        ] {
            assert_unpaired(&world, &request(world.addr(), &head).await, &head);
            assert_eq!(world.asked().len(), 1, "it is forwarded: {head}");
            world.standin.clear_requests();
        }
    })
    .await;
}

#[tokio::test]
async fn row_74_a_request_that_names_a_ticket_in_any_spelling_is_not_healed() {
    let queries = [
        "wsTicket=",
        "wsTicket",
        "wsTicket=bad",
        "wsticket=bad",
        "wsToken=bad",
        "ws%54icket=bad",
        "a=b&wsTicket=+",
    ];
    each(queries, |query| async move {
        let world = World::with(&HEADER).await;
        let own = "Origin: http://t3.localhost\nSec-Fetch-Site: same-origin";
        for path in ["/ws", "/api/auth/session"] {
            let handshake = if path == "/ws" {
                HANDSHAKE
            } else {
                "Accept: */*"
            };
            let head = format!("GET {path}?{query}\n{ADA}{own}\n{handshake}");
            assert_unpaired(&world, &request(world.addr(), &head).await, &head);
        }
        let head = format!("GET /ws?x=wsTicket=1\n{ADA}{own}\n{HANDSHAKE}");
        let mut client = Client::connect(world.addr()).await;
        client.send_head(&head).await;
        let healed = client.head().await.expect("a response");
        assert_eq!(healed.status, 101, "that is no ticket");
    })
    .await;
}

/// The secret of a gate, which a request past it does not have.
const SECRET: &str = "X-Dispatcher-Secret: s3cret\n";

async fn behind_secret(dir: &std::path::Path) -> World {
    let file = dir.join("secret");
    std::fs::write(&file, "s3cret").expect("writable");
    let file = file.to_str().expect("a UTF-8 path");
    World::with(&[HEADER, ["--secret-file", file]].concat()).await
}

/// An intruder on the routes that skip the gate: gets a session by the icon's, uses a session as a token on
/// that of native apps, with an identity and without, opens a socket by a blank ticket.
#[tokio::test]
async fn a_chain_of_carved_out_routes_ends_with_nothing() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    for world in [World::with(&HEADER).await, behind_secret(dir.path()).await] {
        let mallory = "X-authentik-username: mallory\n";
        let icon = format!("GET /apple-touch-icon.png\n{mallory}Accept: text/html");
        assert_unpaired(&world, &request(world.addr(), &icon).await, "the icon");
        // A session that was stolen elsewhere.
        let stolen = world
            .standin
            .issue_browser_session("ada")
            .expect("writable");
        let (bearer, cookie) = (
            format!("Authorization: Bearer {stolen}\n"),
            format!("Cookie: t3_session={stolen}\n"),
        );
        for person in ["", mallory] {
            for head in [
                format!("GET /api/auth/session\n{person}{bearer}Accept: */*"),
                format!("GET /\n{person}{bearer}{PAGE}"),
                format!("POST /api/auth/websocket-ticket\n{person}{bearer}Content-Length: 0"),
                format!("GET /ws\n{person}{bearer}{HANDSHAKE}"),
            ] {
                let response = request(world.addr(), &head).await;
                assert_eq!(response.status, 401, "{head}");
                assert_unpaired(&world, &response, &head);
            }
        }
        let own = "Origin: http://t3.localhost\nSec-Fetch-Site: same-origin\n";
        for head in [
            format!("GET /ws?wsTicket=\n{cookie}{HANDSHAKE}"),
            format!("GET /ws?wsTicket=\n{own}{cookie}{HANDSHAKE}"),
            format!("GET /ws?wsTicket=\n{mallory}{own}{HANDSHAKE}"),
            format!("GET /ws?wsTicket=bad\n{mallory}{own}{HANDSHAKE}"),
            format!("GET /ws?wsTicket=bad\n{own}{cookie}{HANDSHAKE}"),
        ] {
            let response = request(world.addr(), &head).await;
            assert!(matches!(response.status, 401 | 403), "{head}");
            assert_unpaired(&world, &response, &head);
        }
    }
}

/// Where the gate proves itself, a route past it heals nothing, and counts for nobody.
#[tokio::test]
async fn healing_past_the_gate_is_closed_by_the_secret() {
    let own = "Origin: http://t3.localhost\nSec-Fetch-Site: same-origin\n";
    let requests = [("/ws", HANDSHAKE), ("/api/auth/session", "Accept: */*")];
    for (secret, healed) in [
        ("", false),
        ("X-Dispatcher-Secret: x\n", false),
        (SECRET, true),
    ] {
        for (target, rest) in requests {
            let dir = tempfile::tempdir().expect("a temporary directory");
            let world = behind_secret(dir.path()).await;
            for cookie in ["", "Cookie: t3_session=dead\n"] {
                let head = format!("GET {target}\n{ADA}{secret}{own}{cookie}{rest}");
                let mut client = Client::connect(world.addr()).await;
                client.send_head(&head).await;
                let response = client.head().await.expect("a response");
                assert_eq!(response.header("set-cookie").is_empty(), !healed, "{head}");
                if target == "/ws" {
                    let is_open = response.status == 101;
                    assert_eq!(is_open, healed, "{head}");
                }
            }
            assert_eq!(world.exchanges() > 0, healed, "{target} {secret}");
        }
    }
}
