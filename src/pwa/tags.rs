//! The tags that make t3's page installable as an app, and the script of its tabs, inserted while the page streams by.

use futures_util::stream::{self, StreamExt};
use http::header::{AUTHORIZATION, CONTENT_TYPE, ETAG};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use http_body::Frame;
use http_body_util::{BodyStream, StreamBody};

use crate::http_rules::browser_request;
use crate::http_rules::representation::{
    OF_THE_BYTES, SPECIAL_PAGE, has_any, is_transform_forbidden, remove_all,
};
use crate::http_rules::script_policy;
use crate::pwa::head_output::Insertions;
use crate::pwa::html_insertion::HeadInsertion;
use crate::responses::body::ResponseBody;
use crate::responses::{ClientResponse, tab};
use crate::upstream::response_body::Inbound;

/// `use-credentials`: a manifest is fetched without cookies otherwise, and single sign-on lets
/// nobody in without them.
const TAGS: &str = concat!(
    "<link rel=\"manifest\" href=\"/manifest.webmanifest\" crossorigin=\"use-credentials\">",
    "<meta name=\"mobile-web-app-capable\" content=\"yes\">",
    "<meta name=\"apple-mobile-web-app-capable\" content=\"yes\">",
    "<meta name=\"apple-mobile-web-app-status-bar-style\" content=\"default\">",
    "<meta name=\"apple-mobile-web-app-title\" content=\"T3 Code\">",
);

/// Asks ahead what t3's own script asks before it opens its WebSocket, the one after the other: with the
/// script's own credentials modes, as it is asked twice otherwise (contract §11).
const AHEAD: &str = concat!(
    "<link rel=\"preload\" as=\"fetch\" href=\"/api/auth/session\" crossorigin>",
    "<link rel=\"preload\" as=\"fetch\" href=\"/.well-known/t3/environment\" crossorigin=\"use-credentials\">",
);

/// What only browsers of Chromium's kind send: others may not use for a script's request what a link has
/// asked ahead, if the script adds fields of its own, as t3's does.
const CHROMIUM: HeaderName = HeaderName::from_static("sec-ch-ua");

/// Would the response to the request with `head` be shown as a page?
pub(super) fn are_for(head: &Parts) -> bool {
    matches!(head.method, Method::GET | Method::HEAD)
        && !head.headers.contains_key(AUTHORIZATION)
        && browser_request::wants_document(&head.headers)
        && !is_transform_forbidden(&head.headers)
}

/// Does the browser that sent the request with `head` use what is asked ahead?
pub(super) fn may_ask_ahead(head: &Parts) -> bool {
    head.headers.contains_key(CHROMIUM)
}

/// If `response` is a page from t3, inserts the tags of the `APP` or has the manifest that the page brings
/// fetched with cookies, and inserts the `SCRIPT`, and into a page with such a manifest what is asked `AHEAD`,
/// where the page's policy lets them; any other is returned unchanged.
pub(super) fn insert<const APP: bool, const AHEAD: bool, const SCRIPT: bool>(
    response: ClientResponse,
) -> ClientResponse {
    if response.status() != StatusCode::OK || !is_page(response.headers()) {
        return response;
    }
    let is_allowed = (AHEAD || SCRIPT) && script_policy::allows_own_script(response.headers());
    let insertions = Insertions {
        app: APP.then_some(TAGS),
        ahead: (AHEAD && is_allowed).then_some(self::AHEAD),
        script: (SCRIPT && is_allowed).then(tab::script_tag),
    };
    if insertions.app.is_none() && insertions.script.is_none() {
        return response;
    }
    let (mut head, body) = response.into_parts();
    let body = match body {
        ResponseBody::Relayed(page) => {
            drop_fields_of_original(&mut head.headers);
            with_tags(page, HeadInsertion::new(insertions))
        }
        body => body,
    };
    ClientResponse::from_parts(head, body)
}

/// HTML in UTF-8, as t3's is, or in an encoding that is not named.
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
        && !has_any(headers, &SPECIAL_PAGE)
        && !is_transform_forbidden(headers)
}

/// Drops the fields that describe the original bytes, and weakens t3's tag: the page means the
/// same (RFC 9110 §8.8.1). Its new length is not known before its end.
fn drop_fields_of_original(headers: &mut HeaderMap) {
    remove_all(headers, &OF_THE_BYTES);
    if let Some(tag) = headers.get(ETAG)
        && tag.as_bytes().starts_with(b"\"")
        && let Ok(weak) = HeaderValue::from_bytes(&[b"W/", tag.as_bytes()].concat())
    {
        headers.insert(ETAG, weak);
    }
}

