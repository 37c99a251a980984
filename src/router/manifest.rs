//! The manifest of the home-screen app: t3's own where it has one, else the dispatcher's.

use crate::responses::ClientResponse;
use crate::router::Router;
use crate::router::context::RequestContext;
use crate::router::failure::error_format;
use crate::upstream::request_body::Outbound;

impl Router<'_> {
    /// Asks t3 first: only it knows whether it has one.
    pub(super) async fn manifest(&self, context: &RequestContext<'_>) -> ClientResponse {
        let pwa = &self.services.pwa;
        if !pwa.is_on() {
            return self.forward(context, Outbound::Empty).await;
        }
        let error_format = error_format(&context.head.headers);
        let asked = self.ask_once(context, error_format, |limit| async move {
            let response = self.send(context, Outbound::Empty, limit).await?;
            Ok(match pwa.is_of_t3(&response) {
                true => response,
                false => pwa.manifest(&self.services.upstream).await,
            })
        });
        asked.await.unwrap_or_else(|response| response)
    }
}
