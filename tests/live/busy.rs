//! A t3 that is blocked, and one that was started again unseen.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tokio::net::TcpStream;

use crate::common::process::Process;
use crate::common::{PAGE, PATIENCE, request};
use crate::t3::T3;
use crate::tab::{Tab, pair};

/// How long t3 is blocked.
const BLOCKED: Duration = Duration::from_secs(8);

/// How long after that, or after its first response, everything is answered.
const LATE: Duration = Duration::from_secs(5);

/// Requests of each kind with their statuses, sent at once.
fn ask(to: SocketAddr, cookie: &str) -> Vec<tokio::task::JoinHandle<(String, u16)>> {
    let heads = [
        format!("GET /\n{PAGE}\nCookie: {cookie}"),
        format!("GET /t/1\n{PAGE}"),
        format!("GET /api/auth/session\nAccept: */*\nCookie: {cookie}"),
        format!("POST /api/auth/websocket-ticket\nContent-Length: 0\nCookie: {cookie}"),
    ];
    let asked = heads.map(|head| {
        tokio::spawn(async move {
            let response = request(to, &head).await;
            (head, response.status)
        })
    });
    asked.into()
}

/// Asserts that each has t3's own response; where it `may_be_starting`, a script's may be a 503.
async fn assert_answered(
    asked: Vec<tokio::task::JoinHandle<(String, u16)>>,
    may_be_starting: bool,
) {
    for one in asked {
        let (head, status) = one.await.expect("no panic");
        if may_be_starting && status == 503 && !head.contains(PAGE) {
            println!("t3 was known to be starting");
            continue;
        }
        let expected = match head.starts_with("GET /t/1") {
            true => 302,
            false => 200,
        };
        assert_eq!(status, expected, "{head}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a real t3: set LIVE_T3_BIN to its path"]
async fn a_t3_that_is_blocked_answers_what_it_was_asked_meanwhile() {
    let t3 = T3::start().await;
    let dispatcher = Process::start(&mut t3.dispatcher());
    let to = dispatcher.addr;
    let cookie = pair(to).await;
    // Its session has come back: who comes without one is no loop.
    let page = request(to, &format!("GET /\n{PAGE}\nCookie: {cookie}")).await;
    assert_eq!(page.status, 200);
    let mut open = Tab::open(to, &cookie).await;
    t3.signal(Signal::STOP);
    let stopped = Instant::now();
    let first = ask(to, &cookie);
    tokio::time::sleep(Duration::from_secs(4)).await;
    let second = ask(to, &cookie);
    let tab = tokio::spawn({
        let cookie = cookie.clone();
        async move { Tab::open(to, &cookie).await }
    });
    let ready = request(to, "GET /readyz").await;
    assert_eq!(ready.status, 200, "{}", ready.text());
    tokio::time::sleep(BLOCKED.saturating_sub(stopped.elapsed())).await;
    t3.signal(Signal::CONT);
    let woken = Instant::now();
    assert_answered(first, false).await;
    assert_answered(second, false).await;
    let mut tab = tab.await.expect("a 101");
    println!("all is answered {:?} after t3 goes on", woken.elapsed());
    assert!(woken.elapsed() < LATE, "{:?}", woken.elapsed());
    assert_eq!(open.ping().await["_tag"], "Pong");
    assert_eq!(tab.ping().await["_tag"], "Pong");
    open.close().await;
    tab.close().await;
    t3.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a real t3: set LIVE_T3_BIN to its path"]
async fn a_restart_that_nobody_saw_loses_nothing() {
    let mut t3 = T3::start().await;
    let dispatcher = Process::start(&mut t3.dispatcher());
    let to = dispatcher.addr;
    let cookie = pair(to).await;
    let page = request(to, &format!("GET /\n{PAGE}\nCookie: {cookie}")).await;
    assert_eq!(page.status, 200);
    // Nothing of t3's is open any more.
    tokio::time::sleep(Duration::from_secs(6)).await;
    t3.end(Signal::KILL).await;
    t3.spawn_again();
    let start = Instant::now();
    while TcpStream::connect(t3.addr).await.is_err() {
        assert!(start.elapsed() < PATIENCE, "it does not listen");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let accepts = Instant::now();
    let asked = ask(to, &cookie);
    let mut tab = Tab::open(to, &cookie).await;
    assert_answered(asked, true).await;
    println!("all is answered {:?} after t3 accepts", accepts.elapsed());
    assert!(accepts.elapsed() < LATE, "{:?}", accepts.elapsed());
    assert_eq!(tab.ping().await["_tag"], "Pong");
    tab.close().await;
    t3.finish().await;
}
