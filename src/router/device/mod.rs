//! The device door: what an app may ask for goes to t3 without a cookie; everything else gets nothing of it.

mod allowed;
mod by_hand;
mod token;

use std::sync::Arc;
use std::time::SystemTime;

use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, HOST, SET_COOKIE};
use http::{HeaderValue, Request, StatusCode};
use hyper::body::Incoming;
use tokio::time::Instant;
use tracing::debug;

use crate::http_rules::app_token::AppToken;
use crate::http_rules::header_map::retain;
use crate::http_rules::path_secrets::shown;
use crate::http_rules::request_id::X_REQUEST_ID;
use crate::limited;
use crate::metrics::requests::Kind;
use crate::pairing::bearers::Confirmation;
use crate::responses::body::ResponseBody;
use crate::responses::device::{self, Refused};
use crate::responses::{ClientResponse, ErrorFormat};
use crate::router::Router;
use crate::router::context::{RequestContext, RoutedResponse};
use crate::router::device::allowed::Allowed;
use crate::router::instance_router::InstanceRouter;
use crate::router::valid_request::{ValidRequest, end_after_chunks};
use crate::state::Services;
use crate::state::client::Client;
use crate::state::instance::Instance;
use crate::state::routed::Uncertain;
use crate::upstream::request_body::Outbound;

/// Responds to requests of apps, which no single sign-on has seen.
#[derive(Debug, Clone, Copy)]
pub struct DeviceRouter<'a> {
    services: &'a Services,
}

impl<'a> DeviceRouter<'a> {
    /// A router that uses `services`.
    pub fn new(services: &'a Services) -> Self {
        Self { services }
    }

    /// Responds to one request of `client`.
    pub async fn respond(&self, request: Request<Incoming>, client: &Client) -> RoutedResponse {
        let arrived = Instant::now();
        let (kind, mut routed) = self.admit(request, client, arrived).await;
        finish(&mut routed.response);
        Router::new(self.services).count(kind, arrived, client, &routed);
        routed
    }

    /// Validates a request as the public door does, and routes it if it is valid.
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
        } = match Router::new(services).validate(&mut request, client) {
            Ok(valid) => valid,
            Err(refused) => return (Kind::Invalid, refused.into()),
        };
        let peer = client.peer.ip();
        let visitor = services.access.admit_app(request.headers_mut(), peer);
        request.headers_mut().insert(X_REQUEST_ID, id.value());
        let (head, body) = request.into_parts();
        let body = Outbound::of_client(body, services.access.header_policy());
        client.deadlines.exchange_began(body.upload());
        let (path, query) = (head.uri.path(), head.uri.query().unwrap_or_default());
        let allowed = Allowed::of(&head.method, path, query, wants_websocket);
        debug!(method = %head.method, path = &*shown(path), ?allowed, request_id = %id, "an app's request");
        let context = RequestContext {
            head,
            visitor,
            client,
            arrived,
            id,
            is_repeated: false,
            replaced: None,
            user: None,
        };
        let named = context.id.value();
        let mut routed = self.route(allowed, wants_websocket, context, body).await;
        routed.response.headers_mut().insert(X_REQUEST_ID, named);
        end_after_chunks(&mut routed.response, is_chunked);
        (Kind::App, routed)
    }

    async fn route(
        &self,
        allowed: Option<Allowed>,
        wants_websocket: bool,
        mut context: RequestContext<'_>,
        body: Outbound,
    ) -> RoutedResponse {
        let services = self.services;
        if context.client.is_on_spare_place {
            return Router::new(services).no_place(&context.id).into();
        }
        let allowed = match allowed {
            None => return device::refused(Refused::NotFound, &context.id).into(),
            Some(Allowed::PairPage) => return device::pair_page().into(),
            Some(allowed) => allowed,
        };
        let instance = match self.instance(&mut context).await {
            Ok(instance) => instance,
            Err(refused) => return device::refused(refused, &context.id).into(),
        };
        let instance = &instance;
        let router = InstanceRouter { services, instance };
        let mut routed: RoutedResponse = match allowed {
            Allowed::Token => router.exchange_code(&context, body).await.into(),
            Allowed::Ticket if wants_websocket => {
                let upgraded = router.upgrade_as_it_is(&context).await;
                upgraded.unwrap_or_else(RoutedResponse::from)
            }
            Allowed::Bearer => router.with_token(&context, body).await.into(),
            _ => router.relay(&context, body).await.into(),
        };
        // What anybody can ask for keeps no t3 from being put to sleep.
        let is_of_session = matches!(allowed, Allowed::Bearer | Allowed::Ticket | Allowed::Signed);
        let is_used = is_of_session && routed.response.status().is_success();
        routed.in_use = is_used.then(|| instance.usage.begin());
        routed
    }

    /// The t3 that a request is for: the only one, or that of the person whom the host name means.
    ///
    /// # Errors
    /// Where there is none, or only a dispatcher beside it lets apps in.
    async fn instance(&self, context: &mut RequestContext<'_>) -> Result<Arc<Instance>, Refused> {
        let services = self.services;
        if services.instances.may_have_inner() {
            let host = context.head.headers.get(HOST).map(HeaderValue::as_bytes);
            let template = services.devices.host.as_ref();
            let user = template
                .zip(host)
                .and_then(|(template, host)| template.user_of(host));
            context.user = Some(user.ok_or(Refused::NotFound)?.into());
        }
        let user = context.user.as_deref();
        let instance = match services.instances.known(user) {
            Some(instance) => instance,
            // It may have to be looked for, as a name.
            None if !services.guesses.take(context.visitor.browser.address) => {
                return Err(Refused::TooMany);
            }
            None => {
                let found = services.instances.find_for_app(user).await;
                let found = found.map_err(|Uncertain| Refused::NoAnswer)?;
                found.ok_or(Refused::NotFound)?
            }
        };
        match instance.inner {
            None => Ok(instance),
            Some(_) => Err(Refused::NotFound),
        }
    }
}

