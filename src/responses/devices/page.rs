//! The page of a person's devices as HTML. Pure.

use std::time::{Duration, SystemTime};

use http::StatusCode;

use crate::http_rules::form_token::FormToken;
use crate::responses::devices::{
    ACTION, PAIR, PATH, REVOKE, SCRIPT, SESSION, TOKEN, document, qr_code,
};
use crate::responses::{ClientResponse, escaped};

/// The most devices that are shown: who has more sees the others once some of these are revoked.
const MAX_SHOWN: usize = 100;

/// What the page tells.
#[derive(Debug)]
pub struct DevicesPage<'a> {
    /// Whose devices they are.
    pub user: &'a str,
    /// What its forms carry.
    pub token: &'a FormToken,
    /// Why what was asked for was not done, if it was not.
    pub problem: Option<&'a str>,
    /// Why no device can be paired, if none can.
    pub unpairable: Option<&'a str>,
    /// A code that has just been made.
    pub code: Option<NewCode>,
    /// The devices, or why they are not known.
    pub devices: Result<Vec<ListedDevice>, String>,
    /// What time it is.
    pub now: SystemTime,
}

/// A code that has just been made.
#[derive(Debug)]
pub struct NewCode {
    /// The link that has it.
    pub link: String,
    /// When it ends.
    pub expires: SystemTime,
}

/// A device with a session of t3's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedDevice {
    /// The id of its session.
    pub session: String,
    /// What it calls itself.
    pub name: String,
    /// Which kind of device it is, and its operating system, as far as t3 knows them.
    pub system: String,
    /// When it was last connected.
    pub seen: LastSeen,
}

/// When a device was last connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LastSeen {
    /// It is.
    Now,
    /// At that time.
    At(SystemTime),
    /// Never, as far as t3 knows.
    Never,
}

impl DevicesPage<'_> {
    /// The page, with `status`.
    pub fn response(&self, status: StatusCode) -> ClientResponse {
        let mut html = format!(
            "<p>Apps that reach T3 Code as <strong>{}</strong>, without signing in again.</p>\n",
            escaped(self.user)
        );
        if let Some(problem) = self.problem {
            let problem = escaped(problem);
            html += &format!("<p role=\"alert\">{problem}</p>\n");
        }
        html += "<h2>Pair a phone</h2>\n";
        self.write_pairing(&mut html);
        self.write_devices(&mut html);
        let script = self.code.is_some().then_some(SCRIPT);
        document(status, "Your devices", &html, script)
    }

    fn write_pairing(&self, html: &mut String) {
        if let Some(why) = self.unpairable {
            *html += &format!("<p>{}</p>\n", escaped(why));
            return;
        }
        let text = match &self.code {
            Some(code) => {
                write_code(code, html);
                "Make another code"
            }
            None => {
                *html += "<p>A code is shown here, which the app on the phone scans. It works once, for five minutes.</p>\n";
                "Pair a phone"
            }
        };
        self.write_form(html, PAIR, "", &format!("<button>{text}</button>"));
    }

    fn write_devices(&self, html: &mut String) {
        let devices = match &self.devices {
            Ok(devices) => devices,
            Err(why) => {
                *html += &format!(
                    "<h2>Paired devices</h2>\n<p role=\"alert\">{}</p>\n",
                    escaped(why)
                );
                return;
            }
        };
        if devices.is_empty() {
            *html += "<h2>Paired devices</h2>\n<p>None yet.</p>\n";
            return;
        }
        *html += "<table>\n<caption>Paired devices</caption>\n<thead><tr><th scope=\"col\">Name</th>\
            <th scope=\"col\">System</th><th scope=\"col\">Last seen</th>\
            <th scope=\"col\"><span class=\"unseen\">Revoke</span></th></tr></thead>\n<tbody>\n";
        for device in devices.iter().take(MAX_SHOWN) {
            let (name, system) = (escaped(&device.name), escaped(&device.system));
            let seen = self.seen(device.seen);
            *html +=
                &format!("<tr><th scope=\"row\">{name}</th><td>{system}</td><td>{seen}</td><td>");
            let session = escaped(&device.session);
            let session = format!("<input type=\"hidden\" name=\"{SESSION}\" value=\"{session}\">");
            let button = format!("<button aria-label=\"Revoke {name}\">Revoke</button>");
            self.write_form(html, REVOKE, &session, &button);
            *html += "</td></tr>\n";
        }
        *html += "</tbody>\n</table>\n";
        if let Some(more @ 1..) = devices.len().checked_sub(MAX_SHOWN) {
            *html += &format!("<p>And {more} more.</p>\n");
        }
        *html += "<p>A device that is revoked is disconnected within moments, and has to be paired again.</p>\n";
    }

    fn write_form(&self, html: &mut String, action: &str, fields: &str, button: &str) {
        let token = self.token.text();
        *html += &format!(
            "<form method=\"post\" action=\"{PATH}\"><input type=\"hidden\" name=\"{TOKEN}\" value=\"{token}\">\
            <input type=\"hidden\" name=\"{ACTION}\" value=\"{action}\">{fields}{button}</form>\n"
        );
    }

    fn seen(&self, seen: LastSeen) -> String {
        match seen {
            LastSeen::Now => "Connected now".to_owned(),
            LastSeen::Never => "Never".to_owned(),
            LastSeen::At(at) => {
                let since = self.now.duration_since(at).unwrap_or_default();
                let at = humantime::format_rfc3339_seconds(at);
                format!("<time datetime=\"{at}\">{}</time>", ago(since))
            }
        }
    }
}

