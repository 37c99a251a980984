//! HTML as it comes, with something put in where its head ends. Pure.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use lol_html::html_content::ContentType;
use lol_html::send::{HtmlRewriter, Settings};
use lol_html::{MemorySettings, OutputSink, element, end_tag};
use parking_lot::Mutex;

/// How much of a page is searched for the end of its head. A later t3 has 20 KiB of script there.
const LONGEST_HEAD: usize = 256 * 1024;

/// What the parser may hold back of that: no tag is longer.
const PARSER_MEMORY: usize = 512 * 1024;

/// HTML on its way: what is put in stands at the end of the head, once.
pub(super) struct Insertion {
    /// Until it is clear what becomes of the head.
    searching: Option<HtmlRewriter<'static, Sink>>,
    searched: usize,
    found: Sink,
}

impl Insertion {
    /// Puts `html` in, unless an element that `unless`, a CSS selector, means comes first.
    pub(super) fn new(html: &'static str, unless: &'static str) -> Self {
        let found = Sink::default();
        let (unwanted, head, body) = (found.clone(), found.clone(), found.clone());
        let settings = Settings::new_send()
            // What is no sound HTML is passed on as it is.
            .with_strict(false)
            .with_memory_settings(
                MemorySettings::new()
                    .with_max_allowed_memory_usage(PARSER_MEMORY)
                    .with_graceful_bail_out_on_memory_limit_exceeded(true),
            )
            .append_element_content_handler(element!(unless, move |_| {
                unwanted.refuse();
                Ok(())
            }))
            .append_element_content_handler(element!("head", move |element| {
                let head = head.clone();
                element.on_end_tag(end_tag!(move |end| {
                    if head.settle() {
                        end.before(html, ContentType::Html);
                    }
                    Ok(())
                }))
            }))
            // A head may end without a word.
            .append_element_content_handler(element!("body", move |element| {
                if body.settle() {
                    element.before(html, ContentType::Html);
                }
                Ok(())
            }));
        Self {
            searching: Some(HtmlRewriter::new(settings, found.clone())),
            searched: 0,
            found,
        }
    }

    /// What can go on, now that `chunk` has come. Once the head is through, that is the chunk.
    pub(super) fn push(&mut self, chunk: Bytes) -> Bytes {
        let Some(parser) = &mut self.searching else {
            return chunk;
        };
        let is_broken = parser.write(&chunk).is_err();
        self.searched += chunk.len();
        if is_broken {
            // It has given back all that it held.
            self.searching = None;
        } else if self.searched >= LONGEST_HEAD || self.found.is_settled() {
            return self.finish();
        }
        self.found.take()
    }

    /// What was held back.
    pub(super) fn finish(&mut self) -> Bytes {
        if let Some(parser) = self.searching.take() {
            // Only a handler of ours could fail here.
            let _ = parser.end();
        }
        self.found.take()
    }
}

impl fmt::Debug for Insertion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let searched = self.searched;
        write!(formatter, "Insertion {{ searched: {searched} }}")
    }
}

/// What the parser makes of what it was given, and what it saw.
#[derive(Debug, Clone, Default)]
pub(super) struct Sink(Arc<Mutex<Found>>);

#[derive(Debug, Default)]
struct Found {
    html: Vec<u8>,
    is_unwanted: bool,
    is_settled: bool,
}

impl Sink {
    /// What has come since it was last taken.
    pub(super) fn take(&self) -> Bytes {
        std::mem::take(&mut self.0.lock().html).into()
    }

    /// Nothing is to be put in.
    pub(super) fn refuse(&self) {
        self.0.lock().is_unwanted = true;
    }

    /// Is the head through?
    pub(super) fn is_settled(&self) -> bool {
        self.0.lock().is_settled
    }

    /// The head is through; true where something is to be put in, and that once.
    pub(super) fn settle(&self) -> bool {
        let mut found = self.0.lock();
        let is_first = !std::mem::replace(&mut found.is_settled, true);
        is_first && !found.is_unwanted
    }
}

impl OutputSink for Sink {
    fn handle_chunk(&mut self, chunk: &[u8]) {
        self.0.lock().html.extend_from_slice(chunk);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNLESS: &str = "link[rel~=manifest i]";

    fn inserted(chunks: &[&[u8]]) -> Vec<u8> {
        let mut insertion = Insertion::new("<NEW>", UNLESS);
        let mut out = Vec::new();
        for chunk in chunks {
            out.extend_from_slice(&insertion.push(Bytes::copy_from_slice(chunk)));
        }
        out.extend_from_slice(&insertion.finish());
        out
    }

    fn expect(page: &str) {
        let plain = page.replace("<NEW>", "");
        let bytes = plain.as_bytes();
        let shown = |out: Vec<u8>| String::from_utf8_lossy(&out).into_owned();
        assert_eq!(shown(inserted(&[bytes])), page);
        let single: Vec<_> = bytes.chunks(1).collect();
        assert_eq!(shown(inserted(&single)), page, "byte by byte");
        for middle in 0..=bytes.len() {
            let (one, two) = bytes.split_at(middle);
            assert_eq!(shown(inserted(&[one, two])), page, "cut at {middle}");
        }
    }

    #[test]
    fn it_stands_at_the_end_of_the_head_wherever_the_chunks_end() {
        for page in [
            "<!doctype html><html><head><title>T3 – ü</title><NEW></head><body><p>x</p></body></html>",
            "<HTML><HEAD><META charset=utf-8><NEW></HEAD ><BODY>x",
            "<head><script nonce=abc>let x = '<head></head><body>'</scr</script><NEW></head>x",
            "<head><!-- </head> --><style>b::after{content:'</head>'}</style><NEW></head>",
            "<head><link rel=icon href=/manifest><NEW></head><body><link rel=manifest></body>",
            "<head><NEW></head><body></body></html><head></head><body>",
        ] {
            expect(page);
        }
    }

    #[test]
    fn a_head_that_ends_without_a_word_ends_where_the_body_begins() {
        for page in [
            "<html><head><title>x</title><NEW><body class=a>y</body></html>",
            "<title>x</title><NEW><body>y",
            "<html><NEW><body>y</body>",
        ] {
            expect(page);
        }
    }

    #[test]
    fn what_is_no_page_or_has_its_own_is_left_as_it_is() {
        for page in [
            "",
            "x",
            "<",
            "<p>no head",
            "<head><title>cut",
            "<head><link REL='x Manifest' href=/m></head><body>x",
            "<head><title></head><body>in a title",
            "</head><p a=\"",
            "<head\0><a \"'=</hea",
            "\u{feff}{\"json\": \"<\"}",
        ] {
            expect(page);
        }
        let odd = [&b"<head>\xff\xfe</head"[..], b"\x80\x00"].concat();
        assert_eq!(inserted(&[&odd]), odd);
    }

    #[test]
    fn a_head_without_end_is_not_searched_for_ever() {
        let page = [b"<head>".to_vec(), b"<i>x</i>".repeat(40_000)].concat();
        let page = [&page[..], b"</head><body>"].concat();
        let chunks: Vec<_> = page.chunks(10_000).collect();
        assert!(inserted(&chunks) == page);
        // Nor is a tag without end held back for ever.
        let mut insertion = Insertion::new("<NEW>", UNLESS);
        let mut out = Vec::new();
        for _ in 0..30 {
            out.push(insertion.push(Bytes::from(vec![b'a'; 10_000])).len());
            out.push(insertion.push(Bytes::from_static(b"<p a=")).len());
        }
        let held = 30 * 10_005 - out.iter().sum::<usize>();
        assert_eq!(held, 0, "{out:?}");
    }
}
