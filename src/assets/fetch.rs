//! Fetches of immutable files: from t3 once for every client, encoded and stored on the way.

use std::sync::Arc;
use std::time::Duration;

use http::header::{ACCEPT, ACCEPT_ENCODING, HOST};
use http::{HeaderMap, HeaderValue, Request, Response};
use tokio::time::{Instant, timeout, timeout_at};

use crate::assets::cacheability::{self, StaticFile};
use crate::assets::encoder::{self, Coding};
use crate::assets::growing_body::BodyReader;
use crate::assets::kept::KeptResponse;
use crate::assets::negotiation::PreferredCodings;
use crate::assets::single_flight::{FetchLeader, FetchRole};
use crate::assets::transcode::{FetchTurn, Transcoder};
use crate::assets::{AssetRequest, AssetService, response_fields};
use crate::http_rules::header_map;
use crate::responses::ClientResponse;
use crate::responses::body::ResponseBody;
use crate::upstream::error::Failure;
use crate::upstream::request_body::Outbound;
use crate::upstream::response_body::Inbound;

/// The longest compressible file that is stored.
pub(super) const MAX_COMPRESSIBLE_BYTES: u64 = 16 * 1024 * 1024;

/// The longest file that is stored without compression. t3's font has 1.2 MB (contract §11).
const MAX_UNCOMPRESSED_BYTES: u64 = 2 * 1024 * 1024;

/// What t3's response to a fetch is good for.
pub(super) enum FetchOutcome {
    /// A file that is stored as it comes: the fields of the response, and its body.
    Stored(HeaderMap, BodyReader),
    /// A file that is stored once it is whole, and then to be taken from the store.
    Whole(BodyReader),
    /// A response that any client may get, but that is not stored.
    NotStored(Response<Inbound>),
    /// Each client may get another response.
    NotShareable,
}

impl AssetRequest<'_> {
    /// The response with the file `name` from a fetch that every client shares, or made of what one has
    /// left. `None` if t3 has to be asked on behalf of this client.
    pub(super) async fn shared(
        &self,
        name: &str,
        limit: Duration,
    ) -> Option<Result<ClientResponse, Failure>> {
        if self.service.declined.has(name) {
            return None;
        }
        let leader = match self.service.fetches.enter(name) {
            FetchRole::Leader(leader) => leader,
            FetchRole::Follower(ended) => {
                // After `limit` this request no longer depends on another client's fetch.
                let _ = timeout(limit, ended.cancelled()).await;
                return self.recoded(name).await.map(Ok);
            }
        };
        if let Some(response) = self.recoded(name).await {
            return Some(Ok(response));
        }
        match self
            .service
            .fetch(leader, Some(self.preferred), limit)
            .await
        {
            Ok(FetchOutcome::Stored(fields, body)) => {
                Some(Ok(self.response(fields, body.into_body())))
            }
            Ok(FetchOutcome::Whole(body)) => {
                let _ = timeout(limit, body.ended()).await;
                self.recoded(name).await.map(Ok)
            }
            Ok(FetchOutcome::NotStored(response)) => {
                let response = response.map(ResponseBody::Relayed);
                Some(self.client_response(response, limit).await)
            }
            Ok(FetchOutcome::NotShareable) => None,
            Err(failure) => Some(Err(failure)),
        }
    }

    /// The response with the file `name`, if its content is stored, in a coding that the client accepts: made
    /// of another if need be. A 304 where the client has it.
    async fn recoded(&self, name: &str) -> Option<ClientResponse> {
        let file = self.service.names.get(name)?;
        let kept = match KeptResponse::unchanged(&file, &self.head.headers) {
            Some(unchanged) => unchanged,
            None => {
                let stored = self.service.content.recoded(&file, self.preferred).await?;
                KeptResponse::with(file, stored)
            }
        };
        kept.count_saved(self.is_head(), &self.service.metrics);
        Some(self.kept(&kept))
    }
}

impl AssetService {
    /// Asks t3 for `leader`'s file within `limit`, and starts a task that stores it, encoded for the
    /// client with those `preferred` codings, if one waits. Where a content of that length is stored already,
    /// or was kept over a restart, it may be this one, which is then not encoded again: that is known once it is
    /// whole.
    pub(super) async fn fetch(
        self: &Arc<Self>,
        leader: FetchLeader,
        preferred: Option<PreferredCodings>,
        limit: Duration,
    ) -> Result<FetchOutcome, Failure> {
        let (name, deadline) = (leader.name(), Instant::now() + limit);
        let response = self.get_for_all(name, limit).await?;
        let is_shareable = |file: &StaticFile| {
            !file.depends_on_client && (file.is_page || file.is_immutable(name))
        };
        let file = cacheability::file_of(&response).filter(is_shareable);
        let Some(file) = file else {
            self.declined.note(name, &response);
            return Ok(FetchOutcome::NotShareable);
        };
        if !is_to_be_stored(file) {
            return Ok(FetchOutcome::NotStored(response));
        }
        let may_be_known = || self.content.may_have_length(file.length);
        let coding = match preferred {
            Some(preferred) if file.is_compressible && !may_be_known() => {
                Some(preferred.fast_coding(file.length))
            }
            _ if file.is_compressible => None,
            _ => Some(Coding::Identity),
        };
        let Some(turn) = self.turn(file.length, coding, deadline).await else {
            return Ok(FetchOutcome::NotStored(response));
        };
        let (head, body) = response.into_parts();
        let fields = coding.map(|coding| {
            response_fields::of_immutable(&head.headers, coding, file.is_compressible)
        });
        let transcoder = Transcoder {
            service: Arc::clone(self),
            leader,
            file,
            coding,
            upstream_fields: head.headers,
            turn,
        };
        let body = transcoder.start(body);
        Ok(match fields {
            Some(fields) => FetchOutcome::Stored(fields, body),
            None => FetchOutcome::Whole(body),
        })
    }

    /// Waits until `deadline` for a place among the fetches from this t3; `None` without one, or if all fetches
    /// take what they may.
    async fn turn(
        &self,
        length: u64,
        coding: Option<Coding>,
        deadline: Instant,
    ) -> Option<FetchTurn> {
        let permits = Arc::clone(&self.fetch_permits);
        let permit = timeout_at(deadline, permits.acquire_owned()).await;
        let is_encoded = coding.is_some_and(|coding| coding != Coding::Identity);
        Some(FetchTurn {
            _permit: permit.ok()?.ok()?,
            room: Some(self.content.room(length, is_encoded)?),
        })
    }

    /// `GET path` without anything of a client, so that the response is every client's, and without a
    /// coding: that is chosen here.
    pub(super) async fn get_for_all(
        &self,
        path: &str,
        limit: Duration,
    ) -> Result<Response<Inbound>, Failure> {
        let host = HeaderValue::try_from(self.upstream.to_string());
        let mut request = Request::new(Outbound::Empty);
        *request.uri_mut() = path.parse().map_err(|_| Failure::Unreadable)?;
        let headers = request.headers_mut();
        headers.insert(HOST, host.unwrap_or(HeaderValue::from_static("localhost")));
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        headers.insert(ACCEPT_ENCODING, encoder::IDENTITY);
        let mut response = self.upstream.send(request, limit, None, false).await?;
        header_map::strip_response(response.headers_mut(), false);
        Ok(response)
    }
}

/// t3 answers the name of a file that it does not have with its page.
fn is_to_be_stored(file: StaticFile) -> bool {
    let max_length = match file.is_compressible {
        true => MAX_COMPRESSIBLE_BYTES,
        false => MAX_UNCOMPRESSED_BYTES,
    };
    !file.is_page && file.length <= max_length
}
