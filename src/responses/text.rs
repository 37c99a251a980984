//! What clients said, made harmless for an answer. Pure.

use http::{HeaderValue, Uri};

/// The path and query that were asked for, as a reference that cannot leave this origin: a
/// browser reads a leading `//` or `/\` as the start of a host name (CWE-601).
pub(super) fn location(target: &Uri) -> HeaderValue {
    let asked = target
        .path_and_query()
        .map_or("/", |path_and_query| path_and_query.as_str());
    let path = asked.trim_start_matches(['/', '\\']);
    HeaderValue::try_from(format!("/{path}")).unwrap_or(HeaderValue::from_static("/"))
}

/// Text as it may stand in HTML.
pub(super) fn escaped(text: &str) -> String {
    let escape = |character| match character {
        '&' => "&amp;".to_owned(),
        '<' => "&lt;".to_owned(),
        '>' => "&gt;".to_owned(),
        '"' => "&quot;".to_owned(),
        '\'' => "&#39;".to_owned(),
        plain => plain.to_string(),
    };
    text.chars().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_location_never_leaves_this_origin() {
        for (target, expected) in [
            ("/", "/"),
            ("/t/1?a=b%20c", "/t/1?a=b%20c"),
            ("/?", "/?"),
            ("/?next=//evil", "/?next=//evil"),
            ("//evil/", "/evil/"),
            ("///evil", "/evil"),
            ("/\\evil", "/evil"),
            ("/\\/evil", "/evil"),
            ("/%09/evil", "/%09/evil"),
            ("/%2f/evil", "/%2f/evil"),
            ("http://evil/", "/"),
            ("http://evil//worse", "/worse"),
            ("*", "/*"),
        ] {
            let Ok(uri) = target.parse::<Uri>() else {
                continue;
            };
            assert_eq!(location(&uri), expected, "{target}");
        }
    }
}
