//! Requests that are forwarded: static files from the store or revalidated, everything else as it comes.

use std::time::Duration;

use http::header::ACCEPT_ENCODING;
use http::{HeaderValue, Request};

use crate::http_rules::paths;
use crate::responses::body::ResponseBody;
use crate::responses::{ClientResponse, PageTransform};
use crate::router::context::RequestContext;
use crate::router::error_format;
use crate::router::instance_router::InstanceRouter;
use crate::upstream::error::Failure;
use crate::upstream::forward;
use crate::upstream::request_body::Outbound;

impl InstanceRouter<'_> {
    /// Forwards a request. A static file that is stored is served whatever t3's state.
    pub(super) async fn forward(
        &self,
        context: &RequestContext<'_>,
        body: Outbound,
    ) -> ClientResponse {
        let error_format = error_format(&context.head.headers);
        if matches!(body, Outbound::Empty) {
            if let Some(response) = self.stored(context) {
                return response;
            }
            let fetched = self.ask_once(context, error_format, |limit| self.fetch(context, limit));
            return fetched.await.unwrap_or_else(|response| response);
        }
        let sent = self.ask_once(context, error_format, |limit| async move {
            let response = self.send(context, body, limit).await?;
            let response = self.note_code(context, response).await;
            Ok(transformed(response, self.page_transform(context)))
        });
        sent.await.unwrap_or_else(|response| response)
    }

    /// Fetches the response to a request without a body from t3; a static file is revalidated and
    /// compressed on its way.
    pub(super) async fn fetch(
        &self,
        context: &RequestContext<'_>,
        limit: Duration,
    ) -> Result<ClientResponse, Failure> {
        let page_transform = self.page_transform(context);
        if let Some(asset) = self.instance.assets.request(&context.head, page_transform) {
            return asset.fetch(limit, &context.client.interim).await;
        }
        let response = self.send(context, Outbound::Empty, limit).await?;
        Ok(transformed(response, page_transform))
    }

    /// Sends a request with `body` to t3.
    pub(super) async fn send(
        &self,
        context: &RequestContext<'_>,
        body: Outbound,
        limit: Duration,
    ) -> Result<ClientResponse, Failure> {
        let mut request = context.request(body);
        if self.page_transform(context).is_some() {
            // Tags are inserted into what can be read.
            let identity = HeaderValue::from_static("identity");
            request.headers_mut().insert(ACCEPT_ENCODING, identity);
        }
        self.send_on(context, request, limit).await
    }

    /// Sends `request`, which is that of `context`, as it is.
    pub(super) async fn send_on(
        &self,
        context: &RequestContext<'_>,
        request: Request<Outbound>,
        limit: Duration,
    ) -> Result<ClientResponse, Failure> {
        let (upstream, interim) = (&self.instance.upstream, &context.client.interim);
        let is_repeated = context.is_repeated;
        let response = forward::forward(upstream, request, limit, interim, is_repeated).await?;
        Ok(response.map(ResponseBody::Relayed))
    }

    /// The static file that is asked for, if it is stored.
    fn stored(&self, context: &RequestContext<'_>) -> Option<ClientResponse> {
        let page_transform = self.page_transform(context);
        let asset = self
            .instance
            .assets
            .request(&context.head, page_transform)?;
        asset.stored()
    }

    /// The change of t3's page, where the response may be one: below t3's dynamic prefixes HTML is
    /// anybody's.
    fn page_transform(&self, context: &RequestContext<'_>) -> Option<PageTransform> {
        paths::is_static_path(context.head.uri.path())
            .then(|| self.services.pwa.page_transform(&context.head))
            .flatten()
    }
}

fn transformed(response: ClientResponse, transform: Option<PageTransform>) -> ClientResponse {
    match transform {
        Some(transform) => transform(response),
        None => response,
    }
}

impl InstanceRouter<'_> {
    /// Asks t3 first: only it knows whether it has one.
    pub(super) async fn manifest(&self, context: &RequestContext<'_>) -> ClientResponse {
        let pwa = &self.services.pwa;
        if !pwa.is_on() {
            return self.forward(context, Outbound::Empty).await;
        }
        let error_format = error_format(&context.head.headers);
        let asked = self.ask_once(context, error_format, |limit| async move {
            let response = self.send(context, Outbound::Empty, limit).await?;
            Ok(match pwa.is_of_t3(&response) {
                true => response,
                false => pwa.manifest(&self.instance.upstream).await,
            })
        });
        asked.await.unwrap_or_else(|response| response)
    }
}
