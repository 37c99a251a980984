//! A device is its person's: at a host only that person's t3 is behind the door for apps.

use std::net::SocketAddr;

use crate::common::app::App;
use crate::common::{Client, HANDSHAKE, request};
use crate::town::{Town, USER};

const PEOPLE: [&str; 3] = ["ada", "bob", "cyd"];

const OPTIONS: [&str; 4] = ["--device-port", "0", "--device-host", "{user}.t3.test"];

fn door(town: &Town) -> SocketAddr {
    town.dispatcher.devices.expect("a door for apps")
}

fn host(name: &str) -> String {
    format!("{name}.t3.test")
}

/// A code for a device of `name`, as that person has t3 mint it.
async fn code(town: &Town, name: &str) -> String {
    let home = town.home(name);
    let session = request(home.addr(), "GET /api/auth/session").await.json();
    let cookie = session["auth"]["sessionCookieName"]
        .as_str()
        .expect("a name");
    let admin = home.issue_administrative_session(&format!("{name}@sso"));
    let head = format!(
        "POST /api/auth/pairing-token\n{USER}: {name}\nCookie: {cookie}={}\n\
        Content-Type: application/json\nContent-Length: 2",
        admin.expect("writes")
    );
    let mut client = Client::connect(town.dispatcher.addr).await;
    client.send_head(&head).await;
    client.send(b"{}").await;
    let minted = client.response(false).await;
    assert_eq!(minted.status, 200, "{}", minted.text());
    minted.json()["credential"]
        .as_str()
        .expect("a code")
        .to_owned()
}

async fn paired(town: &Town, name: &str) -> App {
    let mut app = App::connect(door(town), &host(name), None).await;
    let response = app.pair(&code(town, name).await, "phone").await;
    assert_eq!(response.status, 200, "{}", response.text());
    app
}

/// How often clients have asked the t3 of `name` for what begins so.
fn asked(town: &Town, name: &str, path: &str) -> usize {
    let home = town.home(name);
    let own = home.addr().to_string();
    let requests = home.requests();
    let by_clients = requests.iter().filter(|seen| {
        seen.target.starts_with(path.as_bytes()) && seen.header("host") != Some(own.as_bytes())
    });
    by_clients.count()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_device_is_at_its_person_s_t3() {
    let town = Town::timed(&PEOPLE, &OPTIONS, |_| {}).await;
    for name in PEOPLE {
        let mut app = paired(&town, name).await;
        app.connect_again().await.expect("a socket").ping().await;
        let label = town.home(name).sessions().pop().and_then(|row| row.label);
        assert_eq!(label, Some(format!("{name}@sso phone")));
        for other in PEOPLE {
            let expected = usize::from(
                PEOPLE.iter().position(|one| *one == other)
                    <= PEOPLE.iter().position(|one| *one == name),
            );
            assert_eq!(
                asked(&town, other, "/oauth/token"),
                expected,
                "{other} after {name}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_a_token_and_a_ticket_are_nothing_at_another_s_host() {
    let town = Town::timed(&PEOPLE, &OPTIONS, |_| {}).await;
    let cyd = paired(&town, "cyd").await;
    let ticket = cyd.ticket().await.expect("a ticket");
    for (thief, victim) in [("cyd", "ada"), ("cyd", "bob")] {
        let own_code = code(&town, thief).await;
        for name in PEOPLE {
            town.home(name).clear_requests();
        }
        let at_another_s = |token: &str| App {
            host: host(victim),
            token: token.to_owned(),
            ..cyd.clone()
        };
        let mut app = at_another_s("");
        app.describe().await;
        assert_eq!(app.pair(&own_code, "phone").await.status, 401);
        for name in PEOPLE {
            assert_eq!(asked(&town, name, "/oauth"), 0, "{name}");
        }
        let app = at_another_s(&cyd.token);
        for target in [
            "/api/auth/session",
            "/api/orchestration/shell",
            "/api/auth/clients",
        ] {
            assert_eq!(app.call(target).await.status, 401, "{target}");
        }
        assert_eq!(app.ticket().await.expect_err("no ticket").status, 401);
        assert_eq!(
            asked(&town, victim, "/api"),
            0,
            "the token was t3's to see only once, by us"
        );
        let Err(refused) = app.open(&app.websocket(&ticket)).await else {
            panic!("a ticket of {thief} opens a socket of {victim}");
        };
        assert_eq!(refused.status, 401);
        // The code is still good where it belongs.
        let mut home = App {
            host: host(thief),
            ..cyd.clone()
        };
        assert_eq!(home.pair(&own_code, "phone").await.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_other_host_is_anybody_s_and_nothing_else_says_whose_it_is() {
    let town = Town::timed(&PEOPLE, &OPTIONS, |_| {}).await;
    let to = door(&town);
    let ada = paired(&town, "ada").await;
    for name in PEOPLE {
        town.home(name).clear_requests();
    }
    for host in [
        "t3.test",
        ".t3.test",
        "nobody.t3.test",
        "ada.t3.test.",
        "ada.t3.test.evil.test",
        "ada.bob.t3.test",
        "ada@bob.t3.test",
        "a%64a.t3.test",
        "ada",
        "127.0.0.1",
        "[::1]",
        "localhost",
        "ada.t3.test, bob.t3.test",
    ] {
        for fields in ["", "X-User: ada\n", "X-Forwarded-Host: ada.t3.test\n"] {
            let bearer = format!("Authorization: Bearer {}", ada.token);
            for line in [
                "GET /.well-known/t3/environment".to_owned(),
                "GET /api/auth/session".to_owned(),
                "OPTIONS /x".to_owned(),
            ] {
                let head = format!("{line}\nHost: {host}\n{fields}{bearer}");
                let status = request(to, &head).await.status;
                assert!(matches!(status, 400 | 404), "{status}: {head}");
            }
            let head = format!("GET /ws?wsTicket=x.y\nHost: {host}\n{fields}{HANDSHAKE}");
            let status = request(to, &head).await.status;
            assert!(matches!(status, 400 | 404), "{status}: {head}");
        }
    }
    for name in PEOPLE {
        assert_eq!(asked(&town, name, "/"), 0, "{name}");
    }
    // The host alone says it: not what a client claims besides, and in any case.
    for (host, line) in [
        ("ADA.t3.TEST:8443", "GET /.well-known/t3/environment"),
        (
            "bob.t3.test",
            "GET http://ada.t3.test/.well-known/t3/environment",
        ),
    ] {
        let head = format!("{line}\nHost: {host}\n{USER}: bob\nX-Forwarded-Host: bob.t3.test");
        assert_eq!(request(to, &head).await.status, 200, "{head}");
    }
    let counts = PEOPLE.map(|name| asked(&town, name, "/.well-known"));
    assert_eq!(counts, [2, 0, 0]);
}
