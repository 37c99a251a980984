//! `Accept-Encoding` read (RFC 9110 §12.5.3): which codings a client likes best. Pure.

use http::HeaderMap;
use http::header::ACCEPT_ENCODING;

use crate::assets::encoder::Coding;

/// The codings that a client likes best, all equally; empty where that is the body as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Liked([bool; 3]);

/// What a request says of its codings, in thousandths; `None` where it says nothing.
#[derive(Default)]
struct Weights {
    compressed: [Option<u16>; 3],
    identity: Option<u16>,
    rest: Option<u16>,
}

/// The codings that the client of a request with `headers` likes best. One that does not say what
/// it can decode gets the body as it is, and so does one that refuses everything.
pub(super) fn liked(headers: &HeaderMap) -> Liked {
    let mut weights = Weights::default();
    for line in headers.get_all(ACCEPT_ENCODING) {
        for member in line.as_bytes().split(|byte| *byte == b',') {
            weights.note(member);
        }
    }
    weights.liked()
}

impl Liked {
    /// One by one, the one with the smallest bodies first.
    pub(super) fn codings(self) -> impl Iterator<Item = Coding> {
        let pairs = Coding::COMPRESSED.into_iter().zip(self.0);
        pairs.filter_map(|(coding, is_liked)| is_liked.then_some(coding))
    }

    pub(super) fn has(self, coding: Coding) -> bool {
        self.codings().any(|liked| liked == coding)
    }
}

impl Weights {
    /// A coding that is named twice has its first weight; one whose weight is none is refused.
    fn note(&mut self, member: &[u8]) {
        let mut parts = member.splitn(2, |byte| *byte == b';');
        let name = parts.next().unwrap_or_default().trim_ascii();
        let weight = parts
            .next()
            .map_or(1000, |weight| thousandths(weight).unwrap_or(0));
        let held = match name.to_ascii_lowercase().as_slice() {
            b"br" => &mut self.compressed[0],
            b"zstd" => &mut self.compressed[1],
            b"gzip" | b"x-gzip" => &mut self.compressed[2],
            b"identity" => &mut self.identity,
            b"*" => &mut self.rest,
            _ => return,
        };
        held.get_or_insert(weight);
    }

    fn liked(&self) -> Liked {
        let weights = self
            .compressed
            .map(|weight| weight.or(self.rest).unwrap_or(0));
        let most = weights.into_iter().max().unwrap_or(0);
        // Where a client names both, it gets the smaller body; unnamed, the body as it is will do
        // when nothing else does.
        if most == 0 || most < self.identity.unwrap_or(0) {
            return Liked::default();
        }
        Liked(weights.map(|weight| weight == most))
    }
}

/// `q=` and a weight from 0 to 1 with at most three decimals (RFC 9110 §12.4.2).
fn thousandths(parameter: &[u8]) -> Option<u16> {
    let parameter = parameter.trim_ascii();
    let weight = parameter
        .strip_prefix(b"q=")
        .or_else(|| parameter.strip_prefix(b"Q="))?;
    let (whole, decimals) = match weight {
        [whole, b'.', decimals @ ..] => (whole, decimals),
        [whole] => (whole, &[][..]),
        _ => return None,
    };
    let is_number = matches!(whole, b'0' | b'1') && decimals.iter().all(u8::is_ascii_digit);
    if !is_number || decimals.len() > 3 {
        return None;
    }
    let digit = |index: usize| u16::from(decimals.get(index).unwrap_or(&b'0') - b'0');
    let weight = u16::from(whole - b'0') * 1000 + digit(0) * 100 + digit(1) * 10 + digit(2);
    (weight <= 1000).then_some(weight)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assets::negotiation::Coding::{Br, Gzip, Zstd};
    use crate::http_rules::header_map::from_lines;

    fn of(lines: &[&str]) -> Vec<Coding> {
        let lines: Vec<_> = lines
            .iter()
            .map(|line| ("accept-encoding", *line))
            .collect();
        liked(&from_lines(&lines)).codings().collect()
    }

    #[test]
    fn what_is_liked_best_is_found() {
        for (line, expected) in [
            ("gzip, deflate, br, zstd", &[Br, Zstd, Gzip][..]),
            ("gzip, deflate", &[Gzip]),
            ("gzip;q=1.0, br;q=0.9, zstd;q=0.9", &[Gzip]),
            ("br;q=0.001, gzip;q=0", &[Br]),
            ("br;q=0.8,zstd;q=0.80,gzip;q=0.799", &[Br, Zstd]),
            ("X-GZIP", &[Gzip]),
            ("BR ; Q=0.5 , gzip\t;\tq=0.4", &[Br]),
            ("*", &[Br, Zstd, Gzip]),
            ("*;q=0", &[]),
            ("gzip, *;q=0", &[Gzip]),
            ("br;q=0, *", &[Zstd, Gzip]),
            ("*;q=0.5, gzip;q=0.4", &[Br, Zstd]),
            ("identity", &[]),
            ("identity, gzip", &[Gzip]),
            ("identity;q=0.5, gzip;q=0.4", &[]),
            ("identity;q=0", &[]),
            ("identity;q=0, gzip;q=0.1", &[Gzip]),
            ("identity;q=0, *;q=0", &[]),
            ("", &[]),
            (",, ,", &[]),
            ("deflate, compress", &[]),
            ("br2, gzipped, xgzip", &[]),
            ("br;q=0, br", &[]),
            ("br;q=1.001", &[]),
            ("br;q=2", &[]),
            ("br;q=-1", &[]),
            ("br;q=0.1234", &[]),
            ("br;q=.5", &[]),
            ("br;q=", &[]),
            ("br;q", &[]),
            ("br;x=1", &[]),
            ("br;q=1.", &[Br]),
            ("br;q=0.5;level=3", &[]),
            ("br q=1", &[]),
        ] {
            assert_eq!(of(&[line]), expected, "{line:?}");
        }
        assert_eq!(of(&[]), []);
        assert_eq!(of(&["gzip", "br;q=0.9"]), [Gzip]);
        assert_eq!(of(&["", "br"]), [Br]);
    }

    #[test]
    fn rubbish_is_no_reason_to_fail() {
        let mut seed = 1_u32;
        let alphabet = b"brgzip*identq=;, 01.9\t-x";
        for _ in 0..20_000 {
            let text: String = (0..24)
                .map(|_| {
                    seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    char::from(alphabet[(seed >> 16) as usize % alphabet.len()])
                })
                .collect();
            let liked = of(&[&text]);
            assert!(liked.len() <= 3, "{text}");
        }
    }
}
