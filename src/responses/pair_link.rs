//! The page that looks whether a link to t3's `/pair` bears a credential in its fragment, before a browser is paired.

use std::sync::LazyLock;

use data_encoding::BASE64;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderValue, StatusCode};
use sha2::{Digest, Sha256};

use crate::http_rules::pair_link::UNPAIRED;
use crate::responses::{ClientResponse, with_body};

/// Goes on: with a credential to t3's own page, which spends it, without one to the cockpit, which is paired.
/// A fragment stays with the browser.
static SCRIPT: LazyLock<String> = LazyLock::new(|| {
    format!(
        "var here=location,token=new URLSearchParams(here.hash.slice(1)).get('token');\
         here.replace(token?'/pair'+(here.search?here.search+'&':'?')+'{UNPAIRED}'+here.hash:'/');"
    )
});

const STYLE: &str = ":root{color-scheme:light dark}\
    body{font:16px/1.5 system-ui,sans-serif;display:grid;place-content:center;min-height:90vh;margin:0 1.5rem}\
    p{margin:.25rem 0}";

static PAGE: LazyLock<String> = LazyLock::new(|| {
    include_str!("pair_link.html")
        .replace("{style}", STYLE)
        .replace("{script}", &SCRIPT)
});

/// Nothing runs and nothing is loaded there but what it has itself.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let [script, style] = [SCRIPT.as_str(), STYLE].map(|text| BASE64.encode(&Sha256::digest(text)));
    let policy = format!(
        "default-src 'none'; script-src 'sha256-{script}'; style-src 'sha256-{style}'; \
         base-uri 'none'; form-action 'none'"
    );
    HeaderValue::try_from(policy).expect("plain text")
});

/// The page: the same for everybody, and not kept.
pub fn look_for_credential() -> ClientResponse {
    let mut response = with_body(StatusCode::OK, "text/html; charset=utf-8", PAGE.as_str());
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(CONTENT_SECURITY_POLICY, POLICY.clone());
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
