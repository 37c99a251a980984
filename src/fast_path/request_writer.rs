//! The fields of a plain request, one after another, on their way to t3. Pure.

use crate::access::Look;
use crate::access::withheld::COOKIE_PREFIX;
use crate::fast_path::field_policy::{Fate, fate};
use crate::fast_path::head_writer::Runs;
use crate::fast_path::header_lines::Line;
use crate::fast_path::hop::{Hop, Name};
use crate::http_rules::cookies;
use crate::http_rules::host::is_host;
use crate::http_rules::request_id::is_sane;

/// The head for t3, and what its lines have told so far.
#[derive(Debug)]
pub(super) struct Onward<'a> {
    hop: &'a Hop<'a>,
    look: &'a Look<'a>,
    runs: Runs<'a>,
    host: Option<&'a [u8]>,
    forwarded_for: Option<&'a [u8]>,
    name: Option<Name>,
    destinations: usize,
    accepts_html: bool,
}

impl<'a> Onward<'a> {
    /// The head of a request by `hop` whose sender looks like `look`, begun in `runs`.
    pub(super) fn new(hop: &'a Hop<'a>, look: &'a Look<'a>, runs: Runs<'a>) -> Self {
        Self {
            hop,
            look,
            runs,
            host: None,
            forwarded_for: None,
            name: None,
            destinations: 0,
            accepts_html: false,
        }
    }

    /// Writes one line, or leaves it out; none where the request is not plain with it.
    pub(super) fn take(&mut self, line: &Line<'a>) -> Option<()> {
        let value = line.value;
        let is_believed = self.look.is_believed;
        match fate(line.name, self.hop.door) {
            Fate::Kept => {}
            Fate::Dropped => return Some(()),
            Fate::Connection if value.eq_ignore_ascii_case(b"keep-alive") => return Some(()),
            Fate::Host if self.host.is_none() && is_host(value) => self.host = Some(value),
            Fate::Cookie => return self.cookie(line),
            Fate::ForwardedFor if is_believed && self.forwarded_for.is_none() => {
                self.forwarded_for = Some(value);
                return Some(());
            }
            Fate::ForwardedFor | Fate::OfProxy if !is_believed => return Some(()),
            Fate::OfProxy => {}
            Fate::Accept => self.accepts_html |= contains_html(value),
            Fate::FetchDest if value != b"document" => self.destinations += 1,
            Fate::RequestId if self.name.is_none() && is_sane(value) => {
                self.name = Some(Name::Given(line.value_place().start, value.len()));
            }
            Fate::RequestId
            | Fate::Connection
            | Fate::Host
            | Fate::ForwardedFor
            | Fate::FetchDest
            | Fate::Unplain => return None,
        }
        self.runs.keep(line);
        Some(())
    }

    fn cookie(&mut self, line: &Line<'a>) -> Option<()> {
        match cookies::without(line.value, COOKIE_PREFIX) {
            None => self.runs.keep(line),
            Some(rest) if rest.is_empty() => {}
            Some(rest) => self.runs.write_line(line.name, &rest),
        }
        Some(())
    }

    /// Writes what the dispatcher adds, and the end of the head. Returns what the request is
    /// called; none where it is not plain.
    pub(super) fn end(mut self) -> Option<Name> {
        // A page load is another matter; whether it is one, the browser says by one of the two.
        if self.destinations > 1 || (self.destinations == 0 && self.accepts_html) {
            return None;
        }
        self.whereabouts()?;
        let request_ids = self.hop.request_ids;
        let made = || Name::Made(request_ids.number());
        let name = self.name.unwrap_or_else(made);
        let to = self.runs.behind();
        if let Name::Made(number) = name {
            to.extend_from_slice(b"x-request-id: ");
            request_ids.write(number, to);
            to.extend_from_slice(b"\r\n");
        }
        to.extend_from_slice(b"\r\n");
        Some(name)
    }

    /// Who the client is, as far as the dispatcher knows (see the door's rule).
    fn whereabouts(&mut self) -> Option<()> {
        let host = self.host?;
        let to = self.runs.behind();
        to.extend_from_slice(b"x-forwarded-for: ");
        if let Some(held) = self.forwarded_for {
            to.extend_from_slice(held);
            to.extend_from_slice(b", ");
        }
        to.extend_from_slice(self.hop.peer_text.as_bytes());
        to.extend_from_slice(b"\r\n");
        if !self.look.is_believed {
            to.extend_from_slice(b"x-forwarded-proto: http\r\n");
            self.runs.write_line(b"x-forwarded-host", host);
        }
        Some(())
    }
}

fn contains_html(accept: &[u8]) -> bool {
    let html = b"text/html";
    accept
        .windows(html.len())
        .any(|window| window.eq_ignore_ascii_case(html))
}
