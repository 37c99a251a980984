//! A raw upstream that serves a test's files, and the dispatcher in front of it.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

use crate::common::http::Response;
use crate::common::process::{Process, command};
use crate::common::raw_upstream::RawUpstream;
use crate::common::{Dispatcher, cli_in, config, request};

/// The bound of background compression: a thread of the lowest priority, on busy cores.
pub(crate) const COMPRESSION_BOUND: Duration = Duration::from_secs(300);

/// The upstream and the dispatcher in front of it.
pub(crate) struct Site {
    pub(crate) t3: RawUpstream,
    pub(crate) dispatcher: Dispatcher,
    pub(crate) dir: TempDir,
}

impl Site {
    pub(crate) async fn of(t3: RawUpstream, args: &[&str]) -> Self {
        let dir = TempDir::new().expect("a temporary directory");
        let dispatcher = Dispatcher::start(config(t3.addr, dir.path(), args)).await;
        Self {
            t3,
            dispatcher,
            dir,
        }
    }

    pub(crate) async fn with(files: Vec<(&'static str, Vec<u8>)>) -> Self {
        Self::of(RawUpstream::serving(files).await, &[]).await
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.dispatcher.addr
    }

    /// `GET path` by a client that accepts `codings`.
    pub(crate) async fn get(&self, path: &str, codings: &str) -> Response {
        let head = format!("GET {path}\nAccept-Encoding: {codings}");
        request(self.addr(), &head).await
    }
}

/// A dispatcher in a process of its own in front of `t3`, with its files in `dir`.
pub(crate) fn started(t3: &RawUpstream, dir: &Path, args: &[&str]) -> Process {
    let mut start = command();
    start.env("T3_UPSTREAM_PORT", t3.addr.port().to_string());
    start.env("T3_BIN", cli_in(dir));
    start.env("T3CODE_HOME", dir.join("t3"));
    Process::start(start.args(args))
}
