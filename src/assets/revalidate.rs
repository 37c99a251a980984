//! A file that t3 is asked for each time: looked at as a whole, and sent only if it has changed.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::BodyExt;

use crate::assets::cacheability::{self, File};
use crate::assets::encoder::{self, Coding};
use crate::assets::etag::{self, Tag};
use crate::assets::store::Kept;
use crate::assets::{Ask, response_fields};
use crate::responses::ClientResponse;
use crate::responses::body::ResponseBody;
use crate::upstream::error::Failure;
use crate::upstream::forward::{self, Interim};
use crate::upstream::request_body::Outbound;

/// The longest file that is looked at as a whole.
const LONGEST_WHOLE: u64 = 1024 * 1024;

/// What is to become of t3's answer.
enum Plan {
    /// It goes on as it is.
    Untouched,
    /// It goes on as it is, to be kept for ever.
    Immutable(File),
    /// It is looked at as a whole.
    Whole(File),
}

impl Ask<'_> {
    /// Asks t3 as the client asked, without the condition that only this side understands.
    pub(super) async fn alone(
        &self,
        limit: Duration,
        interim: &Arc<Interim>,
    ) -> Result<ClientResponse, Failure> {
        let upstream = &self.assets.upstream;
        let method = self.head.method.clone();
        let answer = forward::forward(upstream, self.request(method), limit, interim)
            .await?
            .map(ResponseBody::Relayed);
        match self.plan(&answer) {
            Plan::Whole(_) if self.is_head() => {
                // t3 says nothing by which the content could be told: it has to be read.
                let request = self.request(Method::GET);
                let answer = forward::forward(upstream, request, limit, interim)
                    .await?
                    .map(ResponseBody::Relayed);
                self.settle(answer, limit).await
            }
            _ => self.settle(answer, limit).await,
        }
    }

    /// Makes of t3's `answer` what the client gets.
    pub(super) async fn settle(
        &self,
        answer: ClientResponse,
        limit: Duration,
    ) -> Result<ClientResponse, Failure> {
        let plan = self.plan(&answer);
        let mut answer = match self.tags {
            Some(tags) => tags.put_into(answer),
            None => answer,
        };
        match plan {
            Plan::Untouched => {}
            Plan::Immutable(file) => {
                response_fields::immutable(answer.headers_mut());
                if file.is_codable {
                    response_fields::varies(answer.headers_mut());
                }
            }
            Plan::Whole(file) => {
                let (head, body) = answer.into_parts();
                let content = tokio::time::timeout(limit, body.collect()).await;
                let content = content.map_err(|_| Failure::ResponseTimeout)?;
                let content = content.map_err(|_| Failure::Unreadable)?.to_bytes();
                return Ok(self.whole(file, head.headers, content).await);
            }
        }
        Ok(answer)
    }

    fn plan(&self, answer: &ClientResponse) -> Plan {
        match cacheability::file_of(answer) {
            Some(file) if self.name.is_some() && !file.is_page => Plan::Immutable(file),
            Some(file)
                if cacheability::is_web_file(answer.headers()) && file.length <= LONGEST_WHOLE =>
            {
                Plan::Whole(file)
            }
            _ => Plan::Untouched,
        }
    }

    /// A file of which all is known: 304 where the client holds it already.
    async fn whole(&self, file: File, mut headers: HeaderMap, content: Bytes) -> ClientResponse {
        let tag = Tag::of(&content);
        let coding = self.liked.codings().next().filter(|_| file.is_codable);
        let coding = coding.unwrap_or(Coding::Identity);
        let is_held = etag::is_held(&self.head.headers, &tag.value(coding));
        let whole = content.len() as u64;
        let (coding, body) = match coding {
            Coding::Identity => (coding, content),
            _ if is_held => (coding, Bytes::new()),
            _ => self.coded(&tag, coding, content).await,
        };
        response_fields::validated(&mut headers, tag.value(coding));
        response_fields::coded(&mut headers, coding);
        if file.is_codable {
            response_fields::varies(&mut headers);
        }
        self.count_saved(whole, if is_held { 0 } else { body.len() });
        if is_held {
            response_fields::of_not_modified(&mut headers);
            let mut answer = Response::new(ResponseBody::Own(Bytes::new()));
            *answer.status_mut() = StatusCode::NOT_MODIFIED;
            *answer.headers_mut() = headers;
            return answer;
        }
        headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        self.answer(&headers, ResponseBody::Own(body))
    }

    /// `content` in `coding`, kept under its hash: the same bytes each time, as a strong tag
    /// promises.
    async fn coded(&self, tag: &Tag, coding: Coding, content: Bytes) -> (Coding, Bytes) {
        let store = &self.assets.store;
        if let Some(kept) = store.get(tag.as_str(), |held| held == coding) {
            return (coding, kept.body);
        }
        let Ok(body) = encoder::coded(coding, &content).await else {
            return (Coding::Identity, content);
        };
        let kept = Kept {
            fields: Arc::default(),
            coding,
            body: body.clone(),
            whole: content.len() as u64,
            is_codable: true,
        };
        store.put(tag.as_str(), kept);
        (coding, body)
    }

    fn request(&self, method: Method) -> Request<Outbound> {
        let mut request = Request::new(Outbound::Empty);
        *request.method_mut() = method;
        *request.uri_mut() = self.head.uri.clone();
        *request.version_mut() = self.head.version;
        let headers = request.headers_mut();
        *headers = self.head.headers.clone();
        if etag::names_own(headers) {
            headers.remove(IF_NONE_MATCH);
        }
        request
    }
}
