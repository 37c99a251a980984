//! The DevTools protocol on one socket: replies by id, events by session.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{Message, protocol::WebSocketConfig};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

/// How long the browser may take for one call.
pub(super) const REPLY: Duration = Duration::from_secs(30);

pub(super) type Log = watch::Receiver<Vec<Value>>;
type Sessions = Arc<Mutex<HashMap<String, watch::Sender<Vec<Value>>>>>;
type Reply = oneshot::Sender<Result<Value, Value>>;

/// The connection to the browser; one for all its tabs.
#[derive(Clone)]
pub(super) struct DevTools {
    requests: mpsc::UnboundedSender<(Value, Reply)>,
    sessions: Sessions,
}

impl DevTools {
    pub(super) async fn connect(url: &str) -> Self {
        // A message is one frame: a screenshot of a large page is larger than the default limit.
        let config = WebSocketConfig::default()
            .max_message_size(None)
            .max_frame_size(None);
        let connected = timeout(REPLY, connect_async_with_config(url, Some(config), true)).await;
        let (socket, _) = connected
            .expect("DevTools answer in time")
            .expect("DevTools answer");
        let (requests, queue) = mpsc::unbounded_channel();
        let sessions = Sessions::default();
        tokio::spawn(pump(socket, queue, sessions.clone()));
        Self { requests, sessions }
    }

    /// One call, in a tab's session or, without one, to the browser. The caller bounds the wait.
    pub(super) async fn call(
        &self,
        session: Option<&str>,
        method: &str,
        params: Value,
    ) -> Result<Value, Value> {
        let mut message = json!({ "method": method, "params": params });
        if let Some(session) = session {
            message["sessionId"] = session.into();
        }
        let (reply, answer) = oneshot::channel();
        let _ = self.requests.send((message, reply));
        let gone = || Err(json!({ "message": "the browser is gone" }));
        answer.await.unwrap_or_else(|_| gone())
    }

    /// A call to the browser that has to succeed.
    pub(super) async fn browser(&self, method: &str, params: Value) -> Value {
        let result = timeout(REPLY, self.call(None, method, params)).await;
        let result = result.unwrap_or_else(|_| panic!("{method}: no reply in {REPLY:?}"));
        result.unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// Every event of a session, from its first.
    pub(super) fn events(&self, session: &str) -> Log {
        let mut sessions = self.sessions.lock().expect("no holder panics");
        sessions.entry(session.to_owned()).or_default().subscribe()
    }
}

async fn pump(
    mut socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    mut requests: mpsc::UnboundedReceiver<(Value, Reply)>,
    sessions: Sessions,
) {
    let mut waiting: HashMap<u64, Reply> = HashMap::new();
    for id in 1.. {
        let (mut request, reply) = loop {
            tokio::select! {
                request = requests.recv() => match request {
                    Some(request) => break request,
                    None => return,
                },
                message = socket.next() => match message {
                    Some(Ok(Message::Text(text))) => deliver(&text, &mut waiting, &sessions),
                    _ => return,
                },
            }
        };
        request["id"] = id.into();
        waiting.insert(id, reply);
        if socket
            .send(Message::text(request.to_string()))
            .await
            .is_err()
        {
            return;
        }
    }
}

fn deliver(text: &str, waiting: &mut HashMap<u64, Reply>, sessions: &Sessions) {
    let mut message: Value = serde_json::from_str(text).expect("DevTools speaks JSON");
    if let Some(reply) = message["id"].as_u64().and_then(|id| waiting.remove(&id)) {
        let error = message["error"].take();
        let _ = reply.send(if error.is_null() {
            Ok(message["result"].take())
        } else {
            Err(error)
        });
    } else if let Some(session) = message["sessionId"].as_str() {
        let mut sessions = sessions.lock().expect("no holder panics");
        let log = sessions.entry(session.to_owned()).or_default();
        log.send_modify(|log| log.push(message));
    }
}
