//! The files that the access policy reads: they are looked at before a request is judged by them.

use tokio::time::Instant;

use crate::access::AccessPolicy;

impl AccessPolicy {
    /// Need no file be looked at, at `now`, before a request is judged? Where there is none to look at,
    /// never.
    pub fn is_fresh(&self, now: Instant) -> bool {
        let list = self.allow_list.as_ref();
        self.secret
            .as_ref()
            .is_none_or(|secret| secret.is_fresh(now))
            && list.is_none_or(|list| list.is_fresh(now))
    }

    /// Looks at the files again that have not been looked at for a while, on threads of their own, before
    /// a request is judged. Does not wait for one that hangs.
    pub async fn refresh(&self) {
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
            }
        );
    }
}
