//! Slow clients: row 38.

use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;

use crate::common::http::Response;
use crate::common::{Client, PATIENCE, World, request};
use crate::harness::assert_untouched;
use crate::limits::SOON;

/// Reads to the end of the connection, within [`SOON`]; returns the status, if there is one.
async fn closed_soon(client: &mut Client, of: &str) -> Option<u16> {
    let end = async {
        let head = client
            .head()
            .await
            .map(|response: Response| response.status);
        client.rest().await;
        head
    };
    let end = tokio::time::timeout(SOON, end).await;
    end.unwrap_or_else(|_| panic!("left open: {of}"))
}

fn is_download(seen: &t3_standin::seen::Seen) -> bool {
    seen.target.ends_with(b"200000000")
}

/// A head that arrives a byte at a time gets no more time than one that does not arrive.
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
    // Between two requests the idle timeout applies.
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
        seen.iter().any(t3_standin::seen::Seen::aborted)
    });
    assert!(gone.await, "t3's request is not completed");
    let mut moving = Client::connect(world.addr()).await;
    moving
        .send_head("POST /standin/digest\nContent-Length: 2000")
        .await;
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_millis(150)).await;
        moving.send(&[b'x'; 200]).await;
    }
    assert_eq!(moving.response(false).await.json()["bytes"], 2000);
    // A byte now and then counts as a stall.
    let mut trickling = Client::connect(world.addr()).await;
    trickling
        .send_head("POST /standin/digest\nContent-Length: 1000")
        .await;
    let start = Instant::now();
    while start.elapsed() < SOON && trickling.stream.write_all(b"x").await.is_ok() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(start.elapsed() < SOON, "still open");
}

#[tokio::test]
async fn row_38_slow_reading_ends_and_reading_on_does_not() {
    let world = World::with(&["--body-timeout", "500ms"]).await;
    let mut stalled = Client::connect(world.addr()).await;
    stalled.send_head("GET /standin/bytes/200000000").await;
    let came = world
        .standin
        .wait_for(PATIENCE, |seen| seen.iter().any(is_download));
    assert!(came.await);
    let gone = world.standin.wait_for(SOON, |seen| {
        seen.iter().any(t3_standin::seen::Seen::aborted)
    });
    assert!(gone.await, "t3 still has to wait for it");
    // What was on the way arrives; then the connection is closed and the response cut.
    let rest = tokio::time::timeout(SOON, stalled.rest()).await;
    assert!(rest.expect("closed").len() < 200_000_000);
    // Pauses shorter than the bound, longer than it in total.
    let mut reading = Client::connect(world.addr()).await;
    reading.send_head("GET /standin/bytes/20000000").await;
    let head = reading.head().await.expect("a response");
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

/// A slow response of t3 is not the client's fault.
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
