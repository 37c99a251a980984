//! The manifest of the home-screen app: t3's own where it has one, else the dispatcher's.

use super::errors::audience;
use super::{Arrival, Dispatch, bodiless};
use crate::answers::Answer;
use crate::assets;
use crate::proxy;
use crate::pwa::Tags;
use crate::upstream::Outbound;

impl Dispatch {
    /// t3 is asked first: it is the one that knows whether it has one.
    pub(super) async fn manifest(&self, arrival: Arrival<'_>) -> Answer {
        if !self.pwa.is_on() {
            return self.forward(arrival, Outbound::Empty).await;
        }
        let audience = audience(&arrival.head.headers);
        let _waiting = arrival.client.waiting();
        if !self.readiness.is_up_now().await {
            return self.not_up(audience, &arrival.id);
        }
        let limit = self.upstream.response_timeout();
        let request = bodiless(&arrival.head);
        match proxy::forward(&self.upstream, request, limit, &arrival.client.interim).await {
            Ok(answer) if self.pwa.is_of_t3(&answer) => answer,
            Ok(_) => self.pwa.manifest(&self.upstream).await,
            Err(failure) => self.failed(&failure, audience, &arrival.id),
        }
    }

    /// What to put into the head of t3's page, where the answer to `arrival` is one: below a path
    /// of another room of t3's, HTML is anybody's.
    pub(super) fn tags(&self, arrival: &Arrival<'_>) -> Option<Tags> {
        assets::is_static_path(arrival.head.uri.path())
            .then(|| self.pwa.tags(&arrival.head))
            .flatten()
    }
}