impl InstanceRouter<'_> {
    /// t3's response to a request that needs nothing more.
    async fn relay(&self, context: &RequestContext<'_>, body: Outbound) -> ClientResponse {
        let request = context.request(body);
        let send = |limit| self.send_on(context, request, limit);
        let sent = self.ask_once(context, ErrorFormat::Json, send).await;
        sent.unwrap_or_else(|response| response)
    }

    /// t3's response to a request that needs an app's token, if it brings one.
    async fn with_token(&self, context: &RequestContext<'_>, body: Outbound) -> ClientResponse {
        match self.check_token(context).await {
            Ok(()) => self.relay(context, body).await,
            Err(refused) => device::refused(refused, &context.id),
        }
    }

    /// Checks that a request brings the token of an app's session, by its form before t3 is asked.
    ///
    /// # Errors
    /// Why it is refused otherwise.
    async fn check_token(&self, context: &RequestContext<'_>) -> Result<(), Refused> {
        let (token, line) = match AppToken::of(&context.head.headers, SystemTime::now()) {
            AppToken::Bound => return Ok(()),
            AppToken::Bearer(token, line) => (token, line),
            AppToken::Absent => return Err(Refused::NoToken),
            AppToken::Unusable => return Err(Refused::Token),
        };
        let is_up = self.await_t3(context, None, ErrorFormat::Json).await;
        is_up.map_err(|_| Refused::NoAnswer)?;
        let address = context.visitor.browser.address;
        let may_ask = || self.services.guesses.take(address);
        let bearers = self.instance.pairing.bearers();
        match bearers.confirm(token, line, may_ask).await {
            Confirmation::Confirmed => Ok(()),
            Confirmation::Refused => Err(Refused::Token),
            Confirmation::Unknown => Err(Refused::NoAnswer),
            Confirmation::NotAsked => {
                let request_id = &context.id;
                limited!(WARN, "refused: too many unknown tokens of apps"; ip = %address, %request_id);
                Err(Refused::TooMany)
            }
        }
    }
}

/// Sets what every response of this door needs. t3's own have it; a cookie among their fields is no app's.
pub fn finish(response: &mut ClientResponse) {
    let is_own = matches!(response.body(), ResponseBody::Own(_));
    let headers = response.headers_mut();
    retain(headers, |name| name != SET_COOKIE);
    let has = headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN);
    if is_own && !has && response.status() != StatusCode::SWITCHING_PROTOCOLS {
        // A page of the hosted app could not read why it is refused. It carries no cookie.
        let anybody = HeaderValue::from_static("*");
        response
            .headers_mut()
            .insert(ACCESS_CONTROL_ALLOW_ORIGIN, anybody);
    }
}
