//! The head of t3's response: read strictly, and rewritten for the client.

use http::header::{CONTENT_SECURITY_POLICY, DATE};

use crate::fast_path::framing::{BodyFraming, FramingFields};
use crate::fast_path::head_writer::HeadWriter;
use crate::fast_path::header_lines::{HeaderLines, LineSpace};
use crate::fast_path::normalized_head::{NormalizedHead, normalize};
use crate::fast_path::request_id::IdText;
use crate::http_rules::chunks::Chunks;
use crate::http_rules::frame_ancestors::FrameAncestors;
use crate::http_rules::grammar::write_line;
use crate::http_rules::header_policy::{Disposition, Field};
use crate::http_rules::scan::text_length;
use crate::http_rules::{HeaderView, MAX_FIELDS, cookies};
use crate::responses::message::write_date;

/// The version that a client is answered in.
const VERSION: &[u8] = b"HTTP/1.1";

/// More bytes than are added to the head of a response.
const MOST_ADDED_BYTES: usize = 384;

/// What the response depends on besides its own head.
#[derive(Debug)]
pub(super) struct ResponseContext<'a> {
    /// The request was a HEAD: the response has no body.
    pub(super) is_head: bool,
    /// The cookie to which `Secure` is added, where the client speaks https and no other dispatcher adds it.
    pub(super) secured_cookie: Option<&'a str>,
    /// The client's connection ends after this response, and it is told so.
    pub(super) is_last: bool,
    /// Who may frame the response, where it is a page and no other dispatcher says so.
    pub(super) frame_ancestors: Option<&'a FrameAncestors>,
    /// The id of the request.
    pub(super) id: IdText<'a>,
}

/// What the bytes from t3 begin with.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ParsedHead {
    /// Not all of a head has come.
    Partial,
    /// An interim response of so many bytes, to be passed on if something was written.
    Interim(usize),
    /// The head of the response.
    Final(ResponseHead),
    /// A head of too many fields.
    TooLarge,
    /// Nothing that a response to an eligible request may be.
    Invalid,
}

/// The head of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ResponseHead {
    /// Its bytes as it came.
    pub(super) length: usize,
    pub(super) status: u16,
    pub(super) body: BodyFraming,
    /// May the connection to t3 serve another request after the body?
    pub(super) is_kept: bool,
    /// Does the connection to the client end after the body?
    pub(super) is_last: bool,
}

/// Reads what `bytes` begin with, and writes to `to_client` what to send of it to the client.
pub(super) fn rewrite(
    bytes: &[u8],
    context: &ResponseContext<'_>,
    to_client: &mut Vec<u8>,
) -> ParsedHead {
    // The head and what came after it, which is all of a small response.
    to_client.reserve(bytes.len() + MOST_ADDED_BYTES);
    let mut space = <LineSpace>::default();
    if let Some(head) = CanonicalHead::read(bytes, &mut space) {
        return head.write(head.lines.length, context, to_client);
    }
    match normalize(bytes) {
        NormalizedHead::Partial => ParsedHead::Partial,
        NormalizedHead::TooLarge => ParsedHead::TooLarge,
        NormalizedHead::Invalid => ParsedHead::Invalid,
        NormalizedHead::Head(length, head) => {
            match CanonicalHead::read(&head, &mut LineSpace::<MAX_FIELDS>::default()) {
                Some(head) => head.write(length, context, to_client),
                None => ParsedHead::Invalid,
            }
        }
    }
}

/// A response head in canonical form.
struct CanonicalHead<'a> {
    bytes: &'a [u8],
    is_1_1: bool,
    status: u16,
    /// Where its first line ends.
    first_line_end: usize,
    lines: HeaderLines<'a>,
}

impl<'a> CanonicalHead<'a> {
    fn read<const LINES: usize>(bytes: &'a [u8], space: &'a mut LineSpace<LINES>) -> Option<Self> {
        let (version, rest) = bytes.split_at_checked(VERSION.len())?;
        let is_1_1 = version == VERSION;
        let [b' ', code @ .., b' '] = rest.first_chunk::<5>()? else {
            return None;
        };
        if !is_1_1 && version != b"HTTP/1.0" || !code.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let status = code
            .iter()
            .fold(0, |status, digit| status * 10 + u16::from(digit - b'0'));
        let reason = &rest[5..];
        let end = reason[text_length(reason)..].strip_prefix(b"\r\n")?;
        let first_line_end = bytes.len() - end.len();
        Some(Self {
            bytes,
            is_1_1,
            status,
            first_line_end,
            lines: HeaderLines::read(bytes, first_line_end, space)?,
        })
    }

