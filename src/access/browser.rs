//! Who asks: a person's browser, as far as a request tells.

use std::net::IpAddr;
use std::sync::Arc;

use http::HeaderValue;

/// One browser: the same person, the same program, the same place.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Browser {
    /// Who the person is, where something in front of the dispatcher says so.
    pub identity: Option<Arc<str>>,
    /// What the browser calls itself.
    pub user_agent: Option<HeaderValue>,
    /// Where it is.
    pub address: IpAddr,
}

/// The longest label for t3's client list, in characters.
const LABEL_CHARS: usize = 64;

impl Browser {
    /// The person's name for a log line.
    pub fn user(&self) -> &str {
        self.identity.as_deref().unwrap_or("-")
    }

    /// What t3's client list is to call its session. It goes on a command line too: nothing that
    /// an option parser or a terminal would take for its own is in it.
    pub fn label(&self) -> String {
        let identity = self.identity.as_deref().unwrap_or_default();
        let printable = identity.chars().filter(|character| !character.is_control());
        let label: String = printable
            .skip_while(|character| *character == '-' || character.is_whitespace())
            .take(LABEL_CHARS)
            .collect();
        if label.is_empty() {
            return "browser".to_owned();
        }
        label
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_the_identity_made_harmless() {
        for (identity, expected) in [
            (None, "browser"),
            (Some(""), "browser"),
            (Some("--"), "browser"),
            (Some("alice@example.org"), "alice@example.org"),
            (Some("--ttl"), "ttl"),
            (Some("a\u{1b}[31mb\n"), "a[31mb"),
            (Some("Zoë"), "Zoë"),
        ] {
            let browser = Browser {
                identity: identity.map(Arc::from),
                user_agent: None,
                address: [127, 0, 0, 1].into(),
            };
            assert_eq!(browser.label(), expected, "{identity:?}");
        }
    }
}
