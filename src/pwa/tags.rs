//! t3's page with what makes it an app of the home screen in its head. Pure.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::{
    ACCEPT_RANGES, AUTHORIZATION, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LENGTH,
    CONTENT_RANGE, CONTENT_TYPE, ETAG,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use http_body::{Body, Frame, SizeHint};

use crate::http_rules::{browser_request, transform};
use crate::pwa::html_insertion::Insertion;
use crate::responses::ClientResponse;
use crate::responses::body::ResponseBody;
use crate::upstream::response_body::Inbound;

/// A manifest is fetched without cookies unless the link says otherwise, and single sign-on lets
/// nobody in without them.
const TAGS: &str = concat!(
    "<link rel=\"manifest\" href=\"/manifest.webmanifest\" crossorigin=\"use-credentials\">",
    "<meta name=\"mobile-web-app-capable\" content=\"yes\">",
    "<meta name=\"apple-mobile-web-app-capable\" content=\"yes\">",
    "<meta name=\"apple-mobile-web-app-status-bar-style\" content=\"default\">",
    "<meta name=\"apple-mobile-web-app-title\" content=\"T3 Code\">",
);

/// By this link t3 brings a manifest of its own.
const OWN_MANIFEST: &str = "link[rel~=manifest i]";

/// With these an answer is no plain page, or none that can be changed.
const SPECIAL: [HeaderName; 3] = [CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_RANGE];

/// What is put into the head of a page.
#[derive(Debug, Clone, Copy)]
pub struct Tags(());

impl Tags {
    /// For a request whose answer would be shown to a person as a page; none for any other.
    pub(super) fn for_request(head: &Parts) -> Option<Self> {
        let is_wanted = matches!(head.method, Method::GET | Method::HEAD)
            && !head.headers.contains_key(AUTHORIZATION)
            && browser_request::wants_document(&head.headers)
            && !transform::is_forbidden(&head.headers);
        is_wanted.then_some(Self(()))
    }

    /// Puts them into a page of t3's as it streams by. Any other answer stays as it is.
    pub fn put_into(self, answer: ClientResponse) -> ClientResponse {
        if answer.status() != StatusCode::OK || !is_page(answer.headers()) {
            return answer;
        }
        let (mut head, body) = answer.into_parts();
        let body = match body {
            ResponseBody::Relayed(page) => {
                tell_of_other_bytes(&mut head.headers);
                ResponseBody::made(Rewritten::new(page, TAGS, OWN_MANIFEST))
            }
            body => body,
        };
        ClientResponse::from_parts(head, body)
    }
}

/// HTML whose bytes can be told to be markup: UTF-8, as t3's is, or what it does not say.
fn is_page(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let content_type = types.next().and_then(|line| line.to_str().ok());
    let content_type = content_type.unwrap_or_default().to_ascii_lowercase();
    let mut parts = content_type.split(';').map(str::trim);
    types.next().is_none()
        && parts.next() == Some("text/html")
        && parts.all(|part| {
            let charset = part.strip_prefix("charset=");
            charset.is_none_or(|name| matches!(name.trim_matches('"'), "utf-8" | "utf8"))
        })
        && SPECIAL.iter().all(|name| !headers.contains_key(name))
        && !transform::is_forbidden(headers)
}

/// The length is not known before the end, and a tag of t3's own is one of the same meaning, not
/// of the same bytes (RFC 9110 §8.8.1).
fn tell_of_other_bytes(headers: &mut HeaderMap) {
    for name in [CONTENT_LENGTH, ACCEPT_RANGES] {
        headers.remove(name);
    }
    transform::drop_digests(headers);
    if let Some(tag) = headers.get(ETAG)
        && tag.as_bytes().starts_with(b"\"")
        && let Ok(weak) = HeaderValue::from_bytes(&[b"W/", tag.as_bytes()].concat())
    {
        headers.insert(ETAG, weak);
    }
}

/// A page from t3 with something put into its head.
#[derive(Debug)]
struct Rewritten {
    page: Inbound,
    insertion: Insertion,
    last: Option<Frame<Bytes>>,
    is_over: bool,
}

