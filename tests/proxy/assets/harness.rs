//! A t3 whose every byte a test gives, and the dispatcher in front of it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

use crate::common::http::Answer;
use crate::common::process::{Process, command};
use crate::common::scripted::read_head;
use crate::common::{Dispatcher, PATIENCE, cli_in, config, request};

/// Longer than a thread of the lowest priority takes for a file on busy cores.
pub(crate) const LEISURE: Duration = Duration::from_secs(300);

/// What the dispatcher asks to learn whether t3 is up.
const PROBES: [&str; 2] = ["GET /.well-known/t3/environment ", "GET /api/auth/session "];
const HEALTHY: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
const GONE: &str = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// A t3; it ends with the test.
pub(crate) struct T3 {
    pub(crate) addr: SocketAddr,
    asked: watch::Sender<Vec<String>>,
    accepting: AbortHandle,
}

/// The dispatcher in front of it.
pub(crate) struct World {
    pub(crate) t3: T3,
    pub(crate) dispatcher: Dispatcher,
    pub(crate) dir: TempDir,
}

impl T3 {
    /// Hands each request's head, the probes' aside, to `script`, which may write an answer; the
    /// connection is closed after it.
    pub(crate) async fn start<F>(
        script: impl Fn(String, TcpStream) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self::at("127.0.0.1:0".parse().expect("an address"), script).await
    }

    /// The same, at `addr`: it has come back.
    pub(crate) async fn at<F>(
        addr: SocketAddr,
        script: impl Fn(String, TcpStream) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind(addr).await.expect("a free port");
        let addr = listener.local_addr().expect("a bound socket");
        let (asked, script) = (watch::Sender::new(Vec::new()), Arc::new(script));
        let seen = asked.clone();
        let accepting = tokio::spawn(async move {
            let mut scripts = JoinSet::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                let (seen, script) = (seen.clone(), Arc::clone(&script));
                scripts.spawn(async move {
                    let head = read_head(&mut stream).await;
                    let head = String::from_utf8_lossy(&head).into_owned();
                    if PROBES.iter().any(|probe| head.starts_with(probe)) {
                        let _ = stream.write_all(HEALTHY.as_bytes()).await;
                    } else if !head.is_empty() {
                        seen.send_modify(|seen| seen.push(head.clone()));
                        script(head, stream).await;
                    }
                });
            }
        });
        Self {
            addr,
            asked,
            accepting: accepting.abort_handle(),
        }
    }

    /// Answers each request for one of `files`, path and bytes, with these; all others with 404.
    pub(crate) async fn with(files: Vec<(&'static str, Vec<u8>)>) -> Self {
        let files = Arc::new(Mutex::new(files));
        Self::start(move |head, mut stream| {
            let path = path_of(&head);
            let files = files.lock().expect("no panic");
            let file = files.iter().find(|(name, _)| *name == path);
            let answer = file.map_or_else(|| GONE.as_bytes().to_vec(), |(_, bytes)| bytes.clone());
            async move {
                let is_head = head.starts_with("HEAD ");
                let end = answer.windows(4).position(|end| end == b"\r\n\r\n");
                let end = end.map_or(0, |end| end + 4);
                let answer = if is_head { &answer[..end] } else { &answer };
                let _ = stream.write_all(answer).await;
            }
        })
        .await
    }

    /// How often `path` was asked for.
    pub(crate) fn asked(&self, path: &str) -> usize {
        let asked = self.asked.borrow();
        asked.iter().filter(|head| path_of(head) == path).count()
    }

    /// The heads of clients' requests for `path`.
    pub(crate) fn heads(&self, path: &str) -> Vec<String> {
        let asked = self.asked.borrow();
        let of_client = |head: &&String| path_of(head) == path && head.contains("t3.test");
        asked.iter().filter(of_client).cloned().collect()
    }

    /// Waits until `path` has been asked for.
    pub(crate) async fn wait_for(&self, path: &str) {
        let mut asked = self.asked.subscribe();
        let is_there = |asked: &Vec<String>| asked.iter().any(|head| path_of(head) == path);
        let waited = tokio::time::timeout(PATIENCE, asked.wait_for(is_there)).await;
        waited.expect("asked for in time").expect("t3 is there");
    }
}

impl Drop for T3 {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl World {
    pub(crate) async fn of(t3: T3, args: &[&str]) -> Self {
        let dir = TempDir::new().expect("a temporary directory");
        let dispatcher = Dispatcher::start(config(t3.addr, dir.path(), args)).await;
        Self {
            t3,
            dispatcher,
            dir,
        }
    }

    pub(crate) async fn with(files: Vec<(&'static str, Vec<u8>)>) -> Self {
        Self::of(T3::with(files).await, &[]).await
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.dispatcher.addr
    }

    /// `GET path` by a client that takes `codings`.
    pub(crate) async fn get(&self, path: &str, codings: &str) -> Answer {
        let head = format!("GET {path}\nAccept-Encoding: {codings}");
        request(self.addr(), &head).await
    }
}

/// A dispatcher in a process of its own in front of `t3`, with its files in `dir`.
pub(crate) fn started(t3: &T3, dir: &Path, args: &[&str]) -> Process {
    let mut start = command();
    start.env("T3_UPSTREAM_PORT", t3.addr.port().to_string());
    start.env("T3_BIN", cli_in(dir));
    start.env("T3CODE_HOME", dir.join("t3"));
    Process::start(start.args(args))
}

/// The target of a request.
pub(crate) fn path_of(head: &str) -> &str {
    head.split(' ').nth(1).unwrap_or_default()
}