/// `page` with the tags. A page that is cut short is cut short here too.
fn with_tags(page: Inbound, mut insertion: HeadInsertion) -> ResponseBody {
    let end = stream::once(async { None });
    let frames = BodyStream::new(page).map(Some).chain(end);
    let frames = frames.flat_map(move |frame| {
        let (data, trailers) = match frame.transpose() {
            Ok(frame) => match frame.map(Frame::into_data) {
                Some(Ok(data)) => (Ok(insertion.push(data)), None),
                // What the parser has held back comes first.
                Some(Err(trailers)) => (Ok(insertion.finish()), Some(Ok(trailers))),
                None => (Ok(insertion.finish()), None),
            },
            Err(error) => (Err(error), None),
        };
        let data = data.map(|data| (!data.is_empty()).then(|| Frame::data(data)));
        stream::iter(data.transpose().into_iter().chain(trailers))
    });
    ResponseBody::made(StreamBody::new(frames))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http_rules::header_map::from_lines;
    use http::Request;

    fn inserted(mut insertion: HeadInsertion, page: &str) -> String {
        let parts = [insertion.push(page.to_owned().into()), insertion.finish()];
        String::from_utf8(parts.concat()).expect("UTF-8")
    }

    #[test]
    fn a_script_is_inserted_beside_a_manifest_and_not_where_the_page_forbids_it() {
        let manifest = "<link rel=manifest href=/m crossorigin=\"use-credentials\">";
        let policy = |content: &str| {
            format!("<meta Http-Equiv='CONTENT-security-policy' content=\"{content}\">")
        };
        let forbidden = policy("script-src 'none'");
        for (before, app, script) in [
            (String::new(), "<NEW>", "<JS>"),
            (manifest.to_owned(), "", "<JS>"),
            (policy("script-src 'self'"), "<NEW>", "<JS>"),
            (forbidden.clone(), "<NEW>", ""),
            (format!("{manifest}{forbidden}"), "", ""),
            (format!("{forbidden}{manifest}"), "", ""),
            (policy("script-src &#39;self&#39;"), "<NEW>", ""),
            (policy("").replace("sec", "x"), "<NEW>", "<JS>"),
            ("<base href=https://other.test/>".to_owned(), "<NEW>", ""),
            ("<base target=_blank>".to_owned(), "<NEW>", "<JS>"),
        ] {
            // What is asked ahead is for a page with a manifest, where a script may ask it.
            let ahead = match (app, script) {
                ("", "<JS>") => "<ASK>",
                _ => "",
            };
            let expected =
                format!("<head>{before}{app}{ahead}{script}</head><body><base href=/x>y");
            let plain = expected.replace(&format!("{app}{ahead}{script}</head>"), "</head>");
            let all = Insertions {
                app: Some("<NEW>"),
                ahead: Some("<ASK>"),
                script: Some("<JS>"),
            };
            let out = inserted(HeadInsertion::new(all), &plain);
            assert_eq!(out, expected);
            let alone = Insertions { app: None, ..all };
            let out = inserted(HeadInsertion::new(alone), &plain);
            let expected = plain.replacen("</head>", &format!("{script}</head>"), 1);
            assert_eq!(out, expected);
        }
    }

    #[test]
    fn only_a_request_for_a_document_gets_tags() {
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
            assert_eq!(are_for(&head), expected, "{method} {lines:?}");
        }
    }

    #[test]
    fn only_plain_html_in_utf_8_is_a_page() {
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
    fn fields_of_the_original_bytes_are_dropped_and_the_tag_is_weakened() {
        let mut headers = from_lines(&[
            ("content-length", "3"),
            ("accept-ranges", "bytes"),
            ("repr-digest", "sha-256=:x:"),
            ("etag", "\"a\""),
            ("x-kept", "1"),
        ]);
        drop_fields_of_original(&mut headers);
        assert_eq!(headers, from_lines(&[("etag", "W/\"a\""), ("x-kept", "1")]));
        drop_fields_of_original(&mut headers);
        assert_eq!(headers["etag"], "W/\"a\"");
    }
}
