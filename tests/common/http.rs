//! An HTTP/1.1 client that sends exact bytes and reports every byte of the response.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::HANDSHAKE;

/// The bound of every wait: longer than anything here takes on a loaded machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// One connection.
pub struct Client {
    pub stream: TcpStream,
    buffer: Vec<u8>,
}

/// One response, as it was received.
#[derive(Debug, Clone, Default)]
pub struct Response {
    pub status: u16,
    /// Names in lower case, values as they came.
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: Vec<u8>,
    pub trailers: Vec<(String, Vec<u8>)>,
    /// Heads of the interim responses before it.
    pub interim: Vec<Response>,
    /// Did the body end as its framing says?
    pub complete: bool,
}

impl Response {
    /// Every value of `name`, as text.
    pub fn all(&self, name: &str) -> Vec<String> {
        let lines = self.headers.iter().filter(|(held, _)| held == name);
        lines
            .map(|(_, value)| String::from_utf8_lossy(value).into_owned())
            .collect()
    }

    /// Its fields but the id of the request, which is another one each time.
    pub fn fields(&self) -> Vec<(String, Vec<u8>)> {
        let lines = self.headers.iter();
        let lines = lines.filter(|(name, _)| name != "x-request-id");
        lines.cloned().collect()
    }

    /// The first value of `name`, or nothing.
    pub fn header(&self, name: &str) -> String {
        self.all(name).into_iter().next().unwrap_or_default()
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("not JSON ({error}): {}", self.text()))
    }

    /// `name=value` of the first cookie that it sets.
    pub fn cookie(&self) -> String {
        let line = self.header("set-cookie");
        line.split(';').next().unwrap_or_default().to_owned()
    }
}

/// The name that requests are sent to: one of this machine, which is paired without an identity header.
pub const HOST: &str = "t3.localhost";

/// One request on a new connection. The lines of `head` are separated by `\n`; `Host` is added where
/// it is not there.
pub async fn request(to: SocketAddr, head: &str) -> Response {
    Client::connect(to).await.exchange(head).await
}

impl Client {
    pub async fn connect(to: SocketAddr) -> Self {
        let stream = timeout(PATIENCE, TcpStream::connect(to)).await;
        let stream = stream.expect("a connection in time").expect("a listener");
        Self::over(stream)
    }

    /// An open WebSocket of a browser whose page is of the address `to`; `fields` end with a line feed each.
    pub async fn websocket(to: SocketAddr, target: &str, fields: &str) -> Self {
        let mut client = Self::connect(to).await;
        let own = format!("Host: {to}\nOrigin: http://{to}\n");
        let head = format!("GET {target}\n{own}{fields}{HANDSHAKE}");
        client.send_head(&head).await;
        assert_eq!(client.head().await.expect("a response").status, 101);
        client
    }

    /// Uses a connection that is open already.
    pub fn over(stream: TcpStream) -> Self {
        stream.set_nodelay(true).expect("a TCP socket");
        let buffer = Vec::new();
        Self { stream, buffer }
    }

    /// Sends a head (see [`request`]) and reads the whole response.
    pub async fn exchange(&mut self, head: &str) -> Response {
        self.send_head(head).await;
        self.response(head.starts_with("HEAD ")).await
    }

    pub async fn send_head(&mut self, head: &str) {
        let (first, rest) = head.split_once('\n').unwrap_or((head, ""));
        let mut text = format!("{first} HTTP/1.1\r\n");
        if !rest.lines().any(|line| line.starts_with("Host:")) {
            text.push_str(&format!("Host: {HOST}\r\n"));
        }
        for line in rest.lines() {
            text.push_str(line);
            text.push_str("\r\n");
        }
        text.push_str("\r\n");
        self.send(text.as_bytes()).await;
    }

    pub async fn send(&mut self, bytes: &[u8]) {
        let sent = timeout(PATIENCE, self.stream.write_all(bytes)).await;
        sent.expect("sent in time").expect("an open connection");
    }

