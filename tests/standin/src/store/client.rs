//! A session's client: what it sent, and what t3 infers from its User-Agent.

use serde::Serialize;

use super::sessions::Device;

/// A session's client, as clients lists and `session issue` show it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Client<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip_address: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<&'a str>,
    device_type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    os: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    browser: Option<&'static str>,
}

impl<'a> Client<'a> {
    pub(super) fn of(
        label: Option<&'a str>,
        ip_address: Option<&'a str>,
        user_agent: Option<&'a str>,
        device: Option<&'a Device>,
    ) -> Client<'a> {
        Client {
            label,
            ip_address,
            user_agent,
            device_type: device
                .and_then(|device| device.kind.as_deref())
                .unwrap_or_else(|| device_type(user_agent)),
            os: device
                .and_then(|device| device.os.as_deref())
                .or_else(|| os(user_agent)),
            browser: browser(user_agent),
        }
    }
}

/// `bot`, `tablet`, `mobile`, `desktop` or `unknown`.
fn device_type(user_agent: Option<&str>) -> &'static str {
    let Some(agent) = user_agent.map(str::to_lowercase) else {
        return "unknown";
    };
    let any = |words: &[&str]| words.iter().any(|word| agent.contains(word));
    if any(&["bot", "crawler", "spider", "slurp", "curl", "wget"]) {
        "bot"
    } else if any(&["ipad", "tablet"]) {
        "tablet"
    } else if any(&["iphone", "mobile"]) {
        "mobile"
    } else {
        "desktop"
    }
}

fn browser(user_agent: Option<&str>) -> Option<&'static str> {
    first_of(
        user_agent,
        &[
            ("edg/", "Edge"),
            ("opr/", "Opera"),
            ("firefox/", "Firefox"),
            ("electron/", "Electron"),
            ("chrome/", "Chrome"),
            ("crios/", "Chrome"),
            ("safari/", "Safari"),
        ],
    )
}

fn os(user_agent: Option<&str>) -> Option<&'static str> {
    first_of(
        user_agent,
        &[
            ("iphone", "iOS"),
            ("ipad", "iOS"),
            ("android", "Android"),
            ("mac os x", "macOS"),
            ("macintosh", "macOS"),
            ("windows nt", "Windows"),
            ("linux", "Linux"),
        ],
    )
}

fn first_of(user_agent: Option<&str>, marks: &[(&str, &'static str)]) -> Option<&'static str> {
    let agent = user_agent?.to_lowercase();
    marks
        .iter()
        .find(|(mark, _)| agent.contains(mark))
        .map(|&(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agents_are_told_apart() {
        let phone = Some("Mozilla/5.0 (Linux; Android 15) Chrome/156.0 Mobile Safari/537.36");
        assert_eq!(
            (device_type(phone), os(phone), browser(phone)),
            ("mobile", Some("Android"), Some("Chrome"))
        );
        assert_eq!(device_type(Some("curl/8.5.0")), "bot");
        assert_eq!(
            (device_type(None), os(None), browser(None)),
            ("unknown", None, None)
        );
    }
}
