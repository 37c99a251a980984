//! What an open cockpit tab does: its page load and its WebSocket.

use std::net::SocketAddr;
use std::time::Instant;

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::common::http::Response;
use crate::common::{PAGE, PATIENCE, request};

/// A page load; `further` are lines of its head.
pub(crate) async fn load(dispatcher: SocketAddr, further: &str) -> Response {
    request(dispatcher, &format!("GET /\n{PAGE}{further}")).await
}

/// A page load, and each further one of the page that waits for t3 and loads itself again.
pub(crate) async fn load_until_up(dispatcher: SocketAddr, further: &str) -> Response {
    let start = Instant::now();
    loop {
        let page = load(dispatcher, further).await;
        if page.status != 503 {
            return page;
        }
        assert!(page.text().contains("<html"), "{}", page.text());
        println!("no page {:?} after the first try", start.elapsed());
        assert!(start.elapsed() < 2 * PATIENCE, "t3 is not up");
    }
}

/// The cookie of a page load that is paired.
pub(crate) async fn pair(dispatcher: SocketAddr) -> String {
    let paired = load(dispatcher, "").await;
    assert_eq!(paired.status, 302, "{}", paired.text());
    paired.cookie()
}

/// An open WebSocket of t3's page.
pub(crate) struct Tab {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// `name=value` of the session that the 101 brought, or nothing.
    pub(crate) healed: String,
}

impl Tab {
    pub(crate) async fn open(dispatcher: SocketAddr, cookie: &str) -> Self {
        Self::open_as(dispatcher, cookie, &[]).await
    }

    /// Opens it again, as often as a 503 says that t3 is not up yet: a t3 that takes longer to start than an
    /// upgrade waits is one on a busy machine.
    pub(crate) async fn open_again(dispatcher: SocketAddr, cookie: &str) -> Self {
        let start = Instant::now();
        loop {
            match Self::try_open(dispatcher, cookie, &[]).await {
                Ok(tab) => return tab,
                Err(Error::Http(response)) if response.status() == 503 => {
                    println!("no WebSocket {:?} after the first try", start.elapsed());
                }
                Err(error) => panic!("{error}"),
            }
            assert!(start.elapsed() < 2 * PATIENCE, "t3 is not up");
        }
    }

    /// With further fields, as a proxy in front adds them.
    pub(crate) async fn open_as(
        dispatcher: SocketAddr,
        cookie: &str,
        fields: &[(&'static str, &str)],
    ) -> Self {
        let opened = Self::try_open(dispatcher, cookie, fields).await;
        opened.unwrap_or_else(|error| panic!("no 101: {error:?}"))
    }

    /// The WebSocket of an app, which has a ticket and no cookie.
    pub(crate) async fn open_by_ticket(dispatcher: SocketAddr, ticket: &str) -> Self {
        let target = format!("/ws?wsTicket={ticket}&connectionMethod=direct");
        let opened = Self::try_open_at(dispatcher, &target, &[]).await;
        opened.unwrap_or_else(|error| panic!("no 101: {error:?}"))
    }

    async fn try_open(
        dispatcher: SocketAddr,
        cookie: &str,
        fields: &[(&'static str, &str)],
    ) -> Result<Self, Error> {
        let origin = format!("http://{dispatcher}");
        let own = [("cookie", cookie), ("origin", &origin)];
        Self::try_open_at(dispatcher, "/ws", &[&own, fields].concat()).await
    }

    async fn try_open_at(
        dispatcher: SocketAddr,
        target: &str,
        fields: &[(&'static str, &str)],
    ) -> Result<Self, Error> {
        let mut upgrade = format!("ws://{dispatcher}{target}")
            .into_client_request()
            .expect("a URL");
        for &(name, value) in fields {
            let value = value.parse().expect("a header value");
            upgrade.headers_mut().insert(name, value);
        }
        let connected = tokio_tungstenite::connect_async(upgrade);
        let connected = tokio::time::timeout(PATIENCE, connected).await;
        let (socket, response) = connected.expect("in time")?;
        let set = response.headers().get("set-cookie");
        let set = set.map(|line| line.to_str().expect("text").split(';').next());
        let healed = set.flatten().unwrap_or_default().to_owned();
        Ok(Self { socket, healed })
    }

    /// What t3 says to its page's heartbeat.
    pub(crate) async fn ping(&mut self) -> Value {
        self.ask(r#"{"_tag":"Ping"}"#).await
    }

    /// What t3 says next after `message`.
    pub(crate) async fn ask(&mut self, message: &str) -> Value {
        let message = Message::text(message);
        self.socket.send(message).await.expect("an open socket");
        let reply = tokio::time::timeout(PATIENCE, self.socket.next()).await;
        let reply = reply.expect("in time").expect("open").expect("a frame");
        serde_json::from_str(reply.to_text().expect("text")).expect("JSON")
    }

    /// Waits until the other side has ended it, and ends this side too.
    pub(crate) async fn ended(mut self) {
        let end = async { while let Some(Ok(_)) = self.socket.next().await {} };
        let end = tokio::time::timeout(PATIENCE, end).await;
        end.expect("it ends in time");
    }

    /// Ends it as a closed tab does.
    pub(crate) async fn close(mut self) {
        let _ = self.socket.close(None).await;
        self.ended().await;
    }
}