impl Rewritten {
    /// `page` with `html` at the end of its head, unless an element that the CSS selector `unless`
    /// means comes before that.
    fn new(page: Inbound, html: &'static str, unless: &'static str) -> Self {
        Self {
            page,
            insertion: Insertion::new(html, unless),
            last: None,
            is_over: false,
        }
    }

    /// What goes on for a frame that has come, or for the end; nothing while all is held back.
    fn onward(&mut self, frame: Option<Frame<Bytes>>) -> Option<Frame<Bytes>> {
        let data = match frame.map(Frame::into_data) {
            Some(Ok(data)) => self.insertion.push(data),
            // Trailers come behind all that was held back.
            Some(Err(trailers)) => {
                self.last = Some(trailers);
                self.insertion.finish()
            }
            None => {
                self.is_over = true;
                self.insertion.finish()
            }
        };
        (!data.is_empty()).then(|| Frame::data(data))
    }
}

impl Body for Rewritten {
    type Data = Bytes;
    type Error = hyper::Error;

    /// A page that is cut short is cut short here too: what was held back does not come.
    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        loop {
            if let Some(trailers) = self.last.take() {
                return Poll::Ready(Some(Ok(trailers)));
            }
            if self.is_over {
                return Poll::Ready(None);
            }
            let frame = ready!(Pin::new(&mut self.page).poll_frame(cx)).transpose()?;
            if let Some(onward) = self.onward(frame) {
                return Poll::Ready(Some(Ok(onward)));
            }
        }
    }

    /// Only an answer without any body is at its end before it was asked for more.
    fn is_end_stream(&self) -> bool {
        self.is_over && self.last.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http_rules::header_map::from_lines;
    use http::Request;

    #[test]
    fn only_what_a_person_would_see_as_a_page_is_meant() {
        let document = ("sec-fetch-dest", "document");
        for (method, lines, expected) in [
            ("GET", &[document][..], true),
            ("HEAD", &[document], true),
            ("GET", &[document, ("sec-purpose", "prefetch")], true),
            ("GET", &[("accept", "text/html,*/*")], true),
            ("GET", &[("accept", "*/*")], false),
            ("GET", &[("sec-fetch-dest", "iframe")], false),
            ("GET", &[("sec-fetch-dest", "manifest")], false),
            ("POST", &[document], false),
            ("GET", &[document, ("authorization", "Bearer x")], false),
            ("GET", &[document, ("cache-control", "no-transform")], false),
        ] {
            let mut request = Request::builder().method(method).body(()).expect("one");
            *request.headers_mut() = from_lines(lines);
            let head = request.into_parts().0;
            let tags = Tags::for_request(&head);
            assert_eq!(tags.is_some(), expected, "{method} {lines:?}");
        }
    }

    #[test]
    fn only_plain_html_is_a_page() {
        let html = ("content-type", "text/html; charset=utf-8");
        for (lines, expected) in [
            (&[html][..], true),
            (&[("content-type", "Text/HTML")], true),
            (&[("content-type", "text/html;charset=\"UTF-8\"")], true),
            (&[html, ("cache-control", "no-store")], true),
            (&[("content-type", "text/html; charset=utf-16")], false),
            (&[("content-type", "application/xhtml+xml")], false),
            (&[("content-type", "text/htmlx")], false),
            (&[html, html], false),
            (&[html, ("content-encoding", "br")], false),
            (&[html, ("content-range", "bytes 0-1/9")], false),
            (&[html, ("content-disposition", "attachment")], false),
            (&[html, ("cache-control", "private, no-transform")], false),
            (&[], false),
        ] {
            assert_eq!(is_page(&from_lines(lines)), expected, "{lines:?}");
        }
    }

    #[test]
    fn what_told_of_t3_s_bytes_is_taken_back() {
        let mut headers = from_lines(&[
            ("content-length", "3"),
            ("accept-ranges", "bytes"),
            ("repr-digest", "sha-256=:x:"),
            ("etag", "\"a\""),
            ("x-kept", "1"),
        ]);
        tell_of_other_bytes(&mut headers);
        assert_eq!(headers, from_lines(&[("etag", "W/\"a\""), ("x-kept", "1")]));
        tell_of_other_bytes(&mut headers);
        assert_eq!(headers["etag"], "W/\"a\"");
    }
}
