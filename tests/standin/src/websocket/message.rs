//! The RPC's messages (contract §5).

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::value::RawValue;

/// More than any test requests; a chunk stays below ws's limit.
const MAX_CHUNK_BYTES: usize = 64 * 1024 * 1024;

/// A client's messages.
#[derive(Deserialize)]
#[serde(tag = "_tag")]
enum Said {
    Ping,
    Request(Request),
    #[serde(rename_all = "camelCase")]
    Ack {
        request_id: String,
    },
    #[serde(rename_all = "camelCase")]
    Interrupt {
        request_id: String,
    },
}

#[derive(Deserialize)]
struct Request {
    id: String,
    tag: String,
}

/// The payload byte for byte, read separately as serde's tagged enums do not keep it.
#[derive(Deserialize)]
struct WithPayload<'a> {
    #[serde(borrow, default)]
    payload: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Flood {
    chunks: u64,
    bytes: usize,
}

/// The streams of one socket that wait for an Ack.
#[derive(Default)]
pub(super) struct Streams {
    waiting: HashMap<String, Flood>,
    scopes: Vec<String>,
}

/// Methods of t3's with what each needs and its value here (contract §5).
const METHODS: [(&str, &str, &str); 2] = [
    (
        "orchestration.dispatchCommand",
        "orchestration:operate",
        r#"{"sequence":1}"#,
    ),
    ("server.getConfig", "orchestration:read", "{}"),
];

impl Streams {
    /// None yet, of a session with these scopes.
    pub(super) fn of(scopes: Vec<String>) -> Streams {
        Streams {
            scopes,
            ..Streams::default()
        }
    }

    /// The reply to a message, if any.
    pub(super) fn respond(&mut self, text: &str) -> Option<String> {
        match serde_json::from_str(text) {
            Ok(Said::Ping) => Some(r#"{"_tag":"Pong"}"#.to_owned()),
            Ok(Said::Request(request)) => Some(self.begin(&request, text)),
            Ok(Said::Ack { request_id }) => {
                let flood = self.waiting.remove(&request_id)?;
                Some(self.next(request_id, flood))
            }
            Ok(Said::Interrupt { request_id }) => {
                self.waiting.remove(&request_id);
                Some(exit(
                    &request_id,
                    r#"{"_tag":"Failure","cause":[{"_tag":"Interrupt"}]}"#,
                ))
            }
            Err(error) => Some(defect(&error.to_string())),
        }
    }

    fn begin(&mut self, request: &Request, text: &str) -> String {
        let payload = serde_json::from_str::<WithPayload<'_>>(text)
            .ok()
            .and_then(|with| with.payload);
        let payload = payload.map_or("null", RawValue::get);
        match request.tag.as_str() {
            "echo" => exit(&request.id, &success(payload)),
            "flood" => match serde_json::from_str(payload) {
                Ok(flood) => self.next(request.id.clone(), flood),
                Err(error) => defect(&error.to_string()),
            },
            tag => exit(&request.id, &self.call(tag)),
        }
    }

    /// How a call of t3's own method exits.
    fn call(&self, tag: &str) -> String {
        let mut methods = METHODS.iter();
        let Some((_, scope, value)) = methods.find(|(name, ..)| *name == tag) else {
            let defect = quoted(&format!("Unknown request tag: {tag}"));
            return format!(r#"{{"_tag":"Failure","cause":[{{"_tag":"Die","defect":{defect}}}]}}"#);
        };
        match self.scopes.iter().any(|own| own == scope) {
            true => success(value),
            false => format!(
                r#"{{"_tag":"Failure","cause":[{{"_tag":"Fail","error":{{"_tag":"EnvironmentAuthorizationError","message":"The authenticated token is missing required scope: {scope}.","requiredScope":"{scope}"}}}}]}}"#
            ),
        }
    }

    /// One Chunk, and none before its Ack.
    fn next(&mut self, id: String, flood: Flood) -> String {
        if flood.chunks == 0 {
            return exit(&id, &success("null"));
        }
        let data = "x".repeat(flood.bytes.min(MAX_CHUNK_BYTES));
        let chunk = format!(
            r#"{{"_tag":"Chunk","requestId":{},"values":["{data}"]}}"#,
            quoted(&id)
        );
        self.waiting.insert(
            id,
            Flood {
                chunks: flood.chunks - 1,
                ..flood
            },
        );
        chunk
    }
}

/// The reply to an invalid message; the socket stays open.
fn defect(reason: &str) -> String {
    let reason = quoted(reason);
    format!(r#"{{"_tag":"Defect","defect":{{"name":"SyntaxError","message":{reason}}}}}"#)
}

fn success(value: &str) -> String {
    format!(r#"{{"_tag":"Success","value":{value}}}"#)
}

fn exit(id: &str, exit: &str) -> String {
    format!(
        r#"{{"_tag":"Exit","requestId":{},"exit":{exit}}}"#,
        quoted(id)
    )
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_answered_with_its_payload() {
        let mut streams = Streams::default();
        let echo = r#"{"_tag":"Request","id":"1","tag":"echo","payload":{"b":1,"a":[2]}}"#;
        let exit =
            r#"{"_tag":"Exit","requestId":"1","exit":{"_tag":"Success","value":{"b":1,"a":[2]}}}"#;
        assert_eq!(streams.respond(echo).as_deref(), Some(exit));
        assert_eq!(
            streams.respond(r#"{"_tag":"Ping"}"#).as_deref(),
            Some(r#"{"_tag":"Pong"}"#)
        );
        assert!(
            streams
                .respond("no")
                .is_some_and(|said| said.starts_with(r#"{"_tag":"Defect""#))
        );
    }

    #[test]
    fn a_method_needs_its_scope() {
        let call =
            r#"{"_tag":"Request","id":"1","tag":"orchestration.dispatchCommand","payload":{}}"#;
        let mut guest = Streams::of(vec!["orchestration:read".to_owned()]);
        let refused = r#"{"_tag":"Exit","requestId":"1","exit":{"_tag":"Failure","cause":[{"_tag":"Fail","error":{"_tag":"EnvironmentAuthorizationError","message":"The authenticated token is missing required scope: orchestration:operate.","requiredScope":"orchestration:operate"}}]}}"#;
        assert_eq!(guest.respond(call).as_deref(), Some(refused));
        let mut user = Streams::of(vec!["orchestration:operate".to_owned()]);
        let said = user.respond(call);
        assert!(said.is_some_and(|said| said.contains("Success")));
    }

    #[test]
    fn each_chunk_waits_for_the_ack_before_it() {
        let mut streams = Streams::default();
        let flood = r#"{"_tag":"Request","id":"7","tag":"flood","payload":{"chunks":2,"bytes":3}}"#;
        let ack = r#"{"_tag":"Ack","requestId":"7"}"#;
        let chunk = r#"{"_tag":"Chunk","requestId":"7","values":["xxx"]}"#;
        assert_eq!(streams.respond(flood).as_deref(), Some(chunk));
        assert_eq!(streams.respond(ack).as_deref(), Some(chunk));
        assert!(
            streams
                .respond(ack)
                .is_some_and(|said| said.contains("Exit"))
        );
        assert_eq!(streams.respond(ack), None);
    }
}
