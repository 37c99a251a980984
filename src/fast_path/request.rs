//! An eligible request's head: read strictly, judged, and written for t3. Pure.
//!
//! Eligible is a GET or HEAD without a body that is certainly forwarded. Whatever is not certain is
//! ineligible: hyper's way knows the response to everything.

use http::header::{COOKIE, ORIGIN};
use memchr::memchr;

use crate::access::inner::InnerDispatcher;
use crate::access::passed_on::PassedOn;
use crate::access::rights::Rights;
use crate::access::visitor::{Assessment, Standing};
use crate::fast_path::head_writer::HeadWriter;
use crate::fast_path::header_lines::{HeaderLines, LineSpace};
use crate::fast_path::request_id::{IdSource, IdText};
use crate::fast_path::request_writer::{Files, RequestWriter, Rules};
use crate::http_rules::grammar::ByteSet;
use crate::http_rules::request_id::{RequestId, RequestIds};
use crate::http_rules::{HeaderView, credentials, origin, paths};

/// More bytes than are added to the head of a request.
const MOST_ADDED_BYTES: usize = 256;

/// The characters of a target that every reader reads alike.
static CLEAN: ByteSet = ByteSet::visible_but(b"#\"<>\\^`{|}");

/// An eligible request whose head for t3 has been written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EligibleRequest {
    /// The bytes of its head as it came.
    pub length: usize,
    /// A response to it has no body.
    pub is_head: bool,
    /// The client spoke https to the trusted proxy.
    pub is_https: bool,
    /// It is counted as an asset, not as a fetch.
    pub is_asset: bool,
    id: IdSource,
}

impl EligibleRequest {
    /// Its method.
    pub fn method(&self) -> &'static str {
        match self.is_head {
            true => "HEAD",
            false => "GET",
        }
    }

    /// Its path, without the query; `bytes` are those that it was read from.
    pub fn path<'a>(&self, bytes: &'a [u8]) -> &'a str {
        let target = bytes.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
        let path = target.split(|byte| *byte == b'?').next();
        str::from_utf8(path.unwrap_or_default()).unwrap_or_default()
    }

    /// Its id; `bytes` are those that it was read from.
    pub fn id(&self, bytes: &[u8], ids: &RequestIds) -> RequestId {
        match self.id_text(bytes, ids) {
            IdText::Given(text) => RequestId::of_text(text),
            IdText::Made(number, ids) => ids.numbered(number),
        }
    }

    /// The text of its id; `bytes` are those that it was read from.
    pub(super) fn id_text<'a>(&self, bytes: &'a [u8], ids: &'a RequestIds) -> IdText<'a> {
        self.id.text(bytes, ids)
    }
}

/// Whether `Cookie` lines are known to have at most one session of that t3, and only one that the person of
/// an identity, who has those rights, may use.
pub type IsSettled<'a, T> =
    dyn Fn(&T, &mut dyn Iterator<Item = &[u8]>, Option<&str>, Rights) -> bool + Sync + 'a;

/// Reads the request that `bytes` begin with; if it is eligible, writes to `to_upstream` what to send
/// to t3. `locate` gives the t3 of a person, if it can be asked, and `inner_of` the dispatcher that stands
/// before it, if one does; requests with cookies that are not `is_settled` are ineligible where none does.
pub fn rewrite<T>(
    bytes: &[u8],
    rules: &Rules<'_>,
    locate: impl FnOnce(Option<&str>) -> Option<T>,
    inner_of: impl Fn(&T) -> Option<&InnerDispatcher>,
    is_settled: &IsSettled<'_, T>,
    to_upstream: &mut Vec<u8>,
) -> Option<(EligibleRequest, T)> {
    to_upstream.clear();
    let first = StartLine::read(bytes)?;
    if !first.is_eligible(rules) {
        return None;
    }
    let mut space = <LineSpace>::default();
    let lines = HeaderLines::read(bytes, first.length, &mut space)?;
    let assessment = admitted(&lines, rules)?;
    let t3 = locate(assessment.identity.as_deref())?;
    let inner = inner_of(&t3);
    let is_of_inner = inner.is_some();
    let is_settled = |lines: &mut dyn Iterator<Item = &[u8]>, identity: Option<&str>| {
        is_settled(&t3, lines, identity, assessment.rights)
    };
    let is_kept_here = rules.files == Files::OfInner && paths::is_file_path(first.path());
    if !is_of_inner && (is_kept_here || is_screened(&lines, &assessment, rules, is_settled)) {
        return None;
    }
    let passed_on = match inner {
        Some(inner) => Some(passed_on(&lines, &assessment, rules, inner)?),
        None => None,
    };
    let parts = (&first, &lines, &assessment);
    let request = write(bytes, parts, rules, passed_on, to_upstream)?;
    Some((request, t3))
}

