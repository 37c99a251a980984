//! t3's own icon, as an entry of the web app manifest.

use std::time::Duration;

use http::header::{ACCEPT, CONTENT_TYPE, HOST};
use http::{HeaderValue, Request, Response, StatusCode, Uri};
use http_body_util::BodyExt;
use serde_json::{Value, json};

use crate::upstream::Upstream;
use crate::upstream::error::Failure;
use crate::upstream::request_body::Outbound;
use crate::upstream::response_body::Inbound;

/// The icon's path (contract §6).
const PATH: &str = "/apple-touch-icon.png";

/// How long t3 may take for the icon's head and first bytes.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The start of a PNG up to the sizes in its first chunk (PNG specification §5.2, §11.2.1).
const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR";

/// Width and height follow, four bytes each.
const PNG_HEAD_BYTES: usize = SIGNATURE.len() + 8;

/// What the manifest says of an icon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Icon {
    content_type: String,
    /// Width and height in pixels, if it is a PNG.
    size: Option<(u32, u32)>,
}

impl Icon {
    /// t3's icon. `None` if t3 has none or does not send it in time.
    pub(super) async fn fetch(upstream: &Upstream) -> Option<Self> {
        let fetched = tokio::time::timeout(TIMEOUT, type_and_start(upstream)).await;
        let (content_type, start) = fetched.ok()?.ok()??;
        let size = png_size(&start);
        Some(Self { content_type, size })
    }

    /// An entry of the manifest's `icons`.
    pub(super) fn to_json(&self) -> Value {
        let mut icon = json!({ "src": PATH, "type": self.content_type });
        if let Some((width, height)) = self.size {
            icon["sizes"] = format!("{width}x{height}").into();
        }
        icon
    }
}

/// The media type of t3's icon and its first bytes; `None` if the response is no image, as t3
/// sends its page for an unknown name.
async fn type_and_start(upstream: &Upstream) -> Result<Option<(String, Vec<u8>)>, Failure> {
    let mut request = Request::new(Outbound::Empty);
    *request.uri_mut() = Uri::from_static(PATH);
    let host = HeaderValue::try_from(upstream.to_string());
    let headers = request.headers_mut();
    headers.insert(HOST, host.unwrap_or(HeaderValue::from_static("localhost")));
    headers.insert(ACCEPT, HeaderValue::from_static("image/*"));
    let response = upstream.send(request, TIMEOUT, None, false).await?;
    let Some(content_type) = image_type(&response) else {
        return Ok(None);
    };
    let mut body = response.into_body();
    let mut start = Vec::new();
    while start.len() < PNG_HEAD_BYTES {
        let Some(frame) = body.frame().await else {
            break;
        };
        let data = frame.map_err(|_| Failure::Unreadable)?.into_data();
        start.extend_from_slice(&data.unwrap_or_default());
    }
    Ok(Some((content_type, start)))
}

fn image_type(response: &Response<Inbound>) -> Option<String> {
    let content_type = response.headers().get(CONTENT_TYPE)?.to_str().ok()?;
    let is_image = response.status() == StatusCode::OK && content_type.starts_with("image/");
    is_image.then(|| content_type.to_owned())
}

fn png_size(start: &[u8]) -> Option<(u32, u32)> {
    let rest = start.strip_prefix(SIGNATURE)?;
    let number = |bytes: &[u8]| Some(u32::from_be_bytes(bytes.try_into().ok()?));
    Some((number(rest.get(..4)?)?, number(rest.get(4..8)?)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_of_a_png_is_read_from_its_first_bytes() {
        let png = [SIGNATURE, &[0, 0, 0, 180, 0, 0, 1, 0, 8, 2]].concat();
        assert_eq!(png_size(&png), Some((180, 256)));
        assert_eq!(png_size(&png[..PNG_HEAD_BYTES]), Some((180, 256)));
        assert_eq!(png_size(&png[..PNG_HEAD_BYTES - 1]), None);
        assert_eq!(png_size(b"\xff\xd8\xff\xe0"), None);
    }
}
