//! A script of t3's size: minified code in one long literal, in front of the page's own script.
//!
//! gzip -6, zstd -3, brotli -5 and -11 compress it as they do t3's (contract §6), within 2 %: the shares below
//! were found by search. A literal costs a browser little more than its download.

use std::ops::Range;

use super::text::{Noise, Vocabulary};

const WORDS: usize = 234;
const SKEW: i32 = 11;

/// The shares of the pieces that are noise in Base64, and that are repeated.
const BLOBS: f64 = 0.137;
const REPEATS: f64 = 0.144;

/// The share of repetitions from nearby: from so many of the last pieces.
const NEAR: f64 = 0.77;
const NEAR_PIECES: usize = 200;

const BLOB_CHARS: usize = 256;
const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

const STATEMENTS: [&str; 10] = [
    "(a,b)=>a.@?@(b,\"@ @ @\"):@.@(a),",
    "(e,t)=>{let n=e.@();return t.@===n?null:@(n,{@:t,@:e})},",
    "{@:\"@ @ @ @\",@:!0,@:#},",
    "function(e){for(const t of e.@)if(t.@&&!@(t.@))return @.@(t,#)},",
    "\"@-@ @-@ @:@\",",
    "e=>e.@.map(t=>({...t,@:@(t.@)})),",
    "{type:\"@\",@:e=>@.@(e.@,\"@\"),@:[#,#,#]},",
    "async e=>{try{await @(e.@);return{@:e}}catch(t){@.@(\"@ @ @\",t)}},",
    "(e,t,n)=>@(\"@\",{className:\"@ @ @-#\",children:[t.@,@(n,{@:e})]}),",
    "t=>class extends t{@(e){this.@=e.@??@;super.@(e,#)}},",
];

/// Code of a length, with `script` at its end.
pub(super) fn grown(script: &str, bytes: usize, noise: &mut Noise) -> String {
    let (open, close) = ("const bundle = `\n", "`;\n");
    let room = bytes.saturating_sub(open.len() + close.len() + script.len());
    format!("{open}{}{close}{script}", filler(room, noise))
}

fn filler(bytes: usize, noise: &mut Noise) -> String {
    let vocabulary = Vocabulary::new(WORDS, SKEW, noise);
    let mut text = String::with_capacity(bytes + 4096);
    let mut pieces: Vec<Range<usize>> = Vec::new();
    while text.len() < bytes {
        let start = text.len();
        let kind = noise.unit();
        if kind < BLOBS {
            blob(noise, &mut text);
        } else if kind < BLOBS + REPEATS && !pieces.is_empty() {
            text.extend_from_within(earlier(&pieces, noise));
        } else {
            for _ in 0..=noise.below(4) {
                vocabulary.fill(STATEMENTS[noise.below(STATEMENTS.len())], noise, &mut text);
                text.push('\n');
            }
            pieces.push(start..text.len());
        }
    }
    text.truncate(bytes);
    text
}

fn blob(noise: &mut Noise, text: &mut String) {
    text.push('"');
    text.extend((0..BLOB_CHARS).map(|_| char::from(BASE64[noise.below(BASE64.len())])));
    text.push_str("\",\n");
}

fn earlier(pieces: &[Range<usize>], noise: &mut Noise) -> Range<usize> {
    let among = match noise.unit() < NEAR {
        true => pieces.len().min(NEAR_PIECES),
        false => pieces.len(),
    };
    pieces[pieces.len() - 1 - noise.below(among)].clone()
}
