//! The router: decides which part responds to a request, and has it respond.

pub mod context;
pub mod device;
mod device_address;
mod device_form;
mod devices;
mod form;
pub mod forward;
pub mod heal;
pub mod inner;
pub mod instance_router;
pub mod page;
pub mod probe;
pub mod route;
pub mod screen;
pub mod session;
pub mod tab;
pub mod upgrade;
pub mod upstream_call;
pub mod valid_request;

use http::{HeaderMap, Request, StatusCode};
use hyper::body::Incoming;
use tokio::time::Instant;
use tracing::debug;

use crate::access::visitor::Standing;
use crate::assets::icons;
use crate::http_rules::path_secrets::shown;
use crate::http_rules::request_id::{RequestId, X_REQUEST_ID};
use crate::http_rules::{browser_request, paths};
use crate::limited;
use crate::metrics::requests::{Answered, Class, Kind, NoAnswer, RequestWay};
use crate::pairing::policy::RouteKind;
use crate::responses::{self, ClientResponse, ErrorFormat};
use crate::router::context::{RequestContext, RoutedResponse};
use crate::router::instance_router::InstanceRouter;
use crate::router::route::Route;
use crate::router::valid_request::{ValidRequest, end_after_chunks};
use crate::state::Services;
use crate::state::client::Client;
use crate::upstream::request_body::Outbound;

/// Responds to requests, with the shared services.
#[derive(Debug, Clone, Copy)]
pub struct Router<'a> {
    services: &'a Services,
}

impl<'a> Router<'a> {
    /// A router that uses `services`.
    pub fn new(services: &'a Services) -> Self {
        Self { services }
    }
}

impl Router<'_> {
    /// Responds to one request of `client`.
    pub async fn respond(&self, request: Request<Incoming>, client: &Client) -> RoutedResponse {
        let arrived = Instant::now();
        let (kind, routed) = self.admit(request, client, arrived).await;
        self.count(kind, arrived, client, &routed);
        routed
    }

    /// Counts the response to a request of that `kind`, which came at `arrived`.
    fn count(&self, kind: Kind, arrived: Instant, client: &Client, routed: &RoutedResponse) {
        self.services.metrics.answered(Answered {
            way: RequestWay::Hyper,
            kind,
            class: Class::of(routed.response.status().as_u16()),
            took: arrived.elapsed(),
            waited: client.take_waited(),
        });
    }

    /// Validates a request, and routes it if it is valid.
    async fn admit(
        &self,
        mut request: Request<Incoming>,
        client: &Client,
        arrived: Instant,
    ) -> (Kind, RoutedResponse) {
        let services = self.services;
        let ValidRequest {
            id,
            is_chunked,
            wants_websocket,
        } = match self.validate(&mut request, client) {
            Ok(valid) => valid,
            Err(refused) => return (Kind::Invalid, refused.into()),
        };
        let peer = client.peer.ip();
        services.access.refresh(request.headers(), peer).await;
        let visitor = services.access.admit(request.headers_mut(), peer);
        request.headers_mut().insert(X_REQUEST_ID, id.value());
        let route = self.route_of(&request, wants_websocket, visitor.is_proxied);
        let kind = kind(route, request.uri().path());
        let is_kept = services.has_assets && icons::is_kept(request.uri().path());
        let path = request.uri().path();
        debug!(method = %request.method(), path = &*shown(path), ?route, request_id = %id, "request");
        let (head, body) = request.into_parts();
        let body = Outbound::of_client(body, services.access.header_policy());
        client.deadlines.exchange_began(body.upload());
        let context = RequestContext {
            head,
            visitor,
            client,
            arrived,
            id,
            is_repeated: client.take_is_repeated(),
            replaced: None,
            user: None,
        };
        let named = context.id.value();
        let mut routed = self.route(route, context, body).await;
        routed.response.headers_mut().insert(X_REQUEST_ID, named);
        self.finish(&mut routed, is_kept, is_chunked);
        (kind, routed)
    }

    fn route_of(&self, request: &Request<Incoming>, is_upgrade: bool, is_proxied: bool) -> Route {
        match route::of(request, is_upgrade, is_proxied) {
            Route::Tab(_) if !self.services.pwa.has_script() => Route::Forward,
            Route::Devices if self.services.devices.port.is_none() => Route::Forward,
            route => route,
        }
    }

    async fn route(
        &self,
        route: Route,
        context: RequestContext<'_>,
        body: Outbound,
    ) -> RoutedResponse {
        let is_denied = context.visitor.standing == Standing::Denied;
        match route {
            _ if self.is_own_probe(&context) => self.itself(&context).into(),
            Route::Health => responses::healthy().into(),
            Route::Ready if self.services.tasks.is_leaving() => responses::leaving().into(),
            Route::Ready => responses::ready(self.services.instances.state()).into(),
            _ if context.client.is_on_spare_place => self.no_place(&context.id).into(),
            _ if is_denied => self.denied(&context).into(),
            Route::Probe => self.probe(&context),
            Route::NoProbe => probe::upgrade_required(&context.id).into(),
            route => self.route_to_t3(route, context, body).await,
        }
    }

    /// The response to a request that is for a t3, or for a tab of one.
    async fn route_to_t3(
        &self,
        route: Route,
        context: RequestContext<'_>,
        body: Outbound,
    ) -> RoutedResponse {
        let services = self.services;
        let instance = services.instances.find(context.identity()).await;
        let instance = instance.as_ref();
        let router = instance.map(|instance| InstanceRouter { services, instance });
        let inner = instance.and_then(|instance| instance.inner.as_ref());
        match (router, inner, route) {
            (Some(router), Some(inner), route) => {
                let in_use = router.instance.usage.begin();
                let routed = router.pass_on(inner, route, context, body).await;
                RoutedResponse {
                    in_use: Some(in_use),
                    ..routed
                }
            }
            (_, None, Route::Tab(part)) => self.tab(part, instance, &context).into(),
            (Some(router), None, Route::Devices) => router.devices(&context, body).await.into(),
            (Some(router), None, route) => router.respond(route, context, body).await,
            (None, ..) => self.no_instance(route.kind(), &context).into(),
        }
    }

    /// 503 where all places are taken: only probes of the dispatcher have spare ones.
    fn no_place(&self, id: &RequestId) -> ClientResponse {
        self.services.metrics.no_answer(NoAnswer::Places);
        let why = "all connections that DISPATCHER_MAX_CONNECTIONS allows are in use, try again";
        responses::refused(StatusCode::SERVICE_UNAVAILABLE, why, id)
    }

    /// Sets what every response needs before it goes to the client. An icon `is_kept` by a browser, of which a
    /// dispatcher behind this one tells it.
    fn finish(&self, routed: &mut RoutedResponse, is_kept: bool, is_chunked: bool) {
        if !routed.is_of_inner {
            let headers = routed.response.headers_mut();
            self.services.frame_ancestors.protect(headers);
            if is_kept {
                icons::keep(&mut routed.response);
            }
        }
        end_after_chunks(&mut routed.response, is_chunked);
    }
}

