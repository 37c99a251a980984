//! Node's HTTP and t3's routing (contract §6, §7).

use crate::client::Client;
use crate::room::{DEADLINE, Room};

#[tokio::test]
async fn every_unknown_get_is_the_page() {
    let room = Room::new();
    let server = room.server().await;
    let mut client = Client::to(server.addr()).await;
    let index = client.get("/").await;
    assert!(index.text().contains("<title>T3 Code (stand-in)</title>"));
    for path in [
        "/assets/missing.js",
        "/api/nope",
        "/health",
        "/robots.txt",
        "/.well-known/foo",
        "/standin/nope",
    ] {
        let reply = client.get(path).await;
        assert_eq!(
            (reply.status, reply.header("content-type")),
            (200, Some("text/html; charset=utf-8")),
            "{path}"
        );
        assert_eq!(reply.body, index.body, "{path}");
    }
    let script = index
        .text()
        .split('"')
        .find(|part| part.ends_with(".js"))
        .expect("a script")
        .to_owned();
    let script = client.get(&script).await;
    assert!(
        script
            .header("content-type")
            .is_some_and(|kind| kind.contains("javascript"))
    );
    let head = client.ask("HEAD /", "", "").await;
    assert_eq!(
        head.header("content-length"),
        index.header("content-length")
    );
    let names =
        "content-type content-length access-control-allow-origin Date Connection Keep-Alive";
    assert_eq!(head.names().join(" "), names);
}

#[tokio::test]
async fn other_methods_are_not_found() {
    let room = Room::new();
    let server = room.server().await;
    let mut client = Client::to(server.addr()).await;
    for method in ["POST", "PUT", "DELETE", "PATCH", "TRACE"] {
        let reply = client
            .ask(&format!("{method} /api/auth/logout"), "", "")
            .await;
        assert_eq!((reply.status, reply.body.len()), (404, 0), "{method}");
    }
    let preflight = client.ask("OPTIONS /any", "Origin: http://x\r\n", "").await;
    assert_eq!(
        (preflight.status, preflight.header("access-control-max-age")),
        (204, Some("600"))
    );
    assert_eq!(client.get("/..%2fetc/passwd").await.status, 400);
    let forwarded = client
        .ask(
            "POST /api/connect/link-proof",
            "X-Forwarded-Proto: https\r\n",
            "{}",
        )
        .await;
    assert_eq!(forwarded.status, 400);
    assert_eq!(
        client
            .post("/api/observability/v1/traces", "", "{}")
            .await
            .status,
        204
    );
    assert_eq!(client.get("/attachments/1").await.status, 401);
}

#[tokio::test]
async fn heads_are_limited_and_need_a_host() {
    let room = Room::new();
    let server = room.server().await;
    let mut client = Client::to(server.addr()).await;
    let fits = client
        .ask("GET /", &format!("Cookie: {}\r\n", "x".repeat(16_300)), "")
        .await;
    assert_eq!(fits.status, 200);
    for (request, status) in [
        (format!("GET / HTTP/1.1\r\nHost: t3\r\nCookie: {}\r\n\r\n", "x".repeat(17_000)), "431"),
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), "400"),
        ("nonsense\r\n\r\n".to_owned(), "400"),
        ("POST / HTTP/1.1\r\nHost: t3\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned(), "400"),
    ] {
        let mut client = Client::to(server.addr()).await;
        client.send(request).await;
        let response = String::from_utf8(client.rest().await).expect("text");
        assert!(response.starts_with(&format!("HTTP/1.1 {status} ")), "{response}");
        assert!(response.contains("Connection: close\r\n"), "{response}");
    }
}

#[tokio::test]
async fn pipelines_absolute_forms_and_100_continue_are_served() {
    let room = Room::new();
    let server = room.server().await;
    let mut client = Client::to(server.addr()).await;
    let one = "GET http://t3/standin/status/202 HTTP/1.1\r\nHost: t3\r\n\r\n";
    let two = "POST /standin/digest HTTP/1.1\r\nHost: t3\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc";
    client.send(format!("{one}{two}{one}")).await;
    assert_eq!(client.reply(false).await.status, 202);
    assert_eq!(client.reply(false).await.status, 100);
    let digest = client.reply(false).await.json();
    let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(
        (&digest["bytes"], &digest["sha256"]),
        (&3.into(), &sha256.into())
    );
    assert_eq!(client.reply(false).await.status, 202);
    assert!(server.requests().iter().all(|seen| seen.connection == 1));
}

#[tokio::test]
async fn http_1_0_clients_get_a_closed_connection() {
    let room = Room::new();
    let server = room.server().await;
    let mut client = Client::to(server.addr()).await;
    client.send("GET /standin/slow?ms=1 HTTP/1.0\r\n\r\n").await;
    let response = String::from_utf8(client.rest().await).expect("text");
    assert!(
        response.contains("Connection: close\r\n") && response.ends_with("\r\n\r\nfirst\nlast\n"),
        "{response}"
    );
}

#[tokio::test]
async fn idle_connections_are_closed() {
    let room = Room::new();
    let server = room.server().await;
    server.set_faults(|faults| faults.keepalive_ms = 150);
    let mut client = Client::to(server.addr()).await;
    client.get("/standin/1k").await;
    let idle = std::time::Instant::now();
    assert!(client.rest().await.is_empty());
    assert!(idle.elapsed().as_millis() >= 140, "{:?}", idle.elapsed());
    drop(client);
    assert!(
        server
            .wait_for_connections(DEADLINE, |connections, _| connections == 0)
            .await
    );
}

#[tokio::test]
async fn any_upgrade_ends_the_socket() {
    let room = Room::new();
    let server = room.server().await;
    for protocol in ["websocket", "h2c"] {
        let mut client = Client::to(server.addr()).await;
        let lines = format!("Connection: Upgrade\r\nUpgrade: {protocol}\r\n");
        let reply = client.ask("GET /", &lines, "").await;
        assert_eq!(
            (reply.status, reply.header("connection")),
            (200, Some("keep-alive"))
        );
        assert!(client.rest().await.is_empty());
        let mut client = Client::to(server.addr()).await;
        let reply = client
            .post("/api/auth/browser-session", &lines, r#"{"credential":"X"}"#)
            .await;
        assert_eq!(reply.status, 400);
    }
}
