//! Work that may hang in the system, as files of a network do, on a thread of its own.

use std::{io, thread};

use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// Does `work` on a new thread, where this runtime's sockets and processes can be made, and returns its
/// outcome. The thread that serves waits for nothing that `work` waits for.
///
/// Dropping the future does not end `work`: its outcome is then dropped on that thread. So the caller
/// bounds how many of a kind there are at a time, by something that `work` holds. The end of the process
/// does not wait for it.
///
/// # Errors
/// If the system has no thread for it, or `work` panics.
pub async fn on_own_thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<T> {
    let (done, outcome) = oneshot::channel();
    let runtime = Handle::current();
    let thread = thread::Builder::new().name("files".to_owned());
    thread.spawn(move || {
        let _context = runtime.enter();
        // It fails if nobody waits any more.
        let _ = done.send(work());
    })?;
    outcome.await.map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_is_done_elsewhere_and_its_panic_is_an_error() {
        let here = thread::current().id();
        let there = on_own_thread(|| thread::current().id()).await;
        assert_ne!(there.expect("a thread"), here);
        let failed: io::Result<()> = on_own_thread(|| panic!("as it should")).await;
        assert!(failed.is_err());
    }
}
