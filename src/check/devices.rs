//! An app's way: a code for a token, the token for a ticket, a WebSocket with it, at t3 and by the device door.

use std::time::Instant;

use http::header::AUTHORIZATION;
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};

use crate::check::Check;
use crate::check::advice::{NOT_T3, finding, on_cli, on_command, on_mint, on_upstream};
use crate::check::report::Finding;
use crate::check::steps::{self, Proof, bare_upstream};
use crate::config::options::UpstreamConfig;
use crate::pairing::dry_run::{AdminToken, Credential};
use crate::upstream::Upstream;
use crate::upstream::api_call::ApiCall;
use crate::upstream::descriptor::{DESCRIPTOR, Protocol};

const NO_MINT: &str = "nothing mints without an admin session";
const NO_CODE: &str = "there is no code";
const NO_TOKEN: &str = "there is no token";
const NO_TICKET: &str = "there is no ticket";
const NO_DOOR: &str = "DISPATCHER_DEVICE_PORT is not set";
const NO_DISPATCHER: &str =
    "nothing listens at DISPATCHER_DEVICE_PORT of this machine: is the dispatcher running?";
const OF_ONE_PERSON: &str = "whose t3 is meant, the host name says: ask the door from outside";

/// Whether an app's way is gone, too.
#[derive(Debug, Clone, Copy, Default)]
pub struct DevicesCheck {
    /// Is it asked for?
    pub is_wanted: bool,
    /// The device door's port on this machine, if there is one.
    pub port: Option<u16>,
}

impl Check {
    /// Goes an app's way, if that is asked for. Returns the token, which is to be revoked.
    pub(super) async fn devices(
        &mut self,
        admin: Option<&AdminToken>,
        protocol: &Protocol,
        obstacle: Option<&'static str>,
    ) -> Option<String> {
        if !self.devices.is_wanted {
            return None;
        }
        let code = match obstacle {
            None => self.code(admin).await,
            Some(why) => self.skip("device code", why),
        };
        let token = match code {
            Some(code) => self.device_token(&code).await,
            None => self.skip("device token", NO_CODE),
        };
        let ticket = match &token {
            Some(token) => self.ticket(token).await,
            None => self.skip("device ticket", NO_TOKEN),
        };
        match &ticket {
            Some(ticket) => self.sockets(ticket, protocol).await,
            None => {
                self.report.skip("device socket", NO_TICKET);
                self.report.skip("device door", NO_TICKET);
            }
        }
        token
    }

    /// Mints as the page of a person's devices does: by t3's API, else in the t3 CLI's place.
    async fn code(&mut self, admin: Option<&AdminToken>) -> Option<Credential> {
        let has_command = self.pairing.mint_command().is_some();
        if admin.is_none() && !has_command && self.without_cli().is_some() {
            return self.skip("device code", NO_MINT);
        }
        let start = Instant::now();
        let minted = match (admin, self.pairing.mint_command()) {
            (Some(admin), _) => {
                let minted = self.dry_run.mint_by_api(admin).await;
                minted.map_err(|error| on_mint(&error))
            }
            (None, Some(_)) => {
                let minted = self.dry_run.mint_by_command(&self.user).await;
                minted.map_err(|error| on_command(&error))
            }
            (None, None) => {
                let minted = self.dry_run.mint_by_cli().await;
                minted.map_err(|error| on_cli(&error))
            }
        };
        let found = minted.map(|code| (code, "minted".to_owned()));
        self.done("device code", start, found)
    }

    async fn device_token(&mut self, code: &Credential) -> Option<String> {
        let start = Instant::now();
        let call = self.dry_run.token_exchange(code);
        let found = self.said(call, "access_token").await;
        let found = found.map(|token| (token, "by /oauth/token".to_owned()));
        self.done("device token", start, found)
    }

    async fn ticket(&mut self, token: &str) -> Option<String> {
        let start = Instant::now();
        let bearer = HeaderValue::try_from(format!("Bearer {token}")).ok();
        let call = ApiCall::post("/api/auth/websocket-ticket", json!({}));
        let found = self.said(call.with(AUTHORIZATION, bearer), "ticket").await;
        let what = "for the token, by /api/auth/websocket-ticket".to_owned();
        let found = found.map(|ticket| (ticket, what));
        self.done("device ticket", start, found)
    }

    /// The text that t3's response to `call` has under `name`.
    async fn said(&self, call: ApiCall, name: &str) -> Result<String, Finding> {
        let response = self.upstream.call(call, self.timing.api_response).await;
        let response =
            response.map_err(|failure| on_upstream(&failure, &self.upstream.to_string()))?;
        let said: Value = serde_json::from_slice(response.body()).unwrap_or_default();
        match (response.status(), said[name].as_str()) {
            (StatusCode::OK, Some(text)) => Ok(text.to_owned()),
            (StatusCode::NOT_FOUND, _) => Err(finding(
                "t3 has no such endpoint",
                "apps need t3 v0.0.25 or newer",
            )),
            (status, _) => Err(finding(
                format!("t3 responded {status}, without what is expected"),
                match status.is_server_error() {
                    true => "look at t3's log",
                    false => NOT_T3,
                },
            )),
        }
    }

    /// Opens the WebSocket at t3, then by the device door of this machine.
    async fn sockets(&mut self, ticket: &str, protocol: &Protocol) {
        let start = Instant::now();
        let found = steps::open_websocket(&self.upstream, Proof::Ticket(ticket), protocol).await;
        self.report.add("device socket", found, start.elapsed());
        let port = match self.devices.port {
            None => return self.report.skip("device door", NO_DOOR),
            Some(_) if !self.user.is_empty() => {
                return self.report.skip("device door", OF_ONE_PERSON);
            }
            Some(port) => port,
        };
        let config = UpstreamConfig {
            host: "localhost".to_owned(),
            port,
            os_user: None,
            ..self.upstream_config.clone()
        };
        let (start, door) = (Instant::now(), bare_upstream(config, self.timing));
        if door.connect_bare().await.is_err() {
            return self.report.skip("device door", NO_DISPATCHER);
        }
        let found = self.by_the_door(&door, ticket, protocol).await;
        self.report.add("device door", found, start.elapsed());
    }

    /// Whether `door` leads to the same t3, and opens the WebSocket there.
    async fn by_the_door(
        &self,
        door: &Upstream,
        ticket: &str,
        protocol: &Protocol,
    ) -> Result<String, Finding> {
        let limit = self.timing.api_response;
        let described = |value: &Value| value["environmentId"].as_str().map(str::to_owned);
        let at_t3 = steps::get(&self.upstream, DESCRIPTOR, limit).await?;
        let by_door = steps::get(door, DESCRIPTOR, limit).await?;
        if described(&at_t3) != described(&by_door) {
            return Err(finding(
                format!("{door} leads to another t3"),
                "give this the options of the dispatcher that runs there",
            ));
        }
        let opened = steps::open_websocket(door, Proof::Ticket(ticket), protocol).await;
        opened.map(|what| format!("{door} leads to this t3; {what}"))
    }
}
