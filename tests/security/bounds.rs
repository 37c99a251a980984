//! How long, how many, how much: every bound is an option, and what is within it is left alone.

use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;

use crate::common::http::Answer;
use crate::common::process::{command, output};
use crate::common::{Client, PATIENCE, World, request};
use crate::harness::{HANDSHAKE, assert_untouched};

/// What a bound of half a second may take on a machine that is doing other things too.
const SOON: Duration = Duration::from_secs(4);

/// Reads to the end of the connection, which has to come soon; returns the status, if any came.
async fn closed_soon(client: &mut Client, of: &str) -> Option<u16> {
    let end = async {
        let head = client.head().await.map(|answer: Answer| answer.status);
        client.rest().await;
        head
    };
    let end = tokio::time::timeout(SOON, end).await;
    end.unwrap_or_else(|_| panic!("left open: {of}"))
}

#[test]
fn the_defaults_are_told() {
    let help = output(command().arg("--help")).stdout;
    let help = String::from_utf8(help).expect("text");
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    for (flag, variable, default) in [
        ("--drain-timeout", "DISPATCHER_DRAIN_TIMEOUT", "20s"),
        ("--identity-header", "DISPATCHER_IDENTITY_HEADER", ""),
        ("--allowed-users", "DISPATCHER_ALLOWED_USERS", ""),
        ("--secret-file", "DISPATCHER_SECRET_FILE", ""),
        ("--trusted-proxies", "DISPATCHER_TRUSTED_PROXIES", ""),
        ("--header-timeout", "DISPATCHER_HEADER_TIMEOUT", "10s"),
        ("--header-limit", "DISPATCHER_HEADER_LIMIT", "131072"),
        ("--max-connections", "DISPATCHER_MAX_CONNECTIONS", "10000"),
        ("--max-tunnels", "DISPATCHER_MAX_TUNNELS", "256"),
        ("--idle-timeout", "DISPATCHER_IDLE_TIMEOUT", "2m"),
        ("--body-timeout", "DISPATCHER_BODY_TIMEOUT", "60s"),
        ("--session-check", "DISPATCHER_SESSION_CHECK", "15s"),
    ] {
        let told = help.split(&format!("{flag} <")).nth(1);
        let told = told.unwrap_or_else(|| panic!("{flag} is not told"));
        let told = told.split(" --").next().unwrap_or_default();
        assert!(
            told.contains(&format!("[env: {variable}=")),
            "{flag}: {told}"
        );
        let is_told = default.is_empty() || told.contains(&format!("[default: {default}]"));
        assert!(is_told, "{flag}: {told}");
    }
}

/// A head that comes a byte at a time gets no more time than one that does not come.
#[tokio::test]
async fn row_38_slow_headers_end() {
    let world = World::with(&["--header-timeout", "500ms"]).await;
    for begun in ["", "GET / HTTP/1.1\r\nHost: t3.test\r\nX-A: "] {
        for dribble in [false, true] {
            let mut client = Client::connect(world.addr()).await;
            client.send(begun.as_bytes()).await;
            let start = Instant::now();
            if dribble {
                while start.elapsed() < SOON && client.stream.write_all(b"x").await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                assert!(start.elapsed() < SOON, "still open: {begun:?}");
                continue;
            }
            let status = closed_soon(&mut client, begun).await;
            assert!(matches!(status, None | Some(408)), "{status:?}");
            assert!(
                start.elapsed() > Duration::from_millis(400),
                "not before its time"
            );
        }
    }
    assert_untouched(&world, "half a head");
}

#[tokio::test]
async fn row_38_slow_headers_of_a_later_request_end_too() {
    let world = World::with(&["--header-timeout", "500ms"]).await;
    let mut client = Client::connect(world.addr()).await;
    assert_eq!(client.exchange("GET /standin/1k").await.status, 200);
    // Between two requests the other bound holds.
    tokio::time::sleep(Duration::from_millis(900)).await;
    assert_eq!(client.exchange("GET /standin/1k").await.status, 200);
    client.send(b"GET /standin/1k HTTP/1.1\r\nHo").await;
    let status = closed_soon(&mut client, "half a second head").await;
    assert!(matches!(status, None | Some(408)), "{status:?}");
}

#[tokio::test]
async fn row_38_a_slow_body_ends_and_one_that_moves_does_not() {
    let world = World::with(&["--body-timeout", "500ms"]).await;
    let mut stalled = Client::connect(world.addr()).await;
    stalled
        .send_head("POST /standin/digest\nContent-Length: 1000")
        .await;
    stalled.send(b"some").await;
    let status = closed_soon(&mut stalled, "a stalled body").await;
    assert!(matches!(status, None | Some(400 | 408)), "{status:?}");
    let gone = world.standin.wait_for(PATIENCE, |seen| {
        seen.iter().all(t3_standin::seen::Seen::aborted)
    });
    assert!(gone.await, "t3's request is not completed");
    let mut moving = Client::connect(world.addr()).await;
    moving
        .send_head("POST /standin/digest\nContent-Length: 10")
        .await;
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_millis(150)).await;
        moving.send(b"x").await;
    }
    assert_eq!(moving.answer(false).await.json()["bytes"], 10);
}

