//! Offers of WebSocket extensions, taken and refused like the ws library does.

use super::deflate::Deflate;

const PERMESSAGE_DEFLATE: &str = "permessage-deflate";

/// The window of DEFLATE in bits, and the smallest that an offer may name (RFC 7692 §7.1.2).
const WINDOW_BITS: u8 = 15;
const MIN_WINDOW_BITS: u8 = 8;

/// permessage-deflate by its first offer, if there is one; `None` if the offers are refused (contract §10).
pub(super) fn accept(offered: &str) -> Option<Option<Deflate>> {
    let offers: Vec<(&str, Vec<Parameter<'_>>)> =
        offered.split(',').map(offer).collect::<Option<_>>()?;
    let mut deflates = offers
        .into_iter()
        .filter(|(name, _)| *name == PERMESSAGE_DEFLATE)
        .map(|(_, parameters)| deflate(&parameters))
        .collect::<Option<Vec<Deflate>>>()?;
    deflates.reverse();
    Some(deflates.pop())
}

/// RFC 9110 §5.6.2.
pub(super) fn is_token(text: &str) -> bool {
    let sign = |c: u8| c.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&c);
    !text.is_empty() && text.bytes().all(sign)
}

type Parameter<'a> = (&'a str, Option<&'a str>);

fn offer(offer: &str) -> Option<(&str, Vec<Parameter<'_>>)> {
    let mut parts = offer.split(';').map(str::trim);
    let name = parts.next().filter(|name| is_token(name))?;
    Some((name, parts.map(parameter).collect::<Option<_>>()?))
}

fn parameter(part: &str) -> Option<Parameter<'_>> {
    let (name, value) = match part.split_once('=') {
        Some((name, value)) => (name.trim(), Some(value.trim().trim_matches('"'))),
        None => (part, None),
    };
    (is_token(name) && value.is_none_or(is_token)).then_some((name, value))
}

/// Every parameter once, with a value that it may have. The answer repeats all but a window without a size.
fn deflate(parameters: &[Parameter<'_>]) -> Option<Deflate> {
    let mut deflate = Deflate {
        answer: PERMESSAGE_DEFLATE.to_owned(),
        resets_sent: false,
        resets_received: false,
        sends_plain: false,
    };
    for (at, (name, value)) in parameters.iter().enumerate() {
        if parameters[..at].iter().any(|(before, _)| before == name) {
            return None;
        }
        match (*name, value) {
            ("server_no_context_takeover", None) => deflate.resets_sent = true,
            ("client_no_context_takeover", None) => deflate.resets_received = true,
            ("client_max_window_bits", None) => continue,
            ("client_max_window_bits", Some(bits)) => drop(window(bits)?),
            ("server_max_window_bits", Some(bits)) => {
                deflate.sends_plain = window(bits)? < WINDOW_BITS
            }
            _ => return None,
        }
        deflate.answer.push_str("; ");
        deflate.answer.push_str(name);
        if let Some(value) = value {
            deflate.answer.push('=');
            deflate.answer.push_str(value);
        }
    }
    Some(deflate)
}

fn window(bits: &str) -> Option<u8> {
    let bits: u8 = bits.parse().ok()?;
    (MIN_WINDOW_BITS..=WINDOW_BITS)
        .contains(&bits)
        .then_some(bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offers_are_taken_or_refused() {
        for (offered, answer) in [
            ("permessage-deflate", Some(Some("permessage-deflate"))),
            (
                "permessage-deflate; client_max_window_bits",
                Some(Some("permessage-deflate")),
            ),
            (
                "x, permessage-deflate; server_max_window_bits=10, permessage-deflate",
                Some(Some("permessage-deflate; server_max_window_bits=10")),
            ),
            ("foo; a=b", Some(None)),
            ("", None),
            ("permessage-deflate; server_max_window_bits=99", None),
            ("permessage-deflate; server_max_window_bits", None),
            ("permessage-deflate; unknown", None),
            (
                "permessage-deflate; client_no_context_takeover; client_no_context_takeover",
                None,
            ),
            ("permessage-deflate, ", None),
        ] {
            let accepted = accept(offered).map(|deflate| deflate.map(|deflate| deflate.answer));
            let answer = answer.map(|answer| answer.map(str::to_owned));
            assert_eq!(accepted, answer, "{offered}");
        }
    }
}
