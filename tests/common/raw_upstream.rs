//! A double of t3 that sends the exact bytes a test gives it: for responses that no healthy t3 sends,
//! and for requests that have to be seen byte for byte. The full stand-in is `tests/standin`.

use std::net::SocketAddr;
use std::sync::Arc;

use t3_standin::port;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;

use super::listener::listener_at;
use super::process::WARM_UP;

/// A healthy t3's response to a request of the dispatcher's own.
pub const HEALTHY: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";

const NOT_FOUND: &[u8] =
    b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// The requests by which the dispatcher learns whether t3 is up.
const PROBES: [&[u8]; 2] = [
    b"GET /.well-known/t3/environment ",
    b"GET /api/auth/session ",
];

/// A listener whose connections are each handled by the same script. Ends with the test.
pub struct RawUpstream {
    pub addr: SocketAddr,
    heads: watch::Sender<Vec<Vec<u8>>>,
    listener: Arc<TcpListener>,
    accepting: AbortHandle,
}

impl RawUpstream {
    /// Reads the first request's head of each connection and hands the connection, that head with what
    /// came behind it, and the connection's number from 0 to `script`. Requests of the dispatcher's own
    /// get a healthy t3's response instead.
    pub async fn start<F>(
        script: impl Fn(TcpStream, Vec<u8>, usize) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self::with_own_requests(|_| Some(HEALTHY.to_vec()), script).await
    }

    /// The same, where `own` gives the response to a request of the dispatcher's own, or none if the
    /// script is to handle it like a client's.
    pub async fn with_own_requests<F>(
        own: impl Fn(&[u8]) -> Option<Vec<u8>> + Send + Sync + 'static,
        script: impl Fn(TcpStream, Vec<u8>, usize) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let any = port::unused();
        Self::bind(any, own, script).await
    }

    /// The same as [`Self::start`], where the script handles all but the probes: the dispatcher's own
    /// requests for static files too.
    pub async fn of_files<F>(
        script: impl Fn(TcpStream, Vec<u8>, usize) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self::with_own_requests(answer_probe, script).await
    }

    /// The same as [`Self::of_files`], at `addr`: t3 has come back.
    pub async fn of_files_at<F>(
        addr: SocketAddr,
        script: impl Fn(TcpStream, Vec<u8>, usize) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self::bind(addr, answer_probe, script).await
    }

    /// Sends each client's request `response`, then closes the connection.
    pub async fn sending(response: &'static [u8]) -> Self {
        Self::start(move |mut stream, _, _| async move {
            let _ = stream.write_all(response).await;
            let _ = stream.shutdown().await;
            read_until_closed(&mut stream).await;
        })
        .await
    }

