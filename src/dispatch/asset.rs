//! A request for what may be a static file: from what is kept, or from t3 and looked at.

use std::time::Duration;

use super::{Arrival, Dispatch, audience, bodiless};
use crate::answers::Answer;
use crate::proxy;
use crate::upstream::{Failure, Outbound};

impl Dispatch {
    /// The answer to a request that may be for a static file. One that is kept is there whatever
    /// t3 does. Nothing where the request is to be forwarded as it is.
    pub(super) async fn asset(&self, arrival: &Arrival<'_>, body: &Outbound) -> Option<Answer> {
        if !matches!(body, Outbound::Empty) {
            return None;
        }
        let ask = self.assets.ask(&arrival.head)?;
        if let Some(answer) = ask.kept() {
            return Some(answer);
        }
        let audience = audience(&arrival.head.headers);
        if !self.readiness.is_up_now().await {
            return Some(self.not_up(audience));
        }
        let limit = self.upstream.response_timeout();
        let answer = ask.get(limit, &arrival.client.interim).await;
        Some(answer.unwrap_or_else(|failure| self.failed(&failure, audience)))
    }

    /// Forwards a request without a body; what may be a static file is looked at on its way back.
    pub(super) async fn forward_bodiless(
        &self,
        arrival: &Arrival<'_>,
        limit: Duration,
    ) -> Result<Answer, Failure> {
        let interim = &arrival.client.interim;
        match self.assets.ask(&arrival.head) {
            Some(ask) => ask.get(limit, interim).await,
            None => proxy::forward(&self.upstream, bodiless(&arrival.head), limit, interim).await,
        }
    }
}
