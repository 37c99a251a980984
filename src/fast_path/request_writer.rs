//! The fields of an eligible request, line by line, on their way to t3. Pure.

use std::net::IpAddr;

use crate::access::AccessPolicy;
use crate::access::passed_on::PassedOn;
use crate::access::visitor::Assessment;
use crate::fast_path::head_writer::HeadWriter;
use crate::fast_path::header_lines::HeaderLine;
use crate::fast_path::request_id::{IdSource, IdText};
use crate::http_rules::browser_request::is_navigation_destination;
use crate::http_rules::grammar::is_host;
use crate::http_rules::header_policy::{Disposition, Field};
use crate::http_rules::request_id::{RequestIds, is_safe};
use crate::http_rules::{cookies, forwarded};

/// The rules by which the requests of one connection are judged, and where they come from.
pub struct Rules<'a> {
    pub(super) access: &'a AccessPolicy,
    pub(super) request_ids: &'a RequestIds,
    pub(super) peer: IpAddr,
    pub(super) peer_text: String,
    pub(super) files: Files,
}

/// Whether a request for what may be a static file is eligible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Files {
    /// Nothing is done here to such files.
    Eligible,
    /// Another dispatcher has them, where one stands before t3.
    OfInner,
    /// They are kept here: those that t3 need not be asked for are answered before.
    Ineligible,
}

/// The head for t3 under way, and what its lines have stated so far.
#[derive(Debug)]
pub(super) struct RequestWriter<'a> {
    rules: &'a Rules<'a>,
    assessment: &'a Assessment<'a>,
    head: HeadWriter<'a>,
    host: Option<&'a [u8]>,
    forwarded_for: Option<&'a [u8]>,
    has_forwarded_host: bool,
    has_forwarded_proto: bool,
    id: Option<IdSource>,
    /// Lines of `Sec-Fetch-Dest`, none of which stands for a tab or a frame.
    fetch_destinations: usize,
    accepts_html: bool,
}

impl<'a> Rules<'a> {
    /// For requests that come from `peer`, by the access policy `access`; those without an id get one
    /// of `request_ids`. `files` says which requests for files are eligible.
    pub fn new(
        access: &'a AccessPolicy,
        request_ids: &'a RequestIds,
        peer: IpAddr,
        files: Files,
    ) -> Self {
        Self {
            access,
            request_ids,
            peer,
            peer_text: peer.to_string(),
            files,
        }
    }
}

impl std::fmt::Debug for Rules<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut rules = formatter.debug_struct("Rules");
        rules.field("peer", &self.peer).finish_non_exhaustive()
    }
}

impl<'a> RequestWriter<'a> {
    /// The head of a request by `rules`, whose sender was assessed, begun in `head`.
    pub(super) fn new(
        rules: &'a Rules<'a>,
        assessment: &'a Assessment<'a>,
        head: HeadWriter<'a>,
    ) -> Self {
        Self {
            rules,
            assessment,
            head,
            host: None,
            forwarded_for: None,
            has_forwarded_host: false,
            has_forwarded_proto: false,
            id: None,
            fetch_destinations: 0,
            accepts_html: false,
        }
    }

    /// Writes one line as the header policy says; none where it makes the request ineligible.
    pub(super) fn field(&mut self, line: &HeaderLine<'a>) -> Option<()> {
        let field = self.rules.access.header_policy().field(line.name);
        match field.in_request(self.assessment.is_trusted) {
            Disposition::Drop => {
                // Nominated fields, and the connection's end, are for hyper's way.
                let is_plain = line.value.eq_ignore_ascii_case(b"keep-alive");
                (field != Field::Connection || is_plain).then_some(())
            }
            // An eligible request has no body, and asks for no other protocol.
            Disposition::Frame => None,
            Disposition::Replace => self.replace(field, line),
            Disposition::Keep => {
                self.note(field, line.value)?;
                self.head.keep(line);
                Some(())
            }
        }
    }

