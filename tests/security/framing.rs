//! Where a request ends: rows 1 to 9.

use crate::common::{Client, PAGE, PATIENCE, World};
use crate::harness::{
    CLOSES, Recorder, SMUGGLED, assert_ends, assert_untouched, before, each, refused, shown,
};
use t3_standin::seen::Outcome;

/// Is refused with the connection closed, and t3 hears nothing of it.
async fn assert_refused(world: &World, head: &str, body: &str, statuses: &[u16]) {
    let bytes = format!("{head}\r\n\r\n{body}{SMUGGLED}");
    refused(world.addr(), bytes.as_bytes(), statuses).await;
    assert_untouched(world, &shown(bytes.as_bytes()));
}

#[tokio::test]
async fn row_01_content_length_beside_transfer_encoding() {
    let cases = [
        "Content-Length: 4\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 4",
        "Content-Length: 0\r\nTransfer-Encoding: chunked",
        "transfer-encoding: Chunked\r\ncontent-length: 4",
    ];
    each(cases, |framing| async move {
        let world = World::start().await;
        let mut client = Client::connect(world.addr()).await;
        let head = format!("POST /standin/echo HTTP/1.1\r\nHost: t3.test\r\n{framing}\r\n\r\n");
        client
            .send(format!("{head}5\r\nhello\r\n0\r\n\r\n{SMUGGLED}").as_bytes())
            .await;
        let answer = client.answer(false).await;
        assert_ends(&mut client, framing).await;
        if answer.status == 400 {
            assert_untouched(&world, framing);
            return;
        }
        assert_eq!((answer.status, answer.text().as_str()), (200, "hello"));
        let seen = world.standin.requests();
        assert_eq!(seen.len(), 1, "{framing}");
        assert_eq!(seen[0].header("content-length"), None, "{framing}");
    })
    .await;
}

#[tokio::test]
async fn row_02_content_length_that_is_no_single_number() {
    let cases = [
        "4\r\nContent-Length: 5",
        "5\r\nContent-Length: 4",
        "1,2",
        "4, 4",
        "4 4",
        "-1",
        "+5",
        "0x5",
        "5.0",
        "5e0",
        "18446744073709551616",
        "99999999999999999999999",
        "five",
        "",
    ];
    each(cases, |length| async move {
        let world = World::start().await;
        let head =
            format!("POST /standin/digest HTTP/1.1\r\nHost: t3.test\r\nContent-Length: {length}");
        assert_refused(&world, &head, "hello", &[400]).await;
    })
    .await;
}

/// Either is right: to refuse it, or to make one of it (RFC 9110 §8.6).
#[tokio::test]
async fn row_02_content_length_twice_the_same_is_one_at_most() {
    let world = World::start().await;
    let mut client = Client::connect(world.addr()).await;
    client
        .send_head("POST /standin/digest\nContent-Length: 5\nContent-Length: 5")
        .await;
    client.send(b"hello").await;
    if client.answer(false).await.status == 400 {
        return assert_untouched(&world, "two equal lengths");
    }
    let seen = world.standin.requests().pop().expect("a request");
    let lengths = seen.headers.iter();
    let lengths = lengths.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    assert_eq!(lengths.count(), 1);
}

#[tokio::test]
async fn row_03_transfer_encoding_obfuscated() {
    let cases = [
        "\x0bchunked",
        "\x0cchunked",
        "xchunked",
        "chunkedx",
        "x chunked",
        "chunked\x0b",
        "chunked, chunked",
        "chunked,chunked",
        "chunked\r\nTransfer-Encoding: chunked",
        "chunked\r\nTransfer-Encoding: identity",
        "identity\r\nTransfer-Encoding: chunked",
        "chunked, gzip",
        "gzip, chunked",
        "chunked, identity",
        "identity",
        "gzip",
        "\"chunked\"",
        "chunked;q=1",
        ",chunked",
        "",
    ];
    each(cases, |coding| async move {
        let world = World::start().await;
        let head = format!(
            "POST /standin/digest HTTP/1.1\r\nHost: t3.test\r\nTransfer-Encoding: {coding}"
        );
        assert_refused(&world, &head, "5\r\nhello\r\n0\r\n\r\n", &[400, 501]).await;
    })
    .await;
}

#[tokio::test]
async fn row_04_transfer_encoding_on_http_1_0() {
    let world = World::start().await;
    let head = "POST /standin/digest HTTP/1.0\r\nHost: t3.test\r\nTransfer-Encoding: chunked";
    assert_refused(&world, head, "5\r\nhello\r\n0\r\n\r\n", &[400]).await;
}

