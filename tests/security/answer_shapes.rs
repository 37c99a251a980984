//! Shapes of t3's answers, which both ways through take alike: rows 46, 47, 52 to 54.

use tokio::io::AsyncWriteExt;

use crate::common::http::Response;
use crate::common::raw_upstream::{HEALTHY, RawUpstream, read_head, target_of};
use crate::common::{Client, Dispatcher, request};
use crate::harness::{each, shown};

/// What becomes of an answer of t3's to a GET and to a HEAD.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// It is understood, and its body is `hello`.
    Whole,
    /// It has this status, and no body.
    Empty(u16),
    /// It is a 502, whatever the method.
    Refused,
    /// A GET's is a 502: only its body is none.
    BadBody,
    /// A GET's is a 502, or cut short where its head is with the client already.
    CutShort,
}

use Outcome::{BadBody, CutShort, Empty, Refused, Whole};

const CHUNKED: &str = "Transfer-Encoding: chunked\r\n";

/// Answers by their fields and their first line.
fn heads() -> Vec<(Outcome, String)> {
    let hello = |length: &str| format!("{length}\r\n\r\nhello");
    let fields = |count: usize| format!("{}Content-Length: 5", "X-A: 1\r\n".repeat(count - 1));
    let long = |bytes: usize| format!("X-A: {}\r\nContent-Length: 5", "a".repeat(bytes));
    let by_length = [
        (Whole, "Content-Length: 5"),
        (Whole, "Content-Length: 005"),
        (Whole, "Content-Length: 5\r\nContent-Length: 5"),
        (Refused, "Content-Length: 5, 5"),
        (Refused, "Content-Length: 5\r\nContent-Length: 6"),
        (Refused, "Content-Length: x"),
        (Refused, "Content-Length: "),
        (Refused, "Content-Length: 99999999999999999999"),
        (Refused, "Transfer-Encoding: identity\r\nContent-Length: 5"),
        (Refused, "Transfer-Encoding: gzip"),
        (Refused, "Transfer-Encoding: \r\nContent-Length: 5"),
        (CutShort, "Content-Length: 50"),
        (Whole, &fields(97)),
        (Whole, &fields(256)),
        (Refused, &fields(257)),
        (Whole, &long(100_000)),
        (Refused, &long(140_000)),
    ]
    .map(|(outcome, length)| (outcome, hello(length)));
    let hello_in_chunks = "5\r\nhello\r\n0\r\n\r\n";
    let framed_twice = [
        (Refused, format!("{CHUNKED}Content-Length: 3\r\n")),
        (Refused, format!("Content-Length: 5\r\n{CHUNKED}")),
        (Refused, format!("{CHUNKED}{CHUNKED}")),
        (Refused, "Transfer-Encoding: gzip, chunked\r\n".to_owned()),
        (Whole, "Transfer-Encoding: Chunked\r\n".to_owned()),
    ]
    .map(|(outcome, fields)| (outcome, format!("{fields}\r\n{hello_in_chunks}")));
    let heads = [
        (Whole, "HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello"),
        (Whole, "HTTP/1.1 200 OK\nContent-Length: 5\n\nhello"),
        (Whole, "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
        (Whole, "HTTP/1.0 200 OK\r\n\r\nhello"),
        (
            Refused,
            "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        ),
        (
            Empty(204),
            "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n",
        ),
        (
            Empty(204),
            "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n",
        ),
        (
            Empty(304),
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
        ),
        (
            Refused,
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        ),
        (Refused, "HTTP/1.1 099 X\r\nContent-Length: 5\r\n\r\nhello"),
        (
            Refused,
            "HTTP/1.1 200 OK\r\nX-A: a\r\n b\r\nContent-Length: 5\r\n\r\nhello",
        ),
        (
            Refused,
            "HTTP/1.1 200 OK\r\nX-A : a\r\nContent-Length: 5\r\n\r\nhello",
        ),
        (
            Refused,
            "HTTP/1.1 200 OK\r\nX-A: a\0b\r\nContent-Length: 5\r\n\r\nhello",
        ),
        (Refused, "HTTP/1.1 200 OK\r\nContent-Le"),
        (Refused, "hello\r\n\r\n"),
        (Refused, ""),
    ]
    .map(|(outcome, head)| (outcome, head.to_owned()));
    let of_200 = by_length.into_iter().chain(framed_twice);
    let of_200 = of_200.map(|(outcome, rest)| (outcome, format!("HTTP/1.1 200 OK\r\n{rest}")));
    of_200.chain(heads).collect()
}

/// Answers by the chunks of their bodies.
fn chunked_bodies() -> Vec<(Outcome, String)> {
    let bodies = [
        (Whole, "5\r\nhello\r\n0\r\n\r\n"),
        (Whole, "5;a=b\r\nhello\r\n0\r\n\r\n"),
        (Whole, "5 ; a=\"b;c\"\r\nhello\r\n0;x\r\n\r\n"),
        (Whole, "5 \r\nhello\r\n0\r\n\r\n"),
        (Whole, "5\t\r\nhello\r\n0\r\n\r\n"),
        (Whole, "0000000000000000000005\r\nhello\r\n000\r\n\r\n"),
        (Whole, "5\r\nhello\r\n0\r\nA: b\r\n\r\n"),
        (BadBody, "5;a\nb\r\nhello\r\n0\r\n\r\n"),
        (BadBody, "\r\nhello\r\n0\r\n\r\n"),
        (BadBody, ";a\r\nhello\r\n0\r\n\r\n"),
        (BadBody, "5g\r\nhello\r\n0\r\n\r\n"),
        (BadBody, "5 5\r\nhello\r\n0\r\n\r\n"),
        (BadBody, "-5\r\nhello\r\n0\r\n\r\n"),
        (BadBody, "0x5\r\nhello\r\n0\r\n\r\n"),
        (BadBody, "fffffffffffffffff\r\nhello\r\n0\r\n\r\n"),
        (BadBody, "5\nhello\r\n0\r\n\r\n"),
        (CutShort, "5\r\nhelloX0\r\n\r\n"),
        (CutShort, "5\r\nhel"),
    ]
    .map(|(outcome, body)| (outcome, format!("HTTP/1.1 200 OK\r\n{CHUNKED}\r\n{body}")));
    bodies.to_vec()
}

/// What a client gets that sends `method` by `way`, where t3 says `said` and closes. A connection that
/// is kept serves the next request.
async fn answered(said: &str, method: &str, way: &str) -> Option<Response> {
    let said = said.as_bytes().to_vec();
    let upstream = RawUpstream::start(move |mut stream, head, _| {
        let said = match target_of(&head) {
            "/api/first" => HEALTHY.to_vec(),
            _ => said.clone(),
        };
        async move {
            let _ = stream.write_all(&said).await;
            let _ = stream.shutdown().await;
            let _ = read_head(&mut stream).await;
        }
    })
    .await;
    let dispatcher = Dispatcher::in_front_of(upstream.addr, &["--fast-path", way]).await;
    // Now t3 is known to be up, as the fast path wants it.
    assert_eq!(request(dispatcher.addr, "GET /api/first").await.status, 200);
    let mut client = Client::connect(dispatcher.addr).await;
    client.send_head(&format!("{method} /api/x")).await;
    let mut response = client.head().await?;
    match method == "HEAD" || matches!(response.status, 204 | 304) {
        true => response.complete = true,
        false => client.body(&mut response).await,
    }
    let is_last = response.header("connection") == "close";
    let is_until_close = response.header("content-length").is_empty()
        && response.header("transfer-encoding").is_empty();
    if response.complete && !is_last && !(is_until_close && response.status == 200) {
        let next = client.exchange("GET /healthz").await;
        assert_eq!((next.status, next.text().as_str()), (200, "ok"));
    }
    Some(response)
}

#[tokio::test(flavor = "multi_thread")]
async fn row_53_both_ways_find_the_same_end_of_an_answer_or_none() {
    both_ways_take(heads()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn row_54_both_ways_take_the_same_chunks() {
    both_ways_take(chunked_bodies()).await;
}

async fn both_ways_take(shapes: Vec<(Outcome, String)>) {
    each(shapes, |(outcome, said)| async move {
        for (method, way) in [
            ("GET", "on"),
            ("GET", "off"),
            ("HEAD", "on"),
            ("HEAD", "off"),
        ] {
            let of = format!(
                "{} by {method} with the fast path {way}",
                shown(said.as_bytes())
            );
            let response = answered(&said, method, way).await;
            let response = response.unwrap_or_else(|| panic!("no response: {of}"));
            let (status, text) = (response.status, response.text());
            let is_head = method == "HEAD";
            let is_right = match outcome {
                Whole => {
                    status == 200 && response.complete && text == if is_head { "" } else { "hello" }
                }
                Empty(expected) => status == expected && text.is_empty(),
                BadBody | CutShort if is_head => status == 200,
                Refused | BadBody => status == 502 && response.complete,
                CutShort => status == 502 || !response.complete,
            };
            assert!(is_right, "{status} {text:?} to {of}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn row_52_an_own_answer_to_a_head_has_no_body_and_all_are_dated() {
    for way in ["on", "off"] {
        let [get, head] = [("GET", false), ("HEAD", true)];
        let mut lengths = Vec::new();
        for (method, is_head) in [get, head] {
            let response = answered("", method, way).await.expect("a response");
            assert_eq!(response.status, 502);
            assert_eq!(response.all("date").len(), 1, "{method} {way}");
            assert_eq!(response.body.is_empty(), is_head, "{method} {way}");
            lengths.push(response.header("content-length"));
        }
        assert!(
            lengths.iter().all(|length| !length.is_empty()),
            "{lengths:?}"
        );
    }
}
