//! Screening: carries out what the admission says of a request before it goes to t3.

use http::header::ORIGIN;
use http::{HeaderValue, StatusCode};
use tracing::debug;

use crate::http_rules::origin::{self, OwnOrigin};
use crate::http_rules::withhold;
use crate::limited;
use crate::pairing::admission::{Admission, admission};
use crate::pairing::policy::RouteKind;
use crate::responses::{self, ClientResponse, ErrorFormat, refused};
use crate::router::Router;
use crate::router::context::RequestContext;
use crate::router::instance_router::InstanceRouter;

impl InstanceRouter<'_> {
    /// Takes t3's session off a request that may not act with it. Returns the response to one that is
    /// refused.
    pub(super) fn screen(
        &self,
        route: RouteKind,
        context: &mut RequestContext<'_>,
    ) -> Option<ClientResponse> {
        let admission = admission(&self.facts(route, context));
        let id = &context.id;
        if admission != Admission::AsItIs {
            debug!(?admission, request_id = %id, "not admitted as it is");
        }
        match admission {
            Admission::AsItIs => None,
            Admission::WithoutSession => {
                let name = self.instance.readiness.cookie_name();
                withhold::take_session_off(&mut context.head.headers, &name);
                None
            }
            Admission::AnotherOrigin => {
                self.log_foreign(context);
                let why = "another origin's page";
                Some(refused(StatusCode::FORBIDDEN, why, id))
            }
            Admission::Nobody => Some(Router::new(self.services).nobody(route, context)),
            Admission::SessionAsToken => {
                let (ip, request_id) = (context.visitor.browser.address, id);
                limited!(INFO, "refused: a session cookie's value as a token"; %ip, %request_id);
                Some(responses::session_as_token(id))
            }
        }
    }

    /// Tells the operator which two origins differ: as a rule a proxy that sends another `Host` on, or
    /// no scheme.
    fn log_foreign(&self, context: &RequestContext<'_>) {
        let headers = &context.head.headers;
        let named = headers.get(ORIGIN).map_or(&b""[..], HeaderValue::as_bytes);
        let origin = origin::shown(named);
        let own = OwnOrigin::of(headers, context.visitor.is_proxied);
        let (browser, request_id) = (&context.visitor.browser, &context.id);
        let (user, ip) = (browser.user(), browser.address);
        limited!(INFO, "refused: a WebSocket of another origin"; %origin, %own, user, %ip, %request_id);
    }
}

impl Router<'_> {
    /// 403 for a request that does not say who the person is.
    pub(super) fn nobody(&self, route: RouteKind, context: &RequestContext<'_>) -> ClientResponse {
        let error_format = match route {
            RouteKind::PageLoad => ErrorFormat::Page,
            _ => ErrorFormat::Json,
        };
        let field = self.services.access.identity_header();
        let field = field.map_or("", |field| field.as_str());
        let (ip, request_id) = (context.visitor.browser.address, &context.id);
        limited!(INFO, "refused: the request names nobody"; missing = field, %ip, %request_id);
        responses::nobody(field, error_format, &context.id)
    }
}
