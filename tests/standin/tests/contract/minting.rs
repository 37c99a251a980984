//! Credentials over HTTP (contract §4).

use crate::client::Client;
use crate::room::Room;

const PATH: &str = "/api/auth/pairing-token";

#[tokio::test]
async fn minting_needs_an_administrative_session() {
    let room = Room::new();
    let server = room.server().await;
    let mut client = Client::to(server.addr()).await;
    let none = client.post(PATH, "", "{}").await;
    assert!(
        none.status == 401 && none.text().contains("missing_credential"),
        "{none:?}"
    );
    let browser = format!(
        "Authorization: Bearer {}\r\n",
        server.issue_browser_session("a").expect("writes")
    );
    let standard = client.post(PATH, &browser, "{}").await;
    assert!(
        standard.status == 403 && standard.text().contains("insufficient_scope"),
        "{standard:?}"
    );
}

#[tokio::test]
async fn a_minted_credential_gives_a_session_with_its_label() {
    let room = Room::new();
    let server = room.server().await;
    let mut client = Client::to(server.addr()).await;
    let admin = server.issue_administrative_session("hub").expect("writes");
    let admin = format!("Authorization: Bearer {admin}\r\n");
    assert_eq!(client.post(PATH, &admin, "").await.status, 400);
    let unknown = client.post(PATH, &admin, r#"{"scopes":["nope"]}"#).await;
    assert_eq!((unknown.status, unknown.body.len()), (400, 0));
    let minted = client
        .post(PATH, &admin, r#"{"label":"bob","ttl":"1s"}"#)
        .await;
    assert_eq!(minted.status, 200);
    let json = minted.json();
    let expected = format!(
        r#"{{"id":{},"credential":{},"label":"bob","expiresAt":{}}}"#,
        json["id"], json["credential"], json["expiresAt"]
    );
    assert_eq!(minted.text(), expected);
    assert_eq!(minted.header("cache-control"), None);

    let body = format!(r#"{{"credential":{}}}"#, json["credential"]);
    assert_eq!(
        client
            .post("/api/auth/browser-session", "", &body)
            .await
            .status,
        200
    );
    assert_eq!(
        server
            .sessions()
            .last()
            .and_then(|row| row.label.clone())
            .as_deref(),
        Some("bob")
    );
}

#[tokio::test]
async fn links_are_listed_in_clear_and_revoked() {
    let room = Room::new();
    let server = room.server().await;
    let admin = server.issue_administrative_session("hub").expect("writes");
    let admin = format!("Authorization: Bearer {admin}\r\n");
    let credential = room.credential().await;
    let mut client = Client::to(server.addr()).await;
    let links = client
        .ask("GET /api/auth/pairing-links", &admin, "")
        .await
        .json();
    assert_eq!(links[0]["credential"], credential.as_str());
    let link = format!(r#"{{"id":{}}}"#, links[0]["id"]);
    let revoke = "/api/auth/pairing-links/revoke";
    assert_eq!(
        client.post(revoke, &admin, &link).await.text(),
        r#"{"revoked":true}"#
    );
    assert_eq!(
        client.post(revoke, &admin, &link).await.text(),
        r#"{"revoked":false}"#
    );
    let body = format!(r#"{{"credential":"{credential}"}}"#);
    assert_eq!(
        client
            .post("/api/auth/browser-session", "", &body)
            .await
            .status,
        401
    );
}

#[tokio::test]
async fn the_status_of_minting_can_be_forced() {
    let room = Room::new();
    let server = room.server().await;
    let mut client = Client::to(server.addr()).await;
    for (status, said) in [
        (404, ""),
        (403, "insufficient_scope"),
        (500, "pairing_credential_issuance_failed"),
    ] {
        server.set_faults(|faults| faults.pairing_token_status = Some(status));
        let reply = client.post(PATH, "", "{}").await;
        assert!(
            reply.status == status && reply.text().contains(said),
            "{reply:?}"
        );
    }
}
