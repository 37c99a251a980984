//! The upstream of the hop's rows: t3's answers by their form, as fast as two system calls allow.

use std::io;
use std::sync::LazyLock;

use memchr::memmem;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader, copy_buf, sink};
use tokio::net::{TcpListener, TcpStream};

use super::Failure;
use crate::load::http::{BODY_BYTES, UPLOAD};
use crate::load::websocket::{ANSWER_BYTES, MESSAGE_BYTES};

const MAX_HEAD_BYTES: usize = 16 * 1024;

/// What a large body is made of; it is written over and over.
static BLOCK: [u8; 256 * 1024] = [b'b'; 256 * 1024];

static KIBIBYTE: LazyLock<Vec<u8>> = LazyLock::new(|| json(&kibibyte()));

/// The name of a file that is kept, by the hash in it.
pub(crate) const KEPT: &str = "/assets/kept-BMH8bO9q.js";

/// So many functions are 7 KiB at brotli's best.
const KEPT_FUNCTIONS: u32 = 1300;

static SCRIPT: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut seed = 7_u32;
    let function = |_| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        format!("function f{}(a){{return a+{}}}\n", seed >> 22, seed >> 8)
    };
    let script: String = (0..KEPT_FUNCTIONS).map(function).collect();
    [head("text/javascript", script.len()), script.into_bytes()].concat()
});

/// What the dispatcher asks before it calls t3 up, for each open tunnel's session, and for whose a session
/// is (contract §3, §4, §6).
pub(crate) const FIXED: [(&str, &str); 3] = [
    (
        "/api/auth/session",
        r#"{"authenticated":true,"auth":{"policy":"loopback-browser","sessionCookieName":"t3_session"}}"#,
    ),
    (
        "/api/auth/clients",
        r#"[{"sessionId":"7d3c1c52-0000-4000-8000-999999999999","client":{}}]"#,
    ),
    (
        "/.well-known/t3/environment",
        r#"{"environmentId":"bench","label":"bench","serverVersion":"0.0.27"}"#,
    ),
];
static FIXED_ANSWERS: LazyLock<[(&str, Vec<u8>); 3]> =
    LazyLock::new(|| FIXED.map(|(target, body)| (target, json(body))));

const SWITCHING: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// Answers until the process ends.
pub(crate) async fn run(listen: u16) -> Result<(), Failure> {
    serve_all(super::listen(listen)?).await
}

/// The same at so many addresses, each as a t3 of its own.
pub(crate) async fn run_many(listen: u16, count: usize) -> Result<(), Failure> {
    let mut all = Vec::new();
    for number in 0..count {
        all.push(serve_all(super::listen_at(
            super::address_of(number),
            listen,
        )?));
    }
    futures_util::future::try_join_all(all).await.map(drop)
}

async fn serve_all(listener: TcpListener) -> Result<(), Failure> {
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            let _client_gone = serve(stream).await;
        });
    }
}

async fn serve(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = Vec::with_capacity(2048);
    loop {
        let mut end = loop {
            if let Some(end) = memmem::find(&buffer, b"\r\n\r\n") {
                break end + 4;
            }
            if stream.read_buf(&mut buffer).await? == 0 || buffer.len() > MAX_HEAD_BYTES {
                return Ok(());
            }
        };
        let target = buffer
            .split(|byte| *byte == b' ')
            .nth(1)
            .unwrap_or_default();
        match target {
            b"/ws" => return echo(stream).await,
            target if target == KEPT.as_bytes() => stream.write_all(&SCRIPT).await?,
            target if target == UPLOAD.as_bytes() => {
                // The bench's clients send as much each time.
                let here = (buffer.len() - end).min(BODY_BYTES);
                end += here;
                let rest = (&mut stream).take((BODY_BYTES - here) as u64);
                let mut rest = BufReader::with_capacity(BLOCK.len(), rest);
                copy_buf(&mut rest, &mut sink()).await?;
                stream.write_all(&KIBIBYTE).await?;
            }
            _ => match (length(target), fixed(target)) {
                (Some(length), _) => bytes(&mut stream, length).await?,
                (None, Some(answer)) => stream.write_all(answer).await?,
                (None, None) => stream.write_all(&KIBIBYTE).await?,
            },
        }
        buffer.drain(..end);
    }
}

/// The body of every other answer.
pub(crate) fn kibibyte() -> String {
    "\"".repeat(1024)
}

/// What is answered to one of those targets.
fn fixed(target: &[u8]) -> Option<&'static [u8]> {
    let mut all = FIXED_ANSWERS.iter();
    let (_, answer) = all.find(|(fixed, _)| fixed.as_bytes() == target)?;
    Some(answer)
}

/// `/api/bytes/N`: how many.
fn length(target: &[u8]) -> Option<usize> {
    let number = target.strip_prefix(b"/api/bytes/")?;
    std::str::from_utf8(number).ok()?.parse().ok()
}

async fn bytes(stream: &mut TcpStream, mut length: usize) -> io::Result<()> {
    stream
        .write_all(&head("application/octet-stream", length))
        .await?;
    while length > 0 {
        let part = length.min(BLOCK.len());
        stream.write_all(&BLOCK[..part]).await?;
        length -= part;
    }
    Ok(())
}

/// For each message of the load one of its size back.
async fn echo(mut stream: TcpStream) -> io::Result<()> {
    stream.write_all(SWITCHING).await?;
    let mut answer = [b'e'; ANSWER_BYTES];
    answer[..2].copy_from_slice(&[0x82, ANSWER_BYTES as u8 - 2]);
    let mut message = [0; MESSAGE_BYTES];
    loop {
        stream.read_exact(&mut message).await?;
        stream.write_all(&answer).await?;
    }
}

fn json(body: &str) -> Vec<u8> {
    [
        head("application/json", body.len()),
        body.as_bytes().to_vec(),
    ]
    .concat()
}

/// t3's lines in t3's order (contract §6, §7).
fn head(content_type: &str, length: usize) -> Vec<u8> {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\n\
         access-control-allow-origin: *\r\nDate: Sun, 22 Nov 2026 14:35:08 GMT\r\n\
         Connection: keep-alive\r\nKeep-Alive: timeout=5\r\n\r\n"
    )
    .into_bytes()
}
