//! A real headless Chromium, launched for a test.
#![allow(dead_code, reason = "each test binary drives its own part of it")]

mod devtools;
mod load;
mod network;
mod page;
mod settings;

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::{Mutex, mpsc};
use std::time::Duration;

use serde_json::json;
use tokio::sync::{Semaphore, SemaphorePermit, oneshot};
use tokio::time::timeout;

use devtools::DevTools;
#[allow(unused_imports, reason = "named by the tests that keep one")]
pub(crate) use {load::Begin, load::Load, network::Response, page::Page};

const START: Duration = Duration::from_secs(30);
const DEATH: Duration = Duration::from_secs(5);

/// Browsers of a test binary at a time: unlike most tests, they compute more than they wait.
static PLACES: Semaphore = Semaphore::const_new(2);

const SWITCHES: &str = "--headless --remote-debugging-port=0 --disable-gpu --disable-quic \
    --no-first-run --disable-background-networking --disable-component-update --disable-sync \
    --disable-dev-shm-usage --disable-breakpad --disable-background-timer-throttling \
    --disable-backgrounding-occluded-windows --disable-renderer-backgrounding";

/// A running Chromium; dropping it ends its process group and removes its profile.
pub(crate) struct Browser {
    devtools: DevTools,
    _process: Process,
    _place: SemaphorePermit<'static>,
}

impl Browser {
    /// `None` if there is no Chromium to launch; a failure if `CI=true`.
    pub(crate) async fn launch() -> Option<Self> {
        Self::launch_with(|_, _| {}).await
    }

    /// The same, with what `set` adds to its command and to its home.
    pub(crate) async fn launch_with(set: impl FnOnce(&mut Command, &Path)) -> Option<Self> {
        let Some(program) = find_program() else {
            let ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
            assert!(!ci, "no Chromium on this machine");
            println!("skipped: no Chromium on this machine (.ci/browser installs one)");
            return None;
        };
        let place = PLACES.acquire().await.expect("never closed");
        let (process, url) = Process::spawn(&program, set);
        let url = timeout(START, url).await.expect("DevTools listen in time");
        let devtools = DevTools::connect(&url.expect("chromium starts")).await;
        Some(Self {
            devtools,
            _process: process,
            _place: place,
        })
    }

    /// A new tab in a context of its own: it shares no cookies with the others.
    pub(crate) async fn page(&self) -> Page {
        let context = self
            .devtools
            .browser("Target.createBrowserContext", json!({}))
            .await;
        Page::open(&self.devtools, &context["browserContextId"]).await
    }
}

fn find_program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let dirs: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let chosen = std::env::var("CHROMIUM").unwrap_or_default();
    let names = [&chosen, "google-chrome", "chromium", "chromium-browser"];
    let mut programs = names
        .iter()
        .flat_map(|name| dirs.iter().map(move |dir| dir.join(name)));
    programs.find(|program| program.is_file())
}

struct Process {
    child: Child,
    stderr_closed: Mutex<mpsc::Receiver<()>>,
    _profile: tempfile::TempDir,
}

impl Process {
    fn spawn(
        program: &Path,
        set: impl FnOnce(&mut Command, &Path),
    ) -> (Self, oneshot::Receiver<String>) {
        let profile = tempfile::tempdir().expect("a temporary directory");
        let mut command = Command::new(program);
        command.args(SWITCHES.split_whitespace());
        command.arg(format!("--user-data-dir={}", profile.path().display()));
        if rustix::process::geteuid().is_root() {
            command.arg("--no-sandbox");
        }
        for home in ["HOME", "TMPDIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"] {
            command.env(home, profile.path());
        }
        set(&mut command, profile.path());
        command.process_group(0);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("chromium starts");
        let (url, closed) = follow(child.stderr.take().expect("stderr is piped"));
        let stderr_closed = Mutex::new(closed);
        (
            Self {
                child,
                stderr_closed,
                _profile: profile,
            },
            url,
        )
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let group = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        let _ = self.child.wait();
        // The whole group holds stderr: once it is closed, no process writes to the profile.
        if let Ok(closed) = self.stderr_closed.get_mut() {
            let _ = closed.recv_timeout(DEATH);
        }
    }
}

/// The address `DevTools` listens on, and a channel that closes with stderr.
fn follow(stderr: ChildStderr) -> (oneshot::Receiver<String>, mpsc::Receiver<()>) {
    let (address, url) = oneshot::channel();
    let (open, closed) = mpsc::channel();
    // Reads to the end, as a full pipe would block the browser.
    std::thread::spawn(move || {
        let (_open, mut address) = (open, Some(address));
        for line in BufReader::new(stderr).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line);
            if let Some(url) = line.strip_prefix("DevTools listening on ")
                && let Some(address) = address.take()
            {
                let _ = address.send(url.trim().to_owned());
            }
        }
    });
    (url, closed)
}
