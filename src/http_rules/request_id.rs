//! Request ids: taken over from the proxy in front, or made. One request has the same id in every log. Pure.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::http_rules::grammar::ByteSet;

/// The field that carries the id, in requests and in every response.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest id that is taken over, in bytes.
const MOST_BYTES: usize = 128;

/// The id of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(HeaderValue);

/// Makes ids for requests that come without one: a random prefix of the process, and a number.
#[derive(Debug)]
pub struct RequestIds {
    process: Process,
    next: AtomicU64,
}

/// `9f86d081-`: a number of 32 bits in hexadecimal.
type Process = [u8; 8 + 1];

impl Default for RequestIds {
    fn default() -> Self {
        // It need not be secret: it only has to differ from one start to the next.
        let random = RandomState::new().hash_one(std::process::id());
        Self {
            process: process(random as u32),
            next: AtomicU64::new(1),
        }
    }
}

impl RequestIds {
    /// The id that a request came with, if it is safe, or a new one.
    pub fn of(&self, headers: &HeaderMap) -> RequestId {
        let mut lines = headers.get_all(&X_REQUEST_ID).iter();
        match (lines.next(), lines.next()) {
            (Some(given), None) if is_safe(given.as_bytes()) => {
                // A copy: a part of the request's buffer would keep all of it as long as a tunnel.
                HeaderValue::from_bytes(given.as_bytes()).map_or_else(|_| self.make(), RequestId)
            }
            _ => self.make(),
        }
    }

    /// The number of a new id.
    pub fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Writes the id of `number` to the end of `to`.
    pub fn write(&self, number: u64, to: &mut Vec<u8>) {
        write(&self.process, number, to);
    }

    /// The id of `number`.
    pub fn numbered(&self, number: u64) -> RequestId {
        let mut name = Vec::with_capacity(32);
        write(&self.process, number, &mut name);
        RequestId::of_text(&name)
    }

    fn make(&self) -> RequestId {
        self.numbered(self.number())
    }
}

const DIGITS: &[u8; 16] = b"0123456789abcdef";

fn process(number: u32) -> Process {
    let mut process = *b"        -";
    for (at, digit) in process[..8].iter_mut().enumerate() {
        *digit = DIGITS[(number >> (4 * (7 - at)) & 0xf) as usize];
    }
    process
}

/// Writes an id made here, `9f86d081-2a`: the process and the number in hexadecimal.
fn write(process: &Process, mut number: u64, to: &mut Vec<u8>) {
    let mut text = [0; size_of::<Process>() + 16];
    let mut start = text.len();
    while number > 0 {
        start -= 1;
        text[start] = DIGITS[(number % 16) as usize];
        number /= 16;
    }
    start -= process.len();
    text[start..][..process.len()].copy_from_slice(process);
    to.extend_from_slice(&text[start..]);
}

impl RequestId {
    /// The id with this text.
    pub fn of_text(text: &[u8]) -> Self {
        let value = HeaderValue::from_bytes(text);
        Self(value.unwrap_or(HeaderValue::from_static("-")))
    }

    /// As the value of a field.
    pub fn value(&self) -> HeaderValue {
        self.0.clone()
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0.to_str().unwrap_or("-"))
    }
}

/// Is an id safe in a log, a page and a shell?
pub fn is_safe(name: &[u8]) -> bool {
    static SAFE: ByteSet = ByteSet::alphanumeric_and(b"-_.:/+=@");
    (1..=MOST_BYTES).contains(&name.len()) && SAFE.contains_all(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http_rules::header_map::from_lines;

    #[test]
    fn a_safe_id_is_taken_over_and_any_other_replaced() {
        let ids = RequestIds::default();
        let long = "a".repeat(MOST_BYTES);
        for (given, is_taken) in [
            (vec!["7b2c9e-1"], true),
            (vec!["Root=1-67891233-abcdef012345678912345678"], true),
            (vec![long.as_str()], true),
            (vec![&format!("{long}a")], false),
            (vec![""], false),
            (vec!["a b"], false),
            (vec!["a\"b"], false),
            (vec!["<b>"], false),
            (vec!["Zoë"], false),
            (vec!["one", "two"], false),
            (vec![], false),
        ] {
            let lines: Vec<_> = given.iter().map(|line| ("x-request-id", *line)).collect();
            let id = ids.of(&from_lines(&lines)).to_string();
            assert_eq!(given == [id.as_str()], is_taken, "{given:?} became {id}");
        }
    }

    #[test]
    fn made_ids_differ_and_show_the_process() {
        let ids = RequestIds {
            process: process(0x0f86_d081),
            next: AtomicU64::new(0x2a),
        };
        assert_eq!(ids.make().to_string(), "0f86d081-2a");
        assert_eq!(ids.make().to_string(), "0f86d081-2b");
        ids.next.store(u64::MAX, Ordering::Relaxed);
        assert_eq!(ids.make().to_string(), "0f86d081-ffffffffffffffff");
    }
}
