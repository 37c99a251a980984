//! Requests whose end is ambiguous, and bodies that are too long, too slow or broken: as on the public door.

use std::time::Duration;

use serde_json::Value;
use t3_standin::edition::Edition;

use crate::common::Client;
use crate::door::{Door, HOST};

/// The cases that the public door is tried with.
const CASES: &str = include_str!("../security/desync_corpus/cases.json");

/// What would be seen at t3 if a part of a body were taken for a request.
const SMUGGLED: &str = "GET /standin/smuggled HTTP/1.1\r\nHost: t3.test\r\n\r\n";

/// How long a refused connection may stay open.
const CLOSES: Duration = Duration::from_secs(5);

/// A case's head at a listed target, with what would be smuggled behind it.
fn on_the_wire(case: &Value, line: &str) -> Vec<u8> {
    let text = |value: &Value| value.as_str().expect("a string").to_owned();
    let mut head = format!("{line} {}\r\n", text(&case["version"]));
    let fields = case["headers"].as_array().expect("an array");
    let names_host = |field: &Value| text(&field[0]).eq_ignore_ascii_case("host");
    if !fields.iter().any(names_host) {
        head.push_str(&format!("Host: {HOST}\r\n"));
    }
    for field in fields {
        head.push_str(&format!("{}:{}\r\n", text(&field[0]), text(&field[1])));
    }
    head.push_str("\r\n");
    let bytes = |character: char| match u8::try_from(character) {
        Ok(byte) => vec![byte],
        Err(_) => character.to_string().into_bytes(),
    };
    let mut head: Vec<u8> = head.chars().flat_map(bytes).collect();
    head.extend(SMUGGLED.as_bytes());
    head
}

#[tokio::test(flavor = "multi_thread")]
async fn no_case_of_the_desync_corpus_brings_a_second_request() {
    let door = Door::of(Edition::Protocol2).await;
    let cases: Vec<Value> = serde_json::from_str(CASES).expect("JSON");
    let lines = [
        "GET /.well-known/t3/environment",
        "POST /oauth/token",
        "OPTIONS /x",
        "POST /api/attachments/upload/a.b",
        "GET /nowhere",
    ];
    let mut tried = 0;
    for case in &cases {
        for line in lines {
            let bytes = on_the_wire(case, line);
            let mut client = Client::connect(door.addr()).await;
            client.send(&bytes).await;
            // Whatever is said: what follows it is not from t3.
            let _ = tokio::time::timeout(CLOSES, client.head()).await;
            let name = format!("{line}, {}", case["name"]);
            for seen in door.world.asked() {
                let (te, cl) = (
                    seen.header("transfer-encoding"),
                    seen.header("content-length"),
                );
                assert!(te.is_none() || cl.is_none(), "two lengths at t3: {name}");
                assert!(!seen.target.ends_with(b"smuggled"), "smuggled by {name}");
            }
            door.assert_nothing_gained(&name);
            door.forget();
            tried += 1;
        }
    }
    println!("{tried} requests");
}

/// Sends a head at `line` with `fields`, and a body; the status, and whether the connection ends.
async fn answer(door: &Door, line: &str, fields: &str, body: &[u8]) -> (u16, bool) {
    let mut client = Client::connect(door.addr()).await;
    let head = format!("{line} HTTP/1.1\r\nHost: {HOST}\r\n{fields}\r\n\r\n");
    client.send(head.as_bytes()).await;
    // It may be closed while this is sent.
    let _ = tokio::io::AsyncWriteExt::write_all(&mut client.stream, body).await;
    let head = tokio::time::timeout(crate::common::PATIENCE, client.head()).await;
    let status = head.expect("in time").map_or(0, |response| response.status);
    let ends = tokio::time::timeout(CLOSES, client.rest()).await.is_ok();
    (status, ends)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_is_too_long_or_none_never_reaches_t3() {
    let door = Door::of(Edition::Protocol2).await;
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    let long = vec![b'a'; 1_000_000];
    for (fields, body, statuses) in [
        (
            format!("{form}Content-Length: 1000000"),
            &long[..],
            &[400, 413][..],
        ),
        (
            format!("{form}Transfer-Encoding: chunked"),
            b"ffff\r\nsubject_token=x&",
            &[400, 408],
        ),
        (format!("{form}Content-Length: 0"), b"", &[400]),
        (format!("{form}Content-Length: 3"), b"a=b", &[400]),
        (
            "Content-Type: application/json\r\nContent-Length: 2".to_owned(),
            b"{}",
            &[415],
        ),
        (
            format!("{form}Content-Encoding: gzip\r\nContent-Length: 3"),
            b"a=b",
            &[415],
        ),
    ] {
        let door = match fields.contains("chunked") {
            // It is never complete.
            true => &Door::with(Edition::Protocol2, &["--body-timeout", "500ms"]).await,
            false => &door,
        };
        let (status, _) = answer(door, "POST /oauth/token", &fields, body).await;
        assert!(
            statuses.contains(&status) || status == 0 && fields.contains("chunked"),
            "{status}: {fields}"
        );
        door.assert_untouched(&fields);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_slow_ends() {
    let options = ["--header-timeout", "500ms", "--body-timeout", "500ms"];
    let door = Door::with(Edition::Protocol2, &options).await;
    let app = door.paired("ada").await;
    door.forget();
    for (head, body) in [
        (
            "GET /.well-known/t3/environment HTTP/1.1\r\nHost: devices.test\r\nX-A: ".to_owned(),
            "",
        ),
        (String::new(), ""),
        (
            "POST /oauth/token HTTP/1.1\r\nHost: devices.test\r\nContent-Length: 100\r\n\
            Content-Type: application/x-www-form-urlencoded\r\n\r\n"
                .to_owned(),
            "subject_token=",
        ),
        (
            format!(
                "POST /api/pull-requests/diff HTTP/1.1\r\nHost: devices.test\r\nContent-Length: 100\r\n\
                Authorization: Bearer {}\r\nContent-Type: application/json\r\n\r\n",
                app.token
            ),
            "{",
        ),
    ] {
        let mut client = Client::connect(door.addr()).await;
        client.send(head.as_bytes()).await;
        client.send(body.as_bytes()).await;
        let ended = tokio::time::timeout(CLOSES, client.rest()).await;
        let rest = ended.unwrap_or_else(|_| panic!("left open: {head:?}"));
        let said = String::from_utf8_lossy(&rest);
        assert!(
            said.is_empty() || said.starts_with("HTTP/1.1 408"),
            "{said}"
        );
    }
    door.assert_nothing_gained("slow clients");
}
