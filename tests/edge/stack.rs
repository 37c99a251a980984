//! All of it: t3, the dispatcher with the manifest's environment, the gate, Traefik, and a browser that trusts it.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::Instant;

use crate::certificate::Certificate;
use crate::common::browser::{Browser, Page};
use crate::common::process::{Process, output_within};
use crate::outpost::{APPLICATION, Manner, Outpost, TITLE};
use crate::programs::named_by;
use crate::t3::{CLI_RUNS, T3};
use crate::traefik::{Behind, Traefik};

/// How long a person is waited for, or t3.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// What the cockpit of a t3 without projects says once it is connected.
pub(crate) const CONNECTED: &str = "document.body.innerText.includes('No projects yet')";

/// What a new t3 says once it has loaded all that it shows, after it is connected. A file that it cannot load makes
/// it reload itself, in the middle of what a test does.
pub(crate) const WELCOMED: &str = "document.body.innerText.includes('Set up T3 Code')";

/// The file that holds the door's secrets.
const SECRETS: &str = "secret";

/// The door's secret, and another one.
pub(crate) const SECRET: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
pub(crate) const OTHER_SECRET: &str =
    "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210";

/// What is the same behind every proxy: t3, the dispatcher, the gate, a certificate.
pub(crate) struct Door {
    pub(crate) t3: T3,
    pub(crate) dispatcher: Process,
    pub(crate) outpost: Outpost,
    pub(crate) certificate: Certificate,
    /// The directory of the file that holds the door's secrets.
    dir: TempDir,
}

impl Door {
    pub(crate) async fn start() -> Self {
        Self::behind(Manner::default()).await
    }

    /// Behind a gate of that manner.
    pub(crate) async fn behind(manner: Manner) -> Self {
        let t3 = T3::start().await;
        let dir = TempDir::new().expect("a temporary directory");
        std::fs::write(dir.path().join(SECRETS), SECRET).expect("a writable directory");
        let mut command = dispatcher(&t3, dir.path(), 0);
        let dispatcher = Process::start(command.env("DISPATCHER_GATE", manner.gate()));
        Self {
            t3,
            dispatcher,
            outpost: Outpost::start(manner).await,
            certificate: Certificate::new(),
            dir,
        }
    }

    /// A browser that trusts the certificate and finds the hosts on loopback.
    pub(crate) async fn browser(&self) -> Option<Browser> {
        browser_that_trusts(&self.certificate).await
    }

    /// Waits until the static files are compressed.
    pub(crate) async fn warm(mut self) -> Self {
        self.dispatcher = self.dispatcher.warm().await;
        self
    }

    /// What t3 calls its sessions.
    pub(crate) async fn clients(&self) -> Vec<String> {
        let mut command = self.t3.cli();
        command.args(["auth", "session", "list", "--json"]);
        let run = tokio::task::spawn_blocking(move || output_within(&mut command, CLI_RUNS));
        let run = run.await.expect("no panic");
        let sessions: Value = serde_json::from_slice(&run.stdout).expect("JSON");
        let sessions = sessions.as_array().expect("a list");
        let label = |session: &Value| session["client"]["label"].as_str().map(str::to_owned);
        sessions.iter().filter_map(label).collect()
    }

    /// Changes the file that holds the door's secrets, whole.
    pub(crate) fn replace_secrets(&self, text: &str) {
        let (draft, file) = (self.dir.path().join("draft"), self.dir.path().join(SECRETS));
        std::fs::write(&draft, text).expect("a writable directory");
        std::fs::rename(&draft, file).expect("the same directory");
    }

    /// Ends the dispatcher as the kubelet does, and starts another at its address as soon as it is gone.
    /// Returns when it was gone, and when the other one listened.
    pub(crate) async fn restart_dispatcher(&mut self) -> (Instant, Instant) {
        let addr = self.dispatcher.addr;
        let mut command = dispatcher(&self.t3, self.dir.path(), addr.port());
        self.dispatcher.signal(Signal::TERM);
        while self.dispatcher.child.try_wait().expect("a child").is_none() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let gone = Instant::now();
        self.dispatcher = Process::start(&mut command);
        (gone, Instant::now())
    }