#[tokio::test]
async fn row_05_broken_chunks_never_complete_a_request() {
    let long = format!("5;{}\r\nhello\r\n0\r\n\r\n", "x".repeat(300_000));
    let cases = [
        long.leak(),
        "z\r\nhello\r\n0\r\n\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        "+5\r\nhello\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "5 5\r\nhello\r\n0\r\n\r\n",
        "\r\nhello\r\n0\r\n\r\n",
        ";x\r\nhello\r\n0\r\n\r\n",
        "FFFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n",
        "10000000000000005\r\nhello\r\n0\r\n\r\n",
        "5\nhello\r\n0\r\n\r\n",
        "5\rhello\r\n0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "5\r\nhello\r0\r\n\r\n",
        "5\r\nhello0\r\n\r\n",
        "5\r\nhelloXX0\r\n\r\n",
        "5;a\nb\r\nhello\r\n0\r\n\r\n",
        "5;a\rb\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello\r\n0\n\n",
        "5\r\nhello\r\n0\r\nno colon\r\n\r\n",
    ];
    each(cases, |body| async move {
        let world = World::start().await;
        let mut client = Client::connect(world.addr()).await;
        client
            .send_head("POST /standin/digest\nTransfer-Encoding: chunked")
            .await;
        // Whoever refuses it may close before it is all sent.
        let _ = tokio::io::AsyncWriteExt::write_all(&mut client.stream, body.as_bytes()).await;
        let _ = tokio::io::AsyncWriteExt::write_all(&mut client.stream, SMUGGLED.as_bytes()).await;
        let head = tokio::time::timeout(CLOSES, client.head()).await;
        let head = head.unwrap_or_else(|_| panic!("left open: {}", shown(body.as_bytes())));
        let status = head.map(|answer| answer.status);
        let shown = shown(body.as_bytes());
        assert!(matches!(status, None | Some(400)), "{status:?} to {shown}");
        let over = tokio::time::timeout(CLOSES, client.rest()).await;
        over.unwrap_or_else(|_| panic!("left open: {shown}"));
        let over = world.standin.wait_for(PATIENCE, |seen| {
            seen.iter().all(|seen| seen.outcome() != Outcome::Open)
        });
        assert!(over.await, "{shown}");
        for seen in world.standin.requests() {
            assert_eq!(seen.target, b"/standin/digest", "{shown}");
            assert_ne!(seen.outcome(), Outcome::Answered, "{shown}");
        }
    })
    .await;
}

/// A head's lines may end in a bare LF only if t3 cannot tell (RFC 9112 §2.2); a bare CR never.
#[tokio::test]
async fn row_05_bare_line_ends_in_a_head() {
    let cases = [
        "GET /standin/head HTTP/1.1\nHost: t3.test\n\n",
        "GET /standin/head HTTP/1.1\r\nHost: t3.test\nX-A: 1\r\n\r\n",
        "GET /standin/head HTTP/1.1\r\nHost: t3.test\r\nX-A: 1\r\n\n",
        "GET /standin/head HTTP/1.1\rHost: t3.test\r\n\r\n",
        "GET /standin/head HTTP/1.1\r\nHost: t3.test\rX-A: 1\r\n\r\n",
        "GET /standin/head HTTP/1.1\r\nHost: t3.test\r\nX-A: 1\r2\r\n\r\n",
    ];
    each(cases, |head| async move {
        let recorder = Recorder::start().await;
        let dispatcher = before(recorder.upstream.addr, &[]).await;
        let mut client = Client::connect(dispatcher.addr).await;
        client.send(head.as_bytes()).await;
        if client.answer(false).await.status == 400 {
            assert_ends(&mut client, &shown(head.as_bytes())).await;
            assert!(recorder.connections().is_empty());
            return;
        }
        let brought = recorder.connections().concat();
        let lines: Vec<_> = brought.split(|byte| *byte == b'\n').collect();
        let (last, lines) = lines.split_last().expect("one line");
        assert_eq!(shown(last), "");
        for line in lines {
            let bare = line
                .strip_suffix(b"\r")
                .is_none_or(|line| line.contains(&b'\r'));
            assert!(
                !bare,
                "{} arrives as {}",
                shown(head.as_bytes()),
                shown(&brought)
            );
        }
    })
    .await;
}

#[tokio::test]
async fn row_06_trailers_never_become_fields() {
    let recorder = Recorder::start().await;
    let dispatcher = before(recorder.upstream.addr, &[]).await;
    let mut client = Client::connect(dispatcher.addr).await;
    let late = [
        "Cookie: t3_session=late",
        "Host: late.test",
        "Content-Length: 7",
        "Transfer-Encoding: gzip",
        "Authorization: Bearer late",
        "X-authentik-username: late",
        "X-Forwarded-For: 203.0.113.99",
    ];
    let names = late.map(|line| line.split(':').next().unwrap_or_default());
    let names = names.join(", ");
    client
        .send_head(&format!(
            "POST /x\nTransfer-Encoding: chunked\nTE: trailers\nTrailer: X-Sum, {names}"
        ))
        .await;
    let trailers = late.join("\r\n");
    client
        .send(format!("2\r\nab\r\n0\r\nX-Sum: 1\r\n{trailers}\r\n\r\n").as_bytes())
        .await;
    client.answer(false).await;
    let is_whole = |bytes: &[u8]| bytes.windows(5).any(|end| end == b"\r\n0\r\n");
    recorder
        .wait_for(|all| is_whole(&all.concat()) && all.concat().ends_with(b"\r\n\r\n"))
        .await;
    let brought = String::from_utf8_lossy(&recorder.connections().concat()).to_lowercase();
    let (head, body) = brought.split_once("\r\n\r\n").expect("a head");
    let trailers = body.split_once("\r\n0\r\n").expect("a last chunk").1;
    for line in late.map(str::to_lowercase) {
        assert!(!head.contains(&line), "{line} in {head}");
    }
    for withheld in [
        "x-authentik-username",
        "content-length",
        "transfer-encoding",
        "host:",
    ] {
        assert!(!trailers.contains(withheld), "{withheld} in {trailers}");
    }
}

