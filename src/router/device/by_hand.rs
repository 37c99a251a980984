//! A code that a person has t3 mint in its settings: it is let in at the device door as the dispatcher's own are.

use std::sync::Arc;

use http::header::CONTENT_ENCODING;
use http::{Method, StatusCode};
use http_body_util::{BodyExt, Limited};

use crate::access::identity::Browser;
use crate::responses::ClientResponse;
use crate::responses::body::ResponseBody;
use crate::responses::device::{self, Refused};
use crate::router::context::RequestContext;
use crate::router::instance_router::InstanceRouter;

/// Where t3 mints a code (contract §4).
const MINT: &str = "/api/auth/pairing-token";

/// How much of its response is read. It has some 150 bytes.
const LIMIT_BYTES: usize = 16 * 1024;

impl InstanceRouter<'_> {
    /// `response`, of t3 to the request of a person; where it is a code, that one is noted as the person's.
    pub(in crate::router) async fn note_code(
        &self,
        context: &RequestContext<'_>,
        response: ClientResponse,
    ) -> ClientResponse {
        let is_mint = context.head.method == Method::POST && context.head.uri.path() == MINT;
        let is_readable = !response.headers().contains_key(CONTENT_ENCODING);
        let is_code = is_mint && is_readable && response.status() == StatusCode::OK;
        let Browser {
            identity: owner,
            rights,
            ..
        } = &context.visitor.browser;
        let (true, true, Some(owner)) = (is_code, self.services.devices.port.is_some(), owner)
        else {
            return response;
        };
        let (head, body) = response.into_parts();
        let Ok(body) = Limited::new(body, LIMIT_BYTES).collect().await else {
            return device::refused(Refused::NoAnswer, &context.id);
        };
        let body = body.to_bytes();
        let said = serde_json::from_slice::<serde_json::Value>(&body).unwrap_or_default();
        if let Some(credential) = said["credential"].as_str() {
            let codes = self.instance.pairing.device_codes();
            codes.add(credential, Arc::clone(owner), *rights);
        }
        ClientResponse::from_parts(head, ResponseBody::Own(body))
    }
}
