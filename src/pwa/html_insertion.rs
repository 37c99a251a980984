//! Inserts markup at the end of an HTML page's head, or amends what is there, while the page streams by. Pure.

use bytes::Bytes;
use lol_html::html_content::ContentType;
use lol_html::send::{HtmlRewriter, Settings};
use lol_html::{MemorySettings, element, end_tag};

use crate::http_rules::script_policy;
use crate::pwa::head_output::{HeadOutput, Insertions};

/// How much of a page is searched for the end of its head. t3 after v0.0.28 has 20 KiB of script
/// there.
const MAX_HEAD_BYTES: usize = 256 * 1024;

/// The parser's memory, which holds the tag that it is in.
const PARSER_MEMORY_BYTES: usize = 512 * 1024;

/// The CSS selector of a manifest that the page has already.
const OWN_MANIFEST: &str = "link[rel~=manifest i]";

/// That of a policy that the page brings itself.
const OWN_POLICY: &str = "meta[http-equiv=content-security-policy i]";

/// That of a base: a path leads elsewhere then.
const OWN_BASE: &str = "base[href]";

/// One page on its way.
pub(super) struct HeadInsertion {
    /// The parser, until the head has ended.
    parser: Option<HtmlRewriter<'static, HeadOutput>>,
    parsed_bytes: usize,
    output: HeadOutput,
}

impl HeadInsertion {
    /// Inserts the tags of an app once, unless the head has a link to a manifest: that one is fetched with
    /// cookies then, and what is asked ahead is inserted. That and the script are not inserted if a policy in
    /// the head forbids it or the page has another base.
    pub(super) fn new(insertions: Insertions) -> Self {
        let output = HeadOutput::new(insertions);
        let (own, policy, base) = (output.clone(), output.clone(), output.clone());
        let (head, body) = (output.clone(), output.clone());
        let settings = Settings::new_send()
            // Malformed HTML passes unchanged.
            .with_strict(false)
            .with_memory_settings(
                MemorySettings::new()
                    .with_max_allowed_memory_usage(PARSER_MEMORY_BYTES)
                    .with_graceful_bail_out_on_memory_limit_exceeded(true),
            )
            .append_element_content_handler(element!(OWN_MANIFEST, move |link| {
                match insertions.app {
                    Some(_) => own.amend(link),
                    None => Ok(()),
                }
            }))
            .append_element_content_handler(element!(OWN_POLICY, move |meta| {
                let held = meta.get_attribute("content").unwrap_or_default();
                // What is written by references to characters is not read here.
                if held.contains('&') || !script_policy::is_allowed_by(held.as_bytes()) {
                    policy.restrict();
                }
                Ok(())
            }))
            .append_element_content_handler(element!(OWN_BASE, move |_| {
                base.restrict();
                Ok(())
            }))
            .append_element_content_handler(element!("head", move |element| {
                let head = head.clone();
                element.on_end_tag(end_tag!(move |end| {
                    end.before(&head.end_head(), ContentType::Html);
                    Ok(())
                }))
            }))
            // The end tag of the head may be omitted.
            .append_element_content_handler(element!("body", move |element| {
                element.before(&body.end_head(), ContentType::Html);
                Ok(())
            }));
        Self {
            parser: Some(HtmlRewriter::new(settings, output.clone())),
            parsed_bytes: 0,
            output,
        }
    }

    /// Takes the next `chunk` and returns what can be sent on.
    pub(super) fn push(&mut self, chunk: Bytes) -> Bytes {
        let Some(parser) = &mut self.parser else {
            return chunk;
        };
        let is_broken = parser.write(&chunk).is_err();
        self.parsed_bytes += chunk.len();
        if is_broken {
            // The parser has given back all that it held.
            self.parser = None;
        } else if self.parsed_bytes >= MAX_HEAD_BYTES || self.output.has_head_ended() {
            return self.finish();
        }
        self.output.take()
    }

    /// Ends the parser and returns what it has held back.
    pub(super) fn finish(&mut self) -> Bytes {
        if let Some(parser) = self.parser.take() {
            // Only a handler could fail here, and none does.
            let _ = parser.end();
        }
        self.output.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inserted(chunks: &[&[u8]]) -> Vec<u8> {
        let mut insertion = HeadInsertion::new(Insertions {
            app: Some("<NEW>"),
            ..Insertions::default()
        });
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
    fn a_head_without_an_end_tag_ends_where_the_body_begins() {
        for page in [
            "<html><head><title>x</title><NEW><body class=a>y</body></html>",
            "<title>x</title><NEW><body>y",
            "<html><NEW><body>y</body>",
        ] {
            expect(page);
        }
    }

    #[test]
    fn a_page_without_a_head_or_with_a_manifest_is_unchanged() {
        for page in [
            "",
            "x",
            "<",
            "<p>no head",
            "<head><title>cut",
            "<head><link REL='x Manifest' href=//other.test/m></head><body>x",
            "<head><link rel=manifest href='/\\other.test/m'></head><body>x",
            "<head><link rel=manifest href=\"https://other.test/m\"></head><body>x",
            "<head><link rel=manifest></head><body>x",
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
    fn a_manifest_of_this_origin_is_fetched_with_cookies() {
        for (link, expected) in [
            (
                "<link rel=\"manifest\" href=\"/manifest.webmanifest\" />",
                "<link rel=\"manifest\" href=\"/manifest.webmanifest\" crossorigin=\"use-credentials\" />",
            ),
            (
                "<link REL='x Manifest' href=/m>",
                "<link REL='x Manifest' href=/m crossorigin=\"use-credentials\">",
            ),
            (
                "<link crossorigin rel=manifest href=/m>",
                "<link crossorigin=\"use-credentials\" rel=manifest href=/m>",
            ),
            (
                "<link rel=manifest href=/m crossorigin=anonymous>",
                "<link rel=manifest href=/m crossorigin=\"use-credentials\">",
            ),
        ] {
            let page = |link: &str| format!("<head><title>a</title>{link}</head><body>{link}");
            let given = page(link);
            let expected = format!("<head><title>a</title>{expected}</head><body>{link}");
            for middle in 0..=given.len() {
                let (one, two) = given.as_bytes().split_at(middle);
                let out = String::from_utf8(inserted(&[one, two])).expect("UTF-8");
                assert_eq!(out, expected, "cut at {middle}");
            }
        }
    }

    #[test]
    fn the_search_for_the_end_of_the_head_is_bounded() {
        let page = [b"<head>".to_vec(), b"<i>x</i>".repeat(40_000)].concat();
        let page = [&page[..], b"</head><body>"].concat();
        let chunks: Vec<_> = page.chunks(10_000).collect();
        assert!(inserted(&chunks) == page);
        // Nor is an endless tag held back for ever.
        let mut insertion = HeadInsertion::new(Insertions {
            app: Some("<NEW>"),
            ..Insertions::default()
        });
        let mut out = Vec::new();
        for _ in 0..30 {
            out.push(insertion.push(Bytes::from(vec![b'a'; 10_000])).len());
            out.push(insertion.push(Bytes::from_static(b"<p a=")).len());
        }
        let held = 30 * 10_005 - out.iter().sum::<usize>();
        assert_eq!(held, 0, "{out:?}");
    }
}
