//! An HTTP client that sends exact bytes and shows the response.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::room::DEADLINE;

/// One connection.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    pub(crate) unread: Vec<u8>,
}

/// One response.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// Every line of the head, the status line first.
    pub(crate) lines: Vec<String>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let pairs = self.lines.iter().filter_map(|line| line.split_once(": "));
        pairs
            .into_iter()
            .find(|(own, _)| own.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("UTF-8")
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    /// The header names in order, as written.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.lines
            .iter()
            .filter_map(|line| Some(line.split_once(": ")?.0))
            .collect()
    }
}

impl Client {
    pub(crate) async fn to(addr: SocketAddr) -> Client {
        let stream = TcpStream::connect(addr).await.expect("connects");
        Client {
            stream,
            unread: Vec::new(),
        }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.expect("sends");
    }

    /// Sends a request with these further lines, and reads its response.
    pub(crate) async fn ask(&mut self, request_line: &str, lines: &str, body: &str) -> Reply {
        let length = match body {
            "" => String::new(),
            body => format!("Content-Length: {}\r\n", body.len()),
        };
        self.send(format!(
            "{request_line} HTTP/1.1\r\nHost: t3\r\n{lines}{length}\r\n{body}"
        ))
        .await;
        self.reply(request_line.starts_with("HEAD")).await
    }

    pub(crate) async fn get(&mut self, path: &str) -> Reply {
        self.ask(&format!("GET {path}"), "", "").await
    }

    pub(crate) async fn post(&mut self, path: &str, lines: &str, json: &str) -> Reply {
        let lines = format!("Content-Type: application/json\r\n{lines}");
        self.ask(&format!("POST {path}"), &lines, json).await
    }

    pub(crate) async fn reply(&mut self, bodiless: bool) -> Reply {
        let head = self.until(b"\r\n\r\n").await;
        let head = String::from_utf8_lossy(&head).into_owned();
        let lines: Vec<String> = head
            .lines()
            .filter(|line| !line.is_empty())
            .map(str::to_owned)
            .collect();
        let status = lines[0]
            .split(' ')
            .nth(1)
            .and_then(|code| code.parse().ok())
            .expect("a status");
        let mut reply = Reply {
            status,
            lines,
            body: Vec::new(),
        };
        if bodiless || matches!(status, 100..=199 | 204 | 304) {
            return reply;
        }
        if reply.header("transfer-encoding") == Some("chunked") {
            reply.body = self.chunks().await;
        } else if let Some(length) = reply.header("content-length") {
            let length = length.parse().expect("a length");
            reply.body = self.exactly(length).await;
        }
        reply
    }

    /// The data of all chunks; trailers stay unread.
    async fn chunks(&mut self) -> Vec<u8> {
        let mut data = Vec::new();
        loop {
            let size = self.until(b"\r\n").await;
            let size = std::str::from_utf8(&size).expect("ASCII").trim();
            let size = usize::from_str_radix(size, 16).expect("a chunk size");
            if size == 0 {
                self.until(b"\r\n").await;
                return data;
            }
            data.extend(self.exactly(size).await);
            self.exactly(2).await;
        }
    }

    pub(crate) async fn until(&mut self, end: &[u8]) -> Vec<u8> {
        loop {
            if let Some(at) = self
                .unread
                .windows(end.len())
                .position(|window| window == end)
            {
                let rest = self.unread.split_off(at + end.len());
                return std::mem::replace(&mut self.unread, rest);
            }
            assert!(
                self.more().await,
                "ended after {:?}",
                String::from_utf8_lossy(&self.unread)
            );
        }
    }

    async fn exactly(&mut self, length: usize) -> Vec<u8> {
        while self.unread.len() < length {
            assert!(self.more().await, "ended after {} bytes", self.unread.len());
        }
        let rest = self.unread.split_off(length);
        std::mem::replace(&mut self.unread, rest)
    }

    /// Reads some bytes; false at the end or at a reset.
    async fn more(&mut self) -> bool {
        let read = timeout(DEADLINE, self.stream.read_buf(&mut self.unread));
        read.await.expect("in time").is_ok_and(|bytes| bytes > 0)
    }

    /// Everything up to the end of the connection.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        while self.more().await {}
        std::mem::take(&mut self.unread)
    }
}
