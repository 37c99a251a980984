//! SIGINT and SIGTERM for a task that undoes what it has done before it ends.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The exit code of what SIGINT has ended, as shells have it.
const INTERRUPTED: i32 = 128 + 2;

/// Cancels `task` at the first signal, and says so; ends the process at the second.
///
/// # Errors
/// If signals cannot be handled: then the first ends the process.
pub async fn cancel_on_interrupt(task: CancellationToken) -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut next = async || {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    next().await;
    eprintln!("t3-dispatcher: it finishes and undoes what it has begun; once more ends it at once");
    task.cancel();
    next().await;
    std::process::exit(INTERRUPTED);
}
