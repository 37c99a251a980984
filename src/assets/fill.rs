//! A file with a hash in its name: t3 is asked once, by nobody in particular, for everybody.

use std::sync::Arc;
use std::time::Duration;

use http::header::{ACCEPT, HOST, VARY};
use http::{HeaderMap, HeaderValue, Request, Response};

use crate::assets::broadcast_body::{Growing, Reader};
use crate::assets::cacheability::{self, File};
use crate::assets::encoder::{Coding, Encoder, Setting};
use crate::assets::single_flight::{Flight, Lead};
use crate::assets::transcode::Pump;
use crate::assets::{Ask, Inner, response_fields};
use crate::http_rules::header_map;
use crate::responses::ClientResponse;
use crate::responses::body::ResponseBody;
use crate::upstream::error::Failure;
use crate::upstream::request_body::Outbound;
use crate::upstream::response_body::Inbound;

/// The longest file that is coded and kept.
const LONGEST_CODED: u64 = 16 * 1024 * 1024;

/// The longest file that is kept as it is.
const LONGEST_PLAIN: u64 = 1024 * 1024;

/// What came of a fetch.
pub(super) enum Fetched {
    /// A file for everybody.
    Coming(Arc<HeaderMap>, Reader),
    /// An answer for whoever asked, which t3 gives to everybody.
    Answered(Response<Inbound>),
    /// What t3 answers depends on who asks.
    Personal,
}

impl Ask<'_> {
    /// The file called `name`, from the store, from a fetch under way, or from one that begins
    /// now. Nothing where t3 is to be asked for this client alone.
    pub(super) async fn shared(
        &self,
        name: &str,
        coding: Coding,
        limit: Duration,
    ) -> Option<Result<ClientResponse, Failure>> {
        loop {
            if let Some(answer) = self.kept() {
                return Some(Ok(answer));
            }
            match self.assets.flights.enter(name, coding).await {
                Flight::Join(fields, reader) => return Some(Ok(self.reading(&fields, reader))),
                Flight::Declined => return None,
                Flight::Over => {}
                Flight::Lead(lead) => {
                    return match self.assets.fetch(lead, coding, limit).await {
                        Ok(Fetched::Coming(fields, reader)) => {
                            Some(Ok(self.reading(&fields, reader)))
                        }
                        Ok(Fetched::Answered(answer)) => {
                            let answer = answer.map(ResponseBody::Relayed);
                            Some(self.settle(answer, limit).await)
                        }
                        Ok(Fetched::Personal) => None,
                        Err(failure) => Some(Err(failure)),
                    };
                }
            }
        }
    }

    fn reading(&self, fields: &HeaderMap, reader: Reader) -> ClientResponse {
        self.answer(fields, ResponseBody::made(reader))
    }
}

impl Inner {
    /// Asks t3 for what `lead` stands for, and begins to code it.
    pub(super) async fn fetch(
        self: &Arc<Self>,
        lead: Lead,
        wanted: Coding,
        limit: Duration,
    ) -> Result<Fetched, Failure> {
        let answer = self.ask_t3(lead.name(), limit).await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(failure) => {
                lead.decline();
                return Err(failure);
            }
        };
        let file = cacheability::file_of(&answer).filter(|_| !answer.headers().contains_key(VARY));
        let Some(file) = file else {
            lead.decline();
            return Ok(Fetched::Personal);
        };
        if !is_to_keep(file) {
            lead.decline();
            return Ok(Fetched::Answered(answer));
        }
        let coding = match file.is_codable {
            true => wanted,
            false => Coding::Identity,
        };
        Ok(self.begin(lead, file, coding, answer).await)
    }

    /// Begins to hand on `answer`, coded, when its turn has come.
    async fn begin(
        self: &Arc<Self>,
        lead: Lead,
        file: File,
        coding: Coding,
        answer: Response<Inbound>,
    ) -> Fetched {
        // The semaphore is never closed.
        let turn = Arc::clone(&self.turns).acquire_owned().await.ok();
        let Ok(encoder) = Encoder::new(coding, Setting::Fast, file.length) else {
            lead.decline();
            return Fetched::Answered(answer);
        };
        let (head, body) = answer.into_parts();
        let fields = response_fields::of_hashed(&head.headers, coding, file.is_codable);
        let fields = Arc::new(fields);
        let (growing, writer) = Growing::new();
        lead.announce(&fields, &growing);
        let pump = Pump {
            assets: Arc::clone(self),
            lead,
            file,
            from_t3: Arc::new(head.headers),
            fields: Arc::clone(&fields),
            coding,
            encoder,
            writer,
        };
        let reader = growing.reader();
        growing.written_by(self.tasks.spawn(async move {
            pump.run(body).await;
            drop(turn);
        }));
        Fetched::Coming(fields, reader)
    }

    /// Asks for `name` as nobody in particular: what comes is for everybody.
    pub(super) async fn ask_t3(
        &self,
        name: &str,
        limit: Duration,
    ) -> Result<Response<Inbound>, Failure> {
        let host = HeaderValue::try_from(self.upstream.to_string());
        let mut request = Request::new(Outbound::Empty);
        *request.uri_mut() = name.parse().map_err(|_| Failure::Unreadable)?;
        let headers = request.headers_mut();
        headers.insert(HOST, host.unwrap_or(HeaderValue::from_static("localhost")));
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        let mut answer = self.upstream.send(request, limit, None).await?;
        header_map::strip_response(answer.headers_mut(), false);
        Ok(answer)
    }
}

fn is_to_keep(file: File) -> bool {
    let longest = match file.is_codable {
        true => LONGEST_CODED,
        false => LONGEST_PLAIN,
    };
    // A page under such a name says that there is no such file.
    !file.is_page && file.length <= longest
}
