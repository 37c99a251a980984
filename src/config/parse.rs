//! The syntax of single option values. Pure; an error says what is wanted instead.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use http::StatusCode;
use ipnet::IpNet;
use tracing_subscriber::filter::{LevelFilter, Targets};

pub(super) fn listen_host(text: &str) -> Result<IpAddr, String> {
    match text {
        "localhost" => Ok(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        "*" => Ok(IpAddr::V6(Ipv6Addr::UNSPECIFIED)),
        _ => unbracketed(text)
            .parse()
            .map_err(|_| "an IP address or `localhost` is needed".to_owned()),
    }
}

pub(super) fn upstream_host(text: &str) -> Result<String, String> {
    let host = unbracketed(text);
    let is_name = !host.is_empty()
        && host
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'));
    if is_name || host.parse::<IpAddr>().is_ok() {
        Ok(host.to_owned())
    } else {
        Err("a host name or an IP address is needed, without scheme or port".to_owned())
    }
}

fn unbracketed(host: &str) -> &str {
    host.strip_prefix('[')
        .and_then(|inner| inner.strip_suffix(']'))
        .unwrap_or(host)
}

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|error| error.to_string())
}

/// A time that is not zero: one that is never over is written as a long one.
pub(super) fn time_above_zero(text: &str) -> Result<Duration, String> {
    let time = duration(text)?;
    let is_some = !time.is_zero();
    is_some
        .then_some(time)
        .ok_or_else(|| "a time above 0 is needed".to_owned())
}

/// `on` or `off`.
pub(super) fn switch() -> impl TypedValueParser<Value = bool> {
    PossibleValuesParser::new(["on", "off"]).map(|text| text == "on")
}

/// A name, or `@` and a domain.
pub(super) fn user(text: &str) -> Result<String, String> {
    let entry = text.trim_matches([' ', '\t']);
    match entry.strip_prefix('@') {
        Some(name) => domain(name).map(|domain| format!("@{domain}")),
        None => group(entry),
    }
}

pub(super) fn domain(text: &str) -> Result<String, String> {
    match text.trim_matches([' ', '\t']) {
        domain if !domain.is_empty() && !domain.contains('@') => Ok(domain.to_owned()),
        _ => Err("a domain such as example.org is needed".to_owned()),
    }
}

pub(super) fn group(text: &str) -> Result<String, String> {
    match text.trim_matches([' ', '\t']) {
        "" => Err("a name is needed".to_owned()),
        name => Ok(name.to_owned()),
    }
}

/// A scope of t3's, as `orchestration:read`. Who holds one of `access:` may give all others (contract §4).
pub(super) fn guest_scope(text: &str) -> Result<String, String> {
    let is_word = |word: &str| {
        let is_plain =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        !word.is_empty() && !word.starts_with('-') && word.bytes().all(is_plain)
    };
    match text.trim_matches([' ', '\t']).split_once(':') {
        Some(("access", _)) => Err("a guest with access:… could take any rights".to_owned()),
        Some((part, right)) if is_word(part) && is_word(right) => Ok(format!("{part}:{right}")),
        _ => Err("a scope such as orchestration:read is needed".to_owned()),
    }
}

pub(super) fn separator(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        [byte] if byte.is_ascii_graphic() => Ok(*byte),
        _ => Err("one visible ASCII character is needed".to_owned()),
    }
}

/// A single address is a network of one.
pub(super) fn network(text: &str) -> Result<IpNet, String> {
    let text = text.trim();
    let single = text.parse::<IpAddr>().map(IpNet::from);
    single
        .or_else(|_| text.parse::<IpNet>())
        .map_err(|_| "a network such as 10.0.0.0/8 is needed".to_owned())
}

pub(super) fn count(text: &str) -> Result<usize, String> {
    let count = text.parse().ok().filter(|count| *count > 0);
    count.ok_or_else(|| "a number above 0 is needed".to_owned())
}

/// Bytes, or a number of them with its unit.
pub(super) fn size(text: &str) -> Result<usize, String> {
    let text = text.trim();
    let digits =
        text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic() || letter == ' ');
    let unit = match text[digits.len()..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => Some(1),
        "k" | "kib" => Some(1 << 10),
        "m" | "mib" => Some(1 << 20),
        "g" | "gib" => Some(1 << 30),
        _ => None,
    };
    let bytes = digits.parse::<usize>().ok().zip(unit);
    let bytes = bytes.and_then(|(count, unit)| count.checked_mul(unit));
    bytes.ok_or_else(|| "a size such as 32MiB is needed".to_owned())
}

/// hyper reads in steps of at least 8 KiB.
pub(super) fn header_limit(text: &str) -> Result<usize, String> {
    let limit = text.parse().ok();
    limit
        .filter(|limit| (8192..=16 * 1024 * 1024).contains(limit))
        .ok_or_else(|| "a number of bytes from 8192 to 16777216 is needed".to_owned())
}

pub(super) fn page_status(text: &str) -> Result<StatusCode, String> {
    let status = text
        .parse::<u16>()
        .ok()
        .filter(|code| (200..600).contains(code));
    status
        .and_then(|code| StatusCode::from_u16(code).ok())
        .filter(|status| !matches!(status.as_u16(), 204 | 205 | 304))
        .ok_or_else(|| "a status that has a page, such as 503 or 200, is needed".to_owned())
}

/// What a link leads to: never a script.
pub(super) fn link(text: &str) -> Result<String, String> {
    let is_path = text.starts_with('/') && !text.starts_with("//") && !text.contains('\\');
    let is_address = ["https://", "http://"]
        .iter()
        .any(|scheme| text.starts_with(scheme));
    let is_link = (is_path || is_address) && text.parse::<http::Uri>().is_ok();
    let needed = || "a path such as /sign_out, or an address with https://, is needed".to_owned();
    is_link.then(|| text.to_owned()).ok_or_else(needed)
}

/// A bare word that is no level would be taken for a target that is to log everything.
pub(super) fn log_filter(text: &str) -> Result<Targets, String> {
    for directive in text.split(',') {
        if !directive.contains('=') && directive.trim().parse::<LevelFilter>().is_err() {
            return Err(format!(
                "`{directive}` is neither a level nor `target=level`"
            ));
        }
    }
    text.parse::<Targets>().map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_leads_to_a_page() {
        for (text, expected) in [
            ("/oauth2/sign_out", true),
            ("/?gcp-iap-mode=CLEAR_LOGIN_COOKIE", true),
            ("https://auth.example.org/logout", true),
            ("//evil.example/", false),
            ("/\\evil.example/", false),
            ("javascript:alert(1)", false),
            ("https://", false),
            ("/a b", false),
            ("sign_out", false),
            ("", false),
        ] {
            assert_eq!(link(text).is_ok(), expected, "{text}");
        }
    }

    #[test]
    fn sizes_have_units() {
        for (text, expected) in [
            ("0", Some(0)),
            ("4096", Some(4096)),
            ("32MiB", Some(32 << 20)),
            ("32 mib", Some(32 << 20)),
            ("8K", Some(8192)),
            ("1g", Some(1 << 30)),
            ("", None),
            ("MiB", None),
            ("-1", None),
            ("1.5MiB", None),
            ("32MB", None),
            ("99999999999g", None),
        ] {
            assert_eq!(size(text).ok(), expected, "{text}");
        }
    }
}
