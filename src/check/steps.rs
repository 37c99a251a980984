//! The steps that do not pair: t3's base directory, t3, its cookie, a WebSocket.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use http::header::COOKIE;
use http::{HeaderValue, Response, StatusCode};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::check::advice::{NOT_T3, finding, on_upstream};
use crate::check::report::Finding;
use crate::config::options::{HEADER_LIMIT_BYTES, UpstreamConfig};
use crate::config::timing::Timing;
use crate::http_rules::cookies;
use crate::pairing::exchange::Session;
use crate::process::Tasks;
use crate::upstream::api_call::ApiCall;
use crate::upstream::descriptor::{DESCRIPTOR, Descriptor, Protocol};
use crate::upstream::health::Readiness;
use crate::upstream::{Upstream, probe};

/// How long t3 may take for the handshake and its first message.
const WEBSOCKET_TIMEOUT: Duration = Duration::from_secs(5);

/// The cockpit's own ping, to which t3 replies at once (contract §5).
const PING: &str = r#"{"_tag":"Ping"}"#;

/// The next hop of `upstream` with nothing around it.
pub(super) fn bare_upstream(upstream: UpstreamConfig, timing: Timing) -> Arc<Upstream> {
    Arc::new(Upstream::new(
        upstream,
        HEADER_LIMIT_BYTES,
        timing,
        Arc::new(Readiness::new(Arc::default())),
        Arc::default(),
        Tasks::default(),
        probe::process_id(),
    ))
}

/// Checks that the base directory exists and belongs to the user of this process; `None` is t3's
/// own default. The t3 CLI fails for any user but the owner (contract §1), and files that root
/// writes there could not be changed by t3.
pub(super) fn base_dir(base_dir: Option<&Path>) -> Result<String, Finding> {
    let Some(path) = base_dir else {
        return Ok("t3's own default".to_owned());
    };
    let name = path.display();
    let metadata = fs::metadata(path).map_err(|error| {
        let advice = "start t3 once, or set T3CODE_HOME to the directory of `t3 serve --base-dir`";
        finding(format!("{name}: {error}"), advice)
    })?;
    if !metadata.is_dir() {
        let advice = "set T3CODE_HOME to the directory of `t3 serve --base-dir`";
        return Err(finding(format!("{name} is no directory"), advice));
    }
    let (owner, own) = (metadata.uid(), rustix::process::geteuid().as_raw());
    if owner != own {
        return Err(finding(
            format!("{name} belongs to uid {owner}, this runs as uid {own}"),
            format!("run the dispatcher, and this, as uid {owner}, as t3 does"),
        ));
    }
    Ok(format!("{name}, of uid {owner}"))
}

/// What t3 says of itself, and the text to report.
pub(super) async fn descriptor(
    upstream: &Upstream,
    limit: Duration,
) -> Result<(Descriptor, String), Finding> {
    let value = get(upstream, DESCRIPTOR, limit).await?;
    let descriptor = Descriptor::of(&value);
    let what = format!("{upstream} responds, version {}", descriptor.version);
    Ok((descriptor, what))
}

/// Whether the dispatcher was written for the protocol that t3 speaks.
pub(super) fn protocol(protocol: &Protocol) -> Result<String, Finding> {
    let what = format!("{protocol}, as t3's descriptor says");
    match protocol.is_known() {
        true => Ok(what),
        false => Err(finding(
            format!("{what}; this dispatcher knows 1 and 2"),
            "look for a newer dispatcher; if a step below fails too, go back to the t3 of before",
        )),
    }
}

/// The name of t3's session cookie, and the text to report.
pub(super) async fn cookie_name(
    upstream: &Upstream,
    limit: Duration,
) -> Result<(String, String), Finding> {
    let value = get(upstream, "/api/auth/session", limit).await?;
    let advertised = value["auth"]["sessionCookieName"].as_str();
    Ok(
        match advertised.filter(|name| cookies::is_cookie_name(name)) {
            Some(name) => (name.to_owned(), format!("{name}, as t3 advertises it")),
            None => {
                let name = cookies::DEFAULT_COOKIE_NAME;
                (name.to_owned(), format!("{name}, as t3 advertises none"))
            }
        },
    )
}

/// The JSON of t3's response to `GET path`.
pub(super) async fn get(
    upstream: &Upstream,
    path: &'static str,
    limit: Duration,
) -> Result<Value, Finding> {
    let response = upstream.call(ApiCall::get(path), limit).await;
    let response = response.map_err(|failure| on_upstream(&failure, &upstream.to_string()))?;
    json(&response).ok_or_else(|| {
        let status = response.status();
        finding(
            format!("{path}: t3 responded {status}, without the expected JSON"),
            match status.is_server_error() {
                true => "look at t3's log",
                false => NOT_T3,
            },
        )
    })
}

