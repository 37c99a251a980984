//! The head of t3's answer: read strictly, and written anew for the client. Pure.

use crate::fast_path::chunked::Chunks;
use crate::fast_path::framing::{Body, Frame, Part, part};
use crate::fast_path::head_writer::Runs;
use crate::fast_path::header_lines::{Lines, Room};
use crate::fast_path::normalized_head::{Respelt, respelt};
use crate::fast_path::token_scan::text_length;
use crate::http_rules::set_cookie;

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
    // The head and what came behind it, which is all of a small answer.
    homeward.reserve(bytes.len() + MOST_ADDED);
    let mut room = Room::default();
    if let Some(message) = Message::read(bytes, &mut room) {
        return message.written(message.lines.length, asked, homeward);
    }
    match respelt(bytes) {
        Respelt::Partial => Reply::Partial,
        Respelt::Unclear => Reply::Unclear,
        Respelt::Head(length, head) => match Message::read(&head, &mut Room::default()) {
            Some(message) => message.written(length, asked, homeward),
            None => Reply::Unclear,
        },
    }
}

/// The head of an answer in its usual spelling.
struct Message<'a> {
    bytes: &'a [u8],
    is_1_1: bool,
    code: u16,
    /// Where its first line ends.
    line: usize,
    lines: Lines<'a>,
}

impl<'a> Message<'a> {
    fn read(bytes: &'a [u8], room: &'a mut Room) -> Option<Self> {
        let (version, behind) = bytes.split_at_checked(VERSION.len())?;
        let is_1_1 = version == VERSION;
        let [b' ', code @ .., b' '] = behind.first_chunk::<5>()? else {
            return None;
        };
        if !is_1_1 && version != b"HTTP/1.0" || !code.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let code = code
            .iter()
            .fold(0, |code, digit| code * 10 + u16::from(digit - b'0'));
        let reason = &behind[5..];
        let end = reason[text_length(reason)..].strip_prefix(b"\r\n")?;
        let line = bytes.len() - end.len();
        Some(Self {
            bytes,
            is_1_1,
            code,
            line,
            lines: Lines::read(bytes, line, room)?,
        })
    }

    /// Writes it to `homeward`; it had `length` bytes as it came.
    fn written(&self, length: usize, asked: &Asked<'_>, homeward: &mut Vec<u8>) -> Reply {
        // The client has asked for no other protocol, and sends no body to continue with.
        let is_unasked = self.code < 100 || self.code == 101;
        let Some(frame) = self.write_fields(asked, homeward).filter(|_| !is_unasked) else {
            return Reply::Unclear;
        };
        if self.code == 100 {
            homeward.clear();
            return Reply::Interim(length);
        }
        if self.code < 200 {
            homeward.extend_from_slice(b"\r\n");
            return Reply::Interim(length);
        }
        let is_bodiless = asked.is_head || matches!(self.code, 204 | 304);
        let Some(body) = body(&frame, is_bodiless) else {
            return Reply::Unclear;
        };
        let is_last = asked.is_last || body == Body::UntilClose;
        if is_last {
            homeward.extend_from_slice(b"connection: close\r\n");
        }
        homeward.extend_from_slice(b"\r\n");
        Reply::Final(Head {
            length,
            status: self.code,
            body,
            is_kept: self.is_1_1 && !frame.closes && body != Body::UntilClose,
            is_last,
        })
    }

    /// Writes its first line and its fields, and returns what they say of the framing; none where
    /// that is unclear.
    fn write_fields(&self, asked: &Asked<'_>, homeward: &mut Vec<u8>) -> Option<Frame<'a>> {
        let mut frame = Frame::default();
        self.write_but(|_| false, &mut frame, asked, homeward)?;
        if frame.nominates_any() {
            // Some of them were of t3's hop, as only its `Connection` could tell.
            let mut again = Frame::default();
            self.write_but(|name| frame.nominates(name), &mut again, asked, homeward)?;
        }
        Some(frame)
    }

    fn write_but(
        &self,
        is_left_out: impl Fn(&[u8]) -> bool,
        frame: &mut Frame<'a>,
        asked: &Asked<'_>,
        homeward: &mut Vec<u8>,
    ) -> Option<()> {
        homeward.clear();
        homeward.extend_from_slice(VERSION);
        let mut runs = Runs::of(self.bytes, VERSION.len()..self.line, homeward);
        for line in self.lines.iter() {
            let part = part(line.name);
            let is_first = part != Part::Length || frame.length.is_none();
            frame.take(part, line.value)?;
            let is_written = match part {
                // How the body's end is told, once, where the status allows it (RFC 9110 §8.6,
                // RFC 9112 §6.1).
                Part::Length => !matches!(self.code, 100..=199 | 204) && is_first,
                Part::Coding => !matches!(self.code, 100..=199 | 204 | 304),
                Part::Connection | Part::OfOneHop => false,
                Part::Other => !is_left_out(line.name),
            };
            if !is_written {
                continue;
            }
            match asked.secured {
                Some(cookie) if line.name.eq_ignore_ascii_case(b"set-cookie") => {
                    let secured = set_cookie::secured(line.value, cookie);
                    runs.write_line(line.name, secured.as_deref().unwrap_or(line.value));
                }
                _ => runs.keep(&line),
            }
        }
        runs.behind();
        Some(())
    }
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
