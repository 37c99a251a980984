//! The faults of the exchange.

use t3_standin::faults::Faults;
use t3_standin::seen::Outcome;

use crate::client::{Client, Reply};
use crate::room::{DEADLINE, Room};
use t3_standin::server::Standin;

const PATH: &str = "/api/auth/browser-session";

async fn exchange(server: &Standin, path: &str) -> (String, Reply) {
    let credential = server.pairing_credential(Some("alice")).expect("writes");
    let body = format!(r#"{{"credential":"{credential}"}}"#);
    let reply = Client::to(server.addr()).await.post(path, "", &body).await;
    (body, reply)
}

#[tokio::test]
async fn cookies_are_renamed_left_out_and_added() {
    let room = Room::new();
    let server = room.server().await;
    server.set_faults(|faults| {
        faults.cookie_name = "t3_session_abc".to_owned();
        faults.extra_set_cookie = vec!["other=1; Path=/".to_owned()];
    });
    let (_, reply) = exchange(&server, PATH).await;
    let cookies = reply
        .lines
        .iter()
        .filter(|line| line.starts_with("set-cookie: "))
        .count();
    assert_eq!(cookies, 2);
    let cookie = reply
        .header("set-cookie")
        .and_then(|cookie| cookie.split(';').next())
        .expect("a cookie");
    assert!(cookie.starts_with("t3_session_abc="));

    let mut client = Client::to(server.addr()).await;
    let session = client
        .ask(
            "GET /api/auth/session",
            &format!("Cookie: {cookie}\r\n"),
            "",
        )
        .await
        .json();
    assert_eq!(session["authenticated"], true);
    assert_eq!(session["auth"]["sessionCookieName"], "t3_session_abc");

    server.set_faults(|faults| {
        *faults = Faults {
            no_set_cookie: true,
            hide_cookie_name: true,
            ..Faults::default()
        };
    });
    let (_, reply) = exchange(&server, PATH).await;
    assert_eq!((reply.status, reply.header("set-cookie")), (200, None));
    let session = client.get("/api/auth/session").await.json();
    assert_eq!(session["auth"].get("sessionCookieName"), None);
}

#[tokio::test]
async fn a_refused_credential_is_kept_and_one_of_a_forced_500_spent() {
    let room = Room::new();
    let server = room.server().await;
    for (fault, status, spent) in [
        (
            Faults {
                refuse_exchange: true,
                ..Faults::default()
            },
            401,
            false,
        ),
        (
            Faults {
                exchange_status: Some(403),
                ..Faults::default()
            },
            403,
            false,
        ),
        (
            Faults {
                exchange_status: Some(500),
                ..Faults::default()
            },
            500,
            true,
        ),
    ] {
        server.set_faults(|faults| *faults = fault);
        let (body, reply) = exchange(&server, PATH).await;
        assert_eq!(reply.status, status);
        server.set_faults(|faults| *faults = Faults::default());
        let again = Client::to(server.addr()).await.post(PATH, "", &body).await;
        assert_eq!(
            again.status,
            if spent { 401 } else { 200 },
            "after {status}"
        );
    }
}

#[tokio::test]
async fn a_lost_exchange_leaves_a_session_without_a_client() {
    let room = Room::new();
    let server = room.server().await;
    server.set_faults(|faults| faults.exchange_lost = true);
    let credential = server.pairing_credential(None).expect("writes");
    let mut client = Client::to(server.addr()).await;
    let body = format!(r#"{{"credential":"{credential}"}}"#);
    let length = body.len();
    let head = format!("POST {PATH} HTTP/1.1\r\nHost: t3\r\nContent-Length: {length}\r\n\r\n");
    client.send(head + &body).await;
    assert!(client.rest().await.is_empty());
    assert!(
        server
            .wait_for(DEADLINE, |seen| seen[0].outcome() == Outcome::Dropped)
            .await
    );
    assert_eq!(server.sessions().len(), 1);
}

#[tokio::test]
async fn the_old_server_has_the_old_endpoint() {
    let room = Room::new();
    let server = room.server().await;
    server.set_faults(|faults| faults.old_endpoint = true);
    assert_eq!(exchange(&server, PATH).await.1.status, 404);
    let (_, reply) = exchange(&server, "/api/auth/bootstrap").await;
    assert_eq!(
        (reply.status, reply.json()["role"].as_str()),
        (200, Some("client"))
    );
    assert!(
        reply
            .header("set-cookie")
            .is_some_and(|cookie| cookie.starts_with("t3_session="))
    );
    let refused = Client::to(server.addr())
        .await
        .post("/api/auth/bootstrap", "", r#"{"credential":"X"}"#)
        .await;
    assert!(
        refused.text().starts_with(r#"{"error":""#),
        "{}",
        refused.text()
    );
}
