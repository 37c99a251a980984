//! A code for a token: only a code that this dispatcher has minted reaches t3, and the device is named after its
//! person.

use std::sync::Arc;

use bytes::Bytes;
use form_urlencoded::Serializer;
use http::header::CONTENT_LENGTH;
use http::{HeaderValue, StatusCode};
use http_body_util::{BodyExt, Limited};
use tracing::info;

use crate::access::session_label::device_label;
use crate::limited;
use crate::metrics::devices::DeviceEvent;
use crate::pairing::device_codes::CodeInUse;
use crate::pairing::token_claims::session_id;
use crate::responses::body::ResponseBody;
use crate::responses::device::{self, Refused};
use crate::responses::{ClientResponse, ErrorFormat};
use crate::router::context::RequestContext;
use crate::router::form::{self, Form, NoForm, single};
use crate::router::instance_router::InstanceRouter;
use crate::upstream::request_body::Outbound;

/// How much of a form, or of t3's response to it, is read: they have less than 1 KiB (contract §4).
const LIMIT_BYTES: usize = 16 * 1024;

impl InstanceRouter<'_> {
    /// The response to `POST /oauth/token` (RFC 8693 §2, contract §4).
    pub(super) async fn exchange_code(
        &self,
        context: &RequestContext<'_>,
        body: Outbound,
    ) -> ClientResponse {
        let (id, address) = (&context.id, context.visitor.browser.address);
        let body = match form::read(&context.head.headers, body, LIMIT_BYTES).await {
            Ok(body) => body,
            Err(NoForm::MediaType) => return device::refused(Refused::MediaType, id),
            Err(NoForm::TooLong | NoForm::CutShort) => return device::refused(Refused::Form, id),
        };
        let form: Form<'_> = form_urlencoded::parse(&body).collect();
        let Some(credential) = single(&form, "subject_token").map(str::trim) else {
            return device::refused(Refused::Form, id);
        };
        // One that is known is tried before any limit.
        if let Some(code) = self.instance.pairing.device_codes().take(credential) {
            return self.exchange_known(context, code, &form).await;
        }
        self.services.metrics.device(DeviceEvent::Refused);
        limited!(INFO, "refused: an app's code is not known"; ip = %address, request_id = %id);
        match self.services.guesses.take(address) {
            true => device::refused(Refused::Code, id),
            false => device::refused(Refused::TooMany, id),
        }
    }

    /// Has t3 exchange a code that this dispatcher has minted.
    async fn exchange_known(
        &self,
        context: &RequestContext<'_>,
        code: CodeInUse<'_>,
        form: &Form<'_>,
    ) -> ClientResponse {
        let named = single(form, "client_label").unwrap_or_default();
        let owner = Arc::clone(code.owner());
        let label = device_label(&owner, named);
        let request = self.token_request(context, form, &label);
        let ask = |limit| self.send_on(context, request, limit);
        let response = match self.ask_once(context, ErrorFormat::Json, ask).await {
            Ok(response) => response,
            // Nothing is known to be spent: it may be tried again while it is valid.
            Err(response) => return response,
        };
        let (head, body) = response.into_parts();
        let Ok(body) = Limited::new(body, LIMIT_BYTES).collect().await else {
            return device::refused(Refused::NoAnswer, &context.id);
        };
        let body = body.to_bytes();
        let (address, request_id) = (context.visitor.browser.address, &context.id);
        match head.status {
            StatusCode::OK => {
                let (pairing, token) = (&self.instance.pairing, access_token(&body));
                if !code.spent() {
                    // Its person was let in no more meanwhile.
                    if let Some(session) = token.as_deref().and_then(session_id) {
                        let _ = pairing.admin_api().revoke(&session).await;
                    }
                    self.services.metrics.device(DeviceEvent::Refused);
                    return device::refused(Refused::Code, &context.id);
                }
                if let Some(token) = token {
                    pairing.bearers().issued(&token);
                }
                self.services.metrics.device(DeviceEvent::Paired);
                info!(user = &*owner, device = label, ip = %address, %request_id, "device paired");
            }
            status => {
                if status == StatusCode::UNAUTHORIZED {
                    // t3 does not know it any more.
                    code.spent();
                }
                self.services.metrics.device(DeviceEvent::Refused);
                let user = &*owner;
                limited!(INFO, "refused: t3 exchanges no code"; user, ip = %address, %status, %request_id);
            }
        }
        ClientResponse::from_parts(head, ResponseBody::Own(body))
    }

    /// The request that t3 gets, with the device's name as the dispatcher states it.
    fn token_request(
        &self,
        context: &RequestContext<'_>,
        form: &Form<'_>,
        label: &str,
    ) -> http::Request<Outbound> {
        let mut told = Serializer::new(String::new());
        let others = form.iter().filter(|(name, _)| name != "client_label");
        told.extend_pairs(others);
        told.append_pair("client_label", label);
        let told = Bytes::from(told.finish());
        let length = HeaderValue::from(told.len());
        let mut request = context.request(Outbound::Whole(told));
        request.headers_mut().insert(CONTENT_LENGTH, length);
        request
    }
}

fn access_token(body: &[u8]) -> Option<String> {
    let said: serde_json::Value = serde_json::from_slice(body).ok()?;
    said["access_token"].as_str().map(str::to_owned)
}
