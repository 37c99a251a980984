//! The page of a person's devices: shows them, has a code made for another one, and revokes one.

use std::sync::Arc;
use std::time::SystemTime;

use http::header::{ALLOW, SET_COOKIE};
use http::{HeaderValue, Method, StatusCode};

use crate::http_rules::form_token::FormToken;
use crate::http_rules::{browser_request, origin};
use crate::limited;
use crate::pairing::admin_api::AdminApiError;
use crate::pairing::device_codes::LIFETIME;
use crate::pairing::devices::{Device, NoCode};
use crate::pairing::policy::RouteKind;
use crate::responses::devices::page::{DevicesPage, LastSeen, ListedDevice, NewCode};
use crate::responses::devices::{self, refused};
use crate::responses::{ClientResponse, ErrorFormat};
use crate::router::Router;
use crate::router::context::RequestContext;
use crate::router::device_form::{Action, action};
use crate::router::instance_router::InstanceRouter;
use crate::upstream::health_state::HealthState;
use crate::upstream::request_body::Outbound;

/// Who asks for the page, and how.
struct Asking<'a> {
    context: &'a RequestContext<'a>,
    identity: &'a Arc<str>,
    /// What the forms carry.
    token: FormToken,
    /// Has the browser that token already?
    is_held: bool,
}

impl InstanceRouter<'_> {
    /// Responds to a request for the page. It pairs nobody, and needs no session of t3's.
    pub(super) async fn devices(
        &self,
        context: &RequestContext<'_>,
        body: Outbound,
    ) -> ClientResponse {
        let Some(identity) = &context.visitor.browser.identity else {
            return Router::new(self.services).nobody(RouteKind::PageLoad, context);
        };
        let mut response = match context.head.method {
            Method::GET | Method::HEAD => self.devices_page(context, identity).await,
            Method::POST => match action(context, body).await {
                Ok((action, token)) => {
                    let is_held = true;
                    let asking = Asking {
                        context,
                        identity,
                        token,
                        is_held,
                    };
                    self.carry_out(action, &asking).await
                }
                Err(refusal) => refusal,
            },
            _ => not_allowed(context),
        };
        devices::keep_to_this_origin(response.headers_mut());
        response
    }

    async fn devices_page(
        &self,
        context: &RequestContext<'_>,
        identity: &Arc<str>,
    ) -> ClientResponse {
        let headers = &context.head.headers;
        // A link of another site's opens it. Nothing else of such a site gets it, no frame either.
        if origin::is_of_another_origin(headers) && !browser_request::wants_document(headers) {
            let why = "Another page asked for this one.";
            return refused(StatusCode::FORBIDDEN, why, &context.id);
        }
        let deadline = context.arrived + self.services.timing.page_patience;
        if let Err(response) = self
            .await_t3(context, Some(deadline), ErrorFormat::Page)
            .await
        {
            return response;
        }
        let held = FormToken::of(headers, context.visitor.is_https);
        let is_held = held.is_some();
        let Some(token) = held.or_else(FormToken::new) else {
            let why = "This machine has no random numbers.";
            return refused(StatusCode::INTERNAL_SERVER_ERROR, why, &context.id);
        };
        let asking = Asking {
            context,
            identity,
            token,
            is_held,
        };
        self.show(&asking, StatusCode::OK, None, None).await
    }

    async fn carry_out(&self, action: Action, asking: &Asking<'_>) -> ClientResponse {
        let context = asking.context;
        let deadline = context.arrived + self.services.timing.page_patience;
        let _waiting = context.client.waiting();
        if self.state_by(context, Some(deadline)).await != HealthState::Up {
            let why = "T3 Code is not running at the moment. Try again later.";
            return refused(StatusCode::SERVICE_UNAVAILABLE, why, &context.id);
        }
        match action {
            Action::Pair => self.pair_device(asking).await,
            Action::Revoke(session) => self.revoke_device(asking, &session).await,
        }
    }

    async fn pair_device(&self, asking: &Asking<'_>) -> ClientResponse {
        let (context, identity) = (asking.context, asking.identity);
        let base = match self.device_base(context, identity) {
            Ok(base) => base,
            Err(_) => return self.show(asking, StatusCode::CONFLICT, None, None).await,
        };
        let deadline = context.arrived + self.services.timing.pairing_patience;
        let (browser, id) = (&context.visitor.browser, &context.id);
        let minted = (self.instance.pairing).device_code(browser, identity, deadline, id);
        match minted.await {
            Ok(credential) => {
                let code = NewCode {
                    link: format!("{base}/pair#token={}", credential.reveal()),
                    expires: SystemTime::now() + LIFETIME,
                };
                self.show(asking, StatusCode::OK, None, Some(code)).await
            }
            Err(NoCode::TooMany) => {
                let why =
                    "No code was made: these were too many in a short time. Try again in a minute.";
                let status = StatusCode::TOO_MANY_REQUESTS;
                self.show(asking, status, Some(why), None).await
            }
            Err(error) => {
                let (user, request_id) = (browser.user(), id);
                limited!(WARN, "no device code"; user, %request_id, %error);
                let why = format!("No code was made: {error}.");
                let status = StatusCode::SERVICE_UNAVAILABLE;
                self.show(asking, status, Some(&why), None).await
            }
        }
    }

    async fn revoke_device(&self, asking: &Asking<'_>, session: &str) -> ClientResponse {
        let (context, pairing) = (asking.context, &self.instance.pairing);
        let id = &context.id;
        match pairing.revoke_device(asking.identity, session).await {
            Ok(true) => devices::done(),
            Ok(false) => refused(StatusCode::NOT_FOUND, "You have no such device.", id),
            Err(error) => {
                let (user, request_id) = (context.visitor.browser.user(), id);
                limited!(WARN, "a device is not revoked"; user, %request_id, %error);
                refused(StatusCode::SERVICE_UNAVAILABLE, &no_list(&error), id)
            }
        }
    }

    /// The page, with a `problem` and a `code` if there is one.
    async fn show(
        &self,
        asking: &Asking<'_>,
        status: StatusCode,
        problem: Option<&str>,
        code: Option<NewCode>,
    ) -> ClientResponse {
        let Asking {
            context,
            identity,
            token,
            is_held,
        } = asking;
        let listed = self.instance.pairing.devices(identity).await;
        let devices = match listed {
            Ok(devices) => Ok(devices.into_iter().map(ListedDevice::from).collect()),
            Err(error) => Err(no_list(&error)),
        };
        let unpairable = self.device_base(context, identity).err();
        let page = DevicesPage {
            user: identity,
            token,
            problem,
            unpairable,
            code,
            devices,
            now: SystemTime::now(),
        };
        let mut response = page.response(status);
        if !is_held {
            let line = token.set_cookie(devices::PATH, context.visitor.is_https);
            let line = line.map(|line| (SET_COOKIE, line));
            response.headers_mut().extend(line);
        }
        response
    }
}

