//! Requests for a dispatcher behind this one: they and their responses go on as they are.

use std::borrow::Cow;

use http::header::RETRY_AFTER;
use http::{HeaderValue, StatusCode};

use crate::access::inner::{InnerDispatcher, NotPassedOn};
use crate::limited;
use crate::responses::{ClientResponse, ErrorFormat, refused};
use crate::router::context::{RequestContext, RoutedResponse};
use crate::router::error_format;
use crate::router::instance_router::InstanceRouter;
use crate::router::route::Route;
use crate::upstream::request_body::Outbound;

impl InstanceRouter<'_> {
    /// Sends a request on to `inner`, with who it is from. That one pairs, heals and says what its t3 does:
    /// its responses are the client's, with their statuses, cookies and policies.
    pub(super) async fn pass_on(
        &self,
        inner: &InnerDispatcher,
        route: Route,
        mut context: RequestContext<'_>,
        body: Outbound,
    ) -> RoutedResponse {
        inner.refresh().await;
        if let Err(error) = self.tell_who(inner, &mut context) {
            return self.not_passed_on(error, &context).into();
        }
        let sent = match (route, body) {
            (Route::Upgrade, _) => return self.upgrade_on(&context).await,
            (Route::Page, Outbound::Empty) => {
                let deadline = context.arrived + self.services.timing.page_patience;
                let attempt =
                    |limit| self.send_on(&context, context.request(Outbound::Empty), limit);
                self.ask_until(&context, deadline, ErrorFormat::Page, attempt)
                    .await
            }
            (_, body) => {
                let error_format = error_format(&context.head.headers);
                let attempt = |limit| self.send_on(&context, context.request(body), limit);
                self.ask_once(&context, error_format, attempt).await
            }
        };
        sent.map_or_else(RoutedResponse::from, RoutedResponse::of_inner)
    }

    /// Writes who a request is from into it.
    fn tell_who(
        &self,
        inner: &InnerDispatcher,
        context: &mut RequestContext<'_>,
    ) -> Result<(), NotPassedOn> {
        let visitor = &context.visitor;
        let identity = visitor.browser.identity.as_deref().unwrap_or_default();
        let groups = visitor.groups.as_deref().map(Cow::Borrowed);
        let access = &self.services.access;
        let passed_on = access.passed_on(inner, identity, groups)?;
        passed_on.set(&mut context.head.headers)
    }

    /// The response where the dispatcher behind this one cannot be told who the person is.
    fn not_passed_on(&self, why: NotPassedOn, context: &RequestContext<'_>) -> ClientResponse {
        let (user, request_id) = (context.visitor.browser.user(), &context.id);
        match why {
            NotPassedOn::NoSecret => {
                limited!(ERROR, "a request was refused"; %why, user, %request_id);
                let status = StatusCode::SERVICE_UNAVAILABLE;
                let why = "the secret for the dispatcher behind this one is not there";
                let mut response = refused(status, why, &context.id);
                let later = HeaderValue::from_static("5");
                response.headers_mut().insert(RETRY_AFTER, later);
                response
            }
            NotPassedOn::Name => {
                limited!(INFO, "refused: the name cannot be passed on"; user, %request_id);
                let why = "your name cannot be passed on to the dispatcher behind this one";
                refused(StatusCode::FORBIDDEN, why, &context.id)
            }
        }
    }

    /// Asks for a WebSocket, which the other dispatcher heals or refuses.
    async fn upgrade_on(&self, context: &RequestContext<'_>) -> RoutedResponse {
        match self.upgrade_as_it_is(context).await {
            Ok(routed) => RoutedResponse {
                is_of_inner: true,
                ..routed
            },
            Err(response) => response.into(),
        }
    }
}
