//! The manifest: the dispatcher's, unless t3 has its own.

use serde_json::json;

use crate::assets::files::{file, file_with};
use crate::assets::site::Site;
use crate::common::raw_upstream::RawUpstream;
use crate::common::{Client, Dispatcher, World, request};

const PATH: &str = "/manifest.webmanifest";

#[tokio::test]
async fn it_names_the_app_and_t3_s_own_icon() {
    let world = World::start().await;
    let response = request(world.addr(), &format!("GET {PATH}")).await;
    assert_eq!(response.status, 200);
    assert_eq!(response.header("content-type"), "application/manifest+json");
    assert_eq!(response.header("cache-control"), "private, max-age=86400");
    let icon = json!({ "src": "/apple-touch-icon.png", "type": "image/png", "sizes": "180x180" });
    let expected = json!({
        "id": "/", "name": "T3 Code", "short_name": "T3 Code", "start_url": "/", "scope": "/",
        "display": "standalone", "theme_color": "#0a0a0a", "background_color": "#0a0a0a",
        "icons": [icon],
    });
    assert_eq!(response.json(), expected);
    let head = request(world.addr(), &format!("HEAD {PATH}")).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    for name in ["content-type", "content-length", "cache-control"] {
        assert_eq!(head.all(name), response.all(name), "{name}");
    }
    assert_eq!(world.exchanges(), 0, "no pairing for it");
}

#[tokio::test]
async fn it_has_no_icon_if_t3_has_none() {
    let world = Site::with(vec![
        (PATH, file("text/html; charset=utf-8", b"<head></head>")),
        ("/apple-touch-icon.png", file("text/html", b"<head></head>")),
    ])
    .await;
    let manifest = world.get(PATH, "br").await;
    assert_eq!(manifest.status, 200);
    assert_eq!(manifest.json()["icons"], json!([]));
}

#[tokio::test]
async fn t3_s_own_manifest_and_errors_are_forwarded() {
    let own = br#"{ "name": "t3's own" }"#;
    let error = b"HTTP/1.1 500 Oh\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno".to_vec();
    let coded = file_with(
        "application/manifest+json",
        "etag: \"x\"\r\ncontent-encoding: br\r\n",
        b"\x0b\x01",
    );
    for (response, status, body) in [
        (file("application/manifest+json", own), 200, &own[..]),
        (file("application/json", own), 200, own),
        (coded, 200, b"\x0b\x01"),
        (error, 500, b"no"),
    ] {
        let world = Site::with(vec![(PATH, response)]).await;
        let manifest = world.get(PATH, "br").await;
        assert_eq!((manifest.status, &manifest.body[..]), (status, body));
        assert_eq!(world.t3.count_of("/apple-touch-icon.png"), 0);
    }
    // A t3 that responds 404 to a path it does not know.
    let world = Site::with(vec![]).await;
    assert_eq!(world.get(PATH, "br").await.json()["name"], "T3 Code");
}

#[tokio::test]
async fn exactly_its_path_is_served_beside_fast_path_requests() {
    let world = World::with(&["--assets", "off"]).await;
    let mut client = Client::connect(world.addr()).await;
    // First on the connection, behind a request on the fast path, and before one.
    for path in [
        PATH,
        "/standin/1k",
        PATH,
        "/manifest.webmanifest?v=2",
        "/standin/1k",
    ] {
        let response = client.exchange(&format!("GET {path}")).await;
        assert_eq!(response.status, 200, "{path}");
        let is_manifest = response.header("content-type") == "application/manifest+json";
        assert_eq!(is_manifest, path.starts_with(PATH), "{path}");
    }
    for other in [
        "/manifest.webmanifest/",
        "/Manifest.webmanifest",
        "/x/manifest.webmanifest",
    ] {
        let response = request(world.addr(), &format!("GET {other}")).await;
        assert!(
            response.header("content-type").starts_with("text/html"),
            "{other}"
        );
    }
    assert_eq!(
        request(world.addr(), &format!("POST {PATH}")).await.status,
        404
    );
}

#[tokio::test]
async fn with_pwa_off_there_is_none() {
    let world = World::with(&["--pwa", "off"]).await;
    let response = request(world.addr(), &format!("GET {PATH}")).await;
    assert!(
        response.text().contains("<title>T3 Code (stand-in)"),
        "t3's fallback"
    );
}

#[tokio::test]
async fn it_is_a_403_for_users_not_allowed_and_a_503_without_t3() {
    let world = World::with(&["--identity-header", "x-user", "--allowed-users", "alice"]).await;
    for (user, status) in [("alice", 200), ("mallory", 403)] {
        let head = format!("GET {PATH}\nX-User: {user}");
        assert_eq!(request(world.addr(), &head).await.status, status, "{user}");
    }
    let t3 = RawUpstream::serving(vec![]).await;
    let gone = t3.addr;
    drop(t3);
    let dispatcher = Dispatcher::in_front_of(gone, &[]).await;
    let response = request(dispatcher.addr, &format!("GET {PATH}")).await;
    assert_eq!(response.status, 503);
    assert_eq!(response.header("retry-after"), "1");
}
