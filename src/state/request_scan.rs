//! What hyper does not say of a request: what its line was like as it came.

use http::StatusCode;
use parking_lot::Mutex;

use crate::http_rules::validation::Refusal;

/// How an HTTP/2 connection begins (RFC 9113 §3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0";

/// How the version of a request line begins (RFC 9112 §2.3).
const VERSION: &[u8] = b"HTTP/1.";

/// The latest request line of a connection, as far as it came as one: what comes pipelined behind
/// another request is not looked at. Where that was cut in two, what follows it is no request line, and
/// says nothing.
#[derive(Debug, Default)]
pub struct RequestScan(Mutex<State>);

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

impl RequestScan {
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
            let scan = RequestScan::default();
            for part in &parts {
                scan.read(part.as_bytes());
            }
            assert_eq!(scan.check().is_err(), has_fragment, "{parts:?}");
            assert_eq!(scan.is_preface(), is_preface, "{parts:?}");
            scan.begin();
            assert!(scan.check().is_ok());
        }
    }
}
