//! The requests, responses and errors of a tab, from its DevTools events.

use std::collections::HashMap;

use serde_json::Value;

use super::page::Page;

/// One response that the tab received; redirects and a WebSocket's 101 count too.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) url: String,
    pub(crate) status: u64,
    /// Names in lower case; the values of a repeated name are joined by a line feed.
    pub(crate) headers: HashMap<String, String>,
    pub(crate) encoded_bytes: u64,
    pub(crate) from_cache: bool,
}

impl Page {
    /// The parameters of every event of this name so far.
    pub(crate) fn events(&self, method: &str) -> Vec<Value> {
        let log = self.log.borrow();
        let named = log.iter().filter(|event| event["method"] == method);
        named.map(|event| event["params"].clone()).collect()
    }

    pub(crate) fn responses(&self) -> Vec<Response> {
        responses(&self.log.borrow())
    }

    /// The page's errors: `console.error`, uncaught exceptions, failed loads.
    pub(crate) fn console_errors(&self) -> Vec<String> {
        self.log.borrow().iter().filter_map(complaint).collect()
    }
}

fn responses(log: &[Value]) -> Vec<Response> {
    let mut extras: HashMap<&str, usize> = HashMap::new();
    let answers = log.iter().filter_map(|event| {
        let params = &event["params"];
        let (response, has_extra) = match event["method"].as_str()? {
            "Network.requestWillBeSent" => ("redirectResponse", "redirectHasExtraInfo"),
            "Network.responseReceived" => ("response", "hasExtraInfo"),
            "Network.webSocketHandshakeResponseReceived" => ("response", ""),
            _ => return None,
        };
        // A `data:` image crosses no network.
        let answer = params.get(response).filter(|answer| {
            !answer["url"]
                .as_str()
                .is_some_and(|url| url.starts_with("data:"))
        })?;
        let id = params["requestId"].as_str()?;
        let mut extra = None;
        if params[has_extra] == true {
            let seen = extras.entry(id).or_default();
            extra = about(log, id, "Network.responseReceivedExtraInfo").nth(*seen);
            *seen += 1;
        }
        let mut answer = Response::new(answer, extra.unwrap_or(&Value::Null));
        if response == "response" {
            answer.complete(log, id);
        }
        Some(answer)
    });
    answers.collect()
}

fn about<'a>(log: &'a [Value], id: &str, method: &str) -> impl Iterator<Item = &'a Value> {
    let of = move |event: &&Value| event["method"] == method && event["params"]["requestId"] == id;
    log.iter().filter(of).map(|event| &event["params"])
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn bytes(value: &Value) -> u64 {
    value["encodedDataLength"].as_f64().unwrap_or_default() as u64
}

impl Response {
    /// The raw head has more than the page is shown: a 304, the cookies.
    fn new(response: &Value, wire: &Value) -> Self {
        let status = wire["statusCode"].as_u64().or(response["status"].as_u64());
        let headers = [&response["headers"], &wire["headers"]];
        let headers = headers.into_iter().filter_map(Value::as_object).flatten();
        Self {
            url: text(&response["url"]),
            status: status.unwrap_or_default(),
            headers: headers
                .map(|(name, value)| (name.to_lowercase(), text(value)))
                .collect(),
            encoded_bytes: bytes(response),
            from_cache: response["fromDiskCache"] == true,
        }
    }

    /// Adds what later events report of the last response to a request.
    fn complete(&mut self, log: &[Value], id: &str) {
        if let Some(finished) = about(log, id, "Network.loadingFinished").next() {
            self.encoded_bytes = bytes(finished);
        }
        if let Some(socket) = about(log, id, "Network.webSocketCreated").next() {
            self.url = text(&socket["url"]);
        }
        self.from_cache |= about(log, id, "Network.requestServedFromCache")
            .next()
            .is_some();
    }
}

/// The error that an event reports, if any.
fn complaint(event: &Value) -> Option<String> {
    let params = &event["params"];
    match event["method"].as_str()? {
        "Runtime.consoleAPICalled" if params["type"] == "error" => {
            let args = params["args"].as_array()?.iter().map(printed);
            Some(args.collect::<Vec<_>>().join(" "))
        }
        "Runtime.exceptionThrown" => Some(printed(&params["exceptionDetails"]["exception"])),
        "Log.entryAdded" if params["entry"]["level"] == "error" => {
            let entry = &params["entry"];
            Some(format!(
                "{} ({})",
                text(&entry["text"]),
                text(&entry["url"])
            ))
        }
        _ => None,
    }
}

fn printed(object: &Value) -> String {
    let shown = object.get("description").unwrap_or(&object["value"]);
    shown
        .as_str()
        .map_or_else(|| shown.to_string(), str::to_owned)
}
