//! t3's own icon: how large it is, and what it is.

use std::time::Duration;

use http::header::{ACCEPT, CONTENT_TYPE, HOST};
use http::{HeaderValue, Request, Response, StatusCode, Uri};
use http_body_util::BodyExt;
use serde_json::{Value, json};

use crate::upstream::Upstream;
use crate::upstream::error::Failure;
use crate::upstream::request_body::Outbound;
use crate::upstream::response_body::Inbound;

/// Where t3 has it (contract §6).
const PATH: &str = "/apple-touch-icon.png";

/// How long t3 may take for it.
const LIMIT: Duration = Duration::from_secs(5);

/// What a PNG begins with, up to the head of its first chunk (PNG, §5.2, §11.2.1).
const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR";

/// The two sizes follow at once, four bytes each.
const BEGINNING: usize = SIGNATURE.len() + 8;

/// An icon, as a manifest tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Icon {
    content_type: String,
    /// Width and height in pixels, where they could be read.
    size: Option<(u32, u32)>,
}

impl Icon {
    /// The one that t3 has, if it is one: every unknown name is answered with t3's page.
    pub(super) async fn of_t3(upstream: &Upstream) -> Option<Self> {
        let asked = tokio::time::timeout(LIMIT, ask(upstream)).await;
        let (content_type, beginning) = asked.ok()?.ok()??;
        let size = size_of_png(&beginning);
        Some(Self { content_type, size })
    }

    /// Its place among a manifest's `icons`.
    pub(super) fn json(&self) -> Value {
        let mut icon = json!({ "src": PATH, "type": self.content_type });
        if let Some((width, height)) = self.size {
            icon["sizes"] = format!("{width}x{height}").into();
        }
        icon
    }
}

/// The type of t3's icon, and what it begins with; nothing where there is none.
async fn ask(upstream: &Upstream) -> Result<Option<(String, Vec<u8>)>, Failure> {
    let mut request = Request::new(Outbound::Empty);
    *request.uri_mut() = Uri::from_static(PATH);
    let host = HeaderValue::try_from(upstream.to_string());
    let headers = request.headers_mut();
    headers.insert(HOST, host.unwrap_or(HeaderValue::from_static("localhost")));
    headers.insert(ACCEPT, HeaderValue::from_static("image/*"));
    let answer = upstream.send(request, LIMIT, None).await?;
    let Some(content_type) = image_type(&answer) else {
        return Ok(None);
    };
    let mut body = answer.into_body();
    let mut beginning = Vec::new();
    while beginning.len() < BEGINNING {
        let Some(frame) = body.frame().await else {
            break;
        };
        let data = frame.map_err(|_| Failure::Unreadable)?.into_data();
        beginning.extend_from_slice(&data.unwrap_or_default());
    }
    Ok(Some((content_type, beginning)))
}

fn image_type(answer: &Response<Inbound>) -> Option<String> {
    let content_type = answer.headers().get(CONTENT_TYPE)?.to_str().ok()?;
    let is_image = answer.status() == StatusCode::OK && content_type.starts_with("image/");
    is_image.then(|| content_type.to_owned())
}

fn size_of_png(beginning: &[u8]) -> Option<(u32, u32)> {
    let rest = beginning.strip_prefix(SIGNATURE)?;
    let number = |bytes: &[u8]| Some(u32::from_be_bytes(bytes.try_into().ok()?));
    Some((number(rest.get(..4)?)?, number(rest.get(4..8)?)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_of_a_png_is_read_from_its_beginning() {
        let png = [SIGNATURE, &[0, 0, 0, 180, 0, 0, 1, 0, 8, 2]].concat();
        assert_eq!(size_of_png(&png), Some((180, 256)));
        assert_eq!(size_of_png(&png[..BEGINNING]), Some((180, 256)));
        assert_eq!(size_of_png(&png[..BEGINNING - 1]), None);
        assert_eq!(size_of_png(b"\xff\xd8\xff\xe0"), None);
    }
}
