//! `DISPATCHER_TOKEN_FILE`: the admin session is given by a file, and the t3 CLI never runs.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use t3_standin::server::{Options as StandinOptions, Standin};
use tempfile::TempDir;

use crate::common::{Dispatcher, PAGE, PATIENCE, config, request};

/// A stand-in, and a dispatcher that reads its token from `file`.
struct Given {
    standin: Standin,
    dispatcher: Dispatcher,
    file: PathBuf,
    _dir: TempDir,
}

impl Given {
    async fn start(args: &[&str]) -> Self {
        let dir = TempDir::new().expect("a temporary directory");
        let standin = Standin::start(StandinOptions::new(dir.path().join("t3")));
        let standin = standin.await.expect("a free port");
        let file = dir.path().join("token");
        let path = file.to_str().expect("a UTF-8 path");
        let option = ["--token-file", path, "--identity-header", "X-User"];
        let mut config = config(standin.addr(), dir.path(), &[&option, args].concat());
        config.timing.file_reread = Duration::from_millis(20);
        let dispatcher = Dispatcher::start(config).await;
        Self {
            standin,
            dispatcher,
            file,
            _dir: dir,
        }
    }

    /// Writes the token of a new administrative session; returns it.
    fn write(&self) -> String {
        let token = self.standin.issue_administrative_session("sidecar");
        let token = token.expect("it writes");
        fs::write(&self.file, format!("{token}\n")).expect("a writable directory");
        token
    }

    /// Loads the page as `user`, who has no session yet.
    async fn load(&self, user: &str) -> u16 {
        let head = format!("GET /\n{PAGE}\nX-User: {user}");
        request(self.dispatcher.addr, &head).await.status
    }

    fn cli_starts(&self) -> usize {
        t3_standin::journal::starts(self.standin.base_dir()).len()
    }

    /// Whether the given sessions live, in the order in which they were written.
    fn living(&self) -> Vec<bool> {
        let mut rows = self.standin.sessions();
        rows.retain(|row| row.label.as_deref() == Some("sidecar"));
        rows.iter().map(|row| !row.revoked).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_written_later_is_waited_for_and_no_cli_runs() {
    let given = Given::start(&[]).await;
    let (page, token) = tokio::join!(given.load("alice"), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        given.write()
    });
    assert_eq!((page, token.is_empty()), (302, false));
    assert_eq!(given.cli_starts(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_changes_is_read_again() {
    let given = Given::start(&[]).await;
    given.write();
    assert_eq!(given.load("alice").await, 302);
    given.standin.wipe_sessions();
    given.write();
    assert_eq!(given.load("bob").await, 302);
    given.standin.clear_requests();
    // No refusal tells of this one.
    let third = given.write();
    let start = Instant::now();
    let uses = |token: &str| {
        let bearer = format!("Bearer {token}");
        let requests = given.standin.requests();
        let mut fields = requests.iter().map(|seen| seen.header("authorization"));
        fields.any(|field| field == Some(bearer.as_bytes()))
    };
    let mut number = 0;
    while !uses(&third) {
        assert!(start.elapsed() < PATIENCE, "the file is read again");
        number += 1;
        given.load(&format!("person{number}")).await;
    }
    assert_eq!(given.living(), [true, true]);
    assert_eq!(given.cli_starts(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_that_mints_nothing_runs_no_cli_and_the_token_stays() {
    for mint in ["auto", "api"] {
        let given = Given::start(&["--mint", mint]).await;
        given.write();
        given
            .standin
            .set_faults(|faults| faults.pairing_token_status = Some(500));
        assert_eq!(given.load("alice").await, 200, "t3's own page");
        assert_eq!((given.cli_starts(), given.living()), (0, vec![true]));
    }
}
