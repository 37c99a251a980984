//! The names with a hash that a page refers to. Pure.

use crate::http_rules::paths;

/// How many names one page may bring.
const MOST: usize = 64;

/// What `html` names below /assets/ in a quoted attribute: scripts, styles, module preloads; each
/// name once, in the page's order.
pub(super) fn hashed_in(html: &[u8]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let quoted = html.split(|byte| matches!(byte, b'"' | b'\''));
    for text in quoted.filter(|text| text.starts_with(b"/assets/")) {
        let Ok(name) = std::str::from_utf8(text) else {
            continue;
        };
        let is_plain = name.bytes().all(|byte| byte.is_ascii_graphic())
            && !name.contains(['?', '#', '<', '>'])
            && name.len() > "/assets/".len()
            && paths::is_static_path(name);
        if is_plain && names.len() < MOST && !names.iter().any(|held| held == name) {
            names.push(name.to_owned());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_styles_and_preloads_are_found_once_each() {
        let html = br#"<!doctype html><html><head>
            <script type="module" crossorigin src="/assets/index-BaqlnIud.js"></script>
            <link rel=modulepreload href='/assets/vendor-1.js'>
            <link rel="stylesheet" href="/assets/index-D.css"><link href="/favicon.ico">
            <link href="/assets/index-D.css"><script src="/assets/a.js?v=1"></script>
            <script src="https://other.test/assets/x.js"></script><a href="/assets/">x</a>
            <a href="/assets/../api/x">x</a><a href="/assets/a b.js">x</a></head></html>"#;
        assert_eq!(
            hashed_in(html),
            [
                "/assets/index-BaqlnIud.js",
                "/assets/vendor-1.js",
                "/assets/index-D.css"
            ]
        );
        assert!(hashed_in(b"").is_empty());
        assert!(hashed_in(b"\"/assets/\xff\"").is_empty());
    }

    #[test]
    fn no_page_brings_too_many() {
        let html: String = (0..1000).map(|n| format!("\"/assets/{n}.js\" ")).collect();
        assert_eq!(hashed_in(html.as_bytes()).len(), MOST);
    }
}
