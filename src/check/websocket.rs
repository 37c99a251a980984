//! Does the session open the cockpit's WebSocket, and does t3 answer on it?

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use http::header::COOKIE;
use http::{HeaderValue, StatusCode};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::check::advice::finding;
use crate::check::report::Finding;
use crate::pairing::exchange::Session;

/// How long t3 may take for the handshake and its first word.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the cockpit says every 5 s, and t3 answers at once (contract §5).
const PING: &str = r#"{"_tag":"Ping"}"#;

/// Opens `/ws` with the session's cookie, and hears t3 on it.
pub(super) async fn open(address: &(String, u16), session: &Session) -> Result<String, Finding> {
    let spoken = timeout(PATIENCE, speak(address, session)).await;
    match spoken {
        Ok(Ok(())) => Ok("open, and t3 answers on it".to_owned()),
        Ok(Err(Error::Http(answer))) => Err(finding(
            format!("t3 answered {} to the upgrade", answer.status()),
            match answer.status() {
                StatusCode::UNAUTHORIZED => {
                    "t3 does not accept the session that it has just made: look at its log, and at the machine's clock"
                }
                _ => "look at t3's log",
            },
        )),
        Ok(Err(error)) => Err(finding(error, "look at t3's log")),
        Err(_) => Err(finding(
            "no answer on the WebSocket in time",
            "t3 may hang: look at its log, start it again",
        )),
    }
}

async fn speak((host, port): &(String, u16), session: &Session) -> Result<(), Error> {
    let stream = TcpStream::connect((host.as_str(), *port)).await?;
    let host = match host.contains(':') {
        true => format!("[{host}]"),
        false => host.clone(),
    };
    let mut request = format!("ws://{host}:{port}/ws").into_client_request()?;
    let cookie = format!("{}={}", session.cookie_name, session.cookie_value);
    let mut cookie = HeaderValue::try_from(cookie).map_err(|_| Error::AttackAttempt)?;
    cookie.set_sensitive(true);
    request.headers_mut().insert(COOKIE, cookie);
    let (mut socket, _) = client_async(request, stream).await?;
    socket.send(Message::text(PING)).await?;
    while let Some(message) = socket.next().await {
        if message?.is_text() {
            socket.close(None).await?;
            // Until t3 has heard it, its session counts as connected.
            while let Some(Ok(_)) = socket.next().await {}
            return Ok(());
        }
    }
    Err(Error::ConnectionClosed)
}
