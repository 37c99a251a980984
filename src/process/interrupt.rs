//! SIGINT and SIGTERM for a task that undoes what it has done before it ends.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// What shells add to a signal's number, for the exit code of what it has ended.
const EXIT_BY_SIGNAL: i32 = 128;

/// Cancels `task` at the first signal, and says so; ends the process at the second, with the exit code of that.
///
/// # Errors
/// If signals cannot be handled: then the first ends the process.
pub async fn cancel_on_interrupt(task: CancellationToken) -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut next = async || {
        tokio::select! {
            _ = terminate.recv() => SignalKind::terminate(),
            _ = interrupt.recv() => SignalKind::interrupt(),
        }
    };
    next().await;
    eprintln!("t3-dispatcher: it finishes and undoes what it has begun; once more ends it at once");
    task.cancel();
    std::process::exit(EXIT_BY_SIGNAL + next().await.as_raw_value());
}
