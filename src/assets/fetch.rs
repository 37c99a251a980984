//! Fetches of immutable files: from t3 once for every client, encoded and stored on the way.

use std::sync::Arc;
use std::time::Duration;

use http::header::{ACCEPT, HOST, VARY};
use http::{HeaderMap, HeaderValue, Request, Response};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::assets::cacheability::{self, StaticFile};
use crate::assets::encoder::Coding;
use crate::assets::single_flight::{FetchLeader, FetchRole};
use crate::assets::transcode::{self, EncodedPiece, Transcoder};
use crate::assets::{AssetRequest, AssetService, response_fields};
use crate::http_rules::header_map;
use crate::responses::ClientResponse;
use crate::responses::body::ResponseBody;
use crate::upstream::error::Failure;
use crate::upstream::request_body::Outbound;
use crate::upstream::response_body::Inbound;

/// The longest compressible file that is stored.
const MAX_COMPRESSIBLE_BYTES: u64 = 16 * 1024 * 1024;

/// The longest file that is stored without compression.
const MAX_UNCOMPRESSED_BYTES: u64 = 1024 * 1024;

/// What t3's response to a fetch is good for.
pub(super) enum FetchOutcome {
    /// A file that is stored as it comes: the fields of the response, and its body.
    Stored(Arc<HeaderMap>, mpsc::UnboundedReceiver<EncodedPiece>),
    /// A response that any client may get, but that is not stored.
    NotStored(Response<Inbound>),
    /// Each client may get another response.
    NotShareable,
}

impl AssetRequest<'_> {
    /// The response with the file `name` from a fetch that every client shares. `None` if t3 has to
    /// be asked on behalf of this client.
    pub(super) async fn shared(
        &self,
        name: &str,
        coding: Coding,
        limit: Duration,
    ) -> Option<Result<ClientResponse, Failure>> {
        let leader = match self.service.fetches.enter(name, coding) {
            FetchRole::Leader(leader) => leader,
            FetchRole::Follower(ended) => {
                // After `limit` this request no longer depends on another client's fetch.
                let _ = timeout(limit, ended.cancelled()).await;
                return self.stored_response().map(Ok);
            }
        };
        match self.service.fetch(leader, coding, limit).await {
            Ok(FetchOutcome::Stored(fields, pieces)) => {
                Some(Ok(self.response(&fields, transcode::body(pieces))))
            }
            Ok(FetchOutcome::NotStored(response)) => {
                let response = response.map(ResponseBody::Relayed);
                Some(self.client_response(response, limit).await)
            }
            Ok(FetchOutcome::NotShareable) => None,
            Err(failure) => Some(Err(failure)),
        }
    }
}

impl AssetService {
    /// Asks t3 for `leader`'s file within `limit`, and starts a task that encodes and stores it.
    pub(super) async fn fetch(
        self: &Arc<Self>,
        leader: FetchLeader,
        preferred: Coding,
        limit: Duration,
    ) -> Result<FetchOutcome, Failure> {
        let response = self.get_for_all(leader.name(), limit).await?;
        let depends_on_client = response.headers().contains_key(VARY);
        let file = cacheability::file_of(&response).filter(|_| !depends_on_client);
        let Some(file) = file else {
            return Ok(FetchOutcome::NotShareable);
        };
        if !is_to_be_stored(file) {
            return Ok(FetchOutcome::NotStored(response));
        }
        let coding = match file.is_compressible {
            true => preferred,
            false => Coding::Identity,
        };
        let (head, body) = response.into_parts();
        let fields = response_fields::of_immutable(&head.headers, coding, file.is_compressible);
        let fields = Arc::new(fields);
        let transcoder = Transcoder {
            service: Arc::clone(self),
            leader,
            file,
            coding,
            fields: Arc::clone(&fields),
            upstream_fields: Arc::new(head.headers),
        };
        Ok(FetchOutcome::Stored(fields, transcoder.start(body)))
    }

    /// `GET path` without anything of a client, so that the response is every client's.
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
        let mut response = self.upstream.send(request, limit, None).await?;
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
