//! A client that fetches one target again and again over one kept connection.

use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use data_encoding::BASE64URL_NOPAD;
use memchr::memmem;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Interval;

use super::Meter;

pub(crate) const KIBIBYTE: &str = "/api/orchestration/snapshot";
pub(crate) const BODY: &str = "/api/bytes/10000000";
pub(crate) const UPLOAD: &str = "/api/upload";
pub(crate) const BODY_BYTES: usize = 10_000_000;

const BUFFER_BYTES: usize = 256 * 1024;

/// What a body is sent of, over and over.
static BLOCK: [u8; BUFFER_BYTES] = [b'b'; BUFFER_BYTES];

/// What a person's browser does with a connection, as `Connection` says it.
pub(crate) const KEPT: &str = "keep-alive";

/// The fields of Chromium's `fetch` in its order, and behind them those that Traefik and Authentik add in front of the proxy.
pub(crate) fn fields(person: usize, connection: &str) -> Vec<(&'static str, String)> {
    const BEFORE_CONNECTION: [(&str, &str); 1] = [("Host", "t3.example.org")];
    const BEFORE_COOKIE: [(&str, &str); 11] = [
        ("sec-ch-ua-platform", "\"Linux\""),
        (
            "User-Agent",
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36",
        ),
        (
            "sec-ch-ua",
            "\"Chromium\";v=\"156\", \"Not)A;Brand\";v=\"24\", \"Google Chrome\";v=\"156\"",
        ),
        ("sec-ch-ua-mobile", "?0"),
        ("Accept", "*/*"),
        ("Sec-Fetch-Site", "same-origin"),
        ("Sec-Fetch-Mode", "cors"),
        ("Sec-Fetch-Dest", "empty"),
        ("Referer", "https://t3.example.org/"),
        ("Accept-Encoding", "gzip, deflate, br, zstd"),
        ("Accept-Language", "en-US,en;q=0.9"),
    ];
    const OF_TRAEFIK: [(&str, &str); 6] = [
        ("X-Forwarded-For", "192.0.2.7"),
        ("X-Forwarded-Host", "t3.example.org"),
        ("X-Forwarded-Port", "443"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Server", "traefik-7d9f4c6b5d-x2x7q"),
        ("X-Real-Ip", "192.0.2.7"),
    ];
    let fixed = |fields: &[(&'static str, &str)]| -> Vec<(&'static str, String)> {
        let fields = fields.iter();
        fields
            .map(|(name, value)| (*name, (*value).to_owned()))
            .collect()
    };
    [
        fixed(&BEFORE_CONNECTION),
        vec![("Connection", connection.to_owned())],
        fixed(&BEFORE_COOKIE),
        vec![("Cookie", format!("t3_session={}", token(person)))],
        fixed(&OF_TRAEFIK),
        vec![(
            "X-authentik-username",
            format!("person-{person}@example.org"),
        )],
    ]
    .concat()
}

/// A request's head, without its last empty line.
pub(crate) fn fetch(target: &str, person: usize, connection: &str) -> String {
    let fields = fields(person, connection);
    let fields = fields
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"));
    format!("GET {target} HTTP/1.1\r\n{}", fields.collect::<String>())
}

/// The same, whole, over a connection that is kept.
pub(crate) fn request(target: &str, person: usize) -> String {
    fetch(target, person, KEPT) + "\r\n"
}

/// The head of a request with a body of [`BODY_BYTES`].
pub(crate) fn upload() -> String {
    let get = fetch(UPLOAD, 0, KEPT);
    format!(
        "{}Content-Length: {BODY_BYTES}\r\n\r\n",
        get.replacen("GET", "POST", 1)
    )
}

/// A session token with the claims and the length of a real one (contract §2, §4), another one for each
/// person.
fn token(person: usize) -> String {
    let claims = json!({
        "v": 1,
        "kind": "session",
        "sid": format!("7d3c1c52-0000-4000-8000-{person:012}"),
        "sub": "one-time-token",
        "scopes": [
            "orchestration:read",
            "orchestration:operate",
            "terminal:operate",
            "review:write",
            "relay:read"
        ],
        "method": "browser-session-cookie",
        "iat": 1_795_358_171_379_u64,
        "exp": 1_797_950_171_379_u64,
    });
    let claims = BASE64URL_NOPAD.encode(claims.to_string().as_bytes());
    format!("{claims}.dGhlIHNpZ25hdHVyZSBvZiBhIHRva2VuIG9mIHRoZSBi")
}

/// Sends `request`, with a body of `length` behind it, as soon as it is answered, or at each tick of `pace`.
pub(super) async fn client(
    addr: SocketAddr,
    request: &str,
    length: usize,
    mut pace: Option<Interval>,
    meter: &Meter,
) -> io::Result<()> {
    let mut connection = Connection::open(addr).await?;
    while !meter.is_over.get() {
        if let Some(pace) = &mut pace {
            pace.tick().await;
        }
        let start = Instant::now();
        connection.stream.write_all(request.as_bytes()).await?;
        if !connection.send(length, meter).await? || !connection.answer(meter).await? {
            return Ok(());
        }
        meter.answered(start);
    }
    Ok(())
}

/// Asks once, on a connection of its own, as that person; is it answered with 200?
pub(crate) async fn is_served_to(addr: SocketAddr, person: usize) -> bool {
    is_served_at(addr, KIBIBYTE, person).await
}

/// The same for that `target`.
pub(crate) async fn is_served_at(addr: SocketAddr, target: &str, person: usize) -> bool {
    let request = request(target, person);
    let asked = async {
        let mut connection = Connection::open(addr).await?;
        connection.stream.write_all(request.as_bytes()).await?;
        connection.answer(&Meter::default()).await
    };
    asked.await.unwrap_or(false)
}

/// A connection and the room to read into.
struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    async fn open(addr: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(addr).await?;
        stream.set_nodelay(true)?;
        let buffer = vec![0; BUFFER_BYTES];
        Ok(Self { stream, buffer })
    }

    /// Sends a body of `length`; false where the measurement ended before it did.
    async fn send(&mut self, mut length: usize, meter: &Meter) -> io::Result<bool> {
        while length > 0 {
            if meter.is_over.get() {
                return Ok(false);
            }
            let sent = self.stream.write(&BLOCK[..length.min(BLOCK.len())]).await?;
            meter.body(sent);
            length -= sent;
        }
        Ok(true)
    }

    /// Reads one answer to its end, keeping nothing of the body; false where the measurement ended before it did.
    async fn answer(&mut self, meter: &Meter) -> io::Result<bool> {
        let mut filled = 0;
        let end = loop {
            filled += self.read(filled).await?;
            if let Some(end) = memmem::find(&self.buffer[..filled], b"\r\n\r\n") {
                break end + 4;
            }
        };
        let length = body_length(&self.buffer[..end]).ok_or_else(|| {
            let head = String::from_utf8_lossy(&self.buffer[..end]);
            io::Error::other(format!("not the answer that was expected: {head}"))
        })?;
        let mut read = filled - end;
        meter.body(read);
        while read < length {
            if meter.is_over.get() {
                return Ok(false);
            }
            let more = self.read(0).await?;
            meter.body(more);
            read += more;
        }
        Ok(true)
    }

    async fn read(&mut self, at: usize) -> io::Result<usize> {
        match self.stream.read(&mut self.buffer[at..]).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            read => Ok(read),
        }
    }
}

/// The Content-Length of a 200; a 304 has no body.
fn body_length(head: &[u8]) -> Option<usize> {
    let head = std::str::from_utf8(head).ok()?;
    if head.starts_with("HTTP/1.1 304 ") {
        return Some(0);
    }
    let mut lines = head.strip_prefix("HTTP/1.1 200 ")?.split("\r\n");
    lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_length = name.eq_ignore_ascii_case("content-length");
        is_length.then(|| value.trim().parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_of_an_answer_is_found_whatever_its_case() {
        let head = b"HTTP/1.1 200 OK\r\nServer: x\r\nContent-LENGTH: 1024\r\n\r\n";
        assert_eq!(body_length(head), Some(1024));
        assert_eq!(body_length(b"HTTP/1.1 200 OK\r\n\r\n"), None);
        let unchanged = b"HTTP/1.1 304 Not Modified\r\nContent-Length: 1024\r\n\r\n";
        assert_eq!(body_length(unchanged), Some(0));
        assert_eq!(
            body_length(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"),
            None
        );
    }
}
