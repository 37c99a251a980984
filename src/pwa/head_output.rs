//! What of a page's head is written already, what it allows, and what is to be inserted at its end. Pure.

use std::sync::Arc;

use bytes::Bytes;
use lol_html::send::Element;
use lol_html::{HandlerResult, OutputSink};
use parking_lot::Mutex;

/// What may be inserted into a page.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Insertions {
    /// Makes the page an app, unless it is one.
    pub(super) app: Option<&'static str>,
    /// Asks ahead what the scripts of a page that is an app ask.
    pub(super) ahead: Option<&'static str>,
    /// Loads a script of this origin.
    pub(super) script: Option<&'static str>,
}

/// What the parser has written, shared with its handlers.
#[derive(Debug, Clone, Default)]
pub(super) struct HeadOutput(Arc<Mutex<HeadState>>);

#[derive(Debug, Default)]
struct HeadState {
    html: Vec<u8>,
    insertions: Insertions,
    /// The page has a manifest of its own.
    is_app: bool,
    /// A policy in the head forbids scripts of this origin or their questions, or the page has another base.
    is_restricted: bool,
    has_ended: bool,
}

/// Is it a path? Another origin does not expect cookies.
fn is_of_this_origin(href: &str) -> bool {
    let href = href.trim();
    href.starts_with('/') && !href[1..].starts_with(['/', '\\'])
}

impl HeadOutput {
    /// Nothing is written; `insertions` are to be.
    pub(super) fn new(insertions: Insertions) -> Self {
        let output = Self::default();
        output.0.lock().insertions = insertions;
        output
    }

    /// What was written since the last call.
    pub(super) fn take(&self) -> Bytes {
        std::mem::take(&mut self.0.lock().html).into()
    }

    /// Has the manifest of the page's own `link` fetched with cookies: then there is an app already.
    pub(super) fn amend(&self, link: &mut Element<'_, '_>) -> HandlerResult {
        if self.has_head_ended() {
            return Ok(());
        }
        self.0.lock().is_app = true;
        let href = link.get_attribute("href").unwrap_or_default();
        if is_of_this_origin(&href) {
            link.set_attribute("crossorigin", "use-credentials")?;
        }
        Ok(())
    }

    /// The head forbids scripts of this origin or their questions, or has another base.
    pub(super) fn restrict(&self) {
        self.0.lock().is_restricted = true;
    }

    /// Has the head ended?
    pub(super) fn has_head_ended(&self) -> bool {
        self.0.lock().has_ended
    }

    /// Notes that the head has ended; returns what to insert here.
    pub(super) fn end_head(&self) -> String {
        let mut head = self.0.lock();
        let is_first = !std::mem::replace(&mut head.has_ended, true);
        let Insertions { app, ahead, script } = head.insertions;
        let parts = [
            app.filter(|_| !head.is_app),
            ahead.filter(|_| head.is_app && !head.is_restricted),
            script.filter(|_| !head.is_restricted),
        ];
        let parts = parts.map(|part| part.filter(|_| is_first).unwrap_or_default());
        parts.concat()
    }
}

impl OutputSink for HeadOutput {
    fn handle_chunk(&mut self, chunk: &[u8]) {
        self.0.lock().html.extend_from_slice(chunk);
    }
}
