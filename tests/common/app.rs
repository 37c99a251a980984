//! A client that behaves as t3's apps do, written from contract §12 alone.

use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{Message, Role};

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
const FORM: &str = "application/x-www-form-urlencoded";
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

/// A request by fetch.
#[derive(Debug, Clone, Copy)]
pub struct Fetch<'a> {
    pub method: &'a str,
    pub target: &'a str,
    /// Fields beside those of the engine, each `Name: value`.
    pub fields: &'a [String],
    pub body: &'a [u8],
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

    /// A fetch as the engine of its origin makes it, the preflight first where one is due. The page must be allowed to
    /// read the response, whatever it is.
    pub async fn fetch(&self, fetch: &Fetch<'_>) -> Response {
        if let Some(origin) = self.origin {
            self.preflight(origin, fetch).await;
        }
        let (method, target) = (fetch.method, fetch.target);
        let mut head = format!("{method} {target}\n{}", self.engine(true));
        for field in fetch.fields {
            head.push_str(field);
            head.push('\n');
        }
        if !fetch.body.is_empty() || method == "POST" {
            head.push_str(&format!("Content-Length: {}\n", fetch.body.len()));
        }
        let mut client = Client::connect(self.to).await;
        client.send_head(head.trim_end()).await;
        client.send(fetch.body).await;
        let response = client.response(method == "HEAD").await;
        if let Some(origin) = self.origin {
            assert_readable(&response, origin, &format!("{method} {target}"));
        }
        assert_eq!(response.header("set-cookie"), "", "{method} {target}");
        response
    }

    /// Asks for leave, and needs it (Fetch standard, "CORS-preflight fetch").
    async fn preflight(&self, origin: &str, fetch: &Fetch<'_>) {
        let names = fetch.fields.iter().filter_map(|field| unsafe_name(field));
        let names: Vec<_> = names.collect();
        let is_simple = ["GET", "HEAD", "POST"].contains(&fetch.method);
        if names.is_empty() && is_simple {
            return;
        }
        let (method, target) = (fetch.method, fetch.target);
        let mut head = format!(
            "OPTIONS {target}\n{}Access-Control-Request-Method: {method}",
            self.engine(true)
        );
        if !names.is_empty() {
            head.push_str(&format!(
                "\nAccess-Control-Request-Headers: {}",
                names.join(",")
            ));
        }
        let response = Client::connect(self.to).await.exchange(&head).await;
        let of = format!("the preflight of {method} {target}");
        assert!((200..300).contains(&response.status), "{of}: {response:?}");
        assert_readable(&response, origin, &of);
        let allowed = listed(&response, "access-control-allow-methods");
        assert!(
            is_simple || allowed.contains(&method.to_owned()),
            "{of}: {allowed:?}"
        );
        // `*` would not stand for `authorization`.
        let allowed = listed(&response, "access-control-allow-headers");
        for name in names {
            assert!(allowed.contains(&name), "{of}: {name} of {allowed:?}");
        }
    }

    /// The fields that the engine adds, each ended by a line feed.
    fn engine(&self, is_fetch: bool) -> String {
        let mut fields = format!("Host: {}\n", self.host);
        if let Some(origin) = self.origin {
            fields.push_str(&format!("Origin: {origin}\n"));
        }
        if is_fetch {
            fields.push_str("Accept: */*\n");
        }
        if is_fetch && self.origin.is_some() {
            fields.push_str(
                "Sec-Fetch-Site: cross-site\nSec-Fetch-Mode: cors\nSec-Fetch-Dest: empty\n",
            );
        }
        fields
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

/// May a page of that origin read it, having sent no credentials of the engine's (Fetch standard, "CORS check")?
#[track_caller]
pub fn assert_readable(response: &Response, origin: &str, of: &str) {
    let allowed = response.all("access-control-allow-origin");
    let [allowed] = allowed.as_slice() else {
        panic!("{allowed:?} may read {} to {of}", response.status);
    };
    assert!(allowed == "*" || allowed == origin, "{allowed}: {of}");
}

/// The name of a field that needs leave, in lower case.
fn unsafe_name(field: &str) -> Option<String> {
    let (name, value) = field.split_once(": ")?;
    let name = name.to_ascii_lowercase();
    let is_safe = match name.as_str() {
        "accept" | "accept-language" | "content-language" => true,
        "content-type" => [FORM, "multipart/form-data", "text/plain"]
            .iter()
            .any(|safe| value.starts_with(safe)),
        _ => false,
    };
    (!is_safe).then_some(name)
}

/// What a field lists, as it is written.
fn listed(response: &Response, name: &str) -> Vec<String> {
    let lines = response.all(name);
    let names = lines.iter().flat_map(|line| line.split(','));
    names.map(|name| name.trim().to_owned()).collect()
}
