//! t3's page as an installable app: the manifest and the tags.

mod ahead;
mod ineligible;
mod manifest;
mod page;
mod tab;

/// The tags that the dispatcher adds to t3's page.
const TAGS: &str = "<link rel=\"manifest\" href=\"/manifest.webmanifest\" \
    crossorigin=\"use-credentials\"><meta name=\"mobile-web-app-capable\" content=\"yes\">\
    <meta name=\"apple-mobile-web-app-capable\" content=\"yes\">\
    <meta name=\"apple-mobile-web-app-status-bar-style\" content=\"default\">\
    <meta name=\"apple-mobile-web-app-title\" content=\"T3 Code\">";

/// A page load with a session.
fn load(path: &str) -> String {
    format!("GET {path}\n{}\nCookie: t3_session=x", crate::common::PAGE)
}
