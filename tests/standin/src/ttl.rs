//! The CLI's `--ttl` values: which texts it accepts.

/// Milliseconds of a `--ttl` text, or `None` where the CLI refuses it (contract §1).
pub(crate) fn parse(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (count, unit) = text.split_at(digits);
    let count: u64 = count.parse().ok()?;
    let unit_ms = match unit.strip_prefix(' ') {
        Some(word) => word_ms(word.strip_suffix('s').unwrap_or(word))?,
        None => letter_ms(unit)?,
    };
    count.checked_mul(unit_ms)
}

fn letter_ms(unit: &str) -> Option<u64> {
    Some(match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        "w" => 604_800_000,
        _ => return None,
    })
}

fn word_ms(unit: &str) -> Option<u64> {
    Some(match unit {
        "milli" => 1,
        "second" => 1_000,
        "minute" => 60_000,
        "hour" => 3_600_000,
        "day" => 86_400_000,
        "week" => 604_800_000,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_and_refuses_what_the_contract_lists() {
        for (text, ms) in [
            ("5m", 300_000),
            ("1h", 3_600_000),
            ("30d", 2_592_000_000),
            ("15 minutes", 900_000),
            ("1s", 1_000),
            ("0s", 0),
        ] {
            assert_eq!(parse(text), Some(ms), "{text}");
        }
        for text in [
            "abc",
            "5",
            "300",
            "1.5h",
            "",
            "m",
            "5 ",
            "5  minutes",
            "99999999999999999999d",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
