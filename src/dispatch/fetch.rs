//! Whatever is no page load: forwarded as it comes, or told at once that t3 is not up.

use http::Request;

use super::asset::tagged;
use super::{Arrival, Dispatch, audience};
use crate::answers::Answer;
use crate::proxy;
use crate::upstream::Outbound;

impl Dispatch {
    /// The cockpit's own fetches are repeated by its script for 15 s (contract §6): a quick no
    /// serves it better than a wait.
    pub(super) async fn forward(&self, arrival: Arrival<'_>, body: Outbound) -> Answer {
        if let Some(answer) = self.asset(&arrival, &body).await {
            return answer;
        }
        let audience = audience(&arrival.head.headers);
        let waiting = arrival.client.waiting();
        if !self.readiness.is_up_now().await {
            return self.not_up(audience, &arrival.id);
        }
        let tags = self.tags(&arrival);
        let request = Request::from_parts(arrival.head, body);
        let limit = self.upstream.response_timeout();
        let answer = proxy::forward(&self.upstream, request, limit, &arrival.client.interim).await;
        drop(waiting);
        match answer {
            Ok(answer) => tagged(tags, answer),
            Err(failure) => self.failed(&failure, audience, &arrival.id),
        }
    }
}
