//! What hyper does not say of a request as it comes: a target's fragment, a limit that its head passes, a
//! chunked body that goes wrong.

use memchr::memchr;
use parking_lot::Mutex;

use crate::http_rules::MAX_FIELDS;
use crate::http_rules::chunks::Chunks;
use crate::http_rules::validation::Refusal;
use crate::state::head_lines::{FieldLine, RequestLine};

/// The longest target. hyper's own limit is one more.
const MAX_TARGET_BYTES: usize = 65_533;

const HTTP_2: Refusal = Refusal::bad_request("HTTP/2 is not supported here");
const FRAGMENT: Refusal = Refusal::bad_request("the target has a fragment");
const CHUNKS: Refusal = Refusal::bad_request("the end of the chunked body is invalid");
const TARGET: Refusal = Refusal::target_too_long("the target has more than 65533 bytes");
const FIELDS: Refusal = Refusal::head_too_large("the head has more than 256 fields");
const SIZE: Refusal =
    Refusal::head_too_large("the head has more bytes than DISPATCHER_HEADER_LIMIT");

/// The latest request of a connection, as far as it came as one: what comes pipelined behind another
/// request is not looked at. Where that was cut in two, what follows it is no request line, and says
/// nothing.
#[derive(Debug)]
pub struct RequestScan {
    /// How many bytes a head may have.
    head_limit: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    part: Part,
    line: RequestLine,
    /// The bytes of the head so far.
    head: usize,
    /// Its fields so far.
    fields: usize,
    field: FieldLine,
    /// Does the body come in chunks?
    is_chunked: bool,
    refusal: Option<Refusal>,
}

/// Where in the request the next byte stands.
#[derive(Debug, Default)]
enum Part {
    /// In the request line.
    #[default]
    Line,
    /// In a line of the head behind it.
    Field,
    /// In a chunked body.
    Chunks(Chunks),
    /// In the trailers behind one, after this byte.
    Trailers(u8),
    /// In something that is not looked at.
    Other,
}

impl RequestScan {
    /// For heads of up to `head_limit` bytes.
    pub fn new(head_limit: usize) -> Self {
        let state = Mutex::default();
        Self { head_limit, state }
    }

    /// Between two requests: the next bytes begin a line.
    pub fn begin(&self) {
        *self.state.lock() = State::default();
    }

    /// Bytes came, of a head or, unless `is_head`, of the body behind it.
    ///
    /// # Errors
    /// Where the request cannot be served any more, whatever comes.
    pub fn read(&self, bytes: &[u8], is_head: bool) -> Result<(), Refusal> {
        let mut state = self.state.lock();
        if !is_head && matches!(state.part, Part::Line | Part::Field) {
            // A whole head has come that was not seen as one.
            state.part = Part::Other;
        }
        let mut rest = bytes;
        while !rest.is_empty() && state.refusal.is_none() {
            match state.step(rest, self.head_limit) {
                Ok(count) => rest = &rest[count..],
                Err(refusal) => state.refusal = Some(refusal),
            }
        }
        state.refusal.map_or(Ok(()), Err)
    }

    /// The request whose head or body comes is refused for another cause. Behind a whole head a response may
    /// have begun, and there is none that says so.
    pub fn refuse(&self, refusal: Refusal, is_head: bool) {
        if is_head {
            self.state.lock().refusal = Some(refusal);
        }
    }

    /// Refuses a target with a fragment (RFC 9112 §3.2): it would go on without it.
    pub fn check(&self) -> Result<(), Refusal> {
        match self.state.lock().line.has_fragment() {
            true => Err(FRAGMENT),
            false => Ok(()),
        }
    }

    /// Why the request can never be served, and whether a response to it has no body.
    pub fn refusal(&self) -> Option<(Refusal, bool)> {
        let state = self.state.lock();
        let line = &state.line;
        let refusal = line.is_preface().then_some(HTTP_2).or(state.refusal)?;
        Some((refusal, line.is_head()))
    }
}

impl State {
    /// Follows some of `bytes`, which are not empty, and returns how many of them.
    fn step(&mut self, bytes: &[u8], head_limit: usize) -> Result<usize, Refusal> {
        match &mut self.part {
            Part::Line => self.request_line(bytes[0]),
            Part::Field => self.field(bytes, head_limit),
            Part::Chunks(chunks) => {
                let count = chunks.follow(bytes).map_err(|_| CHUNKS)?;
                match chunks {
                    Chunks::Done => self.part = Part::Other,
                    Chunks::Trailed => self.part = Part::Trailers(b'\n'),
                    _ => {}
                }
                Ok(count)
            }
            Part::Trailers(before) => {
                let before = std::mem::replace(before, bytes[0]);
                match bytes[0] == b'\n' && before != b'\r' {
                    true => Err(CHUNKS),
                    false => Ok(1),
                }
            }
            Part::Other => Ok(bytes.len()),
        }
    }

    fn request_line(&mut self, byte: u8) -> Result<usize, Refusal> {
        // Empty lines before a request are skipped (RFC 9112 §2.2).
        if self.line.is_empty() && b"\r\n".contains(&byte) {
            return Ok(1);
        }
        self.head += 1;
        self.line.read(byte);
        if byte == b'\n' {
            self.part = Part::Field;
        }
        match self.line.target_length() > MAX_TARGET_BYTES {
            true => Err(TARGET),
            false => Ok(1),
        }
    }

