//! A server and a CLI over one base directory, removed with the test.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use t3_standin::edition::Edition;
use t3_standin::server::{Options, Standin};
use tokio::process::{Child, Command};

/// The bound of every wait.
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);

/// A temporary directory.
pub(crate) struct Room {
    path: PathBuf,
}

impl Room {
    pub(crate) fn new() -> Room {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("t3-standin-{}-{number}", std::process::id());
        Room {
            path: std::env::temp_dir().join(name),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) async fn server(&self) -> Standin {
        self.server_of(Edition::default()).await
    }

    pub(crate) async fn server_of(&self, edition: Edition) -> Standin {
        Standin::start(Options::of(edition, &self.path))
            .await
            .expect("starts")
    }

    /// The CLI's command for this directory.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_t3-standin"));
        command.args(args).arg("--base-dir").arg(&self.path);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    pub(crate) fn spawn(&self, args: &[&str]) -> Child {
        self.command(args).spawn().expect("the CLI begins")
    }

    /// Runs the CLI to its end.
    pub(crate) async fn run(&self, args: &[&str]) -> Output {
        let output = tokio::time::timeout(DEADLINE, self.command(args).output());
        output.await.expect("in time").expect("the CLI runs")
    }

    /// A credential from `auth pairing create --json`.
    pub(crate) async fn credential(&self) -> String {
        let output = self.run(&["auth", "pairing", "create", "--json"]).await;
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        json["credential"]
            .as_str()
            .expect("a credential")
            .to_owned()
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let _never_made = std::fs::remove_dir_all(&self.path);
    }
}
