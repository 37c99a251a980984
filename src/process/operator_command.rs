//! One run of a command that the operator has set, with bounds on its time and on what is kept of its output.

use std::ffi::OsString;
use std::io;
use std::pin::pin;
use std::process::ExitStatus;
use std::time::Duration;

use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use crate::process::own_thread::on_own_thread;
use crate::process::process_group::ProcessGroup;

/// How much of the end of each output is kept.
const TAIL_BYTES: usize = 1024;

/// How long a line of it may be in the log, in characters.
const LINE_LENGTH: usize = 200;

/// How long outputs are read after the command's end: what it has left running may hold them open.
const OUTPUT_GRACE: Duration = Duration::from_millis(200);

/// The variables that are the dispatcher's own, and not the command's, begin so: what they say of one t3 is not
/// for a command that acts on another.
const OWN_VARIABLES: [&str; 3] = ["DISPATCHER_", "T3_", "T3CODE_"];

/// Why a command did not do what it is for.
#[derive(Debug, Error)]
pub enum CommandError {
    /// It cannot be started.
    #[error("it cannot be started: {0}")]
    Spawn(io::Error),
    /// It did not end in time and was killed, with all that it started.
    #[error("it did not end in time")]
    Timeout,
    /// It exited with an error, and this was the last line of its output.
    #[error("{0}, {1:?}")]
    Failed(ExitStatus, String),
}

/// Runs the command of `words` for at most `limit`, without input and without the dispatcher's own variables.
/// What it leaves running goes on, if the command succeeds. Dropping the future kills it.
///
/// `permit` bounds how many run, and is held as long as anything of this run may hang in the system.
///
/// # Errors
/// Where it does not succeed.
pub async fn run(
    words: &[String],
    limit: Duration,
    permit: OwnedSemaphorePermit,
) -> Result<(), CommandError> {
    let run = async {
        let mut command = command(words);
        // Its program's file may be a network's.
        let started = on_own_thread(move || (ProcessGroup::start(&mut command), permit)).await;
        let (group, _permit) = started.map_err(CommandError::Spawn)?;
        finish(group.map_err(CommandError::Spawn)?).await
    };
    timeout(limit, run)
        .await
        .unwrap_or(Err(CommandError::Timeout))
}

/// What starts the command of `words`, without the dispatcher's own variables.
pub fn command(words: &[String]) -> Command {
    let mut words = words.iter();
    let mut command = Command::new(words.next().map_or("", String::as_str));
    command.args(words);
    let is_own = |name: &OsString| {
        let name = name.as_encoded_bytes();
        OWN_VARIABLES
            .iter()
            .any(|own| name.starts_with(own.as_bytes()))
    };
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_own(name)) {
        command.env_remove(name);
    }
    command
}

async fn finish(mut group: ProcessGroup) -> Result<(), CommandError> {
    let (stdout, stderr) = group.take_outputs();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let status = {
        let reading =
            async { tokio::join!(read_tail(stdout, &mut out), read_tail(stderr, &mut err)) };
        let mut reading = pin!(reading);
        let mut is_read = false;
        let status = loop {
            tokio::select! {
                status = group.wait() => break status,
                _ = &mut reading, if !is_read => is_read = true,
            }
        };
        if !is_read {
            let _ = timeout(OUTPUT_GRACE, reading).await;
        }
        status.map_err(CommandError::Spawn)?
    };
    if status.success() {
        group.leave();
        return Ok(());
    }
    let line = last_line(&err).or_else(|| last_line(&out));
    Err(CommandError::Failed(status, line.unwrap_or_default()))
}

/// Reads `output` to its end, of which the last bytes are left in `tail`.
async fn read_tail(output: Option<impl AsyncRead + Unpin>, tail: &mut Vec<u8>) {
    let Some(mut output) = output else { return };
    let mut piece = [0; TAIL_BYTES];
    while let Ok(count @ 1..) = output.read(&mut piece).await {
        tail.extend_from_slice(&piece[..count]);
        tail.drain(..tail.len().saturating_sub(TAIL_BYTES));
    }
}

/// The last line with something in it, cut.
fn last_line(output: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(output);
    let line = text.lines().rev().find(|line| !line.trim().is_empty())?;
    Some(line.trim().chars().take(LINE_LENGTH).collect())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::Semaphore;

    use super::*;

    async fn run_script(script: &str, limit: Duration) -> Result<(), CommandError> {
        let one = Arc::new(Semaphore::new(1));
        let permit = one.acquire_owned().await.expect("open");
        let words = ["sh", "-c", script].map(str::to_owned);
        run(&words, limit, permit).await
    }

    #[tokio::test]
    async fn what_it_said_last_is_known_and_bounded() {
        let long = Duration::from_secs(20);
        assert!(run_script("echo fine", long).await.is_ok());
        for (script, expected) in [
            ("echo out; exit 3", "out".to_owned()),
            (
                "echo out; echo one >&2; echo two >&2; echo >&2; exit 3",
                "two".to_owned(),
            ),
            (
                "yes | head -c 300000; printf '\\033[1mlast'; exit 3",
                "\u{1b}[1mlast".to_owned(),
            ),
            (
                "head -c 5000 /dev/zero | tr '\\0' x; exit 3",
                "x".repeat(LINE_LENGTH),
            ),
            ("exit 3", String::new()),
        ] {
            match run_script(script, long).await {
                Err(CommandError::Failed(status, line)) => {
                    assert_eq!((status.code(), line), (Some(3), expected), "{script}");
                }
                other => panic!("{script}: {other:?}"),
            }
        }
        let failed = CommandError::Failed(ExitStatus::default(), "\u{1b}[1m".to_owned());
        assert!(failed.to_string().ends_with("\"\\u{1b}[1m\""), "{failed}");
    }

    #[tokio::test]
    async fn it_has_an_end_and_what_it_leaves_running_goes_on() {
        let short = Duration::from_millis(300);
        let hung = run_script("sleep 60", short).await;
        assert!(matches!(hung, Err(CommandError::Timeout)), "{hung:?}");
        let permit = Arc::new(Semaphore::new(1)).acquire_owned().await;
        let words = ["/no/such/program".to_owned()];
        let none = run(&words, short, permit.expect("open")).await;
        assert!(matches!(none, Err(CommandError::Spawn(_))), "{none:?}");

        let dir = tempfile::tempdir().expect("a temporary directory");
        let file = dir.path().join("later");
        let script = format!("(sleep 1; echo x >{}) &", file.display());
        let started = std::time::Instant::now();
        run_script(&script, Duration::from_secs(20))
            .await
            .expect("it succeeds");
        assert!(
            started.elapsed() < Duration::from_millis(900),
            "its child has the outputs"
        );
        while !file.exists() {
            assert!(started.elapsed() < Duration::from_secs(20));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}
