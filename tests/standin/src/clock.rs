//! Times as t3 writes them: ISO 8601, HTTP dates, log times.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

const DAY_MS: u64 = 86_400_000;

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// 1970-01-01 was a Thursday.
const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];

/// How long a session lives: 30 days (contract §1, §3).
pub(crate) const SESSION_TTL_MS: u64 = 30 * DAY_MS;

/// How long a pairing credential or a WebSocket ticket lives: 5 minutes (contract §1, §4).
pub(crate) const PAIRING_TTL_MS: u64 = 300_000;

fn since_epoch() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

pub(crate) fn now_ms() -> u64 {
    u64::try_from(since_epoch().as_millis()).unwrap_or(u64::MAX)
}

pub(crate) fn now_us() -> u64 {
    u64::try_from(since_epoch().as_micros()).unwrap_or(u64::MAX)
}

/// `2026-11-22T14:36:11.379Z`
pub(crate) fn iso(ms: u64) -> String {
    let (year, month, day) = civil(ms / DAY_MS);
    format!("{year:04}-{month:02}-{day:02}T{}Z", time_of_day(ms))
}

/// `Tue, 22 Dec 2026 14:35:08 GMT` (RFC 9110 §5.6.7)
pub(crate) fn imf_fixdate(ms: u64) -> String {
    let days = ms / DAY_MS;
    let (year, month, day) = civil(days);
    let (weekday, month) = (WEEKDAYS[(days % 7) as usize], MONTHS[month as usize - 1]);
    format!(
        "{weekday}, {day:02} {month} {year:04} {} GMT",
        &time_of_day(ms)[..8]
    )
}

/// Milliseconds since 1970 of a date in that form.
pub(crate) fn parse_imf_fixdate(text: &str) -> Option<u64> {
    let mut parts = text.split_once(", ")?.1.split([' ', ':']);
    let day: u64 = parts.next()?.parse().ok()?;
    let name = parts.next()?;
    let month = MONTHS.iter().position(|own| *own == name)? as u64 + 1;
    let mut number = || parts.next()?.parse::<u64>().ok();
    let (year, hour, minute, second) = (number()?, number()?, number()?, number()?);
    let days = days(year, month, day)?;
    Some(days * DAY_MS + ((hour * 60 + minute) * 60 + second) * 1000)
}

/// `14:36:11.379`, in UTC.
pub(crate) fn time_of_day(ms: u64) -> String {
    let second = ms / 1000;
    let (hours, minutes) = (second / 3600 % 24, second / 60 % 60);
    format!(
        "{hours:02}:{minutes:02}:{:02}.{:03}",
        second % 60,
        ms % 1000
    )
}

/// Year, month and day of a day counted from 1970 (Howard Hinnant, "chrono-compatible low-level date algorithms").
fn civil(days: u64) -> (u64, u64, u64) {
    let z = days + 719_468;
    let era = z / 146_097;
    let day_of_era = z % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day_of_year - (153 * shifted + 2) / 5 + 1)
}

/// The day counted from 1970, the inverse of [`civil`].
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    let shifted_year = year - u64::from(month <= 2);
    let era = shifted_year / 400;
    let year_of_era = shifted_year - era * 400;
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day.checked_sub(1)?;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    (era * 146_097 + day_of_era).checked_sub(719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_as_the_contract_shows_them() {
        assert_eq!(iso(1_795_358_171_379), "2026-11-22T14:36:11.379Z");
        assert_eq!(
            imf_fixdate(1_797_950_108_162),
            "Tue, 22 Dec 2026 14:35:08 GMT"
        );
        assert_eq!(iso(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(imf_fixdate(0), "Thu, 01 Jan 1970 00:00:00 GMT");
        for ms in [0, 951_782_400_000, 1_797_950_108_000] {
            assert_eq!(parse_imf_fixdate(&imf_fixdate(ms)), Some(ms));
        }
        assert_eq!(parse_imf_fixdate("yesterday"), None);
    }
}
