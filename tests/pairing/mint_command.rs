//! `DISPATCHER_MINT_COMMAND`: a command mints in the t3 CLI's place, and there is no administrative session.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use t3_standin::server::{Options as StandinOptions, Standin};
use tempfile::TempDir;

use crate::common::http::Response;
use crate::common::{Dispatcher, PAGE, Scrape, cli_in, config, request};

/// A stand-in, and a dispatcher whose command is a script.
struct Minted {
    standin: Standin,
    dispatcher: Dispatcher,
    dir: TempDir,
}

impl Minted {
    /// The script has `$t3`, the stand-in's CLI, and `$dir`, a folder to write into.
    async fn start(script: &str, args: &[&str]) -> Self {
        let dir = TempDir::new().expect("a temporary directory");
        let standin = Standin::start(StandinOptions::new(dir.path().join("t3")));
        let standin = standin.await.expect("a free port");
        let command = write(dir.path(), script);
        let command = format!("{} 'two words' $HOME", command.display());
        let options = [&["--mint-command", &command][..], args].concat();
        let mut config = config(standin.addr(), dir.path(), &options);
        config.timing.cli_run = Duration::from_secs(2);
        let dispatcher = Dispatcher::start(config).await;
        Self {
            standin,
            dispatcher,
            dir,
        }
    }

    async fn load(&self) -> Response {
        request(self.dispatcher.addr, &format!("GET /\n{PAGE}")).await
    }

    /// What the script has written into `file`.
    fn written(&self, file: &str) -> String {
        fs::read_to_string(self.dir.path().join(file)).unwrap_or_default()
    }

    /// How often the command gave a credential, and failed.
    async fn runs(&self) -> (f64, f64) {
        let metrics = Scrape::of(self.dispatcher.metrics).await;
        let runs = |outcome| {
            let labels = format!("{{command=\"mint_command\",outcome=\"{outcome}\"}}");
            metrics.get(&format!("cli_runs_total{labels}"))
        };
        (runs("ok"), runs("failed"))
    }

    /// The page is t3's own, with its pairing screen.
    async fn falls_back(&self) {
        let response = self.load().await;
        assert_eq!(response.status, 200);
        assert_eq!(response.header("set-cookie"), "");
    }
}

/// Writes a script into `dir`.
fn write(dir: &Path, script: &str) -> PathBuf {
    let path = dir.join("mint");
    let (t3, shown) = (cli_in(dir), dir.display());
    let base = dir.join("t3");
    let text = format!(
        "#!/bin/sh\nt3={}\ndir={shown}\nbase={}\n{script}\n",
        t3.display(),
        base.display()
    );
    fs::write(&path, text).expect("a writable directory");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("its owner");
    path
}

/// As t3 itself mints, in whose place the helper of another user may run.
const MINT: &str = r#"exec "$t3" auth pairing create --label helper --json --base-dir "$base""#;

#[tokio::test(flavor = "multi_thread")]
async fn a_command_mints_without_a_shell_and_without_an_administrative_session() {
    let script = format!(r#"echo "$#|$1|$2" >"$dir/args"; env >"$dir/env"; {MINT}"#);
    let minted = Minted::start(&script, &["--identity-header", "X-User"]).await;
    let head = format!("GET /\n{PAGE}\nX-User: alice");
    let response = request(minted.dispatcher.addr, &head).await;
    assert_eq!(response.status, 302);
    assert!(response.header("set-cookie").contains("t3_session"));
    assert_eq!(minted.written("args"), "2|two words|$HOME\n");
    let env = minted.written("env");
    assert!(env.lines().any(|line| line.starts_with("PATH=")), "{env}");
    for withheld in ["DISPATCHER_", "T3CODE_", "T3_"] {
        assert!(!env.lines().any(|line| line.starts_with(withheld)), "{env}");
    }
    let sessions = minted.standin.sessions();
    assert_eq!(sessions.len(), 1, "the person's alone: {sessions:?}");
    assert_eq!(minted.runs().await, (1.0, 0.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_command_prints_is_a_credential_or_nothing() {
    for script in [
        "echo no >&2; exit 3",
        "exit 0",
        "echo '{}'",
        r#"echo '{"credential": ""}'"#,
        r#"echo '{"credential": 12}'"#,
        "echo 63ZRCHFUYSNW",
        "head -c 1000000 /dev/zero",
    ] {
        let minted = Minted::start(script, &[]).await;
        minted.falls_back().await;
        assert!(minted.standin.sessions().is_empty(), "{script}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_hangs_is_killed_with_what_it_started() {
    let script = r#"echo $$ >"$dir/pids"; sleep 600 & echo $! >>"$dir/pids"; sleep 600"#;
    let minted = Minted::start(script, &[]).await;
    let start = Instant::now();
    minted.falls_back().await;
    assert!(start.elapsed() < Duration::from_secs(10));
    let pids = minted.written("pids");
    assert_eq!(pids.lines().count(), 2);
    for pid in pids.lines() {
        let stat = || fs::read_to_string(format!("/proc/{pid}/stat"));
        while stat().is_ok_and(|stat| !stat.contains(") Z ")) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_is_run_where_the_api_of_a_given_session_mints_nothing() {
    let dir = TempDir::new().expect("a temporary directory");
    let token = dir.path().join("token");
    let options = ["--token-file", token.to_str().expect("UTF-8")];
    let minted = Minted::start(MINT, &options).await;
    let given = minted.standin.issue_administrative_session("sidecar");
    fs::write(&token, given.expect("it writes")).expect("a writable directory");
    assert_eq!(minted.load().await.status, 302);
    assert_eq!(minted.runs().await, (0.0, 0.0), "the API minted");
    minted
        .standin
        .set_faults(|faults| faults.pairing_token_status = Some(500));
    let head = format!("GET /\n{PAGE}\nUser-Agent: another");
    assert_eq!(request(minted.dispatcher.addr, &head).await.status, 302);
    assert_eq!(minted.runs().await, (1.0, 0.0));
}