    /// Follows a line of the head, to its end if that is there.
    fn field(&mut self, bytes: &[u8], head_limit: usize) -> Result<usize, Refusal> {
        let end = memchr(b'\n', bytes);
        let count = end.map_or(bytes.len(), |end| end + 1);
        self.head += count;
        self.field.read(&bytes[..count]);
        if end.is_some() {
            let line = std::mem::take(&mut self.field);
            self.is_chunked |= line.is_transfer_encoding();
            self.fields += usize::from(line.is_field());
            if !line.is_field() {
                self.part = match self.is_chunked {
                    true => Part::Chunks(Chunks::START),
                    false => Part::Other,
                };
            }
        }
        // hyper refuses a head that has come to the limit and has no end there.
        let is_open = matches!(self.part, Part::Field);
        if self.head + usize::from(is_open) > head_limit {
            return Err(SIZE);
        }
        match self.fields > MAX_FIELDS {
            true => Err(FIELDS),
            false => Ok(count),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How `request` is refused, however it comes.
    fn refusal(request: &str) -> Option<&'static str> {
        let of_parts = |size| {
            let scan = RequestScan::new(1000);
            let _ = request
                .as_bytes()
                .chunks(size)
                .try_for_each(|part| scan.read(part, true));
            let check = scan.check().err();
            let refusal = scan.refusal().map(|(refusal, _)| refusal).or(check);
            scan.begin();
            assert_eq!((scan.refusal(), scan.check()), (None, Ok(())));
            refusal.map(|refusal| refusal.why)
        };
        let found = of_parts(request.len());
        for size in 1..request.len().min(40) {
            assert_eq!(of_parts(size), found, "{size} of {request:.80}");
        }
        found
    }

    #[test]
    fn a_fragment_is_one_in_a_target_only() {
        for (request, expected) in [
            ("GET / HTTP/1.1\r\nA: #\r\n\r\n", None),
            ("GET /a#b HTTP/1.1\r\n", Some(FRAGMENT)),
            ("GET /# HTTP/1.1\r\nA: b\r\n", Some(FRAGMENT)),
            ("\r\nGET /a#b HTTP/1.1\r\n", Some(FRAGMENT)),
            ("#b; c=d\r\n\r\n", None),
            ("a #b c\r\nGET / HTTP/1.1\r\n", None),
            ("#", None),
            ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Some(HTTP_2)),
            ("PRI", None),
            ("PRINT / HTTP/1.1\r\n", None),
        ] {
            assert_eq!(
                refusal(request),
                expected.map(|refusal| refusal.why),
                "{request}"
            );
        }
    }

    #[test]
    fn a_limit_is_passed_by_its_first_byte_more() {
        let target = |bytes: usize| format!("GET /{} HTTP/1.1\r\n", "a".repeat(bytes));
        let fields = |count: usize| format!("GET / HTTP/1.1\r\n{}\r\n", "A:\r\n".repeat(count));
        let size = |bytes: usize| {
            let fields = format!("GET / HTTP/1.1\r\nA: {}\r\n\r\n", "a".repeat(bytes));
            (fields.len(), fields)
        };
        assert_eq!(refusal(&target(MAX_TARGET_BYTES - 1)), None);
        assert_eq!(refusal(&target(MAX_TARGET_BYTES)), Some(TARGET.why));
        let big = RequestScan::new(10_000);
        let is_refused = |count: usize| {
            big.begin();
            big.read(fields(count).as_bytes(), true).err()
        };
        assert_eq!(is_refused(MAX_FIELDS), None);
        assert_eq!(is_refused(MAX_FIELDS + 1), Some(FIELDS));
        assert!(FIELDS.why.contains(&MAX_FIELDS.to_string()));
        assert!(TARGET.why.contains(&MAX_TARGET_BYTES.to_string()));
        let (length, whole) = size(1000 - 23);
        assert_eq!((length, refusal(&whole)), (1000, None));
        assert_eq!(refusal(&size(1000 - 22).1), Some(SIZE.why));
        assert_eq!(refusal(&whole[..999]), None);
        let body = format!("{whole}{}", "x".repeat(5000));
        assert_eq!(refusal(&body), None, "a body is no head");
    }

    #[test]
    fn a_chunked_body_that_never_ends_is_refused() {
        for (body, is_refused) in [
            ("0\r\n\r\n", false),
            ("5\r\nhello\r\n0\r\nA: b\r\n\r\nGET", false),
            ("0\r\n\n", true),
            ("0\r\nA: b\n\r\n", true),
            ("0\r\nA: b\r\n\n", true),
            ("5\r\nhello\n0\r\n\r\n", true),
            ("5\nhello", true),
            ("x", true),
        ] {
            for field in [
                "Transfer-Encoding",
                "transfer-ENCODING",
                "Transfer-Encodin",
                "A",
            ] {
                let is_chunked = field.len() == 17;
                let request = format!("POST / HTTP/1.1\r\nA: b\r\n{field}: chunked\r\n\r\n{body}");
                let expected = (is_refused && is_chunked).then_some(CHUNKS.why);
                assert_eq!(refusal(&request), expected, "{body:?}");
            }
        }
    }
}
