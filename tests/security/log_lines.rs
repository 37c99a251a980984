//! Log lines that clients can cause are bounded, and those that were left out are counted: row 70.

use std::process::Command;

use rustix::process::Signal;
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::task::JoinSet;

use crate::common::process::{Process, command, standin_and_command};
use crate::common::raw_upstream::RawUpstream;
use crate::common::{Client, HANDSHAKE, NOBODY, PAGE, request};
use crate::harness::{ADA, until};
use crate::resource_use::descriptors;

/// How often each thing is done that may cause a line.
const TIMES: usize = 300;

/// The most lines of one kind that a minute has, and the test may take more than one.
const MOST_OF_A_KIND: usize = 20;

/// The most lines of a whole run, those of its start and its end included.
const MOST: usize = 60;

/// The lines of a run, as JSON.
struct Log(Vec<Value>);

impl Log {
    /// Ends the process, and takes its log.
    async fn of(process: Process) -> Self {
        process.signal(Signal::TERM);
        let ended = tokio::task::spawn_blocking(|| process.end()).await;
        let (code, log) = ended.expect("no panic");
        assert_eq!(code, Some(0), "{log}");
        let lines = log.lines().map(serde_json::from_str);
        Self(lines.collect::<Result<_, _>>().expect("JSON"))
    }

    fn left_out(line: &Value) -> usize {
        line["left_out"].as_u64().unwrap_or(0) as usize
    }

    /// How many lines with `text` were written, and how often what they tell has happened.
    fn count(&self, text: &str) -> (usize, usize) {
        let of_kind = |line: &&Value| {
            line["message"]
                .as_str()
                .is_some_and(|said| said.contains(text))
        };
        let (told, lines): (Vec<_>, Vec<_>) = self.0.iter().filter(of_kind).partition(|line| {
            let said = line["message"].as_str();
            said.is_some_and(|said| said.starts_with("more of: "))
        });
        let left_out = told.iter().chain(&lines).map(|line| Self::left_out(line));
        (lines.len(), lines.len() + left_out.sum::<usize>())
    }

    /// Asserts that `text` was written seldom, and that all `times` are counted.
    #[track_caller]
    fn assert_counted(&self, text: &str, times: usize) {
        let (written, counted) = self.count(text);
        assert!(
            (1..=MOST_OF_A_KIND).contains(&written),
            "{written} of {text:?}"
        );
        assert_eq!(counted, times, "{text:?}: {:#?}", self.0);
    }

    #[track_caller]
    fn assert_short(&self) {
        let lines = self.0.len();
        assert!(lines <= MOST, "{lines} lines: {:#?}", self.0);
    }
}

/// The command of a dispatcher in front of a t3 at `port`.
fn in_front_of(port: u16, fast_path: &str) -> Command {
    let mut command = command();
    command
        .env("T3_UPSTREAM_PORT", port.to_string())
        .env("T3_BIN", "/no/such/t3")
        .env("DISPATCHER_FAST_PATH", fast_path)
        .env("LOG_FORMAT", "json");
    command
}

/// Sends `bytes` as a request that may have any answer, many times.
async fn send_often(process: &Process, bytes: &str) {
    let mut sending = JoinSet::new();
    for _ in 0..TIMES {
        let (addr, bytes) = (process.addr, bytes.to_owned());
        sending.spawn(async move {
            let mut client = Client::connect(addr).await;
            client.send(bytes.as_bytes()).await;
            client.head().await
        });
        if sending.len() >= 20 {
            sending.join_next().await;
        }
    }
    sending.join_all().await;
}

/// What is no clean HTTP: heads, and the bodies of POSTs.
const MALFORMED: [&str; 5] = [
    "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n",
    "NONSENSE\r\n\r\n",
    "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 2\r\n\r\n",
];

