//! One load of a page, from the address to the open WebSocket: how long it takes, and what it transfers.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::page::Page;

/// A request was sent; a WebSocket is open.
const ASKED: &str = "Network.requestWillBeSent";
const OPENED: &str = "Network.webSocketHandshakeResponseReceived";

const POLL: Duration = Duration::from_millis(20);

/// Begins a load.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Begin<'a> {
    Navigate(&'a str),
    Reload,
}

/// What a load took.
#[derive(Debug, Clone, Default)]
pub(crate) struct Load {
    /// The addresses that were asked over the network, besides the WebSocket's.
    pub(crate) asked: Vec<String>,
    /// Fields included.
    pub(crate) bytes: u64,
    /// The first request, and the open WebSocket, in the browser's milliseconds.
    pub(crate) begun: f64,
    pub(crate) live: f64,
}

impl Load {
    pub(crate) fn ms(&self) -> f64 {
        self.live - self.begun
    }
}

impl Page {
    /// Loads the page; `None` if no WebSocket is open within `limit`. What trickles in within `tail` behind it belongs to
    /// the load; what is asked of another host does not.
    pub(crate) async fn load(
        &self,
        begin: Begin<'_>,
        host: &str,
        limit: Duration,
        tail: Duration,
    ) -> Option<Load> {
        let (answers, opened) = (self.responses().len(), self.events(OPENED).len());
        let asked = self.events(ASKED).len();
        let _command = match begin {
            Begin::Navigate(url) => self.must("Page.navigate", json!({ "url": url })).await,
            Begin::Reload => self.must("Page.reload", json!({})).await,
        };
        let deadline = Instant::now() + limit;
        while self.events(OPENED).len() == opened {
            if Instant::now() > deadline {
                let finished = self.events("Network.loadingFinished").len();
                let asked = self.events(ASKED).len();
                println!("{host}: {finished} of {asked} and no WebSocket");
                return None;
            }
            sleep(POLL).await;
        }
        sleep(tail).await;
        let responses = self.responses();
        let over_the_line = responses[answers..].iter().filter(|response| {
            let is_asked = response.url.starts_with("http") && response.url.contains(host);
            is_asked && !response.from_cache
        });
        Some(Load {
            asked: over_the_line
                .clone()
                .map(|response| response.url.clone())
                .collect(),
            bytes: over_the_line.map(|response| response.encoded_bytes).sum(),
            begun: milliseconds(&self.events(ASKED)[asked]),
            live: milliseconds(&self.events(OPENED)[opened]),
        })
    }
}

fn milliseconds(event: &Value) -> f64 {
    event["timestamp"].as_f64().unwrap_or(f64::NAN) * 1e3
}
