//! The exchange of a credential for a session (contract §2).

use crate::client::Client;
use crate::room::Room;

const PATH: &str = "/api/auth/browser-session";

fn credential_json(credential: &str) -> String {
    format!(r#"{{"credential":"{credential}"}}"#)
}

#[tokio::test]
async fn the_response_is_t3_s_byte_for_byte() {
    let room = Room::new();
    let server = room.server().await;
    let credential = room.credential().await;
    let mut client = Client::to(server.addr()).await;
    let agent = "User-Agent: Mozilla/5.0 (X11; Linux) Chrome/156.0\r\n";
    let reply = client
        .post(PATH, agent, &credential_json(&format!(" {credential} ")))
        .await;
    assert_eq!(reply.status, 200);
    let names = "content-type content-length access-control-allow-origin cache-control pragma set-cookie Date \
                 Connection Keep-Alive";
    assert_eq!(reply.names().join(" "), names);
    assert_eq!(reply.header("keep-alive"), Some("timeout=5"));

    let cookie = reply.header("set-cookie").expect("a cookie");
    let attributes: Vec<&str> = cookie.split("; ").collect();
    let token = attributes[0].strip_prefix("t3_session=").expect("the name");
    let (claims, mac) = token.split_once('.').expect("two parts");
    assert_eq!((token.len(), claims.len(), mac.len()), (403, 359, 43));
    assert_eq!(
        (attributes[1], attributes[3], attributes[4]),
        ("Path=/", "HttpOnly", "SameSite=Lax")
    );
    assert!(attributes[2].starts_with("Expires=") && attributes[2].ends_with(" GMT"));
    assert_eq!(
        attributes[2].len(),
        "Expires=Tue, 22 Dec 2026 14:35:08 GMT".len()
    );
    assert_eq!(attributes.len(), 5);

    let expires = reply.json()["expiresAt"]
        .as_str()
        .expect("a date")
        .to_owned();
    let expected = format!(
        r#"{{"authenticated":true,"scopes":["orchestration:read","orchestration:operate","terminal:operate","review:write","relay:read"],"sessionMethod":"browser-session-cookie","expiresAt":"{expires}"}}"#
    );
    assert_eq!(reply.text(), expected);

    let session = &server.sessions()[0];
    assert_eq!(session.ip.as_deref(), Some("127.0.0.1"));
    assert_eq!(
        session.user_agent.as_deref(),
        Some("Mozilla/5.0 (X11; Linux) Chrome/156.0")
    );
}

#[tokio::test]
async fn one_of_eight_concurrent_exchanges_succeeds() {
    let room = Room::new();
    let server = room.server().await;
    let credential = credential_json(&room.credential().await);
    let mut tries = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (addr, credential) = (server.addr(), credential.clone());
        tries.spawn(async move {
            Client::to(addr)
                .await
                .post(PATH, "", &credential)
                .await
                .status
        });
    }
    let mut statuses = tries.join_all().await;
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 401, 401, 401, 401, 401, 401, 401]);
    assert_eq!(server.sessions().len(), 1);
}

#[tokio::test]
async fn refusals_have_t3_s_format() {
    let room = Room::new();
    let server = room.server().await;
    let mut client = Client::to(server.addr()).await;
    let wrong = client
        .post(PATH, "", &credential_json("63ZRCHFUYSNW"))
        .await;
    let prefix = r#"{"_tag":"EnvironmentAuthInvalidError","code":"auth_invalid","reason":"invalid_credential","traceId":""#;
    assert!(
        wrong.status == 401 && wrong.text().starts_with(prefix),
        "{}",
        wrong.text()
    );
    assert_eq!(wrong.text().len(), prefix.len() + 32 + 2);

    for (body, status) in [("{", 500), ("{}", 400), ("\"\"", 400), ("", 400)] {
        let reply = client.post(PATH, "", body).await;
        assert_eq!((reply.status, reply.body.len()), (status, 0), "{body}");
        assert_eq!(reply.header("transfer-encoding"), Some("chunked"), "{body}");
        assert_eq!(reply.header("content-length"), None, "{body}");
    }
    let text = client
        .ask(&format!("POST {PATH}"), "Content-Type: text/plain\r\n", "x")
        .await;
    assert_eq!(
        (text.status, text.text()),
        (415, "Unsupported content-type: text/plain")
    );
}

#[tokio::test]
async fn an_expired_credential_is_like_a_wrong_one() {
    let room = Room::new();
    let server = room.server().await;
    let output = room
        .run(&["auth", "pairing", "create", "--json", "--ttl", "0s"])
        .await;
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let credential = credential_json(json["credential"].as_str().expect("text"));
    assert_eq!(
        Client::to(server.addr())
            .await
            .post(PATH, "", &credential)
            .await
            .status,
        401
    );
}

#[tokio::test]
async fn charset_slash_and_chunks_are_tolerated() {
    let room = Room::new();
    let server = room.server().await;
    let credential = credential_json(&room.credential().await);
    let mut client = Client::to(server.addr()).await;
    let (first, second) = credential.split_at(5);
    let request = format!(
        "POST {PATH}/ HTTP/1.1\r\nHost: t3\r\nContent-Type: application/json; charset=utf-8\r\n\
         Transfer-Encoding: chunked\r\n\r\n5\r\n{first}\r\n{:x};ext=1\r\n{second}\r\n0\r\n\r\n",
        second.len()
    );
    client.send(request).await;
    assert_eq!(client.reply(false).await.status, 200);
}