    /// Sends a request for one of `files`, each a path and a whole response, that response; any other
    /// request a 404.
    pub async fn serving(files: Vec<(&'static str, Vec<u8>)>) -> Self {
        let files = Arc::new(files);
        Self::of_files(move |mut stream, head, _| {
            let files = Arc::clone(&files);
            async move {
                let file = files.iter().find(|(path, _)| *path == target_of(&head));
                let response = file.map_or(NOT_FOUND, |(_, response)| response);
                let end = response.windows(4).position(|end| end == b"\r\n\r\n");
                let end = end.map_or(0, |end| end + 4);
                let is_head = head.starts_with(b"HEAD ");
                let sent = if is_head { &response[..end] } else { response };
                let _ = stream.write_all(sent).await;
            }
        })
        .await
    }

    async fn bind<F>(
        addr: SocketAddr,
        own: impl Fn(&[u8]) -> Option<Vec<u8>> + Send + Sync + 'static,
        script: impl Fn(TcpStream, Vec<u8>, usize) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = Arc::new(listener_at(addr).await);
        let addr = listener.local_addr().expect("a bound socket");
        let heads = watch::Sender::new(Vec::new());
        let accepted = Arc::clone(&listener);
        let (received, shared) = (heads.clone(), Arc::new((own, script)));
        let accepting = tokio::spawn(async move {
            let mut scripts = JoinSet::new();
            while let Ok((mut stream, _)) = accepted.accept().await {
                let (received, shared) = (received.clone(), Arc::clone(&shared));
                scripts.spawn(async move {
                    let (own, script) = &*shared;
                    let head = read_head(&mut stream).await;
                    let response = is_own(&head, addr).then(|| own(&head)).flatten();
                    if let Some(response) = response {
                        let _ = stream.write_all(&response).await;
                    } else if !head.is_empty() {
                        script(stream, head.clone(), note(&received, head)).await;
                    }
                });
            }
        });
        Self {
            addr,
            heads,
            listener,
            accepting: accepting.abort_handle(),
        }
    }

    /// How many connections were handed to the script.
    pub fn connections(&self) -> usize {
        self.heads.borrow().len()
    }

    /// How many requests for `target` were handed to the script.
    pub fn count_of(&self, target: &str) -> usize {
        let heads = self.heads.borrow();
        heads
            .iter()
            .filter(|head| target_of(head) == target)
            .count()
    }

    /// The targets of the requests that were handed to the script, in order.
    pub fn targets(&self) -> Vec<String> {
        let heads = self.heads.borrow();
        heads
            .iter()
            .map(|head| target_of(head).to_owned())
            .collect()
    }

    /// The heads of clients' requests for `target`.
    pub fn client_heads(&self, target: &str) -> Vec<String> {
        let heads = self.heads.borrow();
        let heads = heads.iter().filter(|head| target_of(head) == target);
        heads
            .filter(|head| !is_own(head, self.addr))
            .map(|head| String::from_utf8_lossy(head).into_owned())
            .collect()
    }

    /// Waits until a request for `target` has been handed to the script: one of the warm-up, which may come only after
    /// a compression at the lowest priority.
    pub async fn wait_for(&self, target: &str) {
        let mut heads = self.heads.subscribe();
        let is_there = |heads: &Vec<Vec<u8>>| heads.iter().any(|head| target_of(head) == target);
        let waited = timeout(WARM_UP, heads.wait_for(is_there)).await;
        waited.expect("a request in time").expect("an open channel");
    }
}

impl Drop for RawUpstream {
    fn drop(&mut self) {
        port::end(&self.listener);
        self.accepting.abort();
    }
}

/// Reads one request's head; returns it with what came behind it. Empty at the end.
pub async fn read_head(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    while !bytes.windows(4).any(|end| end == b"\r\n\r\n") {
        if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return Vec::new();
        }
    }
    bytes
}

/// Reads and discards until the other side has ended.
pub async fn read_until_closed(stream: &mut TcpStream) {
    let mut chunk = [0; 4096];
    while matches!(stream.read(&mut chunk).await, Ok(read) if read > 0) {}
}

/// The target of the request whose head this is.
pub fn target_of(head: &[u8]) -> &str {
    let target = head.split(|byte| *byte == b' ').nth(1);
    std::str::from_utf8(target.unwrap_or_default()).unwrap_or_default()
}

/// The dispatcher's own requests carry t3's address as their `Host`.
fn is_own(head: &[u8], upstream: SocketAddr) -> bool {
    let head = String::from_utf8_lossy(head).to_lowercase();
    head.contains(&format!("\r\nhost: {upstream}\r\n"))
}

fn answer_probe(head: &[u8]) -> Option<Vec<u8>> {
    let is_probe = PROBES.iter().any(|probe| head.starts_with(probe));
    is_probe.then(|| HEALTHY.to_vec())
}

/// Adds `head` to what was received; returns its number.
fn note(received: &watch::Sender<Vec<Vec<u8>>>, head: Vec<u8>) -> usize {
    let mut number = 0;
    received.send_modify(|heads| {
        number = heads.len();
        heads.push(head);
    });
    number
}
