//! A session check that fails ends no tunnel.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::AsyncWriteExt;

use crate::common::raw_upstream::{HEALTHY, RawUpstream, read_until_closed};
use crate::common::{Client, Dispatcher, HANDSHAKE, World};
use crate::harness::until;
use crate::revoked_session::{EVERY, OPTIONS, assert_alive, open, wait_for_checks};
use crate::upgrades::SWITCHED;

#[tokio::test]
async fn a_check_that_fails_closes_nothing() {
    let world = World::with(&OPTIONS).await;
    let session = world
        .standin
        .issue_browser_session("kept")
        .expect("writable");
    let mut tunnel = open(&world, &format!("Cookie: t3_session={session}")).await;
    for status in [500, 503, 404, 302] {
        world.standin.set_faults(|faults| {
            faults.session_status = Some(status);
            faults.clients_status = Some(status);
        });
        world.standin.clear_requests();
        wait_for_checks(&world, 3).await;
        assert_alive(&mut tunnel).await;
    }
    world.standin.set_faults(|faults| {
        (faults.session_status, faults.clients_status) = (None, None);
        faults.hang_all = true;
    });
    tokio::time::sleep(EVERY * 4).await;
    assert_alive(&mut tunnel).await;
}

/// A response that does not tell whether the session is alive counts as a failure: t3 sends its page for
/// every unknown path (contract §6).
#[tokio::test]
async fn a_response_without_a_verdict_closes_nothing() {
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
    // Before the tunnel is open the dispatcher's requests are probes.
    let (is_open, asked) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
    );
    let (opened, count) = (Arc::clone(&is_open), Arc::clone(&asked));
    let own = move |_: &[u8]| {
        if !opened.load(Ordering::SeqCst) {
            return Some(HEALTHY.to_vec());
        }
        let said = says[count.fetch_add(1, Ordering::SeqCst) % says.len()];
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n";
        Some(format!("{head}Content-Length: {}\r\n\r\n{said}", said.len()).into_bytes())
    };
    let upstream = RawUpstream::with_own_requests(own, |mut stream, _, _| async move {
        let _ = stream.write_all(SWITCHED).await;
        read_until_closed(&mut stream).await;
    })
    .await;
    let dispatcher = Dispatcher::in_front_of(upstream.addr, &["--session-check", "50ms"]).await;
    let mut client = Client::connect(dispatcher.addr).await;
    client
        .send_head(&format!("GET /ws\n{HANDSHAKE}\nCookie: t3_session=x"))
        .await;
    assert_eq!(client.head().await.expect("a response").status, 101);
    is_open.store(true, Ordering::SeqCst);
    assert!(until(|| asked.load(Ordering::SeqCst) > 2 * says.len()).await);
    let end = tokio::time::timeout(Duration::from_millis(100), client.read_at_least(1)).await;
    assert!(end.is_err(), "the tunnel is closed");
}
