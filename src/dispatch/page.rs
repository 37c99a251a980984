//! A page load: it waits for t3, comes back with a session where it has none, and is forwarded.

use std::time::Duration;

use http::HeaderValue;
use http::request::Parts;
use tokio::time::Instant;

use super::{Client, Dispatch, bodiless};
use crate::answers::{self, Answer, Audience};
use crate::pairing::Ask;
use crate::proxy;
use crate::upstream::Failure;

/// How long a person waits for a t3 that is not up before being told so.
const PAGE_PATIENCE: Duration = Duration::from_secs(20);

impl Dispatch {
    pub(super) async fn page(&self, head: Parts, client: &Client, arrived: Instant) -> Answer {
        let attempt = |limit| self.page_once(&head, client, arrived, limit);
        match self.persist(arrived + PAGE_PATIENCE, attempt).await {
            Some(Ok(answer)) => answer,
            Some(Err(failure)) => self.failed(&failure, Audience::Person),
            None => self.not_up(Audience::Person),
        }
    }

    async fn page_once(
        &self,
        head: &Parts,
        client: &Client,
        arrived: Instant,
        limit: Duration,
    ) -> Result<Answer, Failure> {
        if let Some(set_cookies) = self.new_session(head, client, arrived).await {
            return Ok(answers::paired(&head.uri, set_cookies));
        }
        proxy::forward(&self.upstream, bodiless(head), limit, &client.interim).await
    }

    /// The `Set-Cookie` lines of a new session, for a page load that has none or a dead one.
    async fn new_session(
        &self,
        head: &Parts,
        client: &Client,
        arrived: Instant,
    ) -> Option<Vec<HeaderValue>> {
        let session = self.session_of(&head.headers);
        if let Some(value) = session
            && !self.pairing.is_dead(value).await
        {
            return None;
        }
        let browser = self.browser(&head.headers, client);
        let ask = Ask {
            browser: &browser,
            target: head
                .uri
                .path_and_query()
                .map_or("/", |target| target.as_str()),
            arrived,
            had_session: session.is_some(),
        };
        let session = self.pairing.pair(ask).await.ok()?;
        Some(session.set_cookies.clone())
    }
}
