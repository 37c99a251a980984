//! A client that behaves as t3's apps do, written from contract §12 alone.

use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{Message, Role};

use super::app_fetch::{FORM, Fetch};
use super::http::{Client, PATIENCE, Response};
use super::{HANDSHAKE, PAGE};

/// The origins of apps; that of a phone's fetch is none.
pub const ORIGINS: [Option<&str>; 6] = [
    None,
    Some("t3code://app"),
    Some("t3code-dev://app"),
    Some("https://app.t3.codes"),
    Some("https://latest.app.t3.codes"),
    Some("https://nightly.app.t3.codes"),
];

const DESCRIPTOR: &str = "/.well-known/t3/environment";
const GRANT: &str = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange\
    &subject_token_type=urn%3At3%3Aparams%3Aoauth%3Atoken-type%3Aenvironment-bootstrap\
    &requested_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token";

/// An app, and what it knows of the t3 that it is connected to.
#[derive(Debug, Clone)]
pub struct App {
    /// Where it connects, and the host that it asks for there.
    pub to: SocketAddr,
    pub host: String,
    pub origin: Option<&'static str>,
    /// Of the descriptor.
    pub environment_id: String,
    pub protocol: u64,
    /// The Bearer token, once it is paired.
    pub token: String,
}

/// A WebSocket that is open.
pub struct Socket(WebSocketStream<TcpStream>);

impl App {
    /// Asks for the descriptor, as an app does first of all.
    pub async fn connect(to: SocketAddr, host: &str, origin: Option<&'static str>) -> App {
        let mut app = App {
            to,
            host: host.to_owned(),
            origin,
            environment_id: String::new(),
            protocol: 1,
            token: String::new(),
        };
        app.describe().await;
        app
    }

    /// Asks for the descriptor, and takes the protocol from it.
    pub async fn describe(&mut self) {
        let descriptor = self.get(DESCRIPTOR, &[]).await;
        assert_eq!(descriptor.status, 200, "{}", descriptor.text());
        let descriptor = descriptor.json();
        let id = descriptor["environmentId"].as_str().expect("its id");
        self.environment_id = id.to_owned();
        self.protocol = descriptor["orchestrationProtocolVersion"]
            .as_u64()
            .unwrap_or(1);
    }

    /// Exchanges `credential` for a token, as a device of that name; keeps the token where there is one.
    pub async fn pair(&mut self, credential: &str, name: &str) -> Response {
        let name = name.replace(' ', "+");
        let device = format!("client_label={name}&client_device_type=mobile&client_os=iOS");
        let form = format!("{GRANT}&subject_token={credential}&{device}");
        let fields = [format!("Content-Type: {FORM}")];
        let response = self.post("/oauth/token", &fields, form.as_bytes()).await;
        if response.status == 200 {
            let token = response.json();
            assert_eq!(token["token_type"], "Bearer");
            self.token = token["access_token"].as_str().expect("a token").to_owned();
        }
        response
    }

    /// The fields of a request with its token: where the protocol is to be named, that one too.
    pub fn bearer(&self, target: &str) -> Vec<String> {
        let mut fields = vec![format!("Authorization: Bearer {}", self.token)];
        if target.starts_with("/api/orchestration/") && self.protocol > 1 {
            fields.push(format!("x-t3-orchestration-protocol: {}", self.protocol));
        }
        fields
    }

    /// GET with its token.
    pub async fn call(&self, target: &str) -> Response {
        self.get(target, &self.bearer(target)).await
    }

    /// POST of JSON with its token.
    pub async fn send(&self, target: &str, body: &Value) -> Response {
        let mut fields = self.bearer(target);
        fields.push("Content-Type: application/json".to_owned());
        self.post(target, &fields, body.to_string().as_bytes())
            .await
    }

