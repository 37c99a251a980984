//! What makes t3's page an app of the home screen: its manifest, and the tags that name it.
//!
//! t3 up to v0.0.28 ships neither. Where a later one does, its own are left as they are.

pub mod html_insertion;
pub mod icon;
pub mod tags;

use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderValue, Response, StatusCode};
use serde_json::json;

use crate::pwa::icon::Icon;
use crate::pwa::tags::Tags;
use crate::responses::ClientResponse;
use crate::responses::body::ResponseBody;
use crate::upstream::Upstream;

/// The colour of t3's own page before it has loaded, around it and behind it.
const COLOUR: &str = "#0a0a0a";

/// The app of the home screen, where it is wanted.
#[derive(Debug, Clone, Copy)]
pub struct Pwa {
    is_on: bool,
}

impl Pwa {
    /// Does nothing at all unless `is_on`.
    pub fn new(is_on: bool) -> Self {
        Self { is_on }
    }

    /// Is there a manifest?
    pub fn is_on(&self) -> bool {
        self.is_on
    }

    /// What to put into the page that answers the request with `head`, if anything.
    pub fn tags(&self, head: &Parts) -> Option<Tags> {
        self.is_on.then(|| Tags::for_request(head)).flatten()
    }

    /// Has t3 brought a manifest of its own, or said anything else than that it has none? What it
    /// does not know it answers with its page (contract §6).
    pub fn is_of_t3<B>(&self, answer: &Response<B>) -> bool {
        let content_type = answer.headers().get(CONTENT_TYPE);
        let is_html = content_type.is_some_and(|value| value.as_bytes().starts_with(b"text/html"));
        match answer.status() {
            StatusCode::NOT_FOUND => false,
            StatusCode::OK => !is_html,
            _ => true,
        }
    }

    /// The manifest, with the icon that t3 has now.
    pub async fn manifest(&self, upstream: &Upstream) -> ClientResponse {
        let icon = Icon::of_t3(upstream).await;
        let icons: Vec<_> = icon.iter().map(Icon::json).collect();
        let manifest = json!({
            "id": "/",
            "name": "T3 Code",
            "short_name": "T3 Code",
            "start_url": "/",
            "scope": "/",
            "display": "standalone",
            "theme_color": COLOUR,
            "background_color": COLOUR,
            "icons": icons,
        });
        let mut answer = Response::new(ResponseBody::Own(manifest.to_string().into()));
        let headers = answer.headers_mut();
        let json = HeaderValue::from_static("application/manifest+json");
        headers.insert(CONTENT_TYPE, json);
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        answer
    }
}