    /// Takes note of what decides whether the request is eligible.
    fn note(&mut self, field: Field, value: &'a [u8]) -> Option<()> {
        match field {
            Field::Host if self.host.is_none() && is_host(value) => self.host = Some(value),
            Field::Host => return None,
            Field::Accept => self.accepts_html |= contains_html(value),
            // A page that is shown is for hyper's way: it may be paired, and is asked for whole.
            Field::FetchDestination if is_navigation_destination(value) => return None,
            Field::FetchDestination => self.fetch_destinations += 1,
            _ => {}
        }
        Some(())
    }

    fn replace(&mut self, field: Field, line: &HeaderLine<'a>) -> Option<()> {
        let value = line.value;
        match field {
            Field::Authorization if self.assessment.gate_credentials.include(value) => {}
            Field::Authorization => self.head.keep(line),
            Field::Cookie => self.cookies(line),
            Field::RequestId if self.id.is_none() && is_safe(value) => {
                self.id = Some(IdSource::Given(line.value_range().start, value.len()));
                self.head.keep(line);
            }
            Field::ForwardedFor if !self.assessment.is_trusted => {}
            // Several lines are joined on hyper's way.
            Field::ForwardedFor if self.forwarded_for.is_none() => self.forwarded_for = Some(value),
            Field::ForwardedHost if !self.has_forwarded_host => {
                self.has_forwarded_host = true;
                self.restate(line, forwarded::told_host(value));
            }
            Field::ForwardedProto if !self.has_forwarded_proto => {
                self.has_forwarded_proto = true;
                self.restate(line, forwarded::told_proto(value));
            }
            _ => return None,
        }
        Some(())
    }

    fn cookies(&mut self, line: &HeaderLine<'a>) {
        let policy = self.rules.access.header_policy();
        match cookies::without(line.value, |name| policy.is_cookie_withheld(name)) {
            None => self.head.keep(line),
            Some(rest) if rest.is_empty() => {}
            Some(rest) => self.head.write_line(line.name, &rest),
        }
    }

    /// Writes a line, with the value that t3 is told instead of its own.
    fn restate(&mut self, line: &HeaderLine<'a>, told: Option<&[u8]>) {
        match told {
            Some(told) => self.head.write_line(line.name, told),
            None => self.head.keep(line),
        }
    }

    /// Writes what the dispatcher adds, `passed_on` to another one, and the end of the head. Returns the
    /// request's id; none where it is ineligible.
    pub(super) fn finish(mut self, passed_on: Option<PassedOn<'_>>) -> Option<IdSource> {
        // A page load may be paired; whether it is one, a browser says by one of the two.
        let may_be_page = self.fetch_destinations == 0 && self.accepts_html;
        if self.fetch_destinations > 1 || may_be_page {
            return None;
        }
        let host = self.host?;
        let Self {
            assessment, rules, ..
        } = self;
        let to = self.head.end();
        let mut write = |name: &str, parts: &[&[u8]]| {
            to.extend_from_slice(name.as_bytes());
            to.extend_from_slice(b": ");
            parts.iter().for_each(|part| to.extend_from_slice(part));
            to.extend_from_slice(b"\r\n");
        };
        if let Some(passed_on) = passed_on {
            passed_on.write(&mut write).ok()?;
        }
        let (is_trusted, peer) = (assessment.is_trusted, &rules.peer_text);
        forwarded::write(is_trusted, self.forwarded_for, peer, Some(host), write);
        let made = || IdSource::Made(rules.request_ids.number());
        let id = self.id.unwrap_or_else(made);
        if let IdSource::Made(number) = id {
            IdText::Made(number, rules.request_ids).write_line(to);
        }
        to.extend_from_slice(b"\r\n");
        Some(id)
    }
}

fn contains_html(accept: &[u8]) -> bool {
    let html = b"text/html";
    accept
        .windows(html.len())
        .any(|window| window.eq_ignore_ascii_case(html))
}
