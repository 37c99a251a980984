//! Which files t3's page and its scripts name, in the order in which a browser needs them.

use std::collections::{HashSet, VecDeque};

use tokio::task::yield_now;

use crate::assets::encoder::PIECE_BYTES;
use crate::http_rules::paths;

/// How many files are fetched. A page of v0.0.42 loads 159, which are among the first 310 that it and its
/// scripts name (contract §11).
const MAX_FILES: usize = 384;

/// After how many bytes, as t3 sends them, no further file is fetched. Those 310 files have 7.4 MB.
const MAX_BYTES: u64 = 8 * 1024 * 1024;

/// How far from the page: its own scripts are 1, what those import 2, what these import 3.
const MAX_DEPTH: u32 = 3;

/// The longest name.
const MAX_NAME_BYTES: usize = 256;

/// The files that are to be fetched.
#[derive(Debug, Default)]
pub(super) struct FetchPlan {
    waiting: VecDeque<NamedFile>,
    named: HashSet<String>,
    fetched_bytes: u64,
}

/// A file below /assets/.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NamedFile {
    /// Its path.
    pub(super) name: String,
    depth: u32,
}

impl FetchPlan {
    /// The files in quoted attributes of `html`, t3's page: scripts, styles and module preloads.
    pub(super) fn of_page(html: &[u8]) -> Self {
        let mut plan = Self::default();
        for text in quoted(html) {
            let name = text.strip_prefix(paths::HASHED);
            plan.add(name.map(|name| format!("{}{name}", paths::HASHED)), 1);
        }
        plan
    }

    /// The next file, each once, those nearest to the page first.
    pub(super) fn next(&mut self) -> Option<NamedFile> {
        let has_room = self.fetched_bytes < MAX_BYTES;
        has_room.then(|| self.waiting.pop_front()).flatten()
    }

    /// Adds what `file`, whose content is `script`, names: imports, static and dynamic, lists of
    /// preloads, and what a style sheet refers to. Only a name with a hash counts as one, as a script
    /// has other texts too. Other tasks run meanwhile.
    pub(super) async fn follow(&mut self, file: &NamedFile, script: &[u8]) {
        self.fetched_bytes += script.len() as u64;
        let is_text = [".js", ".mjs", ".css"]
            .iter()
            .any(|end| file.name.ends_with(end));
        if !is_text || file.depth >= MAX_DEPTH {
            return;
        }
        let folder = file.name.rfind('/').map_or("/", |end| &file.name[..=end]);
        for piece in pieces(script) {
            for text in quoted(piece).filter(|text| paths::carries_hash(text)) {
                let name = match text.strip_prefix("./") {
                    Some(beside) => Some(format!("{folder}{beside}")),
                    None if text.starts_with(paths::HASHED) => Some(text.to_owned()),
                    None if text.starts_with(&paths::HASHED[1..]) => Some(format!("/{text}")),
                    None => None,
                };
                self.add(name, file.depth + 1);
            }
            yield_now().await;
        }
    }

    fn add(&mut self, name: Option<String>, depth: u32) {
        let has_room = self.named.len() < MAX_FILES;
        let Some(name) = name.filter(|name| has_room && is_plain(name)) else {
            return;
        };
        if self.named.insert(name.clone()) {
            self.waiting.push_back(NamedFile { name, depth });
        }
    }
}

/// `text` in pieces that take less than a millisecond each, cut where a quoted text begins or ends.
fn pieces(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let end = rest.iter().skip(PIECE_BYTES).position(is_quote);
        let (piece, after) = rest.split_at(end.map_or(rest.len(), |end| PIECE_BYTES + end));
        rest = after;
        (!piece.is_empty()).then_some(piece)
    })
}

fn is_quote(byte: &u8) -> bool {
    matches!(byte, b'"' | b'\'' | b'`' | b'(' | b')')
}

/// What stands between quotation marks or parentheses.
fn quoted(text: &[u8]) -> impl Iterator<Item = &str> {
    let parts = text.split(is_quote);
    let short = parts.filter(|part| part.len() <= MAX_NAME_BYTES);
    short.filter_map(|part| str::from_utf8(part).ok())
}

