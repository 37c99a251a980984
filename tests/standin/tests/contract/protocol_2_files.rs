//! Protocol 2: static files, validators and content codings (contract §6).

use std::io::Read;

use flate2::read::GzDecoder;
use t3_standin::edition::Edition;
use t3_standin::server::Standin;

use crate::client::Client;
use crate::room::Room;

const IMMUTABLE: &str = "public, max-age=31536000, immutable";

async fn script(server: &Standin) -> (Client, String) {
    let mut client = Client::to(server.addr()).await;
    let page = client.get("/").await;
    let mut parts = page.text().split('"');
    let script = parts.find(|part| part.ends_with(".js")).expect("a script");
    (client, script.to_owned())
}

#[tokio::test]
async fn only_hashed_names_are_immutable_and_html_has_no_validator() {
    let room = Room::new();
    let server = room.server_of(Edition::Protocol2).await;
    let (mut client, script) = script(&server).await;
    for (path, caching, has_validators) in [
        (script.as_str(), IMMUTABLE, true),
        ("/manifest.webmanifest", "no-cache", true),
        ("/favicon.ico", "no-cache", true),
        ("/", "no-cache", false),
        ("/assets/missing-12345678.js", "no-cache", false),
    ] {
        let reply = client.get(path).await;
        assert_eq!(
            (reply.status, reply.header("cache-control")),
            (200, Some(caching)),
            "{path}"
        );
        let etag = reply
            .header("etag")
            .is_some_and(|etag| etag.starts_with("W/\""));
        assert_eq!(
            (etag, reply.header("last-modified").is_some()),
            (has_validators, has_validators),
            "{path}"
        );
    }
    let page = client.get("/").await;
    assert!(
        page.text()
            .contains(r#"<link rel="manifest" href="/manifest.webmanifest" />"#)
    );
}

#[tokio::test]
async fn validators_give_304_with_the_same_fields() {
    let room = Room::new();
    let server = room.server_of(Edition::Protocol2).await;
    let (mut client, script) = script(&server).await;
    let whole = client.get(&script).await;
    let (etag, modified) = (
        whole.header("etag").expect("one"),
        whole.header("last-modified").expect("one"),
    );
    for (method, lines, status) in [
        ("GET", format!("If-None-Match: {etag}\r\n"), 304),
        (
            "HEAD",
            format!("If-None-Match: \"x\", {etag}\r\nAccept-Encoding: br\r\n"),
            304,
        ),
        ("GET", "If-None-Match: *\r\n".to_owned(), 304),
        (
            "GET",
            format!("If-None-Match: \"x\"\r\nIf-Modified-Since: {modified}\r\n"),
            200,
        ),
        ("GET", format!("If-Modified-Since: {modified}\r\n"), 304),
        (
            "GET",
            "If-Modified-Since: Sun, 29 Nov 2020 02:53:00 GMT\r\n".to_owned(),
            200,
        ),
        ("GET", "Range: bytes=0-9\r\n".to_owned(), 200),
    ] {
        let reply = client.ask(&format!("{method} {script}"), &lines, "").await;
        assert_eq!(reply.status, status, "{lines}");
        for name in ["cache-control", "etag", "last-modified", "vary"] {
            assert_eq!(reply.header(name), whole.header(name), "{lines}");
        }
        assert_eq!(
            reply.header("content-length").is_some(),
            status == 200,
            "{lines}"
        );
    }
}

#[tokio::test]
async fn whatever_is_long_enough_is_coded_for_each_request() {
    let room = Room::new();
    let server = room.server_of(Edition::Protocol2).await;
    let (mut client, script) = script(&server).await;
    let plain = client
        .ask(
            &format!("GET {script}"),
            "Accept-Encoding: identity\r\n",
            "",
        )
        .await;
    assert_eq!(
        plain.header("content-length"),
        Some(plain.body.len().to_string().as_str())
    );
    let gzip = client
        .ask(
            &format!("GET {script}"),
            "Accept-Encoding: zstd, gzip\r\n",
            "",
        )
        .await;
    let mut decoded = Vec::new();
    GzDecoder::new(&gzip.body[..])
        .read_to_end(&mut decoded)
        .expect("gzip");
    assert_eq!(decoded, plain.body);
    let names = "cache-control etag last-modified content-type content-encoding vary access-control-allow-origin Date \
                 Connection Keep-Alive Transfer-Encoding";
    assert_eq!(gzip.names().join(" "), names);

    let lines = "Accept-Encoding: gzip, br\r\n";
    let descriptor = client
        .ask("GET /.well-known/t3/environment", lines, "")
        .await;
    assert_eq!(
        descriptor.header("content-encoding"),
        Some("br"),
        "over 1 KiB"
    );
    let short = client.ask("GET /manifest.webmanifest", lines, "").await;
    assert_eq!(
        (short.header("content-encoding"), short.header("vary")),
        (None, Some("Accept-Encoding"))
    );
    let picture = client.ask("GET /apple-touch-icon.png", lines, "").await;
    assert_eq!(
        (picture.header("content-encoding"), picture.header("vary")),
        (None, None)
    );
    let head = client.ask(&format!("HEAD {script}"), lines, "").await;
    assert_eq!(
        (
            head.header("content-encoding"),
            head.header("content-length")
        ),
        (Some("br"), None)
    );
}
