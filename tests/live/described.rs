//! A response without what is another each time, so that two can be compared.

use serde_json::Value;

use crate::common::http::Response;

/// Values that are another each time, or each place: their length is compared, or their type only.
const VOLATILE: [&str; 14] = [
    "id",
    "credential",
    "traceId",
    "expiresAt",
    "createdAt",
    "issuedAt",
    "ticket",
    "access_token",
    "token",
    "sessionId",
    "environmentId",
    "expires_in",
    "sessionCookieName",
    "lastConnectedAt",
];

/// Status, fields in their order, and body, without what is another each time.
pub(crate) fn described(response: &Response) -> String {
    let mut told = format!("{}\n", response.status);
    for interim in &response.interim {
        told.push_str(&format!("after {}\n", interim.status));
    }
    for (name, value) in &response.headers {
        let value = String::from_utf8_lossy(value);
        told.push_str(&format!("{name}: {}\n", masked(name, &value, response)));
    }
    told + &body(response)
}

fn masked(name: &str, value: &str, response: &Response) -> String {
    match name {
        "date" | "last-modified" => masked_digits(value),
        "content-length" if response.body.is_empty() => "some".to_owned(),
        "content-length" => format!("right: {}", value == response.body.len().to_string()),
        "etag" => {
            let is_hex =
                |part: &str| !part.is_empty() && part.bytes().all(|c| c.is_ascii_hexdigit());
            let parts = value
                .strip_prefix("W/\"")
                .and_then(|value| value.strip_suffix('"'));
            let parts = parts.and_then(|value| value.split_once('-'));
            match parts {
                Some((size, time)) if is_hex(size) && is_hex(time) => "W/\"hex-hex\"".to_owned(),
                _ => value.to_owned(),
            }
        }
        "set-cookie" => {
            let (pair, attributes) = value.split_once(';').unwrap_or((value, ""));
            let (cookie, token) = pair.split_once('=').unwrap_or((pair, ""));
            let cookie: Vec<usize> = cookie.split('_').map(str::len).collect();
            format!(
                "{cookie:?}={} characters;{}",
                token.len(),
                masked_digits(attributes)
            )
        }
        _ => value.to_owned(),
    }
}

/// The days and months of a date are words, of three letters each.
fn masked_digits(text: &str) -> String {
    let words = text
        .split(' ')
        .map(|word| match word.trim_end_matches(',').len() {
            3 if word != "GMT" => "Abc".to_owned(),
            _ => word.replace(|c: char| c.is_ascii_digit(), "0"),
        });
    words.collect::<Vec<_>>().join(" ")
}

fn body(response: &Response) -> String {
    let kind = response.header("content-type");
    let is_coded = !response.header("content-encoding").is_empty();
    let told = match kind.split(';').next().unwrap_or_default() {
        _ if response.body.is_empty() => "nothing".to_owned(),
        _ if is_coded => "coded".to_owned(),
        "application/json" | "application/manifest+json" => {
            let mut json = response.json();
            mask(&mut json);
            format!("{json:#}")
        }
        "text/html" => format!("a page: {}", response.text().contains("<html")),
        "text/plain" => response.text(),
        _ => "bytes".to_owned(),
    };
    format!("{told}\ncomplete: {}\n", response.complete)
}

pub(crate) fn mask(json: &mut Value) {
    match json {
        Value::Array(items) => items.iter_mut().for_each(mask),
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    // A host's name.
                    Value::String(text) if name == "label" && text != "bob" && text != "alice" => {
                        *value = "a text".into();
                    }
                    Value::String(text) if name == "pairUrl" => {
                        let end = text.find("#token=").map_or(text.len(), |at| at + 7);
                        text.truncate(end);
                    }
                    Value::String(text) if VOLATILE.contains(&name.as_str()) => {
                        *value = format!("{} characters", text.len()).into();
                    }
                    Value::Number(_) if VOLATILE.contains(&name.as_str()) => {
                        *value = "a number".into()
                    }
                    value => mask(value),
                }
            }
        }
        _ => {}
    }
}
