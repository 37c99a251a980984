//! The response with a kept file, for both ways through: whether there is one, and its fields.

use std::io::Write;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, ETAG};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::assets::names::KnownFile;
use crate::assets::negotiation::PreferredCodings;
use crate::assets::store::StoredBody;
use crate::assets::{AssetService, etag, response_fields};
use crate::http_rules::HeaderView;
use crate::metrics::Metrics;
use crate::metrics::requests::Asset;

/// More digits than a length has.
const MOST_DIGITS: usize = 20;

/// The response with an immutable file as this t3 has sent it.
#[derive(Debug)]
pub struct KeptResponse {
    file: KnownFile,
    /// None where the client has the file already.
    stored: Option<StoredBody>,
}

impl KeptResponse {
    /// The response to a request with `fields` for the file `name`, by a client that prefers those codings,
    /// if it can be given as things stand.
    pub(super) fn find(
        service: &AssetService,
        name: &str,
        fields: &(impl HeaderView + ?Sized),
        preferred: PreferredCodings,
    ) -> Option<Self> {
        let file = service.names.get(name)?;
        Self::unchanged(&file, fields).or_else(|| {
            let stored = service.content.stored(&file, preferred)?;
            Some(Self::with(file, stored))
        })
    }

    /// The response to a request with `fields`, if they say that its client has `file`: under this name t3
    /// has no other.
    pub(super) fn unchanged(file: &KnownFile, fields: &(impl HeaderView + ?Sized)) -> Option<Self> {
        let is_held = etag::matches(fields, &etag::of_kept(file.content));
        is_held.then(|| Self {
            file: file.clone(),
            stored: None,
        })
    }

    /// The response with `file`, whose body was found.
    pub(super) fn with(file: KnownFile, stored: StoredBody) -> Self {
        let stored = Some(stored);
        Self { file, stored }
    }

    /// 200, or 304.
    pub fn status(&self) -> StatusCode {
        match self.stored {
            Some(_) => StatusCode::OK,
            None => StatusCode::NOT_MODIFIED,
        }
    }

    /// The body of the response to a GET.
    pub fn body(&self) -> Bytes {
        let stored = self.stored.as_ref();
        stored.map_or_else(Bytes::new, |stored| stored.body.clone())
    }

    /// The fields that t3 has sent with the file, as far as any response with it has them.
    pub fn fields_of_file(&self) -> &HeaderMap {
        &self.file.fields
    }

    /// Gives each field of the response to `write`, in their order.
    pub fn each_field(&self, mut write: impl FnMut(&HeaderName, &[u8])) {
        let tag = etag::of_kept(self.file.content);
        let Some(StoredBody { coding, body }) = &self.stored else {
            let fields = response_fields::of_not_modified(&self.file.fields);
            fields.for_each(|(name, value)| write(name, value.as_bytes()));
            return write(&ETAG, &tag);
        };
        let fields = response_fields::of_coded(&self.file.fields, *coding);
        fields.for_each(|(name, value)| write(name, value.as_bytes()));
        if let Some(token) = coding.token() {
            write(&CONTENT_ENCODING, token.as_bytes());
        }
        write(&ETAG, &tag);
        let mut digits = [0; MOST_DIGITS];
        let mut rest = &mut digits[..];
        let _ = write!(rest, "{}", body.len());
        let length = MOST_DIGITS - rest.len();
        write(&CONTENT_LENGTH, &digits[..length]);
    }

    /// The same in a map.
    pub(super) fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(self.file.fields.len() + 4);
        self.each_field(|name, value| {
            if let Ok(value) = HeaderValue::from_bytes(value) {
                headers.append(name.clone(), value);
            }
        });
        headers
    }

    /// Counts it as one for which t3 was not asked; `is_head` says whether the request was a HEAD.
    pub fn count(&self, is_head: bool, metrics: &Metrics) {
        metrics.asset(match self.stored {
            Some(_) => Asset::Hit,
            None => Asset::NotModified,
        });
        self.count_saved(is_head, metrics);
    }

    /// Counts the bytes that compression or a 304 has saved.
    pub(super) fn count_saved(&self, is_head: bool, metrics: &Metrics) {
        if !is_head {
            let sent = self.stored.as_ref().map_or(0, |stored| stored.body.len());
            metrics.asset_saved(self.file.length.saturating_sub(sent as u64));
        }
    }
}
