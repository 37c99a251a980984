//! t3's orchestration protocol: what its descriptor says is told in the log and the metrics.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::Signal;
use t3_standin::port;
use tokio::io::AsyncWriteExt;

use crate::common::process::{Process, command};
use crate::common::raw_upstream::{RawUpstream, read_until_closed, target_of};
use crate::common::{HANDSHAKE, Scrape, request};

/// A t3 whose descriptor names the protocol of `number`; it sends clients `response`.
async fn t3(number: &Arc<AtomicU32>, response: &'static [u8]) -> RawUpstream {
    let number = Arc::clone(number);
    let own = move |head: &[u8]| {
        let body = match target_of(head) {
            "/.well-known/t3/environment" => format!(
                r#"{{"serverVersion":"0.0.50\n\"}} 7","orchestrationProtocolVersion":{}}}"#,
                number.load(Ordering::Relaxed)
            ),
            _ => "{}".to_owned(),
        };
        let length = body.len();
        let head = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length:";
        Some(format!("{head} {length}\r\n\r\n{body}").into_bytes())
    };
    RawUpstream::with_own_requests(own, move |mut stream, _, _| async move {
        let _ = stream.write_all(response).await;
        let _ = stream.shutdown().await;
        read_until_closed(&mut stream).await;
    })
    .await
}

/// The dispatcher's binary in front of `upstream`, and its metrics once t3 is up.
async fn in_front_of(upstream: SocketAddr) -> (Process, SocketAddr) {
    let metrics = port::unused();
    let mut command = command();
    command
        .env("T3_UPSTREAM_PORT", upstream.port().to_string())
        .env("T3_BIN", "/no/such/t3")
        .env("DISPATCHER_METRICS_PORT", metrics.port().to_string());
    let process = Process::start(&mut command);
    Scrape::until(metrics, |scrape| {
        scrape.get("upstream_state{state=\"up\"}") == 1.0
    })
    .await;
    (process, metrics)
}

/// The log of a dispatcher that is told to end.
async fn log_of(process: Process) -> String {
    process.signal(Signal::TERM);
    let ended = tokio::task::spawn_blocking(|| process.end());
    ended.await.expect("no panic").1
}

fn lines_with<'a>(log: &'a str, text: &str) -> Vec<&'a str> {
    log.lines().filter(|line| line.contains(text)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_protocol_that_nobody_here_knows_is_one_warning_and_a_metric_and_requests_go_on() {
    const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
    let number = Arc::new(AtomicU32::new(3));
    let upstream = t3(&number, OK).await;
    let (process, metrics) = in_front_of(upstream.addr).await;
    for _ in 0..20 {
        let response = request(process.addr, "GET /api/projects").await;
        assert_eq!((response.status, response.text().as_str()), (200, "hi"));
    }
    let info = |scrape: &Scrape| {
        let names = scrape.names().into_iter();
        let info = names.filter(|name| name.contains("upstream_info"));
        info.map(str::to_owned).collect::<Vec<_>>()
    };
    let series = |number| {
        let labels = format!(r#"{{protocol="{number}",version="0.0.50____7"}}"#);
        format!("t3_dispatcher_upstream_info{labels}")
    };
    assert_eq!(info(&Scrape::of(metrics).await), [series(3)]);
    let log = log_of(process).await;
    let warnings = lines_with(&log, "a protocol that this dispatcher does not know");
    assert_eq!(warnings.len(), 1, "{log}");
    assert!(warnings[0].contains("WARN") && warnings[0].contains("protocol=3"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_that_t3_refuses_by_426_is_counted_and_told_with_what_it_asked_for() {
    const REFUSED: &[u8] = b"HTTP/1.1 426 Upgrade Required\r\nContent-Type: application/json\r\n\
        Content-Length: 2\r\n\r\n{}";
    let number = Arc::new(AtomicU32::new(1));
    let upstream = t3(&number, REFUSED).await;
    let (process, metrics) = in_front_of(upstream.addr).await;
    // Another t3 has taken its place, which nothing has told.
    number.store(2, Ordering::Relaxed);
    for target in ["/ws", "/ws?orchestrationProtocol=1%0a", "/ws"] {
        let response = request(process.addr, &format!("GET {target}\n{HANDSHAKE}")).await;
        assert_eq!((response.status, response.text().as_str()), (426, "{}"));
    }
    let scrape = Scrape::until(metrics, |scrape| {
        scrape.sum("upstream_info{protocol=\"2\"") == 1.0
    });
    let scrape = scrape.await;
    let refused = |cause| scrape.get(&format!("upgrades_refused_total{{cause=\"{cause}\"}}"));
    let counted = ["protocol", "session", "other"].map(refused);
    assert_eq!(counted, [3.0, 0.0, 0.0]);
    let log = log_of(process).await;
    let told = lines_with(&log, "by 426");
    assert_eq!(told.len(), 3, "{log}");
    assert!(
        told[0].contains("WARN") && told[0].contains("asked=\"none\""),
        "{}",
        told[0]
    );
}