#[tokio::test(flavor = "multi_thread")]
async fn row_70_broken_requests_and_a_t3_that_breaks_them_are_a_bounded_number_of_lines() {
    for fast_path in ["on", "off"] {
        let upstream = RawUpstream::start(|stream, _, _| async move { drop(stream) }).await;
        let port = upstream.addr.port();
        let process = Process::start(&mut in_front_of(port, fast_path));
        let post = "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx";
        send_often(&process, post).await;
        for malformed in MALFORMED {
            send_often(&process, malformed).await;
        }
        let log = Log::of(process).await;
        log.assert_counted("no response from t3", TIMES);
        log.assert_short();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn row_70_a_t3_that_is_away_is_a_bounded_number_of_lines() {
    let both = ["on", "off"].map(|fast_path| async move {
        let process = Process::start(&mut in_front_of(NOBODY.port(), fast_path));
        let fetch = "GET /api/x HTTP/1.1\r\nHost: a\r\nSec-Fetch-Dest: empty\r\n\r\n";
        for bytes in [
            fetch,
            "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx",
        ] {
            send_often(&process, bytes).await;
        }
        // These wait for t3: most clients leave before, and some do not.
        let page = format!("GET /\n{PAGE}");
        let upgrade = format!("GET /ws\n{HANDSHAKE}");
        let mut waiting = Vec::new();
        for number in 0..TIMES {
            for head in [&page, &upgrade] {
                let mut client = Client::connect(process.addr).await;
                client.send_head(head).await;
                if number % 30 == 0 {
                    waiting.push(client);
                }
            }
        }
        for mut client in waiting {
            let status = client.response(false).await.status;
            assert!(matches!(status, 200 | 503), "{status}");
        }
        let log = Log::of(process).await;
        assert!(log.0.iter().any(|line| line["message"] == "t3 is down"));
        log.assert_short();
    });
    let [on, off] = both;
    tokio::join!(on, off);
}

#[tokio::test(flavor = "multi_thread")]
async fn row_70_pairings_that_fail_and_loops_are_a_bounded_number_of_lines() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (standin, mut command) = standin_and_command(dir.path()).await;
    let process = Process::start(
        command
            .env("DISPATCHER_IDENTITY_HEADER", "X-User")
            .env("DISPATCHER_MINT", "api")
            .env("LOG_FORMAT", "json"),
    );
    let load = async |user: String| {
        let head = format!("GET /\n{PAGE}\nX-User: {user}");
        request(process.addr, &head).await.status
    };
    const LOOPS: usize = 60;
    for number in 0..LOOPS {
        let user = format!("loop{number}");
        let mut seen = Vec::new();
        // Its browser keeps no cookie.
        for _ in 0..3 {
            seen.push(load(user.clone()).await);
        }
        assert_eq!(seen, [302, 302, 200], "{user}");
    }
    standin.set_faults(|faults| faults.pairing_token_status = Some(500));
    for number in 0..TIMES {
        assert_eq!(load(format!("failed{number}")).await, 200);
    }
    let log = Log::of(process).await;
    log.assert_counted("pairing failed, forwarded unpaired", TIMES);
    log.assert_counted("forwarded unpaired", LOOPS + TIMES);
    let paired = log.0.iter().filter(|line| line["message"] == "paired");
    assert_eq!(
        paired.count(),
        2 * LOOPS,
        "who got a session is told in full"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn row_70_websockets_are_a_bounded_number_of_lines() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (_standin, mut command) = standin_and_command(dir.path()).await;
    let process = Process::start(
        command
            .env("DISPATCHER_IDENTITY_HEADER", "X-authentik-username")
            .env("LOG_FORMAT", "json"),
    );
    let foreign = format!("GET /ws\n{ADA}Origin: https://evil.test\n{HANDSHAKE}");
    for _ in 0..TIMES {
        assert_eq!(request(process.addr, &foreign).await.status, 403);
    }
    // More than there are lines for.
    let often = TIMES + 50;
    for _ in 0..often {
        let mut client = Client::connect(process.addr).await;
        client
            .send_head(&format!("GET /standin/ws\n{ADA}{HANDSHAKE}"))
            .await;
        assert_eq!(client.head().await.expect("a response").status, 101);
    }
    let log = Log::of(process).await;
    log.assert_counted("refused: a WebSocket of another origin", TIMES);
    let (written, counted) = log.count("ws close");
    assert_eq!(counted, often);
    assert!(written >= TIMES, "{written}");
}

#[tokio::test(flavor = "multi_thread")]
async fn row_70_files_that_are_cut_short_are_a_bounded_number_of_lines() {
    let cut =
        b"HTTP/1.1 200 OK\r\nContent-Type: text/javascript\r\nContent-Length: 900000\r\n\r\nx";
    let upstream = RawUpstream::of_files(move |mut stream, _, _| async move {
        let _ = stream.write_all(cut).await;
    });
    let upstream = upstream.await;
    let process = Process::start(&mut in_front_of(upstream.addr.port(), "on"));
    for number in 0..TIMES {
        let file = format!("GET /assets/x-{number:08x}.js");
        assert!(!request(process.addr, &file).await.complete);
    }
    let log = Log::of(process).await;
    log.assert_counted("a static file is cut short and not stored", TIMES);
}

#[tokio::test]
async fn row_70_no_descriptor_left_is_a_bounded_number_of_lines() {
    let mut limited = Command::new("sh");
    let binary = env!("CARGO_BIN_EXE_t3-dispatcher");
    limited.args(["-c", &format!("ulimit -n 32 && exec {binary}")]);
    limited
        .env("DISPATCHER_HOST", "127.0.0.1")
        .env("DISPATCHER_PORT", "0")
        .env("LOG_FORMAT", "json");
    let process = Process::start(&mut limited);
    let mut held = Vec::new();
    for _ in 0..60 {
        held.push(Client::connect(process.addr).await);
    }
    assert!(until(|| descriptors(&process) >= 32).await);
    // It tries again ten times a second.
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    drop(held);
    let log = Log::of(process).await;
    let (written, counted) = log.count("cannot accept, trying again");
    assert!((1..=MOST_OF_A_KIND).contains(&written), "{written}");
    assert!(counted > written, "{counted}");
    log.assert_short();
}
