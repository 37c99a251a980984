//! t3's page as an installable web app: a manifest, and the tags in the page that refer to it.
//!
//! t3 up to v0.0.28 has neither. A later version has its own manifest (contract §11): nothing is added,
//! and its link has it fetched with cookies, as single sign-on lets nobody in without them.

pub mod head_output;
pub mod html_insertion;
pub mod icon;
pub mod tags;

use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderValue, Response, StatusCode};
use serde_json::json;

use crate::pwa::icon::Icon;
use crate::responses::body::ResponseBody;
use crate::responses::{ClientResponse, PageTransform};
use crate::upstream::Upstream;

/// The background of t3's page before its script has loaded.
const COLOUR: &str = "#0a0a0a";

/// The installable app, if it is switched on, and the script of its tabs, if they have one.
#[derive(Debug, Clone, Copy)]
pub struct Pwa {
    is_on: bool,
    has_script: bool,
}

impl Pwa {
    /// No app unless `is_on`, and no script unless the page `has_script`.
    pub fn new(is_on: bool, has_script: bool) -> Self {
        Self { is_on, has_script }
    }

    /// Is it switched on?
    pub fn is_on(&self) -> bool {
        self.is_on
    }

    /// Does the page get the script that asks whether it was signed out?
    pub fn has_script(&self) -> bool {
        self.has_script
    }

    /// The insertion of the tags into the response to the request with `head`, if it may be a page.
    pub fn page_transform(&self, head: &Parts) -> Option<PageTransform> {
        let asks_ahead = self.is_on && tags::may_ask_ahead(head);
        let transform: PageTransform = match (self.is_on, asks_ahead, self.has_script) {
            (false, _, false) => return None,
            (false, _, true) => tags::insert::<false, false, true>,
            (true, false, false) => tags::insert::<true, false, false>,
            (true, false, true) => tags::insert::<true, false, true>,
            (true, true, false) => tags::insert::<true, true, false>,
            (true, true, true) => tags::insert::<true, true, true>,
        };
        tags::are_for(head).then_some(transform)
    }

    /// Is t3's `response` to be sent on: a manifest of its own, or an error? For a name that it does
    /// not know t3 sends its page (contract §6), or a 404.
    pub fn is_of_t3<B>(&self, response: &Response<B>) -> bool {
        let content_type = response.headers().get(CONTENT_TYPE);
        let is_html = content_type.is_some_and(|value| value.as_bytes().starts_with(b"text/html"));
        match response.status() {
            StatusCode::NOT_FOUND => false,
            StatusCode::OK => !is_html,
            _ => true,
        }
    }

    /// The response with the manifest, which names t3's own icon if it has one.
    pub async fn manifest(&self, upstream: &Upstream) -> ClientResponse {
        let icon = Icon::fetch(upstream).await;
        let icons: Vec<_> = icon.iter().map(Icon::to_json).collect();
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
        let mut response = Response::new(ResponseBody::Own(manifest.to_string().into()));
        let headers = response.headers_mut();
        let json = HeaderValue::from_static("application/manifest+json");
        headers.insert(CONTENT_TYPE, json);
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        response
    }
}