    /// Writes it to `to_client`; it had `length` bytes as it came.
    fn write(
        &self,
        length: usize,
        context: &ResponseContext<'_>,
        to_client: &mut Vec<u8>,
    ) -> ParsedHead {
        // The client asks for no other protocol, and sends no body to continue with.
        let is_unexpected = self.status < 100 || self.status == 101;
        let framing = self.write_fields(context, to_client);
        let Some(framing) = framing.filter(|_| !is_unexpected) else {
            return ParsedHead::Invalid;
        };
        if self.status == 100 {
            to_client.clear();
            return ParsedHead::Interim(length);
        }
        if self.status < 200 {
            to_client.extend_from_slice(b"\r\n");
            return ParsedHead::Interim(length);
        }
        let is_bodiless = context.is_head || matches!(self.status, 204 | 304);
        // HTTP/1.0 knows no chunks (RFC 9112 §6.1).
        let is_misframed = framing.is_chunked && !self.is_1_1;
        let Some(body) = body_framing(&framing, is_bodiless).filter(|_| !is_misframed) else {
            return ParsedHead::Invalid;
        };
        let frame_ancestors = context.frame_ancestors;
        if let Some(line) = frame_ancestors.and_then(|rule| rule.line_for(&self.lines)) {
            let name = CONTENT_SECURITY_POLICY.as_str().as_bytes();
            write_line(name, line.as_bytes(), to_client);
        }
        context.id.write_line(to_client);
        let is_dated = self.lines.lines(&DATE).next().is_some();
        if !is_dated || framing.nominates(DATE.as_str().as_bytes()) {
            write_date(to_client);
        }
        let is_last = context.is_last || body == BodyFraming::UntilClose;
        if is_last {
            to_client.extend_from_slice(b"connection: close\r\n");
        }
        to_client.extend_from_slice(b"\r\n");
        ParsedHead::Final(ResponseHead {
            length,
            status: self.status,
            body,
            is_kept: self.is_1_1 && !framing.closes && body != BodyFraming::UntilClose,
            is_last,
        })
    }

    /// Writes its first line and its fields, and returns what they state about the framing; none
    /// where that is ambiguous.
    fn write_fields(
        &self,
        context: &ResponseContext<'_>,
        to_client: &mut Vec<u8>,
    ) -> Option<FramingFields<'a>> {
        let framing = self.write_fields_but(|_| false, context, to_client)?;
        if framing.nominates_any() {
            // Only its `Connection` could tell that some of them were of t3's hop.
            self.write_fields_but(|name| framing.nominates(name), context, to_client)?;
        }
        Some(framing)
    }

    fn write_fields_but(
        &self,
        is_nominated: impl Fn(&[u8]) -> bool,
        context: &ResponseContext<'_>,
        to_client: &mut Vec<u8>,
    ) -> Option<FramingFields<'a>> {
        to_client.clear();
        to_client.extend_from_slice(VERSION);
        let mut framing = FramingFields::default();
        let first_line = VERSION.len()..self.first_line_end;
        let mut writer = HeadWriter::new(self.bytes, first_line, to_client);
        for line in self.lines.iter() {
            let field = Field::of(line.name);
            let is_repeated = framing.length.is_some();
            framing.note(field, line.value)?;
            if field.may_be_nominated() && is_nominated(line.name) {
                continue;
            }
            match (field.in_response(), context.secured_cookie) {
                (Disposition::Drop, _) => {}
                (Disposition::Frame, _) if !self.is_framed_by(field, is_repeated) => {}
                (Disposition::Replace, Some(cookie)) => {
                    let secured = cookies::secured(line.value, cookie);
                    writer.write_line(line.name, secured.as_deref().unwrap_or(line.value));
                }
                _ => writer.keep(&line),
            }
        }
        writer.end();
        Some(framing)
    }

    /// Does a field that frames go on? The length once, where the status allows a body (RFC 9110
    /// §8.6, RFC 9112 §6.1). Trailers are left out here, and so is their announcement.
    fn is_framed_by(&self, field: Field, is_repeated: bool) -> bool {
        match field {
            Field::ContentLength => !matches!(self.status, 100..=199 | 204) && !is_repeated,
            Field::TransferEncoding => !matches!(self.status, 100..=199 | 204 | 304),
            _ => false,
        }
    }
}

/// None where the fields state two ends of the body.
fn body_framing(framing: &FramingFields<'_>, is_bodiless: bool) -> Option<BodyFraming> {
    match (is_bodiless, framing.is_chunked, framing.length) {
        (_, true, Some(_)) => None,
        (true, ..) => Some(BodyFraming::Length(0)),
        (_, true, None) => Some(BodyFraming::Chunked(Chunks::START)),
        (_, false, Some(length)) => Some(BodyFraming::Length(length)),
        (_, false, None) => Some(BodyFraming::UntilClose),
    }
}