    /// A ticket for its sockets, or the refusal.
    pub async fn ticket(&self) -> Result<String, Response> {
        let fields = self.bearer("");
        let response = self.post("/api/auth/websocket-ticket", &fields, b"").await;
        if response.status != 200 {
            return Err(response);
        }
        assert_eq!(response.header("cache-control"), "no-store");
        let ticket = response.json()["ticket"].take();
        Ok(ticket.as_str().expect("a ticket").to_owned())
    }

    /// The target of its socket with that ticket.
    pub fn websocket(&self, ticket: &str) -> String {
        let protocol = match self.protocol {
            1 => String::new(),
            number => format!("&orchestrationProtocol={number}"),
        };
        format!("/ws?wsTicket={ticket}&clientSurface=mobile&connectionMethod=direct{protocol}")
    }

    /// Opens a socket at `target`, which carries a ticket: no token, no cookie.
    pub async fn open(&self, target: &str) -> Result<Socket, Response> {
        let mut client = Client::connect(self.to).await;
        let head = format!("GET {target}\n{}{HANDSHAKE}", self.engine(false));
        client.send_head(&head).await;
        let mut response = client.head().await.expect("a response");
        if response.status != 101 {
            client.body(&mut response).await;
            return Err(response);
        }
        let socket = WebSocketStream::from_raw_socket(client.stream, Role::Client, None);
        Ok(Socket(socket.await))
    }

    /// Connects as each time that it starts: the descriptor, a ticket, the socket.
    pub async fn connect_again(&mut self) -> Result<Socket, Response> {
        let known = self.environment_id.clone();
        self.describe().await;
        assert_eq!(self.environment_id, known, "another t3 than before");
        let ticket = self.ticket().await?;
        self.open(&self.websocket(&ticket)).await
    }

    pub async fn get(&self, target: &str, fields: &[String]) -> Response {
        let (method, body) = ("GET", &b""[..]);
        let fetch = Fetch {
            method,
            target,
            fields,
            body,
        };
        self.fetch(&fetch).await
    }

    pub async fn post(&self, target: &str, fields: &[String], body: &[u8]) -> Response {
        let method = "POST";
        let fetch = Fetch {
            method,
            target,
            fields,
            body,
        };
        self.fetch(&fetch).await
    }
}

/// What a person's camera opens: a page load of the code's link, in a browser without a session.
pub async fn opened_by_a_camera(to: SocketAddr, host: &str) -> Response {
    super::request(to, &format!("GET /pair\nHost: {host}\n{PAGE}")).await
}

impl Socket {
    /// Sends a ping and waits for t3's reply.
    pub async fn ping(&mut self) {
        let said = self.exchange(&json!({ "_tag": "Ping" })).await;
        assert_eq!(said.expect("an open socket")["_tag"], "Pong");
    }

    /// Calls a method; returns how it exits.
    pub async fn call(&mut self, tag: &str, payload: &Value) -> Value {
        let request =
            json!({ "_tag": "Request", "id": "1", "tag": tag, "payload": payload, "headers": [] });
        let mut said = self.exchange(&request).await.expect("an open socket");
        said["exit"].take()
    }

    /// Sends a message, and reads the next one; none where the socket has ended.
    pub async fn exchange(&mut self, message: &Value) -> Option<Value> {
        self.0.send(Message::text(message.to_string())).await.ok()?;
        loop {
            match self.next().await? {
                Message::Text(text) => return serde_json::from_str(&text).ok(),
                Message::Close(_) => return None,
                _ => {}
            }
        }
    }

    /// Closes it, and waits for the end.
    pub async fn close(mut self) {
        let _ = self.0.close(None).await;
        self.ended().await;
    }

    /// Waits until the other side ends it.
    pub async fn ended(&mut self) {
        while self.next().await.is_some_and(|said| !said.is_close()) {}
    }

    async fn next(&mut self) -> Option<Message> {
        let message = timeout(PATIENCE, self.0.next()).await;
        message.expect("a message or an end in time")?.ok()
    }
}