/// Is it the path of a file below /assets/ that every reader reads alike?
fn is_plain(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_graphic())
        && !name.contains(['?', '#', '<', '>'])
        && name.len() > paths::HASHED.len()
        && name.starts_with(paths::HASHED)
        && paths::is_static_path(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(plan: &mut FetchPlan) -> Vec<String> {
        std::iter::from_fn(|| plan.next())
            .map(|file| file.name)
            .collect()
    }

    #[test]
    fn scripts_styles_and_preloads_of_a_page_are_found_once_each() {
        let html = br#"<!doctype html><html><head>
            <script type="module" crossorigin src="/assets/index-BaqlnIud.js"></script>
            <link rel=modulepreload href='/assets/vendor-1.js'>
            <link rel="stylesheet" href="/assets/index-D.css"><link href="/favicon.ico">
            <link href="/assets/index-D.css"><script src="/assets/a.js?v=1"></script>
            <script src="https://other.test/assets/x.js"></script><a href="/assets/">x</a>
            <a href="/assets/../api/x">x</a><a href="/assets/a b.js">x</a></head></html>"#;
        let expected = [
            "/assets/index-BaqlnIud.js",
            "/assets/vendor-1.js",
            "/assets/index-D.css",
        ];
        assert_eq!(names(&mut FetchPlan::of_page(html)), expected);
        assert!(names(&mut FetchPlan::of_page(b"")).is_empty());
        assert!(names(&mut FetchPlan::of_page(b"\"/assets/\xff\"")).is_empty());
    }

    #[tokio::test]
    async fn what_a_script_or_a_style_sheet_names_is_followed_below_assets_only() {
        let script = br#"const d=(m.f=["assets/main-BP8DcnWJ.js","assets/main-x9o7QJ8O.css"]);
            import{a}from"./check-BtUF0cad.js";import'/assets/zap-BPnVb6y3.js';
            const l=()=>import(`./dynamic-BDx5JDZ4.js`);import"./check-BtUF0cad.js";
            fetch("/api/x-BDx5JDZ4.js");import("../up-BDx5JDZ4.js");import("./../up-BDx5JDZ4.js");
            import("https://other.test/assets/x-BDx5JDZ4.js");import("//other.test/x-BDx5JDZ4.js");
            x("./%2e%2e/x-BDx5JDZ4.js");x("./a b-BDx5JDZ4.js");x("./overview-settings.js");
            x("react-BDx5JDZ4.js")"#;
        let of_script = [
            "/assets/main-BP8DcnWJ.js",
            "/assets/main-x9o7QJ8O.css",
            "/assets/check-BtUF0cad.js",
            "/assets/zap-BPnVb6y3.js",
            "/assets/dynamic-BDx5JDZ4.js",
        ];
        let style = b"@font-face{src:url(/assets/a-aK5vsLov.woff2)}.a{b:url('./b-aK5vsLov.svg')}";
        let of_style = ["/assets/a-aK5vsLov.woff2", "/assets/b-aK5vsLov.svg"];
        for (name, content, expected) in [
            ("/assets/index-BaqlnIud.js", &script[..], &of_script[..]),
            ("/assets/index-BaqlnIud.css", style, &of_style),
            ("/assets/index-BaqlnIud.wasm", script, &[]),
        ] {
            let mut plan = FetchPlan::default();
            plan.add(Some(name.to_owned()), 1);
            let file = plan.next().expect("it");
            plan.follow(&file, content).await;
            assert_eq!(names(&mut plan), expected, "{name}");
        }
    }

    #[test]
    fn a_long_script_is_cut_between_two_names() {
        let name = r#""./a-BDx5JDZ4.js","#;
        let script = name.repeat(3 * PIECE_BYTES / name.len() + 1);
        let cut: Vec<_> = pieces(script.as_bytes()).collect();
        assert!(cut.len() > 2 && cut.iter().all(|piece| piece.len() < PIECE_BYTES + 99));
        assert_eq!(cut.concat(), script.as_bytes());
        let whole = quoted(script.as_bytes()).filter(|text| text.len() > 1);
        let by_pieces = cut.into_iter().flat_map(quoted);
        assert!(whole.eq(by_pieces.filter(|text| text.len() > 1)));
        assert_eq!(pieces(&[b' '; 9 * PIECE_BYTES]).count(), 1);
        assert_eq!(pieces(b"").count(), 0);
    }

    #[tokio::test]
    async fn the_number_the_bytes_and_the_depth_are_bounded() {
        let script = |offset: usize| -> String {
            let name = |number: usize| format!("\"./a-Ab{:06}.js\" ", offset + number);
            (0..1000).map(name).collect()
        };
        let mut plan = FetchPlan::of_page(script(0).replace("./", "/assets/").as_bytes());
        assert_eq!(names(&mut plan).len(), MAX_FILES);
        let mut plan = FetchPlan::of_page(b"\"/assets/a.js\"");
        let first = plan.next().expect("one");
        plan.follow(&first, &vec![b' '; MAX_BYTES as usize]).await;
        plan.follow(&first, script(0).as_bytes()).await;
        assert!(names(&mut plan).is_empty());
        let mut plan = FetchPlan::of_page(b"\"/assets/a.js\"");
        for depth in 1.. {
            let Some(file) = plan.next() else {
                assert_eq!(depth, MAX_DEPTH + 1);
                break;
            };
            let names_another = format!("'./a-Ab00000{depth}.js'");
            plan.follow(&file, names_another.as_bytes()).await;
        }
    }
}
