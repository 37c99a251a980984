//! Request bodies: broken chunks, trailers, and bodies that are not read: rows 5 to 7 and 56.

use std::time::Instant;

use t3_standin::seen::Outcome;

use crate::common::{Client, Dispatcher, PAGE, PATIENCE, World};
use crate::harness::{CLOSES, SMUGGLED, assert_ends, each, shown};
use crate::recorder::Recorder;

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
        // The connection may be closed before all is sent.
        let _ = tokio::io::AsyncWriteExt::write_all(&mut client.stream, body.as_bytes()).await;
        let _ = tokio::io::AsyncWriteExt::write_all(&mut client.stream, SMUGGLED.as_bytes()).await;
        let head = tokio::time::timeout(CLOSES, client.head()).await;
        let head = head.unwrap_or_else(|_| panic!("left open: {}", shown(body.as_bytes())));
        let status = head.map(|response| response.status);
        let shown = shown(body.as_bytes());
        assert!(matches!(status, None | Some(400)), "{status:?} to {shown}");
        let over = tokio::time::timeout(CLOSES, client.rest()).await;
        over.unwrap_or_else(|_| panic!("left open: {shown}"));
        let over = world.standin.wait_for(PATIENCE, |seen| {
            seen.iter().all(|seen| seen.outcome() != Outcome::Open)
        });
        assert!(over.await, "{shown}");
        for seen in world.asked() {
            assert_eq!(seen.target, b"/standin/digest", "{shown}");
            assert_ne!(seen.outcome(), Outcome::Completed, "{shown}");
        }
    })
    .await;
}

/// A bare LF may be accepted if it is forwarded as CRLF (RFC 9112 §2.2); a bare CR never.
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
        let dispatcher = Dispatcher::in_front_of(recorder.upstream.addr, &[]).await;
        let mut client = Client::connect(dispatcher.addr).await;
        client.send(head.as_bytes()).await;
        if client.response(false).await.status == 400 {
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

/// Such an end can become no end of a body: nothing is waited for.
#[tokio::test]
async fn row_56_an_end_that_is_none_is_refused_at_once() {
    let ends = ["0\r\n\n", "0\r\nA: b\n\r\n", "0\r\nA: b\r\n\n"];
    let ways = ["on", "off"].into_iter();
    let cases = ways.flat_map(|way| ends.map(|end| (way, end)));
    each(cases, |(way, end)| async move {
        let world = World::with(&["--fast-path", way]).await;
        let head = "POST /standin/digest HTTP/1.1\r\nHost: t3.test\r\nTransfer-Encoding: chunked";
        let body = format!("5\r\nhello\r\n{end}");
        for with_the_head in [true, false] {
            let mut client = Client::connect(world.addr()).await;
            let start = Instant::now();
            let first = format!("{head}\r\n\r\n");
            if with_the_head {
                client.send(format!("{first}{body}").as_bytes()).await;
            } else {
                let before = world.standin.requests().len();
                client.send(first.as_bytes()).await;
                let is_there = world
                    .standin
                    .wait_for(PATIENCE, move |seen| seen.len() > before);
                assert!(is_there.await, "the head is with t3");
                client.send(body.as_bytes()).await;
            }
            let response = client.response(false).await;
            let of = format!("{way} {}", shown(body.as_bytes()));
            assert_eq!(response.status, 400, "{of}");
            assert!(start.elapsed() < CLOSES, "{:?} {of}", start.elapsed());
            assert_ends(&mut client, &of).await;
        }
        for seen in world.asked() {
            assert_ne!(seen.outcome(), Outcome::Completed, "{end:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn row_06_trailers_never_become_fields() {
    let recorder = Recorder::start().await;
    let dispatcher =
        Dispatcher::in_front_of(recorder.upstream.addr, &["--withhold-headers", "X-Gate-*"]).await;
    let mut client = Client::connect(dispatcher.addr).await;
    let late = [
        "Cookie: t3_session=late",
        "Host: late.test",
        "Content-Length: 7",
        "Transfer-Encoding: gzip",
        "Authorization: Bearer late",
        "X-authentik-username: late",
        "Remote-User: late",
        "Set-Cookie: a=late",
        "X_Gate_User: late",
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
    client.response(false).await;
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
        "remote-user",
        "set-cookie",
        "x_gate_user",
        "content-length",
        "transfer-encoding",
        "host:",
    ] {
        assert!(!trailers.contains(withheld), "{withheld} in {trailers}");
    }
}

/// The bytes of a body that is not read are never parsed as a request.
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
            let response = client.response(head.starts_with("HEAD ")).await;
            // A page load with a body may be forwarded to t3.
            let known = response.status == status || status == 302 && response.status == 200;
            assert!(known, "{}: {head}", response.status);
            let next = format!(
                "{}GET /standin/1k HTTP/1.1\r\nHost: t3.test\r\n\r\n",
                match late {
                    true => SMUGGLED,
                    false => "",
                }
            );
            let _ = tokio::io::AsyncWriteExt::write_all(&mut client.stream, next.as_bytes()).await;
            let next = tokio::time::timeout(CLOSES, client.head()).await;
            let next = next.expect("a response or the end");
            if let Some(next) = next {
                assert_eq!(
                    next.header("content-length"),
                    "1024",
                    "{head}, late: {late}"
                );
            }
            let seen = world.asked();
            let smuggled = |seen: &t3_standin::seen::Seen| seen.target.ends_with(b"smuggled");
            assert!(!seen.iter().any(smuggled), "{head}, late: {late}");
        }
    }
}

#[tokio::test]
async fn row_07_a_body_goes_on_with_any_method() {
    each(["GET", "HEAD", "DELETE"], |method| async move {
        let recorder = Recorder::start().await;
        let dispatcher = Dispatcher::in_front_of(recorder.upstream.addr, &[]).await;
        let mut client = Client::connect(dispatcher.addr).await;
        client
            .send_head(&format!("{method} /x\nContent-Length: 4"))
            .await;
        client.send(b"body").await;
        recorder
            // The warm-up may follow on the same connection.
            .wait_for(|all| all.concat().windows(8).any(|end| end == b"\r\n\r\nbody"))
            .await;
    })
    .await;
}
