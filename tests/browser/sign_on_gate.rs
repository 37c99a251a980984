//! A double of a single sign-on proxy: without its cookie nothing passes.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

use crate::common::raw_upstream::read_head;

/// What the proxy names the person by.
const IDENTITY: &str = "X-authentik-username: ada";

/// The cookie of a browser that has signed in. With the attributes of a real one: for this site's own
/// requests only, and out of a script's reach.
pub(crate) const COOKIE: &str = "gate=open";

/// A proxy in front of a dispatcher. Ends with the test.
pub(crate) struct Gate {
    pub(crate) addr: SocketAddr,
    turned_away: Arc<Mutex<Vec<String>>>,
    accepting: AbortHandle,
}

impl Gate {
    /// Starts one in front of `dispatcher`. It sets its cookie on a page load without one and redirects, as
    /// after a login; it redirects anything else to a login on another site.
    pub(crate) async fn before(dispatcher: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let addr = listener.local_addr().expect("a bound socket");
        let turned_away = Arc::<Mutex<Vec<String>>>::default();
        let seen = Arc::clone(&turned_away);
        let accepting = tokio::spawn(async move {
            let mut guards = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                guards.spawn(guard(stream, dispatcher, Arc::clone(&seen)));
            }
        });
        Self {
            addr,
            turned_away,
            accepting: accepting.abort_handle(),
        }
    }

    /// The paths of the requests that were redirected to the login.
    pub(crate) fn turned_away(&self) -> Vec<String> {
        self.turned_away.lock().expect("no panic").clone()
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Serves one request or one WebSocket.
async fn guard(mut client: TcpStream, dispatcher: SocketAddr, seen: Arc<Mutex<Vec<String>>>) {
    let bytes = read_head(&mut client).await;
    let head = String::from_utf8_lossy(&bytes).into_owned();
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let lower = head.to_lowercase();
    let cookies = lower.lines().find(|line| line.starts_with("cookie:"));
    let response = if cookies.is_some_and(|line| line.contains(COOKIE)) {
        return pass(client, dispatcher, &head).await;
    } else if lower.contains("sec-fetch-dest: document") {
        format!("Location: {path}\r\nSet-Cookie: {COOKIE}; Path=/; HttpOnly; SameSite=Lax\r\n")
    } else if path.is_empty() {
        return;
    } else {
        seen.lock().expect("no panic").push(path);
        "Location: http://login.invalid/\r\n".to_owned()
    };
    let response =
        format!("HTTP/1.1 302 Found\r\n{response}Content-Length: 0\r\nConnection: close\r\n\r\n");
    let _ = client.write_all(response.as_bytes()).await;
}

async fn pass(mut client: TcpStream, dispatcher: SocketAddr, head: &str) {
    // One request for each connection, as only the first is checked.
    let is_of_hop = |line: &&str| !line.to_lowercase().starts_with("connection:");
    let head = match head.to_lowercase().contains("\r\nupgrade:") {
        true => head.to_owned(),
        false => {
            let lines: Vec<_> = head.split("\r\n").filter(is_of_hop).collect();
            lines
                .join("\r\n")
                .replacen("\r\n", "\r\nConnection: close\r\n", 1)
        }
    };
    let head = head.replacen("\r\n", &format!("\r\n{IDENTITY}\r\n"), 1);
    let Ok(mut onward) = TcpStream::connect(dispatcher).await else {
        return;
    };
    if onward.write_all(head.as_bytes()).await.is_ok() {
        let _ = copy_bidirectional(&mut client, &mut onward).await;
    }
}
