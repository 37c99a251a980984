//! Files without a hash in their name: asked of t3 for each request, sent only if they have changed.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, ETAG, IF_MODIFIED_SINCE,
    IF_NONE_MATCH,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::BodyExt;

use crate::assets::cacheability::{self, StaticFile};
use crate::assets::caching_rules::Caching;
use crate::assets::encoder::{Coding, IDENTITY};
use crate::assets::etag::{self, ETag};
use crate::assets::store::StoredBody;
use crate::assets::{AssetRequest, declined, media_type, response_fields};
use crate::http_rules::frame_ancestors;
use crate::http_rules::representation::remove_all;
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
    /// Sends the client's own request to t3, without the conditions that only this side can check, and
    /// asks for no content coding. What turns out to be none of the files that are encoded here is asked
    /// for once more, as the client asks for it, and so it is the next time.
    pub(super) async fn forward(
        &self,
        limit: Duration,
        interim: &Arc<Interim>,
    ) -> Result<ClientResponse, Failure> {
        let (declined, path) = (&self.service.declined, self.head.uri.path());
        let method = &self.head.method;
        let accepted = self.head.headers.get(ACCEPT_ENCODING);
        if declined.has(path) && self.page_transform.is_none() {
            let response = self.send(method, accepted, limit, interim).await?;
            return self.client_response(response, limit).await;
        }
        let response = self.send(method, Some(&IDENTITY), limit, interim).await?;
        let response = match self.plan(&response) {
            ResponsePlan::PassThrough if self.is_coded_by_t3(&response) => {
                declined.note(path, &response);
                self.send(method, accepted, limit, interim).await?
            }
            // The tag is a hash of the content, which a response to HEAD has not.
            ResponsePlan::Revalidate(_) if self.is_head() => {
                self.send(&Method::GET, Some(&IDENTITY), limit, interim)
                    .await?
            }
            _ => response,
        };
        self.client_response(response, limit).await
    }

    /// Would t3 compress `response` for this client? A page into which tags are inserted is left.
    fn is_coded_by_t3(&self, response: &ClientResponse) -> bool {
        let is_tagged = self.page_transform.is_some() && media_type::is_html(response.headers());
        !is_tagged
            && declined::names_coding(&self.head.headers)
            && declined::is_coded_by_t3(response)
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
            Some(file)
                if self
                    .immutable_name
                    .is_some_and(|name| file.is_immutable(name)) =>
            {
                ResponsePlan::Immutable(file)
            }
            Some(file)
                if file.caching != Caching::Immutable
                    && media_type::is_web_file(response.headers())
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
        let (hash, content_hash) = ETag::of(&content, policy.as_ref());
        // t3 itself compares its own tag the next time. Its pages have none, and change on their way.
        let of_t3 = headers.remove(ETAG).filter(|_| !file.is_page);
        let tag = |coding| match &of_t3 {
            Some(tag) => etag::weakened(tag),
            None => hash.value(coding),
        };
        if let Some(policy) = policy {
            headers.append(CONTENT_SECURITY_POLICY, policy);
        }
        let preferred = self.preferred.codings().next();
        let coding = preferred.filter(|_| file.is_compressible);
        let coding = coding.unwrap_or(Coding::Identity);
        let is_unchanged = etag::matches(&self.head.headers, tag(coding).as_bytes());
        let original_length = content.len() as u64;
        let (coding, body) = match coding {
            _ if is_unchanged => (coding, Bytes::new()),
            Coding::Identity => (coding, content),
            _ => {
                let shared = &self.service.content;
                let StoredBody { coding, body } =
                    shared.encoded(content_hash, coding, content).await;
                (coding, body)
            }
        };
        response_fields::validated(&mut headers, tag(coding));
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
        self.response(headers, ResponseBody::Own(body))
    }

    /// Sends the client's request with that `Accept-Encoding`.
    async fn send(
        &self,
        method: &Method,
        accepted: Option<&HeaderValue>,
        limit: Duration,
        interim: &Arc<Interim>,
    ) -> Result<ClientResponse, Failure> {
        let mut request = Request::new(Outbound::Empty);
        *request.method_mut() = method.clone();
        *request.uri_mut() = self.head.uri.clone();
        *request.version_mut() = self.head.version;
        let headers = request.headers_mut();
        *headers = self.head.headers.clone();
        frame_ancestors::drop_conditions_of_page(&self.head.method, headers);
        if let Some(accepted) = accepted {
            headers.insert(ACCEPT_ENCODING, accepted.clone());
        }
        if etag::names_local_tag(headers) {
            // The date alone would say less than the client asked (RFC 9110 §13.1.3).
            remove_all(headers, &[IF_NONE_MATCH, IF_MODIFIED_SINCE]);
        }
        let upstream = &self.service.upstream;
        let response = forward::forward(upstream, request, limit, interim, false).await?;
        Ok(response.map(ResponseBody::Relayed))
    }
}
