//! The head of t3's answer: read strictly, and written anew for the client. Pure.

use std::mem::MaybeUninit;

use httparse::{Header, Status};

use super::chunked::Chunks;
use super::framing::{Body, Frame};
use super::request::write_line;
use crate::set_cookie;

/// More fields than t3 sends, whoever wrote the handler.
const MOST_FIELDS: usize = 96;

/// How the status line begins that a client is given.
const VERSION: &[u8] = b"HTTP/1.1";

/// More bytes than are added to the head of an answer.
const MOST_ADDED: usize = 128;

/// What the client asked for, as far as its answer depends on it.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    /// By HEAD: the answer has no body.
    pub(super) is_head: bool,
    /// The name of the cookie to hand on for https alone, where the client spoke https.
    pub(super) secured: Option<&'a str>,
    /// The client is told that the connection ends behind the answer.
    pub(super) is_last: bool,
}

/// What the bytes from t3 begin with.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// Not all of a head has come.
    Partial,
    /// An interim answer of so many bytes, to be passed on if something was written.
    Interim(usize),
    /// The head of the answer.
    Final(Head),
    /// Nothing that an answer to a plain request may be.
    Unclear,
}

/// The head of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    /// How many bytes it had as it came.
    pub(super) length: usize,
    /// Its status.
    pub(super) status: u16,
    /// What follows.
    pub(super) body: Body,
    /// May the connection to t3 serve another request after the body?
    pub(super) is_kept: bool,
    /// Does the connection to the client end behind it?
    pub(super) is_last: bool,
}

/// Reads what `bytes` begin with; `homeward` is what to send to the client of it.
pub(super) fn rewrite(bytes: &[u8], asked: &Asked<'_>, homeward: &mut Vec<u8>) -> Reply {
    homeward.clear();
    // The head and what came behind it, which is all of a small answer.
    homeward.reserve(bytes.len() + MOST_ADDED);
    let mut fields = [const { MaybeUninit::uninit() }; MOST_FIELDS];
    let mut response = httparse::Response::new(&mut []);
    let config = httparse::ParserConfig::default();
    if !bytes.starts_with(b"HTTP/1.") && bytes.len() >= VERSION.len() {
        return Reply::Unclear;
    }
    let parsed = config.parse_response_with_uninit_headers(&mut response, bytes, &mut fields);
    let length = match parsed {
        Ok(Status::Complete(length)) => length,
        Ok(Status::Partial) => return Reply::Partial,
        Err(_) => return Reply::Unclear,
    };
    let (Some(code), Some(version)) = (response.code, response.version) else {
        return Reply::Unclear;
    };
    let Some(frame) = Frame::of(response.headers) else {
        return Reply::Unclear;
    };
    match code {
        // The client has asked for no other protocol, and sends no body to continue with.
        101 => return Reply::Unclear,
        100 => return Reply::Interim(length),
        _ => {}
    }
    let is_bodiless = asked.is_head || matches!(code, 100..=199 | 204 | 304);
    // The status line as it came, but for its version.
    let line = bytes[..length]
        .split_inclusive(|byte| *byte == b'\n')
        .next();
    let Some(status) = line.and_then(|line| line.get(VERSION.len()..)) else {
        return Reply::Unclear;
    };
    homeward.extend_from_slice(VERSION);
    homeward.extend_from_slice(status);
    write_fields(response.headers, &frame, asked, homeward);
    if code < 200 {
        homeward.extend_from_slice(b"\r\n");
        return Reply::Interim(length);
    }
    let Some(body) = body(&frame, is_bodiless) else {
        return Reply::Unclear;
    };
    write_frame(&frame, code, homeward);
    let is_last = asked.is_last || body == Body::UntilClose;
    if is_last {
        homeward.extend_from_slice(b"connection: close\r\n");
    }
    homeward.extend_from_slice(b"\r\n");
    let is_kept = version == 1 && !frame.closes && body != Body::UntilClose;
    Reply::Final(Head {
        length,
        status: code,
        body,
        is_kept,
        is_last,
    })
}

/// None where the fields tell two ends of it.
fn body(frame: &Frame<'_>, is_bodiless: bool) -> Option<Body> {
    match (is_bodiless, frame.is_chunked, frame.length) {
        (_, true, Some(_)) => None,
        (true, ..) => Some(Body::Length(0)),
        (_, true, None) => Some(Body::Chunked(Chunks::START)),
        (_, false, Some(length)) => Some(Body::Length(length)),
        (_, false, None) => Some(Body::UntilClose),
    }
}

/// How the body's end is told, where the status allows it (RFC 9110 §8.6, RFC 9112 §6.1).
fn write_frame(frame: &Frame<'_>, code: u16, homeward: &mut Vec<u8>) {
    if let Some(length) = frame.length_line.filter(|_| code != 204) {
        write_line("content-length", length, homeward);
    }
    if frame.is_chunked && !matches!(code, 204 | 304) {
        homeward.extend_from_slice(b"transfer-encoding: chunked\r\n");
    }
}

fn write_fields(
    fields: &[Header<'_>],
    frame: &Frame<'_>,
    asked: &Asked<'_>,
    homeward: &mut Vec<u8>,
) {
    for line in fields {
        if is_of_one_hop(line.name) || frame.nominates(line.name) {
            continue;
        }
        let secured = match asked.secured {
            Some(name) if line.name.eq_ignore_ascii_case("set-cookie") => {
                set_cookie::secured(line.value, name)
            }
            _ => None,
        };
        write_line(
            line.name,
            secured.as_deref().unwrap_or(line.value),
            homeward,
        );
    }
}

/// Fields of this hop, or those that are written anew.
fn is_of_one_hop(name: &str) -> bool {
    let own = match name.len() {
        2 => "te",
        7 => return name.eq_ignore_ascii_case("upgrade") || name.eq_ignore_ascii_case("trailer"),
        10 => {
            return name.eq_ignore_ascii_case("connection")
                || name.eq_ignore_ascii_case("keep-alive");
        }
        14 => "content-length",
        17 => "transfer-encoding",
        _ => "",
    };
    name.eq_ignore_ascii_case(own)
        || name
            .get(..6)
            .is_some_and(|begin| begin.eq_ignore_ascii_case("proxy-"))
}
