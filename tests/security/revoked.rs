//! A session that t3 has ended ends its open tunnels; a failure to ask ends none.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use t3_standin::seen::Seen;
use tokio::io::AsyncWriteExt;

use crate::common::scripted::{Scripted, drain, read_head};
use crate::common::{Client, PATIENCE, World, request};
use crate::harness::{HANDSHAKE, before, until};

const EVERY: Duration = Duration::from_millis(300);
const OPTIONS: [&str; 2] = ["--session-check", "300ms"];

/// One check, the answer to it, and a machine that is doing other things too.
const SOON: Duration = Duration::from_secs(5);

async fn open(world: &World, credential: &str) -> Client {
    let mut client = Client::connect(world.addr()).await;
    client
        .send_head(&format!("GET /ws\n{HANDSHAKE}\n{credential}"))
        .await;
    assert_eq!(client.head().await.expect("an answer").status, 101);
    client
}

/// One message there and one back.
async fn assert_alive(client: &mut Client) {
    // `{"_tag":"Ping"}` in one masked frame whose mask is zero.
    let mut frame = vec![0x81, 0x80 | 15, 0, 0, 0, 0];
    frame.extend(br#"{"_tag":"Ping"}"#);
    client.send(&frame).await;
    let pong = client.read_at_least(2 + 15).await;
    assert!(pong.ends_with(br#"{"_tag":"Pong"}"#), "{pong:?}");
}

async fn assert_closed(client: &mut Client) {
    let end = tokio::time::timeout(SOON, client.rest()).await;
    end.expect("closed soon after");
}

fn is_check(seen: &Seen) -> bool {
    seen.target.starts_with(b"/api/auth/session")
}

async fn wait_for_checks(world: &World, count: usize) {
    let done = world.standin.wait_for(PATIENCE, |seen| {
        seen.iter().filter(|seen| is_check(seen)).count() >= count
    });
    assert!(done.await, "t3 is asked {count} times");
}

async fn revoke(world: &World, session_id: &str) {
    let bearer = world.standin.issue_administrative_session("admin");
    let bearer = bearer.expect("writable");
    let body = format!(r#"{{"sessionId":"{session_id}"}}"#);
    let mut client = Client::connect(world.standin.addr()).await;
    let head = format!(
        "POST /api/auth/clients/revoke\nAuthorization: Bearer {bearer}\n\
         Content-Type: application/json\nContent-Length: {}",
        body.len()
    );
    client.send_head(&head).await;
    client.send(body.as_bytes()).await;
    assert_eq!(
        client.answer(false).await.json()["revoked"],
        Value::Bool(true)
    );
}

#[tokio::test]
async fn a_revoked_session_s_tunnels_are_closed_and_no_others() {
    for carrier in ["Cookie: t3_session=", "Authorization: Bearer "] {
        let world = World::with(&OPTIONS).await;
        let issue = |name| world.standin.issue_browser_session(name).expect("writable");
        let (revoked, kept) = (issue("revoked"), issue("kept"));
        let mut tunnels = vec![
            open(&world, &format!("{carrier}{revoked}")).await,
            open(&world, &format!("{carrier}{revoked}")).await,
        ];
        let mut other = open(&world, &format!("{carrier}{kept}")).await;
        wait_for_checks(&world, 3).await;
        for tunnel in tunnels.iter_mut().chain([&mut other]) {
            assert_alive(tunnel).await;
        }
        revoke(&world, &world.standin.sessions()[0].id).await;
        for tunnel in &mut tunnels {
            assert_closed(tunnel).await;
        }
        world.standin.clear_requests();
        wait_for_checks(&world, 2).await;
        assert_alive(&mut other).await;
        let left = world
            .standin
            .wait_for_connections(SOON, |_, websockets| websockets == 1);
        assert!(left.await, "t3's sides of them are closed too");
    }
}

#[tokio::test]
async fn a_session_that_ended_by_itself_is_closed_too() {
    let world = World::with(&OPTIONS).await;
    world
        .standin
        .set_faults(|faults| faults.session_ttl_ms = Some(2000));
    let paired = request(world.addr(), &format!("GET /\n{}", crate::common::PAGE)).await;
    let mut tunnel = open(&world, &format!("Cookie: {}", paired.cookie())).await;
    assert_alive(&mut tunnel).await;
    assert_closed(&mut tunnel).await;
}

#[tokio::test]
async fn t3_is_asked_once_for_each_session_whatever_the_number_of_tunnels() {
    let world = World::with(&OPTIONS).await;
    let issue = |name| world.standin.issue_browser_session(name).expect("writable");
    let sessions = [issue("one"), issue("two")];
    let mut tunnels = Vec::new();
    for session in sessions.iter().cycle().take(6) {
        tunnels.push(open(&world, &format!("Cookie: x=1; t3_session={session}")).await);
    }
    world.standin.clear_requests();
    wait_for_checks(&world, 8).await;
    let seen = world.standin.requests();
    for session in &sessions {
        let of_it = |seen: &&Seen| {
            let cookie = seen.header("cookie").unwrap_or_default();
            is_check(seen) && String::from_utf8_lossy(cookie).contains(&**session)
        };
        let times: Vec<Instant> = seen.iter().filter(of_it).map(|seen| seen.at).collect();
        assert!(times.len() >= 3, "asked for {} times", times.len());
        let span = times[times.len() - 1] - times[0];
        let least = EVERY * (times.len() - 1) as u32 / 2;
        assert!(span > least, "{} times within {span:?}", times.len());
    }
    drop(tunnels);
    let gone = world
        .standin
        .wait_for_connections(PATIENCE, |_, open| open == 0);
    assert!(gone.await);
    world.standin.clear_requests();
    tokio::time::sleep(EVERY * 3).await;
    let asked = world
        .standin
        .requests()
        .iter()
        .filter(|seen| is_check(seen))
        .count();
    assert!(
        asked <= 2,
        "nobody is left to ask for, and t3 was asked {asked} times"
    );
}

#[tokio::test]
async fn a_check_that_fails_closes_nothing() {
    let world = World::with(&OPTIONS).await;
    let session = world
        .standin
        .issue_browser_session("kept")
        .expect("writable");
    let mut tunnel = open(&world, &format!("Cookie: t3_session={session}")).await;
    for status in [500, 503, 404, 302] {
        world
            .standin
            .set_faults(|faults| faults.session_status = Some(status));
        world.standin.clear_requests();
        wait_for_checks(&world, 3).await;
        assert_alive(&mut tunnel).await;
    }
    world.standin.set_faults(|faults| {
        faults.session_status = None;
        faults.hang_all = true;
    });
    tokio::time::sleep(EVERY * 4).await;
    assert_alive(&mut tunnel).await;
}

/// An answer that does not say whether the session lives is no answer: t3 gives its page to
/// every GET that it does not know (contract §6).
#[tokio::test]
async fn an_answer_that_says_nothing_closes_nothing() {
    let says = [
        "<!doctype html><html></html>",
        "",
        "{}",
        "[]",
        "null",
        r#"{"authenticated":null}"#,
        r#"{"authenticated":"false"}"#,
        r#"{"authenticated":fal"#,
    ];
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let upstream = Scripted::start(move |mut stream, _| {
        let count = Arc::clone(&count);
        async move {
            loop {
                let head = read_head(&mut stream).await;
                if head.is_empty() {
                    return;
                }
                if head.starts_with(b"GET /ws") {
                    let _ = stream
                        .write_all(
                            b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n\
                            Upgrade: websocket\r\n\r\n",
                        )
                        .await;
                    return drain(&mut stream).await;
                }
                let said = says[count.fetch_add(1, Ordering::SeqCst) % says.len()];
                let answer = format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\r\n{said}",
                    said.len()
                );
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        }
    })
    .await;
    let dispatcher = before(upstream.addr, &["--session-check", "50ms"]).await;
    let mut client = Client::connect(dispatcher.addr).await;
    client
        .send_head(&format!("GET /ws\n{HANDSHAKE}\nCookie: t3_session=x"))
        .await;
    assert_eq!(client.head().await.expect("an answer").status, 101);
    assert!(until(|| asked.load(Ordering::SeqCst) > 2 * says.len()).await);
    let end = tokio::time::timeout(Duration::from_millis(100), client.read_at_least(1)).await;
    assert!(end.is_err(), "the tunnel is closed");
}