fn write_code(code: &NewCode, html: &mut String) {
    let link = escaped(&code.link);
    let until = humantime::format_rfc3339_seconds(code.expires).to_string();
    // `2026-11-29T16:45:00Z`
    let clock = until.get(11..16).unwrap_or_default();
    *html += &format!(
        "<p>Scan this with the app on the phone, or open the link there. It works once, \
        within five minutes: until <time datetime=\"{until}\">{clock} UTC</time>.</p>\n"
    );
    *html += &qr_code::svg(&code.link, "QR code of the link below").unwrap_or_default();
    *html += &format!(
        "<p><a id=\"link\" href=\"{link}\" rel=\"noreferrer\">{link}</a></p>\n\
        <p><button type=\"button\" id=\"copy\" hidden>Copy the link</button> <span id=\"copied\" role=\"status\"></span></p>\n"
    );
}

/// How long ago something was, in the largest unit that fits.
fn ago(since: Duration) -> String {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    let seconds = since.as_secs();
    let (count, unit) = match seconds {
        ..MINUTE => return "just now".to_owned(),
        MINUTE..HOUR => (seconds / MINUTE, "minute"),
        HOUR..DAY => (seconds / HOUR, "hour"),
        DAY.. => (seconds / DAY, "day"),
    };
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {unit}{plural} ago")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::responses::body::ResponseBody;

    fn html(response: ClientResponse) -> String {
        let ResponseBody::Own(bytes) = response.into_body() else {
            panic!("a body of its own");
        };
        String::from_utf8(bytes.to_vec()).expect("UTF-8")
    }

    #[test]
    fn whatever_a_device_calls_itself_is_text() {
        let hostile = "\"><script>alert(1)</script>&amp;'";
        let device = ListedDevice {
            session: hostile.to_owned(),
            name: hostile.to_owned(),
            system: hostile.to_owned(),
            seen: LastSeen::Never,
        };
        let token = FormToken::new().expect("random bytes");
        let page = DevicesPage {
            user: hostile,
            token: &token,
            problem: Some(hostile),
            unpairable: None,
            code: Some(NewCode {
                link: format!("https://h.test/pair#token={hostile}"),
                expires: SystemTime::UNIX_EPOCH,
            }),
            devices: Ok(vec![device]),
            now: SystemTime::UNIX_EPOCH,
        };
        let text = html(page.response(StatusCode::OK));
        assert!(!text.contains("<script>alert"), "{text}");
        assert_eq!(text.matches("<script>").count(), 1, "its own");
        let escaped = "&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;&amp;amp;&#39;";
        assert_eq!(text.matches(escaped).count(), 8, "{text}");
        let page = DevicesPage {
            code: None,
            devices: Err(hostile.to_owned()),
            unpairable: Some(hostile),
            ..page
        };
        let text = html(page.response(StatusCode::OK));
        assert_eq!(text.matches(escaped).count(), 4, "{text}");
        assert!(!text.contains("<script"), "nothing to copy");
    }

    #[test]
    fn what_is_long_ago_is_told_in_large_units() {
        for (seconds, expected) in [
            (0, "just now"),
            (59, "just now"),
            (60, "1 minute ago"),
            (119, "1 minute ago"),
            (3599, "59 minutes ago"),
            (7200, "2 hours ago"),
            (86_400, "1 day ago"),
            (30 * 86_400, "30 days ago"),
        ] {
            assert_eq!(ago(Duration::from_secs(seconds)), expected);
        }
    }
}
