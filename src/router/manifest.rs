//! The manifest of the home-screen app: t3's own where it has one, else the dispatcher's.

use crate::http_rules::paths;
use crate::pwa::tags::Tags;
use crate::responses::ClientResponse;
use crate::responses::body::ResponseBody;
use crate::router::failure::error_format;
use crate::router::{Arrival, Router, bodiless};
use crate::upstream::forward;
use crate::upstream::request_body::Outbound;

impl Router<'_> {
    /// t3 is asked first: it is the one that knows whether it has one.
    pub(super) async fn manifest(&self, arrival: Arrival<'_>) -> ClientResponse {
        if !self.services.pwa.is_on() {
            return self.forward(arrival, Outbound::Empty).await;
        }
        let error_format = error_format(&arrival.head.headers);
        let _waiting = arrival.client.waiting();
        if !self.services.readiness.resolve_is_up().await {
            return self.services.not_up(error_format, &arrival.id);
        }
        let limit = self.services.upstream.response_timeout();
        let request = bodiless(&arrival.head);
        match forward::forward(
            &self.services.upstream,
            request,
            limit,
            &arrival.client.interim,
        )
        .await
        {
            Ok(answer) if self.services.pwa.is_of_t3(&answer) => answer.map(ResponseBody::Relayed),
            Ok(_) => self.services.pwa.manifest(&self.services.upstream).await,
            Err(failure) => self.services.failed(&failure, error_format, &arrival.id),
        }
    }

    /// What to put into the head of t3's page, where the answer to `arrival` is one: below a path
    /// of another room of t3's, HTML is anybody's.
    pub(super) fn tags(&self, arrival: &Arrival<'_>) -> Option<Tags> {
        paths::is_static_path(arrival.head.uri.path())
            .then(|| self.services.pwa.tags(&arrival.head))
            .flatten()
    }
}
