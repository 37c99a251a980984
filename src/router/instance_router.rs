//! What one t3 responds to the requests that are for it.

use std::sync::Arc;

use http::HeaderMap;

use crate::http_rules::cookies;
use crate::router::context::{RequestContext, RoutedResponse};
use crate::router::route::Route;
use crate::state::Services;
use crate::state::instance::Instance;
use crate::upstream::request_body::Outbound;

/// Responds to requests that are for one t3.
#[derive(Debug, Clone, Copy)]
pub(super) struct InstanceRouter<'a> {
    pub(super) services: &'a Services,
    pub(super) instance: &'a Arc<Instance>,
}

impl InstanceRouter<'_> {
    /// Responds to a request that is for this t3: screened, with one session at most, by the part that its
    /// route names.
    pub(super) async fn respond(
        &self,
        route: Route,
        mut context: RequestContext<'_>,
        body: Outbound,
    ) -> RoutedResponse {
        let is_https = context.visitor.is_https;
        let mut routed = match self.screen(route.kind(), &mut context) {
            None => {
                let in_use = self.instance.usage.begin();
                self.settle_session(route.kind(), &mut context).await;
                let routed = self.ask_t3(route, context, body).await;
                RoutedResponse {
                    in_use: Some(in_use),
                    ..routed
                }
            }
            Some(refusal) => refusal.into(),
        };
        if is_https {
            let name = self.instance.readiness.cookie_name();
            cookies::secure(routed.response.headers_mut(), &name);
        }
        routed
    }

    /// The response to a request that is admitted to t3.
    async fn ask_t3(
        &self,
        route: Route,
        context: RequestContext<'_>,
        body: Outbound,
    ) -> RoutedResponse {
        match route {
            Route::Upgrade => self.upgrade(context).await,
            Route::Page => self.page(&context, body).await.into(),
            Route::OwnSession => self.session_query(context).await.into(),
            Route::Manifest => self.manifest(&context).await.into(),
            _ => self.forward(&context, body).await.into(),
        }
    }

    /// The session cookie of a request, by the name that t3 has for it.
    pub(super) fn session_cookie<'a>(&self, headers: &'a HeaderMap) -> Option<&'a [u8]> {
        cookies::session_cookie(headers, &self.instance.readiness.cookie_name())
    }
}