#[tokio::test]
async fn row_38_slow_reading_ends_and_reading_on_does_not() {
    let world = World::with(&["--body-timeout", "500ms"]).await;
    let mut stalled = Client::connect(world.addr()).await;
    stalled.send_head("GET /standin/bytes/200000000").await;
    let came = world.standin.wait_for(PATIENCE, |seen| !seen.is_empty());
    assert!(came.await);
    let gone = world.standin.wait_for(SOON, |seen| {
        seen.iter().all(t3_standin::seen::Seen::aborted)
    });
    assert!(gone.await, "t3 still has to wait for it");
    // What was on the way arrives; then the connection is found closed, and the answer cut.
    let rest = tokio::time::timeout(SOON, stalled.rest()).await;
    assert!(rest.expect("closed").len() < 200_000_000);
    // This one pauses for less than the bound, again and again, for longer than the bound.
    let mut reading = Client::connect(world.addr()).await;
    reading.send_head("GET /standin/bytes/20000000").await;
    let head = reading.head().await.expect("an answer");
    assert_eq!(head.header("content-length"), "20000000");
    let mut read = 0;
    while read < 20_000_000 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let part = reading
            .read_at_least(2_000_000.min(20_000_000 - read))
            .await;
        assert!(!part.is_empty(), "cut after {read}");
        read += part.len();
    }
}

/// An answer that t3 takes its time for is not the client's fault.
#[tokio::test]
async fn row_38_waiting_for_t3_is_not_slow_reading() {
    let world = World::with(&["--body-timeout", "300ms", "--header-timeout", "300ms"]).await;
    let slow = request(world.addr(), "GET /standin/slow?ms=1500").await;
    assert!(slow.complete && slow.text().ends_with("last\n"));
    world
        .standin
        .set_faults(|faults| faults.answer_delay_ms = 1000);
    assert_eq!(request(world.addr(), "GET /standin/1k").await.status, 200);
}

#[tokio::test]
async fn a_kept_connection_is_closed_after_its_idle_time() {
    let world = World::with(&["--idle-timeout", "500ms", "--header-timeout", "10s"]).await;
    let mut client = Client::connect(world.addr()).await;
    for _ in 0..2 {
        assert_eq!(client.exchange("GET /healthz").await.status, 200);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let start = Instant::now();
    let rest = tokio::time::timeout(SOON, client.rest()).await;
    assert_eq!(rest.expect("closed soon"), b"", "without a word");
    assert!(
        start.elapsed() > Duration::from_millis(100),
        "not before its time"
    );
}

/// Above it the newest wait in the backlog, and are served when their turn comes.
#[tokio::test]
async fn the_number_of_connections_is_bounded() {
    let world = World::with(&["--max-connections", "2"]).await;
    let mut first = Client::connect(world.addr()).await;
    let mut second = Client::connect(world.addr()).await;
    for client in [&mut first, &mut second] {
        assert_eq!(client.exchange("GET /healthz").await.status, 200);
    }
    let mut third = Client::connect(world.addr()).await;
    third.send_head("GET /healthz").await;
    let early = tokio::time::timeout(Duration::from_millis(300), third.head()).await;
    assert!(early.is_err(), "the third is served beside the two");
    assert_eq!(first.exchange("GET /healthz").await.status, 200);
    drop(second);
    let answer = tokio::time::timeout(SOON, third.answer(false)).await;
    assert_eq!(answer.expect("its turn came").status, 200);
}

#[tokio::test]
async fn the_number_of_tunnels_is_bounded_for_each_identity() {
    let options = [
        "--identity-header",
        "X-authentik-username",
        "--max-tunnels",
        "2",
    ];
    let world = World::with(&options).await;
    let session = world
        .standin
        .issue_browser_session("test")
        .expect("writable");
    let open = async |user: &str| {
        let mut client = Client::connect(world.addr()).await;
        let head = format!(
            "GET /ws\nX-authentik-username: {user}\nCookie: t3_session={session}\n{HANDSHAKE}"
        );
        client.send_head(&head).await;
        let status = client.head().await.expect("an answer").status;
        (client, status)
    };
    let (first, one) = open("ada").await;
    let (_second, two) = open("ada").await;
    assert_eq!((one, two), (101, 101));
    world.standin.clear_requests();
    let (_third, three) = open("ada").await;
    assert!(matches!(three, 429 | 503), "{three}");
    assert_untouched(&world, "one tunnel too many");
    let (_other, other) = open("bob").await;
    assert_eq!(other, 101, "others have their own");
    drop(first);
    let fourth = async { while open("ada").await.1 != 101 {} };
    let fourth = tokio::time::timeout(PATIENCE, fourth).await;
    fourth.expect("a tunnel that ended makes room");
}

#[tokio::test]
async fn no_bound_ends_a_tunnel() {
    let options = [
        "--header-timeout",
        "200ms",
        "--body-timeout",
        "200ms",
        "--idle-timeout",
        "200ms",
    ];
    let more = ["--response-timeout", "200ms", "--session-check", "200ms"];
    let world = World::with(&[&options[..], &more].concat()).await;
    let mut client = Client::connect(world.addr()).await;
    client
        .send_head(&format!("GET /standin/ws-raw\n{HANDSHAKE}"))
        .await;
    assert_eq!(client.head().await.expect("an answer").status, 101);
    for turn in 0..3 {
        tokio::time::sleep(Duration::from_millis(500)).await;
        client.send(b"still here").await;
        assert_eq!(client.read_at_least(10).await, b"still here", "{turn}");
    }
}
