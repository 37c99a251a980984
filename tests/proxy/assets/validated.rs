//! In front of a t3 that has each of its files validated and compresses each response, as v0.0.42 does (contract §11).

use std::sync::Arc;

use tokio::io::AsyncWriteExt;

use crate::assets::files::{decoded, script};
use crate::assets::site::Site;
use crate::common::http::Response;
use crate::common::raw_upstream::{RawUpstream, target_of};
use crate::common::{Client, PAGE, request};

const FOREVER: &str = "private, max-age=31536000, immutable";
const HASHED: &str = "/assets/main-BP8DcnWJ.js";
const TAG: &str = "W/\"1388-1a225386068\"";
const DATE: &str = "Sun, 29 Nov 2026 02:53:01 GMT";
const CODINGS: [&str; 5] = ["br", "zstd", "gzip", "identity", "gzip, deflate, br, zstd"];

/// One file of t3's.
#[derive(Clone, Copy)]
struct File {
    path: &'static str,
    content_type: &'static str,
    length: usize,
}

const FILES: [File; 8] = [
    of("/", "text/html; charset=utf-8", 20_143),
    of(HASHED, "text/javascript", 300_000),
    of("/assets/zap-BPnVb6y3.js", "text/javascript", 500),
    of("/assets/a-aK5vsLov.woff2", "font/woff2", 1_200_000),
    of("/assets/settings-overview.js", "text/javascript", 5000),
    of("/icon.png", "image/png", 5000),
    of("/sw.js", "text/javascript", 5000),
    of("/licenses.json", "application/json", 5000),
];

const fn of(path: &'static str, content_type: &'static str, length: usize) -> File {
    File {
        path,
        content_type,
        length,
    }
}

/// Such a t3 with `caching` as the `Cache-Control` of what is not HTML.
async fn t3(caching: &'static str) -> RawUpstream {
    let files = Arc::new(FILES.map(|file| (file, script(file.length))));
    RawUpstream::of_files(move |mut stream, head, _| {
        let files = Arc::clone(&files);
        async move {
            let target = target_of(&head);
            // An unknown name is the page.
            let found = files.iter().find(|(file, _)| file.path == target);
            let (file, body) = found.unwrap_or(&files[0]);
            let _ = stream.write_all(&answer(&head, *file, body, caching)).await;
        }
    })
    .await
}

fn answer(head: &[u8], file: File, body: &[u8], caching: &str) -> Vec<u8> {
    let head = String::from_utf8_lossy(head);
    let field = |name: &str| {
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        let found = lines.find(|(held, _)| held.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value)
    };
    let is_page = file.content_type.starts_with("text/html");
    let mut lines = format!(
        "Cache-Control: {}\r\nVary: Accept-Encoding\r\nAccess-Control-Allow-Origin: *\r\n\
         Date: {DATE}\r\nConnection: close\r\n",
        if is_page { "no-cache" } else { caching }
    );
    if !is_page {
        lines += &format!("ETag: {TAG}\r\nLast-Modified: {DATE}\r\n");
    }
    let is_held = match field("if-none-match") {
        "" => field("if-modified-since") == DATE,
        tags => tags.contains(TAG.trim_start_matches("W/")),
    };
    if is_held && !is_page {
        return format!("HTTP/1.1 304 Not Modified\r\n{lines}\r\n").into_bytes();
    }
    let is_coded = field("accept-encoding").contains("gzip")
        && body.len() >= 1024
        && !file.content_type.starts_with("image")
        && !file.content_type.starts_with("font");
    let (body, framing) = match is_coded {
        true => (gzip(body), "Content-Encoding: gzip\r\n".to_owned()),
        false => (body.to_vec(), format!("Content-Length: {}\r\n", body.len())),
    };
    let content_type = file.content_type;
    let start = format!("HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\n{framing}{lines}\r\n");
    match head.starts_with("HEAD ") {
        true => start.into_bytes(),
        false => [start.as_bytes(), &body].concat(),
    }
}

fn gzip(body: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(body).expect("memory");
    encoder.finish().expect("memory")
}

async fn site() -> Site {
    Site::of(t3("no-cache").await, &[]).await
}

#[tokio::test]
async fn a_hashed_file_is_immutable_and_asked_of_t3_once_for_all_codings() {
    for caching in ["no-cache", "public, max-age=31536000, immutable"] {
        let world = Site::of(t3(caching).await, &[]).await;
        for File { path, length, .. } in &FILES[1..4] {
            for codings in CODINGS.iter().chain(&CODINGS) {
                let response = world.get(path, codings).await;
                let what = format!("{path} {codings} {caching}");
                assert_eq!(response.status, 200, "{what}");
                assert_eq!(response.all("cache-control"), [FOREVER], "{what}");
                // t3's own is that of its bytes: a kept file has the dispatcher's, once it is known whole.
                let tag = response.header("etag");
                let is_own = tag.len() == 36 && tag.starts_with("W/");
                assert!(tag.is_empty() || is_own, "{what}: {tag}");
                assert_eq!(response.all("vary"), ["Accept-Encoding"], "{what}");
                let is_coded = *length == 300_000 && *codings != "identity";
                assert_eq!(
                    !response.header("content-encoding").is_empty(),
                    is_coded,
                    "{what}"
                );
                assert!(
                    response.complete && decoded(&response) == script(*length),
                    "{what}"
                );
            }
            let head = request(world.addr(), &format!("HEAD {path}")).await;
            assert_eq!(head.all("cache-control"), [FOREVER]);
            assert_eq!(world.t3.count_of(path), 1, "{path} {caching}");
        }
    }
}

