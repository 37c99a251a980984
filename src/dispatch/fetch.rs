//! Whatever is no page load: forwarded as it comes, or told at once that t3 is not up.

use http::{HeaderMap, Request};
use hyper::body::Incoming;

use super::{Client, Dispatch};
use crate::answers::{Answer, Audience};
use crate::proxy;
use crate::session;
use crate::upstream::Outbound;

impl Dispatch {
    /// The cockpit's own fetches are repeated by its script for 15 s (contract §6): a quick no
    /// serves it better than a wait.
    pub(super) async fn forward(&self, request: Request<Incoming>, client: &Client) -> Answer {
        let audience = audience(request.headers());
        if !self.readiness.is_up_now().await {
            return self.not_up(audience);
        }
        let request = request.map(Outbound::of_client);
        let limit = self.upstream.response_timeout();
        match proxy::forward(&self.upstream, request, limit, &client.interim).await {
            Ok(answer) => answer,
            Err(failure) => self.failed(&failure, audience),
        }
    }
}

/// A form that a person sent is answered by a page too.
fn audience(headers: &HeaderMap) -> Audience {
    match session::wants_document(headers) {
        true => Audience::Person,
        false => Audience::Script,
    }
}
