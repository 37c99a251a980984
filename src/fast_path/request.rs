//! The head of a plain request: read strictly, judged, and written anew for t3. Pure.
//!
//! Plain is a GET or HEAD without a body that is certainly to be forwarded. Whatever is not
//! certain is not plain: the other path knows the answer to everything.

use std::mem::MaybeUninit;
use std::net::IpAddr;

use httparse::{Header, Status};

use super::fate::{Fate, fate};
use crate::assets;
use crate::cookies;
use crate::door::withheld::COOKIE_PREFIX;
use crate::door::{Door, Look, Standing};
use crate::host::is_host;
use crate::request_id::{RequestId, RequestIds, is_sane};
use crate::route;

/// More fields than any browser and its proxies send.
const MOST_FIELDS: usize = 64;

/// Where a request comes from, and by which rules it is judged.
#[derive(Debug)]
pub struct Hop<'a> {
    door: &'a Door,
    request_ids: &'a RequestIds,
    peer: IpAddr,
    peer_text: String,
}

/// A plain request whose head for t3 has been written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plain {
    /// How many bytes its head had as it came.
    pub length: usize,
    /// An answer to it has no body.
    pub is_head: bool,
    /// The client spoke https to the believed proxy.
    pub is_https: bool,
    /// The answer may be a static file.
    pub may_be_file: bool,
    /// It is counted as an asset, not as a fetch.
    pub is_asset: bool,
    /// Where in the head for t3 its name begins, and how long that is.
    id: (usize, usize),
}

impl Plain {
    /// What it is called, by the head for t3 that was written with it.
    pub fn id(&self, onward: &[u8]) -> RequestId {
        let (start, length) = self.id;
        RequestId::of_text(onward.get(start..start + length).unwrap_or(b"-"))
    }
}

impl<'a> Hop<'a> {
    /// For requests that come from `peer`, by the rules of `door`; those without a name get one of
    /// `request_ids`.
    pub fn new(door: &'a Door, request_ids: &'a RequestIds, peer: IpAddr) -> Self {
        let peer_text = peer.to_string();
        Self {
            door,
            request_ids,
            peer,
            peer_text,
        }
    }
}

/// Reads the request that `bytes` begin with; if it is plain, `onward` is what to send to t3.
pub fn rewrite(bytes: &[u8], hop: &Hop<'_>, onward: &mut Vec<u8>) -> Option<Plain> {
    onward.clear();
    if !bytes.starts_with(b"GET /") && !bytes.starts_with(b"HEAD /") {
        return None;
    }
    let mut fields = [const { MaybeUninit::uninit() }; MOST_FIELDS];
    let mut request = httparse::Request::new(&mut []);
    let Ok(Status::Complete(length)) = request.parse_with_uninit_headers(bytes, &mut fields) else {
        return None;
    };
    let (method, target) = (request.method?, request.path?);
    if request.version != Some(1) || !is_plain_target(target) {
        return None;
    }
    let look = hop.door.look(&*request.headers, hop.peer);
    if look.standing == Standing::Barred {
        return None;
    }
    onward.reserve(length + 128);
    for part in [method, " ", target, " HTTP/1.1\r\n"] {
        onward.extend_from_slice(part.as_bytes());
    }
    let id = write_fields(request.headers, hop, &look, onward)?;
    onward.extend_from_slice(b"\r\n");
    Some(Plain {
        length,
        is_head: method == "HEAD",
        is_https: look.is_https,
        is_asset: target.starts_with("/assets/"),
        id,
        may_be_file: assets::is_file_path(target.split('?').next().unwrap_or_default()),
    })
}

/// Nothing that anybody could read differently, and no path that the dispatcher looks after.
fn is_plain_target(target: &str) -> bool {
    let path = target.split('?').next().unwrap_or_default();
    let is_clean = |byte: u8| byte.is_ascii_graphic() && !b"#\"<>\\^`{|}".contains(&byte);
    target.bytes().all(is_clean) && !target.starts_with("//") && route::is_forwarded(path)
}

