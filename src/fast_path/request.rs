//! The head of a plain request: read strictly, judged, and written anew for t3. Pure.
//!
//! Plain is a GET or HEAD without a body that is certainly to be forwarded. Whatever is not
//! certain is not plain: the other path knows the answer to everything.

use crate::access::Standing;
use crate::fast_path::head_writer::Runs;
use crate::fast_path::header_lines::{Lines, Room};
use crate::fast_path::hop::Name;
use crate::fast_path::request_writer::Onward;
use crate::http_rules::byte_set::ByteSet;
use crate::http_rules::paths;
use crate::http_rules::request_id::{RequestId, RequestIds};

pub use crate::fast_path::hop::Hop;

/// More bytes than are added to the head of a request.
const MOST_ADDED: usize = 256;

/// Nothing that anybody could read differently.
static CLEAN: ByteSet = ByteSet::visible_but(b"#\"<>\\^`{|}");

/// A plain request whose head for t3 has been written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plain {
    /// How many bytes its head had as it came.
    pub length: usize,
    /// An answer to it has no body.
    pub is_head: bool,
    /// The client spoke https to the believed proxy.
    pub is_https: bool,
    /// It is counted as an asset, not as a fetch.
    pub is_asset: bool,
    /// What it is called.
    name: Name,
}

impl Plain {
    /// What it is called; `bytes` are those that it was read from.
    pub fn id(&self, bytes: &[u8], ids: &RequestIds) -> RequestId {
        match self.name {
            Name::Given(start, length) => {
                RequestId::of_text(bytes.get(start..start + length).unwrap_or(b"-"))
            }
            Name::Made(number) => ids.numbered(number),
        }
    }
}

/// Reads the request that `bytes` begin with; if it is plain, `onward` is what to send to t3.
pub fn rewrite(bytes: &[u8], hop: &Hop<'_>, onward: &mut Vec<u8>) -> Option<Plain> {
    onward.clear();
    let first = RequestLine::read(bytes)?;
    if !first.is_plain(hop) {
        return None;
    }
    let mut room = Room::default();
    let lines = Lines::read(bytes, first.length, &mut room)?;
    let look = hop.door.look(&lines, hop.peer);
    if look.standing == Standing::Barred {
        return None;
    }
    onward.reserve(lines.length + MOST_ADDED);
    let mut sent = Onward::new(hop, &look, Runs::of(bytes, 0..first.length, onward));
    for line in lines.iter() {
        sent.take(&line)?;
    }
    Some(Plain {
        length: lines.length,
        is_head: first.is_head,
        is_https: look.is_https,
        is_asset: first.target.starts_with("/assets/"),
        name: sent.end()?,
    })
}

/// The first line of a request that may be plain.
struct RequestLine<'a> {
    is_head: bool,
    target: &'a str,
    /// How many bytes it has, with its end.
    length: usize,
}

impl<'a> RequestLine<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let (is_head, behind) = match bytes.strip_prefix(b"GET ") {
            Some(behind) => (false, behind),
            None => (true, bytes.strip_prefix(b"HEAD ")?),
        };
        let (target, behind) = behind.split_at(CLEAN.span(behind));
        let behind = behind.strip_prefix(b" HTTP/1.1\r\n")?;
        Some(Self {
            is_head,
            target: str::from_utf8(target).ok()?,
            length: bytes.len() - behind.len(),
        })
    }

    /// Is it a path of this host, and none that the dispatcher looks after?
    fn is_plain(&self, hop: &Hop<'_>) -> bool {
        let end = self.target.find('?').unwrap_or(self.target.len());
        let path = &self.target[..end];
        path.starts_with('/')
            && !path.starts_with("//")
            && paths::is_forwarded(path)
            && (hop.files_are_plain || !paths::is_file_path(path))
    }
}
