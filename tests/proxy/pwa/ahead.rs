//! What a page asks ahead: the questions of t3's own script, where its browser uses the answers.

use super::load;
use crate::assets::files::{decoded, file_with};
use crate::assets::site::Site;
use crate::common::raw_upstream::RawUpstream;
use crate::common::request;

const AHEAD: &str = "<link rel=\"preload\" as=\"fetch\" href=\"/api/auth/session\" crossorigin>\
    <link rel=\"preload\" as=\"fetch\" href=\"/.well-known/t3/environment\" crossorigin=\"use-credentials\">";

const CHROMIUM: &str = "\nSec-CH-UA: \"Chromium\";v=\"156\"";

/// A page with a manifest of its own, with that in its head.
fn page(more: &str) -> String {
    format!(
        "<html><head><link rel=manifest href=/m crossorigin=\"use-credentials\">{more}</head><body>x</body></html>"
    )
}

/// Is anything asked ahead in the page that a browser gets, which sends `fields`? Nothing else has changed.
async fn asks_ahead(page: &str, policy: &str, fields: &str, args: &[&str]) -> bool {
    let response = file_with("text/html; charset=utf-8", policy, page.as_bytes());
    let t3 = RawUpstream::serving(vec![("/", response)]).await;
    let site = Site::of(t3, args).await;
    let head = format!("{}{fields}", load("/"));
    let got = request(site.addr(), &head).await;
    let got = String::from_utf8(decoded(&got)).expect("text");
    let asked = page.replace("</head>", &format!("{AHEAD}</head>"));
    assert!(got == page || got == asked, "{got}");
    got == asked
}

#[tokio::test]
async fn a_page_with_a_manifest_asks_ahead_what_its_script_asks() {
    for assets in ["on", "off"] {
        let args = ["--assets", assets];
        assert!(asks_ahead(&page(""), "", CHROMIUM, &args).await, "{assets}");
        // Others may ask for it twice.
        assert!(!asks_ahead(&page(""), "", "", &args).await, "{assets}");
    }
    let off = ["--pwa", "off"];
    assert!(!asks_ahead(&page(""), "", CHROMIUM, &off).await);
}

#[tokio::test]
async fn nothing_is_asked_ahead_where_the_page_forbids_it() {
    let policy = |sources: &str| format!("content-security-policy: {sources}\r\n");
    for (policy, more, expected) in [
        (policy("frame-ancestors 'self'"), "", true),
        (policy("connect-src 'self'"), "", true),
        (policy("connect-src 'none'"), "", false),
        (policy("default-src https://other.test"), "", false),
        (policy("sandbox allow-scripts"), "", false),
        (
            String::new(),
            "<meta http-equiv=content-security-policy content=\"connect-src 'none'\">",
            false,
        ),
        (String::new(), "<base href=https://other.test/>", false),
    ] {
        let asks = asks_ahead(&page(more), &policy, CHROMIUM, &[]).await;
        assert_eq!(asks, expected, "{policy} {more}");
    }
}