/// The kind of request that it is counted as.
fn kind(route: Route, path: &str) -> Kind {
    match route {
        Route::Health | Route::Ready | Route::Probe | Route::NoProbe | Route::Tab(_) => Kind::Probe,
        Route::Page | Route::Devices => Kind::Page,
        Route::Upgrade => Kind::Upgrade,
        Route::Forward if path.starts_with(paths::HASHED) => Kind::Asset,
        Route::Forward | Route::Manifest | Route::OwnSession => Kind::Fetch,
    }
}

impl Router<'_> {
    /// 403 for a person who has no t3 here, and for nobody where each person has his own.
    fn no_instance(&self, route: RouteKind, context: &RequestContext<'_>) -> ClientResponse {
        if context.identity().is_none() {
            return self.nobody(route, context);
        }
        let (browser, request_id) = (&context.visitor.browser, &context.id);
        let (user, ip) = (browser.user(), browser.address);
        limited!(INFO, "refused: the user has no t3 here"; user, %ip, %request_id);
        let error_format = error_format(&context.head.headers);
        responses::no_instance(user, error_format, request_id)
    }

    /// 403 for a person who is not on the list of allowed users, and who loses what was had before.
    fn denied(&self, context: &RequestContext<'_>) -> ClientResponse {
        if let Some(identity) = context.identity() {
            self.services.instances.offboard(identity);
        }
        let (browser, request_id) = (&context.visitor.browser, &context.id);
        let (user, ip) = (browser.user(), browser.address);
        limited!(INFO, "refused: the user is not let in"; user, %ip, %request_id);
        let sign_out = self.services.access.sign_out_url();
        let error_format = error_format(&context.head.headers);
        responses::denied(user, sign_out, error_format, request_id)
    }
}

/// A page where a person would see the response, also to a form that was sent.
fn error_format(headers: &HeaderMap) -> ErrorFormat {
    match browser_request::wants_document(headers) {
        true => ErrorFormat::Page,
        false => ErrorFormat::Json,
    }
}