    /// Reads one response with the interim ones before it. A response to HEAD (`is_head`) has no body.
    pub async fn response(&mut self, is_head: bool) -> Response {
        let mut interim = Vec::new();
        loop {
            let mut response = self.head().await.expect("a response before the end");
            if (100..200).contains(&response.status) && response.status != 101 {
                interim.push(response);
                continue;
            }
            response.interim = interim;
            let empty = is_head || matches!(response.status, 101 | 204 | 304);
            match empty {
                true => response.complete = true,
                false => self.body(&mut response).await,
            }
            return response;
        }
    }

    /// Reads the head of one response; `None` if the connection ends before it.
    pub async fn head(&mut self) -> Option<Response> {
        loop {
            if let Some((length, response)) = parse_head(&self.buffer) {
                self.buffer.drain(..length);
                return Some(response);
            }
            if self.fill().await == 0 {
                assert!(self.buffer.is_empty(), "cut head: {:?}", self.buffer);
                return None;
            }
        }
    }

    /// Reads until `enough` bytes are there or the connection ends; returns what is there.
    pub async fn read_at_least(&mut self, enough: usize) -> Vec<u8> {
        while self.buffer.len() < enough && self.fill().await > 0 {}
        std::mem::take(&mut self.buffer)
    }

    /// Reads what is left until the connection ends.
    pub async fn rest(&mut self) -> Vec<u8> {
        self.read_at_least(usize::MAX).await
    }

    /// Reads the body of a response whose head has come.
    pub async fn body(&mut self, response: &mut Response) {
        if response
            .header("transfer-encoding")
            .eq_ignore_ascii_case("chunked")
        {
            self.chunked(response).await;
        } else if let Ok(length) = response.header("content-length").parse::<usize>() {
            while self.buffer.len() < length && self.fill().await > 0 {}
            response.complete = self.buffer.len() >= length;
            let taken = length.min(self.buffer.len());
            response.body = self.buffer.drain(..taken).collect();
        } else {
            response.body = self.rest().await;
            response.complete = true;
        }
    }

    async fn chunked(&mut self, response: &mut Response) {
        while let Some(line) = self.line().await {
            let size = line.split(';').next().unwrap_or_default().trim_end();
            let size = usize::from_str_radix(size, 16).expect("a chunk size");
            if size == 0 {
                while let Some(line) = self.line().await {
                    let Some((name, value)) = line.split_once(": ") else {
                        response.complete = line.is_empty();
                        return;
                    };
                    let trailer = (name.to_lowercase(), value.as_bytes().to_vec());
                    response.trailers.push(trailer);
                }
                return;
            }
            while self.buffer.len() < size + 2 && self.fill().await > 0 {}
            if self.buffer.len() < size + 2 {
                response.body.append(&mut self.buffer);
                return;
            }
            response.body.extend(self.buffer.drain(..size));
            self.buffer.drain(..2);
        }
    }

    async fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\r\n") {
                let line = String::from_utf8_lossy(&self.buffer[..end]).into_owned();
                self.buffer.drain(..end + 2);
                return Some(line);
            }
            if self.fill().await == 0 {
                return None;
            }
        }
    }

    /// Reads once; a reset counts as an end.
    async fn fill(&mut self) -> usize {
        let read = timeout(PATIENCE, self.stream.read_buf(&mut self.buffer)).await;
        read.expect("bytes or an end in time").unwrap_or(0)
    }
}

fn parse_head(bytes: &[u8]) -> Option<(usize, Response)> {
    let mut fields = [httparse::EMPTY_HEADER; 512];
    let mut head = httparse::Response::new(&mut fields);
    let httparse::Status::Complete(length) = head
        .parse(bytes)
        .unwrap_or_else(|error| panic!("{error}: {}", bytes.escape_ascii()))
    else {
        return None;
    };
    let headers = head.headers.iter();
    let response = Response {
        status: head.code.expect("a complete head"),
        headers: headers
            .map(|field| (field.name.to_lowercase(), field.value.to_vec()))
            .collect(),
        ..Response::default()
    };
    Some((length, response))
}