    pub(crate) async fn finish(self) {
        drop(self.dispatcher);
        self.t3.finish().await;
    }
}

/// A door behind Traefik.
pub(crate) struct Stack {
    pub(crate) door: Door,
    pub(crate) traefik: Traefik,
    pub(crate) behind: Behind,
}

impl Stack {
    /// None where there is no Traefik, which is said.
    pub(crate) async fn start() -> Option<Self> {
        let program = named_by("EDGE_TRAEFIK")?;
        let door = Door::start().await;
        let behind = Behind {
            dispatcher: door.dispatcher.addr,
            outpost: door.outpost.addr,
            secret: SECRET.to_owned(),
        };
        let traefik = Traefik::start(&program, &door.certificate, &behind).await;
        Some(Self {
            door,
            traefik,
            behind,
        })
    }

    /// The application's address, for a browser.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("https://{APPLICATION}:{}{path}", self.traefik.secure.port())
    }

    /// A new tab in which somebody has signed in, and whose cockpit is live and has loaded all that it shows.
    pub(crate) async fn signed_in(&self, browser: &Browser) -> Page {
        let page = browser.page().await;
        page.navigate(&self.url("/")).await;
        sign_in(&page, "ada@example.org").await;
        page.wait_for(CONNECTED, PATIENCE).await;
        page.wait_for(WELCOMED, PATIENCE).await;
        page
    }

    pub(crate) async fn finish(self) {
        drop(self.traefik);
        self.door.finish().await;
    }
}

/// A browser that trusts `certificate` and finds the hosts on loopback.
pub(crate) async fn browser_that_trusts(certificate: &Certificate) -> Option<Browser> {
    Browser::launch_with(|command, home| {
        certificate.trust_in(home);
        command.arg("--host-resolver-rules=MAP *.test 127.0.0.1");
    })
    .await
}

/// Fills in the form, as `user`.
pub(crate) async fn sign_in(page: &Page, user: &str) {
    page.wait_for(&format!("document.title === '{TITLE}'"), PATIENCE)
        .await;
    let fill = format!(
        "(() => {{ document.querySelector('input').value = '{user}'; document.querySelector('form').submit(); \
        return true; }})()"
    );
    page.evaluate(&fill).await;
}

/// A dispatcher in front of `t3`, at `port`, with the manifest's environment but for what names a path or a
/// port of the pod.
fn dispatcher(t3: &T3, secrets: &Path, port: u16) -> Command {
    const OF_THE_POD: [&str; 5] = [
        "HOME",
        "T3_BIN",
        "T3CODE_HOME",
        "NODE_COMPILE_CACHE",
        "DISPATCHER_METRICS_PORT",
    ];
    let mut command = t3.dispatcher();
    for file in [
        "base/deployment.yaml",
        "overlays/t3-afk/deployment.yaml",
        "components/door-secret/deployment.yaml",
    ] {
        let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/k8s")).join(file);
        let text = std::fs::read_to_string(path).expect("a manifest");
        let (_, container) = text
            .split_once("- name: dispatcher\n")
            .expect("its container");
        let lines: Vec<_> = container.lines().map(str::trim).collect();
        let named = lines.windows(2).filter_map(|pair| {
            let name = pair[0].strip_prefix("- name: ")?;
            Some((name, pair[1].strip_prefix("value: ")?.trim_matches('"')))
        });
        let named: Vec<_> = named.collect();
        assert!(!named.is_empty(), "no environment in {file}");
        let named = named.into_iter();
        command.envs(named.filter(|(name, _)| !OF_THE_POD.contains(name)));
    }
    command.env("DISPATCHER_SECRET_FILE", secrets.join(SECRETS));
    command.env("DISPATCHER_PORT", port.to_string());
    command
}
