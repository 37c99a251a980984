//! Whatever is no page load: forwarded as it comes, or told at once that t3 is not up.

use std::time::Duration;

use http::Request;

use crate::pwa::tags::Tags;
use crate::responses::ClientResponse;
use crate::responses::body::ResponseBody;
use crate::router::{Arrival, Router, bodiless, error_format};
use crate::upstream::error::Failure;
use crate::upstream::forward;
use crate::upstream::request_body::Outbound;

impl Router<'_> {
    /// The cockpit's own fetches are repeated by its script for 15 s (contract §6): a quick no
    /// serves it better than a wait.
    pub(super) async fn forward(&self, arrival: Arrival<'_>, body: Outbound) -> ClientResponse {
        if let Some(answer) = self.asset(&arrival, &body).await {
            return answer;
        }
        let error_format = error_format(&arrival.head.headers);
        let waiting = arrival.client.waiting();
        if !self.services.readiness.is_up_now().await {
            return self.services.not_up(error_format, &arrival.id);
        }
        let tags = self.tags(&arrival);
        let request = Request::from_parts(arrival.head, body);
        let limit = self.services.upstream.response_timeout();
        let answer = forward::forward(
            &self.services.upstream,
            request,
            limit,
            &arrival.client.interim,
        )
        .await;
        drop(waiting);
        match answer {
            Ok(answer) => tagged(tags, answer.map(ResponseBody::Relayed)),
            Err(failure) => self.services.failed(&failure, error_format, &arrival.id),
        }
    }

    /// The answer to a request that may be for a static file. One that is kept is there whatever
    /// t3 does. Nothing where the request is to be forwarded as it is.
    pub(super) async fn asset(
        &self,
        arrival: &Arrival<'_>,
        body: &Outbound,
    ) -> Option<ClientResponse> {
        if !matches!(body, Outbound::Empty) {
            return None;
        }
        let request = self
            .services
            .assets
            .request(&arrival.head, self.tags(arrival))?;
        if let Some(answer) = request.stored() {
            return Some(answer);
        }
        let error_format = error_format(&arrival.head.headers);
        let waiting = arrival.client.waiting();
        if !self.services.readiness.is_up_now().await {
            return Some(self.services.not_up(error_format, &arrival.id));
        }
        let limit = self.services.upstream.response_timeout();
        let answer = request.fetch(limit, &arrival.client.interim).await;
        drop(waiting);
        Some(
            answer.unwrap_or_else(|failure| {
                self.services.failed(&failure, error_format, &arrival.id)
            }),
        )
    }

    /// Forwards a request without a body; what may be a static file is looked at on its way back.
    pub(super) async fn forward_bodiless(
        &self,
        arrival: &Arrival<'_>,
        limit: Duration,
    ) -> Result<ClientResponse, Failure> {
        let interim = &arrival.client.interim;
        let tags = self.tags(arrival);
        if let Some(request) = self.services.assets.request(&arrival.head, tags) {
            return request.fetch(limit, interim).await;
        }
        let request = bodiless(&arrival.head);
        let answer = forward::forward(&self.services.upstream, request, limit, interim).await?;
        Ok(tagged(tags, answer.map(ResponseBody::Relayed)))
    }
}

/// t3's answer with `tags` in its head, if it is a page.
pub(super) fn tagged(tags: Option<Tags>, answer: ClientResponse) -> ClientResponse {
    match tags {
        Some(tags) => tags.put_into(answer),
        None => answer,
    }
}
