//! Whether a body that anybody may have written decodes to known bytes, here and in every browser. Pure.

use std::io::Read;

use crate::assets::encoder::{Coding, Form, MAX_BROTLI_WINDOW_BITS};

/// How many bytes are decoded and compared at a time.
const PIECE_BYTES: usize = 64 * 1024;

/// The size of brotli's input buffer.
const BROTLI_BUFFER_BYTES: usize = 4096;

/// Is `body` exactly one body in `form`'s coding, and `original` what it decodes to? Decoding stops at the
/// first byte that differs. What not every decoder reads alike is refused: something behind the end, a
/// window of brotli that is wider than the one used here, optional fields of gzip.
pub(super) fn decodes_to(form: Form, body: &[u8], original: &[u8]) -> bool {
    match form.coding {
        Coding::Br => {
            let mut decoder = brotli::Decompressor::new(body, BROTLI_BUFFER_BYTES);
            has_usual_window(body) && yields(&mut decoder, original) && decoder.get_ref().is_empty()
        }
        Coding::Gzip => {
            let mut decoder = flate2::bufread::GzDecoder::new(body);
            has_bare_header(body) && yields(&mut decoder, original) && decoder.get_ref().is_empty()
        }
        Coding::Identity | Coding::Zstd => false,
    }
}

/// Does `decoder` give exactly `expected`?
fn yields(decoder: &mut impl Read, mut expected: &[u8]) -> bool {
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        match decoder.read(&mut piece) {
            // Brotli's decoder tells only then that it has read something behind the end.
            Ok(0) => return expected.is_empty() && matches!(decoder.read(&mut piece), Ok(0)),
            Ok(length) => match expected.strip_prefix(&piece[..length]) {
                Some(rest) => expected = rest,
                None => return false,
            },
            Err(_) => return false,
        }
    }
}

/// The first bits of a body in brotli are those of its window (RFC 7932 §9.1). Those of the large ones, which
/// no browser takes, are among the ones that are not known here.
fn has_usual_window(body: &[u8]) -> bool {
    let Some(first) = body.first() else {
        return false;
    };
    let bits = match (first & 1, (first >> 1) & 7, (first >> 4) & 7) {
        (0, _, _) => 16,
        (_, 0, 0) => 17,
        (_, 0, _) => return false,
        (_, more, _) => 17 + i32::from(more),
    };
    bits <= MAX_BROTLI_WINDOW_BITS
}

/// Is none of the flags of gzip's optional fields set (RFC 1952 §2.3.1)?
fn has_bare_header(body: &[u8]) -> bool {
    body.get(3) == Some(&0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assets::encoder::Encoder;

    fn encoded(form: Form, original: &[u8]) -> Vec<u8> {
        let mut encoder = Encoder::new(form, original.len() as u64).expect("an encoder");
        encoder.write(original).expect("encoded");
        encoder.finish().expect("a body").to_vec()
    }

    fn original() -> Vec<u8> {
        (0..300_000_u32).map(|number| (number >> 5) as u8).collect()
    }

    #[test]
    fn what_the_encoders_make_is_taken() {
        for length in [0, 1, 1024, 70_000, 300_000] {
            let original = &original()[..length];
            for form in [Form::GZIP, Form::BEST_BR] {
                let body = encoded(form, original);
                assert!(decodes_to(form, &body, original), "{form:?} {length}");
            }
        }
    }

    #[test]
    fn anything_else_is_refused() {
        let original = original();
        let (mut other, bomb) = (original.clone(), vec![0; 64 * 1024 * 1024]);
        other[299_999] ^= 1;
        let forms = [Form::GZIP, Form::BEST_BR];
        for (form, other_form) in forms.into_iter().zip([Form::BEST_BR, Form::GZIP]) {
            let body = encoded(form, &original);
            for bad in [
                encoded(form, &other),
                encoded(form, &original[..299_999]),
                encoded(form, &[&original[..], b"x"].concat()),
                encoded(form, b""),
                encoded(form, &bomb),
                body[..body.len() - 1].to_vec(),
                [&body[..], b"x"].concat(),
                [&body[..], &body].concat(),
                [&body[..], &vec![0; 100_000]].concat(),
                encoded(other_form, &original),
                original.clone(),
                Vec::new(),
            ] {
                assert!(!decodes_to(form, &bad, &original), "{form:?} {}", bad.len());
            }
            for place in 0..body.len() {
                let mut bad = body.clone();
                bad[place] ^= 0x40;
                // A few bits say nothing of the content: gzip's time and system, and what fills the last
                // byte before its sum.
                let is_idle = (4..10).contains(&place) || place + 9 == body.len();
                let is_idle = is_idle && form == Form::GZIP;
                assert!(
                    !decodes_to(form, &bad, &original) || is_idle,
                    "{form:?} {place}"
                );
            }
        }
    }

    #[test]
    fn what_decoders_do_not_read_alike_is_refused() {
        let text = vec![b'x'; 2000];
        let mut named = flate2::GzBuilder::new()
            .filename("a")
            .write(Vec::new(), flate2::Compression::new(6));
        std::io::Write::write_all(&mut named, &text).expect("encoded");
        let named = named.finish().expect("a body");
        assert!(!decodes_to(Form::GZIP, &named, &text));
        for (window, is_large, expected) in [
            (16, false, true),
            (21, false, true),
            (22, false, false),
            (24, false, false),
            (25, true, false),
        ] {
            let parameters = brotli::enc::BrotliEncoderParams {
                lgwin: window,
                large_window: is_large,
                quality: 5,
                ..Default::default()
            };
            let mut body = Vec::new();
            brotli::BrotliCompress(&mut &text[..], &mut body, &parameters).expect("encoded");
            let mut plain = Vec::new();
            let mut decoder = brotli::Decompressor::new(&body[..], 4096);
            decoder
                .read_to_end(&mut plain)
                .expect("the decoder here reads it");
            assert_eq!(plain, text);
            assert_eq!(
                decodes_to(Form::BEST_BR, &body, &text),
                expected,
                "{window}"
            );
        }
    }
}
