//! What the access policy looks at before a request is judged: its files, the keys of tokens, and a token
//! that is new.

use std::net::IpAddr;
use std::sync::Arc;

use http::HeaderMap;
use tokio::time::Instant;

use crate::access::AccessPolicy;
use crate::access::allow_list::AllowList;

impl AccessPolicy {
    /// Need no file be looked at, at `now`, before a request is judged? Where there is none to look at,
    /// never.
    pub fn is_fresh(&self, now: Instant) -> bool {
        let list = self.allow_list.as_ref();
        self.secret
            .as_ref()
            .is_none_or(|secret| secret.is_fresh(now))
            && list.is_none_or(|list| list.is_fresh(now))
            && self
                .signed
                .as_ref()
                .is_none_or(|signed| signed.is_fresh(now))
    }

    /// Does a file say who is let in, so that a person may disappear from it without a request?
    pub fn has_list_in_file(&self) -> bool {
        let list = self.allow_list.as_ref();
        list.is_some_and(|list| list.is_by_file())
    }

    /// Is it known who is let in? Nobody is while the list of users cannot be read, and who was may be again.
    pub fn is_list_known(&self) -> bool {
        self.allow_list.as_ref().is_none_or(AllowList::is_known)
    }

    /// Those of `people`, each an identity, whom the list of users in the file does not name any more. It is
    /// looked at again before.
    pub async fn unlisted(&self, people: impl IntoIterator<Item = Arc<str>>) -> Vec<Arc<str>> {
        let Some(list) = self.allow_list.as_ref().filter(|list| list.is_by_file()) else {
            return Vec::new();
        };
        list.refresh().await;
        self.not_on(list, people)
    }

    /// The same of any list of users, by which nobody has to make a request to be known as let in no more: none
    /// where groups let people in too, or the file cannot be read.
    pub async fn denied_by_name(
        &self,
        people: impl IntoIterator<Item = Arc<str>>,
    ) -> Vec<Arc<str>> {
        let Some(list) = &self.allow_list else {
            return Vec::new();
        };
        list.refresh().await;
        match list.is_by_name() {
            true => self.not_on(list, people),
            false => Vec::new(),
        }
    }

    fn not_on(
        &self,
        list: &AllowList,
        people: impl IntoIterator<Item = Arc<str>>,
    ) -> Vec<Arc<str>> {
        let domains = self.config.allow.identity_domains.as_deref();
        let is_listed = |person: &Arc<str>| list.admits_name(person, domains.unwrap_or_default());
        let people = people.into_iter();
        people.filter(|person| !is_listed(person)).collect()
    }

    /// Begins to fetch the keys of tokens, where they are published.
    pub async fn fetch_keys(&self) {
        if let Some(signed) = &self.signed {
            signed.refresh().await;
        }
    }

    /// Looks at the files again that have not been looked at for a while, on threads of their own, before
    /// a request from `peer` with `headers` is judged, and verifies its token, if that is new. Does not
    /// wait for a file that hangs; for the key of a token as long as one fetch takes.
    pub async fn refresh(&self, headers: &HeaderMap, peer: IpAddr) {
        tokio::join!(
            async {
                if let Some(secret) = &self.secret {
                    secret.refresh().await;
                }
            },
            async {
                if let Some(list) = &self.allow_list {
                    list.refresh().await;
                }
            },
            self.fetch_keys()
        );
        // By then the shared secret is what it is now.
        if let Some(signed) = &self.signed
            && self.trusts(headers, peer)
        {
            // Boxed: most tokens are known.
            Box::pin(signed.verify(headers)).await;
        }
    }
}
