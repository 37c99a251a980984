//! A response: its lines in t3's order, with t3's casing, and its body.

use bytes::Bytes;

use super::coding;
use super::head::Head;
use crate::clock;

/// A response that is complete before its first byte is sent.
#[derive(Debug)]
pub(crate) struct Response {
    status: u16,
    lines: Vec<u8>,
    body: Payload,
}

/// How the body is delimited.
#[derive(Debug, Clone)]
pub(crate) enum Payload {
    /// By a Content-Length that is among the lines.
    Sized(Bytes),
    /// `Transfer-Encoding: chunked`, as Node sends an empty body of unknown length.
    Chunked(Bytes),
    /// No body, by the status: 204 and 304.
    Absent,
}

impl Response {
    /// Lines are sent in the order in which they are added; Date, Connection and Keep-Alive follow them.
    pub(crate) fn new(status: u16, body: Payload) -> Response {
        Response {
            status,
            lines: Vec::with_capacity(256),
            body,
        }
    }

    /// A body with its type, in t3's order: content-type, content-length, CORS.
    pub(crate) fn typed(status: u16, content_type: &str, body: impl Into<Bytes>) -> Response {
        let body = body.into();
        let length = body.len().to_string();
        Response::new(status, Payload::Sized(body))
            .with("content-type", content_type)
            .with("content-length", &length)
            .with("access-control-allow-origin", "*")
    }

    pub(crate) fn json(status: u16, body: impl Into<Bytes>) -> Response {
        Response::typed(status, "application/json", body)
    }

    pub(crate) fn text(status: u16, body: impl Into<Bytes>) -> Response {
        Response::typed(status, "text/plain", body)
    }

    /// No body and no length, and thus chunked (contract §2).
    pub(crate) fn empty(status: u16) -> Response {
        let body = match status {
            204 | 304 => Payload::Absent,
            _ => Payload::Chunked(Bytes::new()),
        };
        Response::new(status, body).with("access-control-allow-origin", "*")
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Response {
        for part in [name, ": ", value, "\r\n"] {
            self.lines.extend_from_slice(part.as_bytes());
        }
        self
    }

    /// The value of the first line of that name, as added.
    fn line(&self, name: &str) -> Option<&str> {
        let lines = std::str::from_utf8(&self.lines).ok()?;
        let mut named = lines.lines().filter_map(|line| line.strip_prefix(name));
        named.find_map(|rest| rest.strip_prefix(": "))
    }

    /// The response as t3 sends it since September: coded as the request accepts, `vary` in any case (contract §11).
    pub(crate) fn coded(&self, to: &Head) -> Option<Response> {
        let Payload::Sized(body) = &self.body else {
            return None;
        };
        let is_fixed = self.line("content-encoding").is_some()
            || self
                .line("cache-control")
                .is_some_and(|value| value.contains("no-transform"));
        if is_fixed || !coding::is_compressible(self.line("content-type")?) {
            return None;
        }
        let length = format!("content-length: {}\r\n", body.len());
        let (line, body) = match coding::of(to, body.len()) {
            Some(coding) => {
                let line = format!("content-encoding: {}\r\n", coding.name());
                (line, Payload::Chunked(coding.encode(body).ok()?.into()))
            }
            None => (length.clone(), self.body.clone()),
        };
        let lines = std::str::from_utf8(&self.lines).ok()?;
        let lines = lines.replacen(&length, &format!("{line}vary: Accept-Encoding\r\n"), 1);
        Some(Response {
            status: self.status,
            lines: lines.into_bytes(),
            body,
        })
    }

    /// The bytes of the whole response to `request`.
    pub(crate) fn encode(&self, to: &Head, keep_alive: bool) -> Vec<u8> {
        let mut out = Vec::with_capacity(512);
        // What has no body says nothing of chunks, in Node.
        let chunked =
            matches!(self.body, Payload::Chunked(_)) && !to.is_http_1_0() && to.method() != "HEAD";
        start(&mut out, self.status, &self.lines);
        end(&mut out, to, keep_alive, chunked);
        if to.method() == "HEAD" {
            return out;
        }
        match &self.body {
            Payload::Absent => {}
            Payload::Sized(body) => out.extend_from_slice(body),
            Payload::Chunked(body) if chunked => {
                chunk(&mut out, body);
                out.extend_from_slice(b"0\r\n\r\n");
            }
            Payload::Chunked(body) => out.extend_from_slice(body),
        }
        out
    }
}

/// Status line and lines.
pub(crate) fn start(out: &mut Vec<u8>, status: u16, lines: &[u8]) {
    out.extend_from_slice(format!("HTTP/1.1 {status} {}\r\n", reason(status)).as_bytes());
    out.extend_from_slice(lines);
}

/// The lines that Node adds, and the end of the head. A response to any `Upgrade` is kept without saying for how long.
pub(crate) fn end(out: &mut Vec<u8>, to: &Head, keep_alive: bool, chunked: bool) {
    out.extend_from_slice(format!("Date: {}\r\n", clock::imf_fixdate(clock::now_ms())).as_bytes());
    let connection: &[u8] = match keep_alive {
        true if to.wants_upgrade() => b"Connection: keep-alive\r\n",
        true => b"Connection: keep-alive\r\nKeep-Alive: timeout=5\r\n",
        false => b"Connection: close\r\n",
    };
    out.extend_from_slice(connection);
    if chunked {
        out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
    }
    out.extend_from_slice(b"\r\n");
}

/// One chunk; an empty one is left out, as it would end the body.
pub(crate) fn chunk(out: &mut Vec<u8>, data: &[u8]) {
    if !data.is_empty() {
        out.extend_from_slice(format!("{:x}\r\n", data.len()).as_bytes());
        out.extend_from_slice(data);
        out.extend_from_slice(b"\r\n");
    }
}

/// Node's STATUS_CODES, as far as they are used here.
fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Found",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        413 => "Payload Too Large",
        415 => "Unsupported Media Type",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Unknown",
    }
}
