//! Files without a hash in their name: fetched for each request, sent only if they have changed.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_SECURITY_POLICY, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::BodyExt;

use crate::assets::cacheability::{self, StaticFile};
use crate::assets::encoder::{self, Coding};
use crate::assets::etag::{self, ETag};
use crate::assets::store::StoredFile;
use crate::assets::{AssetRequest, response_fields};
use crate::http_rules::frame_ancestors;
use crate::responses::ClientResponse;
use crate::responses::body::ResponseBody;
use crate::upstream::error::Failure;
use crate::upstream::forward::{self, Interim};
use crate::upstream::request_body::Outbound;

/// The longest file that is read whole for its tag.
const MAX_REVALIDATED_BYTES: u64 = 1024 * 1024;

/// How a response of t3's becomes the client's.
enum ResponsePlan {
    /// Unchanged.
    PassThrough,
    /// Unchanged, but cacheable as immutable.
    Immutable(StaticFile),
    /// Read whole, tagged and compressed; 304 if the client has it.
    Revalidate(StaticFile),
}

impl AssetRequest<'_> {
    /// Sends the client's own request to t3, without the conditions that only this side can check.
    pub(super) async fn forward(
        &self,
        limit: Duration,
        interim: &Arc<Interim>,
    ) -> Result<ClientResponse, Failure> {
        let mut response = self.send(self.head.method.clone(), limit, interim).await?;
        if self.is_head() && matches!(self.plan(&response), ResponsePlan::Revalidate(_)) {
            // The tag is a hash of the content, which a response to HEAD has not.
            response = self.send(Method::GET, limit, interim).await?;
        }
        self.client_response(response, limit).await
    }

    /// Makes the client's response of t3's. A body that is read whole must come within `limit`.
    pub(super) async fn client_response(
        &self,
        response: ClientResponse,
        limit: Duration,
    ) -> Result<ClientResponse, Failure> {
        let plan = self.plan(&response);
        let mut response = match self.page_transform {
            Some(transform) => transform(response),
            None => response,
        };
        match plan {
            ResponsePlan::PassThrough => {}
            ResponsePlan::Immutable(file) => {
                response_fields::immutable(response.headers_mut());
                if file.is_compressible {
                    response_fields::varies(response.headers_mut());
                }
            }
            ResponsePlan::Revalidate(file) => {
                let (head, body) = response.into_parts();
                let content = tokio::time::timeout(limit, body.collect()).await;
                let content = content.map_err(|_| Failure::ResponseTimeout)?;
                let content = content.map_err(|_| Failure::Unreadable)?.to_bytes();
                return Ok(self.revalidated(file, head.headers, content).await);
            }
        }
        Ok(response)
    }

    fn plan(&self, response: &ClientResponse) -> ResponsePlan {
        match cacheability::file_of(response) {
            Some(file) if self.immutable_name.is_some() && !file.is_page => {
                ResponsePlan::Immutable(file)
            }
            Some(file)
                if cacheability::is_web_file(response.headers())
                    && file.length <= MAX_REVALIDATED_BYTES =>
            {
                ResponsePlan::Revalidate(file)
            }
            _ => ResponsePlan::PassThrough,
        }
    }

    /// The response with `content`, or a 304 if the client has it already.
    async fn revalidated(
        &self,
        file: StaticFile,
        mut headers: HeaderMap,
        content: Bytes,
    ) -> ClientResponse {
        let frame_ancestors = &self.service.frame_ancestors;
        let policy = frame_ancestors.line_for(&headers).cloned();
        let tag = ETag::of(&content, policy.as_ref());
        if let Some(policy) = policy {
            headers.append(CONTENT_SECURITY_POLICY, policy);
        }
        let preferred = self.preferred.codings().next();
        let coding = preferred.filter(|_| file.is_compressible);
        let coding = coding.unwrap_or(Coding::Identity);
        let is_unchanged = etag::matches(&self.head.headers, &tag.value(coding));
        let original_length = content.len() as u64;
        let (coding, body) = match coding {
            _ if is_unchanged => (coding, Bytes::new()),
            Coding::Identity => (coding, content),
            _ => self.encoded(&tag, coding, content).await,
        };
        response_fields::validated(&mut headers, tag.value(coding));
        response_fields::set_coding(&mut headers, coding);
        if file.is_compressible {
            response_fields::varies(&mut headers);
        }
        self.count_saved(original_length, body.len());
        if is_unchanged {
            response_fields::strip_for_not_modified(&mut headers);
            let mut response = Response::new(ResponseBody::empty());
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            *response.headers_mut() = headers;
            return response;
        }
        headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        self.response(&headers, ResponseBody::Own(body))
    }

    /// `content` in `coding`, stored under its hash: a strong tag promises the same bytes each
    /// time. Falls back to identity if the encoder fails.
    async fn encoded(&self, tag: &ETag, coding: Coding, content: Bytes) -> (Coding, Bytes) {
        let store = &self.service.store;
        if let Some(file) = store.get(tag.as_str(), |stored| stored == coding) {
            return (coding, file.body);
        }
        let Ok(body) = encoder::encode(coding, &content).await else {
            return (Coding::Identity, content);
        };
        let file = StoredFile {
            fields: Arc::default(),
            coding,
            body: body.clone(),
            original_length: content.len() as u64,
            is_compressible: true,
        };
        store.put(tag.as_str(), file);
        (coding, body)
    }

    async fn send(
        &self,
        method: Method,
        limit: Duration,
        interim: &Arc<Interim>,
    ) -> Result<ClientResponse, Failure> {
        let mut request = Request::new(Outbound::Empty);
        *request.method_mut() = method;
        *request.uri_mut() = self.head.uri.clone();
        *request.version_mut() = self.head.version;
        let headers = request.headers_mut();
        *headers = self.head.headers.clone();
        frame_ancestors::drop_conditions_of_page(&self.head.method, headers);
        if etag::names_local_tag(headers) {
            headers.remove(IF_NONE_MATCH);
        }
        let upstream = &self.service.upstream;
        let response = forward::forward(upstream, request, limit, interim).await?;
        Ok(response.map(ResponseBody::Relayed))
    }
}