impl From<Device> for ListedDevice {
    fn from(Device { name, session }: Device) -> Self {
        let system = [session.os, session.device_type].into_iter().flatten();
        let system: Vec<_> = system.filter(|part| part != "unknown").collect();
        Self {
            session: session.id,
            name,
            system: system.join(", "),
            seen: match session.last_connected_at {
                _ if session.connected => LastSeen::Now,
                Some(at) => LastSeen::At(at),
                None => LastSeen::Never,
            },
        }
    }
}

/// Why devices are not known, and what whoever runs this can do.
fn no_list(error: &AdminApiError) -> String {
    match error {
        AdminApiError::NoSession => {
            "Your devices are not known: the dispatcher has no session of its own at T3 Code. Whoever runs it gives it \
            one by the t3 CLI (T3_BIN) or in a file (DISPATCHER_TOKEN_FILE)."
                .to_owned()
        }
        error => format!("Your devices are not known: {error}. Try again later, or tell whoever runs this."),
    }
}

fn not_allowed(context: &RequestContext<'_>) -> ClientResponse {
    let why = "This page is only read and sent.";
    let mut response = refused(StatusCode::METHOD_NOT_ALLOWED, why, &context.id);
    let allowed = HeaderValue::from_static("GET, HEAD, POST");
    response.headers_mut().insert(ALLOW, allowed);
    response
}