#[tokio::test]
async fn clients_of_all_codings_at_once_are_one_request_to_t3() {
    let world = site().await;
    let mut clients = Vec::new();
    for codings in CODINGS.iter().cycle().take(20) {
        let mut client = Client::connect(world.addr()).await;
        client
            .send_head(&format!("GET {HASHED}\nAccept-Encoding: {codings}"))
            .await;
        clients.push((client, *codings));
    }
    for (mut client, codings) in clients {
        let response = client.response(false).await;
        let coding = response.header("content-encoding");
        assert!(codings.contains(&coding), "{coding} of {codings}");
        assert!(
            response.complete && decoded(&response) == script(300_000),
            "{codings}"
        );
    }
    assert_eq!(world.t3.count_of(HASHED), 1);
}

#[tokio::test]
async fn t3_is_asked_for_no_coding_and_nothing_is_larger_than_its_own() {
    let world = site().await;
    for File { path, length, .. } in FILES.iter().filter(|file| file.path != "/licenses.json") {
        let response = world.get(path, "gzip").await;
        assert!(
            response.body.len() <= gzip(&script(*length)).len().max(*length),
            "{path}"
        );
        assert!(decoded(&response) == script(*length), "{path}");
        for head in world.t3.client_heads(path) {
            let is_word = path.contains("overview");
            let asked = head
                .to_lowercase()
                .contains("\r\naccept-encoding: identity\r\n");
            assert_eq!(asked, !is_word, "{head}");
        }
    }
}

/// What a file without a hash is answered, to whom holds what of it.
#[tokio::test]
async fn validators_of_t3_hold_on_both_sides() {
    let world = site().await;
    for (path, coding) in [
        ("/icon.png", ""),
        ("/sw.js", "gzip"),
        ("/assets/settings-overview.js", "gzip"),
    ] {
        for (lines, expected) in [
            (String::new(), 200),
            (format!("If-None-Match: {TAG}"), 304),
            (format!("If-None-Match: \"x\", {}", &TAG[2..]), 304),
            (
                format!("If-None-Match: \"x\"\nIf-Modified-Since: {DATE}"),
                200,
            ),
            (format!("If-Modified-Since: {DATE}"), 304),
            ("If-None-Match: *".to_owned(), 304),
            // A tag of the dispatcher's own, from before t3 had any.
            (
                "If-None-Match: \"ba7816bf8f01cfea414140de5dae2223-br\"".to_owned(),
                200,
            ),
            (
                format!(
                    "If-None-Match: \"ba7816bf8f01cfea414140de5dae2223\"\nIf-Modified-Since: {DATE}"
                ),
                200,
            ),
        ] {
            if path.contains("overview") && lines.ends_with('*') {
                continue;
            }
            for method in ["GET", "HEAD"] {
                let what = format!("{method} {path}\nAccept-Encoding: gzip\n{lines}");
                let response = request(world.addr(), what.trim_end()).await;
                assert_eq!(response.status, expected, "{what}");
                assert_eq!(response.all("etag"), [TAG], "{what}");
                assert_eq!(response.all("cache-control"), ["no-cache"], "{what}");
                assert_eq!(response.all("vary"), ["Accept-Encoding"], "{what}");
                let is_whole = expected == 200;
                let held = response.header("content-encoding");
                assert_eq!(held, if is_whole { coding } else { "" }, "{what}");
                if method == "GET" && is_whole {
                    assert!(decoded(&response) == script(5000), "{what}");
                } else {
                    assert!(response.body.is_empty(), "{what}");
                }
            }
        }
    }
}

#[tokio::test]
async fn the_page_has_a_tag_of_the_dispatcher_s_where_t3_gives_none() {
    let world = site().await;
    let load = format!("GET /t/1\n{PAGE}\nCookie: t3_session=x\nAccept-Encoding: br");
    let first = request(world.addr(), &load).await;
    let tag = first.header("etag");
    assert_eq!((first.status, tag.starts_with('"')), (200, true));
    assert_eq!(first.header("content-encoding"), "br");
    let again = request(world.addr(), &format!("{load}\nIf-None-Match: {tag}")).await;
    assert_eq!((again.status, again.header("etag")), (304, tag));
    let missing = world.get("/assets/gone-BP8DcnWJ.js", "br").await;
    assert_eq!(missing.all("cache-control"), ["no-cache"]);
    assert!(decoded(&missing) == script(20_143));
}

/// A JSON file may be an API's: it is left to t3, in t3's own coding.
#[tokio::test]
async fn a_declined_file_is_asked_for_once_as_the_client_asks() {
    let world = site().await;
    for (path, first) in [("/licenses.json", 2), ("/assets/settings-overview.js", 2)] {
        for turn in 0..3 {
            let response = world.get(path, "gzip").await;
            let shown = (response.status, response.header("content-encoding"));
            assert_eq!(shown, (200, "gzip".to_owned()), "{path}");
            assert!(decoded(&response) == script(5000), "{path}");
            assert_eq!(tag_of(&response), TAG, "{path}");
            assert_eq!(world.t3.count_of(path), first + turn, "{path}");
        }
    }
}

fn tag_of(response: &Response) -> String {
    response.header("etag")
}