fn json(response: &Response<bytes::Bytes>) -> Option<Value> {
    let value = serde_json::from_slice(response.body()).ok();
    value.filter(|value: &Value| response.status() == StatusCode::OK && value.is_object())
}

/// What opens a WebSocket.
#[derive(Clone, Copy)]
pub(super) enum Proof<'a> {
    /// A browser's session, by its cookie.
    Session(&'a Session),
    /// An app's ticket, in the query.
    Ticket(&'a str),
}

/// Opens `/ws` as `protocol` wants it, with that proof, sends a ping and waits for t3's reply.
pub(super) async fn open_websocket(
    upstream: &Upstream,
    proof: Proof<'_>,
    protocol: &Protocol,
) -> Result<String, Finding> {
    let target = protocol.websocket_target();
    let address = upstream.to_string();
    let stream = upstream.connect_bare().await;
    let stream = stream.map_err(|failure| on_upstream(&failure, &address))?;
    let spoken = timeout(WEBSOCKET_TIMEOUT, speak(stream, &address, proof, &target)).await;
    match spoken {
        Ok(Ok(())) => Ok(format!("{target} is open, and t3 replies to a ping")),
        Ok(Err(Error::Http(response))) => Err(finding(
            format!(
                "t3 responded {} to the upgrade of {target}",
                response.status()
            ),
            on_refused_upgrade(response.status()),
        )),
        Ok(Err(error)) => Err(finding(error, "look at t3's log")),
        Err(_) => Err(finding(
            "no reply on the WebSocket in time",
            "t3 may hang: look at its log, restart it",
        )),
    }
}

fn on_refused_upgrade(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED => {
            "t3 does not accept the session that it has just made: look at its log, and at the machine's clock"
        }
        StatusCode::UPGRADE_REQUIRED => {
            "t3 wants another protocol than its descriptor names: was t3 replaced just now? Try again; if it stays so, look for a newer dispatcher. Tabs that were open before t3 was upgraded need a reload"
        }
        _ => "look at t3's log",
    }
}

async fn speak(
    stream: TcpStream,
    address: &str,
    proof: Proof<'_>,
    target: &str,
) -> Result<(), Error> {
    let ticket = match proof {
        Proof::Session(_) => String::new(),
        Proof::Ticket(ticket) => {
            let separator = if target.contains('?') { '&' } else { '?' };
            format!("{separator}wsTicket={ticket}")
        }
    };
    let mut request = format!("ws://{address}{target}{ticket}").into_client_request()?;
    if let Proof::Session(session) = proof {
        let cookie = format!("{}={}", session.cookie_name, session.cookie_value);
        let mut cookie = HeaderValue::try_from(cookie).map_err(|_| Error::AttackAttempt)?;
        cookie.set_sensitive(true);
        request.headers_mut().insert(COOKIE, cookie);
    }
    let (mut socket, _) = client_async(request, stream).await?;
    socket.send(Message::text(PING)).await?;
    while let Some(message) = socket.next().await {
        if message?.is_text() {
            socket.close(None).await?;
            // Until t3 has read the close, it counts the session as connected.
            while let Some(Ok(_)) = socket.next().await {}
            return Ok(());
        }
    }
    Err(Error::ConnectionClosed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_protocol_that_nobody_here_knows_fails_with_the_cure() {
        for known in [Protocol::One, Protocol::Two] {
            assert!(protocol(&known).is_ok(), "{known:?}");
        }
        for unknown in [Protocol::Newer(3), Protocol::Unreadable] {
            let found = protocol(&unknown).expect_err("unknown");
            assert!(found.what.contains("knows 1 and 2"), "{found:?}");
            assert!(found.advice.contains("newer dispatcher"), "{found:?}");
        }
    }

    #[test]
    fn a_directory_of_one_s_own_is_right_and_nothing_else() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let file = dir.path().join("file");
        fs::write(&file, "").expect("a writable directory");
        assert!(base_dir(None).is_ok());
        assert!(base_dir(Some(dir.path())).is_ok());
        let missing = base_dir(Some(&dir.path().join("none"))).expect_err("not there");
        assert!(missing.advice.contains("T3CODE_HOME"));
        assert!(
            base_dir(Some(&file))
                .expect_err("a file")
                .what
                .contains("no directory")
        );
    }

    #[test]
    fn another_s_directory_is_not_right() {
        let own = rustix::process::geteuid().as_raw();
        let dir = tempfile::tempdir().expect("a temporary directory");
        // Only root can give a directory away; any other user takes one of root's.
        let path = match own {
            0 => {
                std::os::unix::fs::chown(dir.path(), Some(12345), None).expect("root");
                dir.path()
            }
            _ => Path::new("/"),
        };
        let found = base_dir(Some(path)).expect_err("another's");
        assert!(found.what.contains("belongs to uid"), "{found:?}");
    }
}
