//! One client connection, as everything that serves it sees it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::StatusCode;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::config::options::LimitsConfig;
use crate::http_rules::validation::Refusal;
use crate::state::deadlines::Deadlines;
use crate::upstream::forward::Interim;

/// Who is at the other end of a connection.
#[derive(Debug)]
pub struct Client {
    /// Its address.
    pub peer: SocketAddr,
    /// Where to say something before the answer.
    pub interim: Arc<Interim>,
    /// How long it may take for what.
    pub deadlines: Arc<Deadlines>,
    /// What its latest request line was like.
    pub line: Arc<RequestLine>,
    /// For how many nanoseconds its latest request has waited for t3.
    waited: AtomicU64,
}

/// A wait for t3, until this is dropped.
#[derive(Debug)]
pub struct Waiting<'a> {
    client: &'a Client,
    since: Instant,
}

impl Client {
    /// The one at `peer`.
    pub fn new(peer: SocketAddr, limits: LimitsConfig) -> Self {
        Self {
            peer,
            interim: Arc::default(),
            deadlines: Arc::new(Deadlines::new(limits)),
            line: Arc::default(),
            waited: AtomicU64::new(0),
        }
    }

    /// Its request waits for t3 from now on.
    pub fn waiting(&self) -> Waiting<'_> {
        Waiting {
            client: self,
            since: Instant::now(),
        }
    }

    /// How long its latest request has waited; the next one begins with nothing.
    pub fn take_waited(&self) -> Duration {
        Duration::from_nanos(self.waited.swap(0, Ordering::Relaxed))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let waited = self.since.elapsed().as_nanos() as u64;
        self.client.waited.fetch_add(waited, Ordering::Relaxed);
    }
}

/// How an HTTP/2 connection begins (RFC 9113 §3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0";

/// How the version of a request line begins (RFC 9112 §2.3).
const VERSION: &[u8] = b"HTTP/1.";

/// The latest request line of a connection, as far as it came as one: what comes pipelined behind
/// another request is not looked at. Where that was cut in two, what follows it is no request line, and
/// says nothing.
#[derive(Debug, Default)]
pub struct RequestLine(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// How many bytes of the line have come; none between two lines.
    length: usize,
    /// How many spaces were among them: the target is behind the first one.
    spaces: usize,
    /// How many bytes behind the second one are those of the version.
    version: usize,
    is_complete: bool,
    has_fragment: bool,
    is_preface: bool,
}

impl RequestLine {
    /// Between two requests: the next bytes begin a line.
    pub fn begin(&self) {
        *self.0.lock() = State::default();
    }

    /// Bytes came; what stands behind the line's end is none of it.
    pub fn read(&self, bytes: &[u8]) {
        let mut state = self.0.lock();
        for byte in bytes {
            if state.is_complete {
                return;
            }
            // Empty lines before a request are skipped (RFC 9112 §2.2).
            if state.length == 0 && b"\r\n".contains(byte) {
                continue;
            }
            state.is_complete = *byte == b'\n';
            match (state.spaces, byte) {
                (_, b' ') => state.spaces += 1,
                (1, b'#') => state.has_fragment = true,
                (2, byte) if VERSION.get(state.version) == Some(byte) => state.version += 1,
                _ => {}
            }
            state.is_preface = match state.length {
                0 => *byte == PREFACE[0],
                at => state.is_preface && PREFACE.get(at).is_none_or(|held| held == byte),
            };
            state.length += 1;
        }
    }

    /// Refuses a target with a fragment (RFC 9112 §3.2): it would go on without it.
    pub fn check(&self) -> Result<(), Refusal> {
        let state = self.0.lock();
        match state.has_fragment && state.version == VERSION.len() {
            true => Err(Refusal {
                status: StatusCode::BAD_REQUEST,
                why: "the target has a fragment",
            }),
            false => Ok(()),
        }
    }

    /// Did an HTTP/2 connection begin?
    pub fn is_preface(&self) -> bool {
        let state = self.0.lock();
        state.is_preface && state.length >= PREFACE.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_line_counts_however_it_comes() {
        for (parts, has_fragment, is_preface) in [
            (vec!["GET / HTTP/1.1\r\nA: #\r\n\r\n"], false, false),
            (vec!["GET /a#b HTTP/1.1\r\n"], true, false),
            (vec!["GET /# HTTP/1.1\r\nA: b\r\n"], true, false),
            (vec!["#b; c=d\r\n\r\n"], false, false),
            (vec!["a #b c\r\n", "GET / HTTP/1.1\r\n"], false, false),
            (vec!["#"], false, false),
            (vec!["\r\nGET /", "a#", "b HTTP/1.1\r\n"], true, false),
            (vec!["GET /a", " HTTP/1.1\r\n", "A: #\r\n"], false, false),
            (vec!["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"], false, true),
            (vec!["PRI * HT", "TP/2.0\r\n"], false, true),
            (vec!["PRI"], false, false),
            (vec!["PRINT / HTTP/1.1\r\n"], false, false),
        ] {
            let line = RequestLine::default();
            for part in &parts {
                line.read(part.as_bytes());
            }
            assert_eq!(line.check().is_err(), has_fragment, "{parts:?}");
            assert_eq!(line.is_preface(), is_preface, "{parts:?}");
            line.begin();
            assert!(line.check().is_ok());
        }
    }
}
