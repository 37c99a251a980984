//! A request for what may be a static file: from what is kept, or from t3 and looked at.

use std::time::Duration;

use http::StatusCode;

use super::{Arrival, Dispatch, audience, bodiless};
use crate::answers::Answer;
use crate::metrics;
use crate::proxy;
use crate::pwa::Tags;
use crate::upstream::{Failure, Outbound};

impl Dispatch {
    /// The answer to a request that may be for a static file. One that is kept is there whatever
    /// t3 does. Nothing where the request is to be forwarded as it is.
    pub(super) async fn asset(&self, arrival: &Arrival<'_>, body: &Outbound) -> Option<Answer> {
        if !matches!(body, Outbound::Empty) {
            return None;
        }
        let ask = self.assets.ask(&arrival.head, self.tags(arrival))?;
        if let Some(answer) = ask.kept() {
            self.metrics.asset(outcome(&answer, metrics::Asset::Hit));
            return Some(answer);
        }
        let audience = audience(&arrival.head.headers);
        let waiting = arrival.client.waiting();
        if !self.readiness.is_up_now().await {
            return Some(self.not_up(audience, &arrival.id));
        }
        let limit = self.upstream.response_timeout();
        let answer = ask.get(limit, &arrival.client.interim).await;
        drop(waiting);
        if let Ok(answer) = &answer {
            self.metrics.asset(outcome(answer, metrics::Asset::Miss));
        }
        Some(answer.unwrap_or_else(|failure| self.failed(&failure, audience, &arrival.id)))
    }

    /// Forwards a request without a body; what may be a static file is looked at on its way back.
    pub(super) async fn forward_bodiless(
        &self,
        arrival: &Arrival<'_>,
        limit: Duration,
    ) -> Result<Answer, Failure> {
        let interim = &arrival.client.interim;
        let tags = self.tags(arrival);
        if let Some(ask) = self.assets.ask(&arrival.head, tags) {
            return ask.get(limit, interim).await;
        }
        let request = bodiless(&arrival.head);
        let answer = proxy::forward(&self.upstream, request, limit, interim).await?;
        Ok(tagged(tags, answer))
    }
}

/// t3's answer with `tags` in its head, if it is a page.
pub(super) fn tagged(tags: Option<Tags>, answer: Answer) -> Answer {
    match tags {
        Some(tags) => tags.put_into(answer),
        None => answer,
    }
}

/// What an answer is counted as that came from `source`.
fn outcome(answer: &Answer, source: metrics::Asset) -> metrics::Asset {
    match answer.status() {
        StatusCode::NOT_MODIFIED => metrics::Asset::NotModified,
        _ => source,
    }
}