/// A body that nobody reads is read past, or the connection ends: its bytes are never a request.
#[tokio::test]
async fn row_07_a_body_of_a_request_that_is_answered_here() {
    for (head, status) in [
        ("GET /healthz".to_owned(), 200),
        ("HEAD /healthz".to_owned(), 200),
        (format!("GET /t/1\n{PAGE}"), 302),
    ] {
        for late in [false, true] {
            let world = World::start().await;
            let mut client = Client::connect(world.addr()).await;
            let length = SMUGGLED.len();
            let head = format!("{head}\nContent-Length: {length}");
            client.send_head(&head).await;
            if !late {
                client.send(SMUGGLED.as_bytes()).await;
            }
            let answer = client.answer(head.starts_with("HEAD ")).await;
            assert_eq!(answer.status, status, "{head}");
            let next = format!(
                "{}GET /standin/1k HTTP/1.1\r\nHost: t3.test\r\n\r\n",
                match late {
                    true => SMUGGLED,
                    false => "",
                }
            );
            let _ = tokio::io::AsyncWriteExt::write_all(&mut client.stream, next.as_bytes()).await;
            let next = tokio::time::timeout(CLOSES, client.head()).await;
            let next = next.expect("an answer or the end");
            if let Some(next) = next {
                assert_eq!(
                    next.header("content-length"),
                    "1024",
                    "{head}, late: {late}"
                );
            }
            let seen = world.standin.requests();
            let smuggled = |seen: &t3_standin::seen::Seen| seen.target.ends_with(b"smuggled");
            assert!(!seen.iter().any(smuggled), "{head}, late: {late}");
        }
    }
}

#[tokio::test]
async fn row_07_a_body_goes_on_with_any_method() {
    each(["GET", "HEAD", "DELETE"], |method| async move {
        let recorder = Recorder::start().await;
        let dispatcher = before(recorder.upstream.addr, &[]).await;
        let mut client = Client::connect(dispatcher.addr).await;
        client
            .send_head(&format!("{method} /x\nContent-Length: 4"))
            .await;
        client.send(b"body").await;
        recorder
            .wait_for(|all| all.concat().ends_with(b"\r\n\r\nbody"))
            .await;
    })
    .await;
}

#[tokio::test]
async fn row_09_lines_that_are_no_fields() {
    let cases = [
        "X-A: 1\r\n folded",
        "X-A: 1\r\n\tfolded",
        "X-A : 1",
        "X-A\t: 1",
        " X-A: 1",
        "Content-Length : 5",
        "Transfer-Encoding : chunked",
        "X-A: a\0b",
        "X-A: a\x01b",
        "X-A: a\x7fb",
        "X\0A: 1",
        "X\x01A: 1",
        "X(A): 1",
        "X\u{e9}: 1",
        "no colon",
        ": no name",
        ":",
    ];
    each(cases, |line| async move {
        let world = World::start().await;
        let head = format!("GET /standin/head HTTP/1.1\r\nHost: t3.test\r\n{line}");
        assert_refused(&world, &head, "", &[400]).await;
    })
    .await;
    for folded_first in [" Host: t3.test", "\tHost: t3.test"] {
        let world = World::start().await;
        let head = format!("GET /standin/head HTTP/1.1\r\n{folded_first}\r\nHost: t3.test");
        assert_refused(&world, &head, "", &[400]).await;
    }
}

#[tokio::test]
async fn row_09_request_lines_that_are_none() {
    let cases = [
        "GET",
        "GET /standin/head",
        "GET  /standin/head HTTP/1.1",
        "GET /standin/head  HTTP/1.1",
        "GET /standin/head HTTP/1.1 ",
        "GET /standin/head HTTP/1.2",
        "GET /standin/head HTTP/2.0",
        "GET /standin/head HTTP/3",
        "GET /standin/head http/1.1",
        "GET /standin/head HTTP/1.10",
        "GET /standin/head HTTQ/1.1",
        "GET /a b HTTP/1.1",
        "G\x01T /standin/head HTTP/1.1",
        " GET /standin/head HTTP/1.1",
        "GET standin/head HTTP/1.1",
    ];
    each(cases, |line| async move {
        let world = World::start().await;
        let head = format!("{line}\r\nHost: t3.test");
        assert_refused(&world, &head, "", &[400, 505]).await;
    })
    .await;
}