/// Reads the request that `bytes` begin with, if it may be for a file that is kept here; writes to `as_asked`
/// what t3 would be asked. `locate` gives the t3 of a person. t3's session in it is not looked at: a kept file is
/// the same with and without one.
pub fn rewrite_for_kept<T>(
    bytes: &[u8],
    rules: &Rules<'_>,
    locate: impl FnOnce(Option<&str>) -> Option<T>,
    as_asked: &mut Vec<u8>,
) -> Option<(EligibleRequest, T)> {
    as_asked.clear();
    let first = StartLine::read(bytes)?;
    if !first.target.starts_with(paths::HASHED) || first.path() != first.target {
        return None;
    }
    let mut space = <LineSpace>::default();
    let lines = HeaderLines::read(bytes, first.length, &mut space)?;
    let assessment = admitted(&lines, rules)?;
    let t3 = locate(assessment.identity.as_deref())?;
    let parts = (&first, &lines, &assessment);
    let request = write(bytes, parts, rules, None, as_asked)?;
    Some((request, t3))
}

/// Who sent `lines`, if that one is known and let in.
fn admitted<'a>(lines: &'a HeaderLines<'_>, rules: &'a Rules<'_>) -> Option<Assessment<'a>> {
    let assessment = rules.access.assess(lines, rules.peer);
    let is_denied = assessment.standing == Standing::Denied;
    (!assessment.is_unverified && !is_denied).then_some(assessment)
}

/// Writes the head of a request for t3 to `to`: its first line, its other lines, and who sent it. None where
/// a line makes it ineligible.
fn write(
    bytes: &[u8],
    (first, lines, assessment): (&StartLine<'_>, &HeaderLines<'_>, &Assessment<'_>),
    rules: &Rules<'_>,
    passed_on: Option<PassedOn<'_>>,
    to: &mut Vec<u8>,
) -> Option<EligibleRequest> {
    to.reserve(lines.length + MOST_ADDED_BYTES);
    let writer = HeadWriter::new(bytes, 0..first.length, to);
    let mut sent = RequestWriter::new(rules, assessment, writer);
    for line in lines.iter() {
        sent.field(&line)?;
    }
    Some(EligibleRequest {
        length: lines.length,
        is_head: first.is_head,
        is_https: assessment.is_https,
        is_asset: first.target.starts_with(paths::HASHED),
        id: sent.finish(passed_on)?,
    })
}

/// Who a request is from, as `inner` is told it; none where it cannot be.
fn passed_on<'a>(
    lines: &'a HeaderLines<'_>,
    assessment: &'a Assessment<'_>,
    rules: &'a Rules<'_>,
    inner: &'a InnerDispatcher,
) -> Option<PassedOn<'a>> {
    let person = assessment.identity.as_ref();
    let groups = rules.access.stated_groups(lines, person);
    rules.access.passed_on(inner, person?, groups).ok()
}

/// Might the router take t3's session off it (`pairing::admission`, `router::session`), or refuse its
/// token?
fn is_screened(
    lines: &HeaderLines<'_>,
    assessment: &Assessment<'_>,
    rules: &Rules<'_>,
    is_settled: impl FnOnce(&mut dyn Iterator<Item = &[u8]>, Option<&str>) -> bool,
) -> bool {
    let is_behind_sso = rules.access.is_behind_single_sign_on();
    if is_behind_sso && credentials::has_session_as_token(lines) {
        return true;
    }
    let mut cookies = lines.lines(&COOKIE).peekable();
    if cookies.peek().is_none() {
        return false;
    }
    let is_nobody = is_behind_sso && assessment.standing == Standing::Unidentified;
    is_nobody
        || lines.lines(&ORIGIN).next().is_some()
        || origin::is_of_another_origin(lines)
        || !is_settled(&mut cookies, assessment.identity.as_deref())
}

/// The first line of a request that may be eligible.
struct StartLine<'a> {
    is_head: bool,
    target: &'a str,
    /// Its bytes, with its end.
    length: usize,
}

impl<'a> StartLine<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let (is_head, rest) = match bytes.strip_prefix(b"GET ") {
            Some(rest) => (false, rest),
            None => (true, bytes.strip_prefix(b"HEAD ")?),
        };
        let (target, rest) = rest.split_at(CLEAN.span(rest));
        let rest = rest.strip_prefix(b" HTTP/1.1\r\n")?;
        Some(Self {
            is_head,
            target: str::from_utf8(target).ok()?,
            length: bytes.len() - rest.len(),
        })
    }

    /// Is it a path of this host, and none that the dispatcher answers?
    fn is_eligible(&self, rules: &Rules<'_>) -> bool {
        let path = self.path();
        path.starts_with('/')
            && !path.starts_with("//")
            && paths::is_forwarded(path)
            && (rules.files != Files::Ineligible || !paths::is_file_path(path))
    }

    /// The target without its query.
    fn path(&self) -> &'a str {
        let query = memchr(b'?', self.target.as_bytes());
        &self.target[..query.unwrap_or(self.target.len())]
    }
}
