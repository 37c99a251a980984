//! The content codings that a client prefers, from `Accept-Encoding` (RFC 9110 §12.5.3). Pure.

use http::header::ACCEPT_ENCODING;

use crate::assets::encoder::Coding;
use crate::http_rules::HeaderView;
use crate::http_rules::grammar::list_members;

/// The compressing codings with the client's highest weight; empty if it prefers identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct PreferredCodings([bool; 3]);

/// From this length on zstd, which takes a quarter of the time, is at least as small as t3's own brotli
/// (quality 4). Of the shorter ones among the 160 scripts of a page of v0.0.42 (contract §11) a seventh
/// is larger.
const ZSTD_MIN_BYTES: u64 = 128 * 1024;

/// The weights of a request in thousandths; `None` for a coding that is not named.
#[derive(Default)]
struct CodingWeights {
    compressed: [Option<u16>; 3],
    identity: Option<u16>,
    /// `*`
    others: Option<u16>,
}

/// The codings that the client of a request with `fields` prefers: none, which means identity, if
/// it names no coding that is known here, or refuses all.
pub(super) fn preferred_codings(fields: &(impl HeaderView + ?Sized)) -> PreferredCodings {
    let mut weights = CodingWeights::default();
    let lines = fields.lines(&ACCEPT_ENCODING);
    lines
        .flat_map(list_members)
        .for_each(|member| weights.note(member));
    weights.preferred()
}

impl PreferredCodings {
    /// The codings, the one with the smallest bodies first.
    pub(super) fn codings(self) -> impl Iterator<Item = Coding> {
        let pairs = Coding::COMPRESSED.into_iter().zip(self.0);
        pairs.filter_map(|(coding, is_preferred)| is_preferred.then_some(coding))
    }

    /// May the client's response be in `coding`?
    pub(super) fn accepts(self, coding: Coding) -> bool {
        match self.codings().next() {
            None => coding == Coding::Identity,
            Some(_) => self.codings().any(|preferred| preferred == coding),
        }
    }

    /// The coding of a file of `length` bytes that is encoded while a client waits: no larger than what
    /// t3 itself would send.
    pub(super) fn fast_coding(self, length: u64) -> Coding {
        match length >= ZSTD_MIN_BYTES && self.accepts(Coding::Zstd) {
            true => Coding::Zstd,
            false => self.codings().next().unwrap_or(Coding::Identity),
        }
    }
}

impl CodingWeights {
    /// Of a coding named twice the first weight counts; a malformed weight means refused.
    fn note(&mut self, member: &[u8]) {
        let mut parts = member.splitn(2, |byte| *byte == b';');
        let name = parts.next().unwrap_or_default().trim_ascii();
        let weight = parts
            .next()
            .map_or(1000, |weight| thousandths(weight).unwrap_or(0));
        let is = |coding: &[u8]| name.eq_ignore_ascii_case(coding);
        let held = match name {
            _ if is(b"br") => &mut self.compressed[0],
            _ if is(b"zstd") => &mut self.compressed[1],
            _ if is(b"gzip") || is(b"x-gzip") => &mut self.compressed[2],
            _ if is(b"identity") => &mut self.identity,
            b"*" => &mut self.others,
            _ => return,
        };
        held.get_or_insert(weight);
    }

    fn preferred(&self) -> PreferredCodings {
        let weights = self
            .compressed
            .map(|weight| weight.or(self.others).unwrap_or(0));
        let highest = weights.into_iter().max().unwrap_or(0);
        // A compressed body wins over identity of the same weight; identity that is not named is
        // acceptable only when nothing else is.
        if highest == 0 || highest < self.identity.unwrap_or(0) {
            return PreferredCodings::default();
        }
        PreferredCodings(weights.map(|weight| weight == highest))
    }
}

/// The weight of `q=…`, 0 to 1 with at most three decimals (RFC 9110 §12.4.2), in thousandths.
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
    use crate::assets::encoder::Coding::{Br, Gzip, Zstd};
    use crate::http_rules::header_map::from_lines;

    fn of(lines: &[&str]) -> Vec<Coding> {
        let lines: Vec<_> = lines
            .iter()
            .map(|line| ("accept-encoding", *line))
            .collect();
        preferred_codings(&from_lines(&lines)).codings().collect()
    }

    #[test]
    fn the_preferred_codings_are_those_of_the_highest_weight() {
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
    fn zstd_is_for_long_files_only() {
        let lengths = [1024, ZSTD_MIN_BYTES - 1, ZSTD_MIN_BYTES];
        for (line, expected) in [
            ("gzip, deflate, br, zstd", [Br, Br, Zstd]),
            ("gzip, deflate, br", [Br; 3]),
            ("zstd, gzip", [Zstd; 3]),
            ("gzip", [Gzip; 3]),
            ("", [Coding::Identity; 3]),
        ] {
            let preferred = preferred_codings(&from_lines(&[("accept-encoding", line)]));
            assert_eq!(
                lengths.map(|length| preferred.fast_coding(length)),
                expected
            );
            assert_eq!(
                preferred.accepts(Coding::Identity),
                line.is_empty(),
                "{line}"
            );
        }
        assert_eq!(
            PreferredCodings([true, false, false]),
            preferred_codings(&from_lines(&[("accept-encoding", "br")]))
        );
    }

    #[test]
    fn malformed_lines_do_not_panic() {
        let mut seed = 1_u32;
        let alphabet = b"brgzip*identq=;, 01.9\t-x";
        for _ in 0..20_000 {
            let text: String = (0..24)
                .map(|_| {
                    seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    char::from(alphabet[(seed >> 16) as usize % alphabet.len()])
                })
                .collect();
            let codings = of(&[&text]);
            assert!(codings.len() <= 3, "{text}");
        }
    }
}
