//! What the media type of a response says of it: page, file of a page, worth compressing. Pure.

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName};

/// May a response be revalidated that has no hash in its name? JSON may not: it is the response of
/// an API rather than a file of a page.
pub(super) fn is_web_file(headers: &HeaderMap) -> bool {
    let Some(content_type) = single(headers, CONTENT_TYPE).map(essence) else {
        return false;
    };
    let (kind, _) = content_type.split_once('/').unwrap_or_default();
    matches!(kind, "text" | "image" | "font")
        || matches!(
            &*content_type,
            "application/javascript" | "application/manifest+json" | "application/wasm"
        )
}

/// Is it HTML?
pub(super) fn is_html(headers: &HeaderMap) -> bool {
    single(headers, CONTENT_TYPE).map(essence).as_deref() == Some("text/html")
}

/// Is a body of this media type worth compressing?
pub(super) fn is_compressible(content_type: &str) -> bool {
    content_type.starts_with("text/")
        || content_type.ends_with("+json")
        || content_type.ends_with("+xml")
        || matches!(
            content_type,
            "application/javascript"
                | "application/json"
                | "application/wasm"
                | "application/xml"
                | "font/otf"
                | "font/ttf"
                | "image/bmp"
                | "image/vnd.microsoft.icon"
                | "image/x-icon"
        )
}

/// The value of the only line of that name.
pub(super) fn single(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut lines = headers.get_all(name).iter();
    let line = lines.next()?.to_str().ok()?;
    lines.next().is_none().then_some(line)
}

/// The media type without parameters, in lower case.
pub(super) fn essence(content_type: &str) -> String {
    let essence = content_type.split(';').next().unwrap_or_default();
    essence.trim().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http_rules::header_map::from_lines;

    #[test]
    fn json_and_other_api_responses_are_no_web_files() {
        for (content_type, expected) in [
            ("text/html; charset=utf-8", true),
            ("image/png", true),
            ("application/manifest+json", true),
            ("application/json", false),
            ("application/octet-stream", false),
            ("multipart/form-data", false),
        ] {
            let headers = from_lines(&[("content-type", content_type)]);
            assert_eq!(is_web_file(&headers), expected, "{content_type}");
        }
    }
}
