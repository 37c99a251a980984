//! t3 answers before it has read the request, and closes: row 58.

use std::io::ErrorKind;

use tokio::io::{AsyncWriteExt, Interest};
use tokio::time::timeout;

use crate::common::http::Response;
use crate::common::raw_upstream::RawUpstream;
use crate::common::{Client, Dispatcher, PATIENCE};

const TOO_LARGE: &[u8] =
    b"HTTP/1.1 413 Payload Too Large\r\nContent-Length: 5\r\nConnection: close\r\n\r\nlarge";

/// The response to a client that sends `bytes` of body, and reads meanwhile or, as some do, only then.
async fn uploaded(
    dispatcher: &Dispatcher,
    bytes: usize,
    reads_meanwhile: bool,
) -> Option<Response> {
    let mut client = Client::connect(dispatcher.addr).await;
    client
        .send_head(&format!("POST /x\nContent-Length: {bytes}"))
        .await;
    let body = vec![b'x'; bytes];
    let mut sent = 0;
    while sent < bytes {
        let writable = client.stream.ready(match reads_meanwhile {
            true => Interest::WRITABLE | Interest::READABLE,
            false => Interest::WRITABLE,
        });
        let ready = timeout(PATIENCE, writable)
            .await
            .expect("in time")
            .expect("a socket");
        if reads_meanwhile && ready.is_readable() {
            break;
        }
        match client.stream.try_write(&body[sent..]) {
            Ok(count) => sent += count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => break,
        }
    }
    let mut response = client.head().await?;
    client.body(&mut response).await;
    Some(response)
}

#[tokio::test(flavor = "multi_thread")]
async fn row_58_an_early_answer_arrives_though_t3_closes() {
    let upstream = RawUpstream::start(|mut stream, _, _| async move {
        let _ = stream.write_all(TOO_LARGE).await;
    })
    .await;
    let dispatcher = Dispatcher::in_front_of(upstream.addr, &[]).await;
    for round in 0..300 {
        let bytes = [100_000, 2_000_000, 10_000_000, 30_000_000][round % 4];
        let response = uploaded(&dispatcher, bytes, round % 8 < 4).await;
        let response = response.unwrap_or_else(|| panic!("reset after {bytes}, round {round}"));
        let got = (response.status, response.text(), response.complete);
        assert_eq!(
            got,
            (413, "large".to_owned(), true),
            "{bytes}, round {round}"
        );
    }
}