/// Where the request's name stands is returned.
fn write_fields(
    fields: &[Header<'_>],
    hop: &Hop<'_>,
    look: &Look<'_>,
    onward: &mut Vec<u8>,
) -> Option<(usize, usize)> {
    let (mut host, mut forwarded_for, mut destinations) = (None, None, 0);
    let mut id = None;
    let mut accepts_html = false;
    for line in fields {
        let value = line.value;
        match fate(line.name, hop.door) {
            Fate::Kept => write_line(line.name, value, onward),
            Fate::Dropped => {}
            Fate::Connection if value.eq_ignore_ascii_case(b"keep-alive") => {}
            Fate::Host if host.is_none() && is_host(value) => {
                host = Some(value);
                write_line(line.name, value, onward);
            }
            Fate::Cookie => match cookies::without(value, COOKIE_PREFIX) {
                None => write_line(line.name, value, onward),
                Some(rest) if rest.is_empty() => {}
                Some(rest) => write_line(line.name, &rest, onward),
            },
            Fate::ForwardedFor if look.is_believed && forwarded_for.is_none() => {
                forwarded_for = Some(value);
            }
            Fate::ForwardedFor | Fate::OfProxy if !look.is_believed => {}
            Fate::OfProxy => write_line(line.name, value, onward),
            Fate::Accept => {
                accepts_html |= contains_html(value);
                write_line(line.name, value, onward);
            }
            Fate::FetchDest if value != b"document" => {
                destinations += 1;
                write_line(line.name, value, onward);
            }
            Fate::RequestId if id.is_none() && is_sane(value) => {
                id = Some((onward.len() + line.name.len() + 2, value.len()));
                write_line(line.name, value, onward);
            }
            Fate::RequestId
            | Fate::Connection
            | Fate::Host
            | Fate::ForwardedFor
            | Fate::FetchDest
            | Fate::Unplain => return None,
        }
    }
    // A page load is another matter; whether it is one, the browser says by one of the two.
    if destinations > 1 || (destinations == 0 && accepts_html) {
        return None;
    }
    write_whereabouts(host?, forwarded_for, look.is_believed, hop, onward);
    Some(id.unwrap_or_else(|| write_id(hop, onward)))
}

fn write_id(hop: &Hop<'_>, onward: &mut Vec<u8>) -> (usize, usize) {
    onward.extend_from_slice(b"x-request-id: ");
    let start = onward.len();
    hop.request_ids.write(onward);
    let length = onward.len() - start;
    onward.extend_from_slice(b"\r\n");
    (start, length)
}

/// Who the client is, as far as the dispatcher knows (see the door's rule).
fn write_whereabouts(
    host: &[u8],
    forwarded_for: Option<&[u8]>,
    is_believed: bool,
    hop: &Hop<'_>,
    onward: &mut Vec<u8>,
) {
    onward.extend_from_slice(b"x-forwarded-for: ");
    if let Some(held) = forwarded_for {
        onward.extend_from_slice(held);
        onward.extend_from_slice(b", ");
    }
    onward.extend_from_slice(hop.peer_text.as_bytes());
    onward.extend_from_slice(b"\r\n");
    if !is_believed {
        onward.extend_from_slice(b"x-forwarded-proto: http\r\n");
        write_line("x-forwarded-host", host, onward);
    }
}

pub(super) fn write_line(name: &str, value: &[u8], to: &mut Vec<u8>) {
    to.extend_from_slice(name.as_bytes());
    to.extend_from_slice(b": ");
    to.extend_from_slice(value);
    to.extend_from_slice(b"\r\n");
}

fn contains_html(accept: &[u8]) -> bool {
    let html = b"text/html";
    accept
        .windows(html.len())
        .any(|window| window.eq_ignore_ascii_case(html))
}
