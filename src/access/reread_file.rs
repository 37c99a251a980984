//! A small file that is read again when it changes, as the value that it states.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use crate::access::looked_at::{Held, LookedAt};
use crate::limited;
use crate::process::own_thread::on_own_thread;

/// How long requests wait for a look: a file at hand takes less than a millisecond.
const PATIENCE: Duration = Duration::from_millis(50);

/// The same for the first look, before which nobody can be let in: the machine is busy with other starts, too.
const FIRST_PATIENCE: Duration = Duration::from_secs(1);

/// How long a value counts whose file cannot be looked at, as its volume is a network's and hangs.
const UNSEEN_FOR: Duration = Duration::from_secs(30);

/// A file and its value. While it is missing or unusable there is none, which lets nobody in.
pub(super) struct RereadFile<T> {
    file: Arc<LookedAt<T>>,
    /// Held by the thread that reads.
    reading: Arc<Semaphore>,
}

impl<T: Send + 'static> RereadFile<T> {
    /// The file at `path`, which messages call `what`. `parse` gives its value, or says what is wrong
    /// with it. It is taken to be what it was for `reread_after`.
    pub(super) fn new(
        what: &'static str,
        path: PathBuf,
        reread_after: Duration,
        parse: fn(&[u8]) -> Result<T, &'static str>,
    ) -> Self {
        let held = Mutex::new(Held {
            content: None,
            value: None,
            looked: Instant::now(),
            looking: None,
        });
        Self {
            file: Arc::new(LookedAt {
                what,
                path,
                reread_after,
                parse,
                held,
            }),
            reading: Arc::new(Semaphore::new(1)),
        }
    }

    /// Reads it for the first time.
    ///
    /// # Errors
    /// If it cannot be read, or is not as it should be; it may be later.
    pub(super) fn open(&self) -> io::Result<()> {
        self.file.look().map(drop)
    }

    /// What `judge` says of its value, as the last look has found it. It is [`Self::refresh`]ed before.
    pub(super) fn with<R>(&self, judge: impl FnOnce(Option<&T>) -> R) -> R {
        let is_unseen = self.is_unseen();
        let held = self.file.held.lock();
        judge(held.value.as_ref().filter(|_| !is_unseen))
    }

    /// Is it unknown what is in it, as it could not be looked at for [`UNSEEN_FOR`]?
    pub(super) fn is_unseen(&self) -> bool {
        let age = self.file.held.lock().looked.elapsed();
        age >= self.file.reread_after + UNSEEN_FOR
    }

    /// Need it not be looked at, at `now`?
    pub(super) fn is_fresh(&self, now: Instant) -> bool {
        let held = self.file.held.lock();
        let age = now.saturating_duration_since(held.looked);
        held.content.is_some() && age < self.file.reread_after
    }

    /// Looks at it unless that was done a moment ago. Where that takes long, its value stays what it was
    /// for [`UNSEEN_FOR`], and then there is none.
    pub(super) async fn refresh(&self) {
        let now = Instant::now();
        if self.is_fresh(now) {
            return;
        }
        let (began, is_first) = {
            let held = self.file.held.lock();
            (held.looking.unwrap_or(now), held.content.is_none())
        };
        let patience = if is_first { FIRST_PATIENCE } else { PATIENCE };
        if timeout_at(began + patience, self.look_in_turn())
            .await
            .is_ok()
        {
            return;
        }
        let what = self.file.what;
        limited!(WARN, "a file cannot be read in time"; what, path = %self.file.path.display());
    }

    /// Looks at it in another thread, one at a time, so that a volume that hangs holds up only that.
    async fn look_in_turn(&self) {
        // The semaphore is never closed.
        let Ok(turn) = Arc::clone(&self.reading).acquire_owned().await else {
            return;
        };
        let now = Instant::now();
        if self.is_fresh(now) {
            return;
        }
        self.file.held.lock().looking = Some(now);
        let file = Arc::clone(&self.file);
        let looked = on_own_thread(move || {
            let _turn = turn;
            file.report(file.look());
        });
        if let Err(error) = looked.await {
            limited!(WARN, "no thread to read a file in"; what = self.file.what, %error);
        }
    }
}

/// Without its value, which may be secret.
impl<T> std::fmt::Debug for RereadFile<T> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = formatter.debug_struct("RereadFile");
        shown.field("path", &self.file.path).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::looked_at::MAX_LENGTH;

    fn parse(content: &[u8]) -> Result<usize, &'static str> {
        match content {
            b"" => Err("it is empty"),
            content => Ok(content.len()),
        }
    }

    /// Whoever opens it waits for one who writes to it, as for a file of a network that hangs.
    fn make_pipe(path: &PathBuf) {
        let made = std::process::Command::new("mkfifo").arg(path).status();
        assert!(made.expect("a program").success());
    }

    #[tokio::test]
    async fn its_value_is_that_of_its_content_at_the_last_look() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("file");
        let file = RereadFile::new("the file", path.clone(), Duration::ZERO, parse);
        let value = async || {
            file.refresh().await;
            file.with(|value| value.copied())
        };
        assert!(file.open().is_err());
        assert_eq!(value().await, None, "missing");
        for (content, expected) in [
            (&b"one"[..], Some(3)),
            // The same length, perhaps in the same moment.
            (b"two", Some(3)),
            (b"", None),
            (b"", None),
            (b"three", Some(5)),
            (&[b'x'; MAX_LENGTH], Some(MAX_LENGTH)),
            (&[b'x'; MAX_LENGTH + 1], None),
            (b"x", Some(1)),
        ] {
            std::fs::write(&path, content).expect("writable");
            assert_eq!(value().await, expected, "{} bytes", content.len());
        }
        std::fs::remove_file(&path).expect("there");
        assert_eq!(value().await, None, "gone");
        assert!(!format!("{file:?}").contains("three"));
    }

    #[test]
    fn an_error_is_reported_once() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("file");
        let file = RereadFile::new("the file", path.clone(), Duration::MAX, parse);
        let look = || file.file.look();
        let text = look().expect_err("it is missing").to_string();
        assert!(
            text.contains("the file, ") && text.contains("file: "),
            "{text}"
        );
        assert!(!look().expect("no news"));
        std::fs::write(&path, "").expect("writable");
        assert!(look().is_err());
        assert!(!look().expect("no news"));
        std::fs::write(&path, "x").expect("writable");
        assert!(look().expect("there"));
        assert!(!look().expect("no news"));
    }

    #[tokio::test]
    async fn the_first_look_is_waited_for_longer() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("file");
        make_pipe(&path);
        let file = RereadFile::new("the file", path.clone(), Duration::ZERO, parse);
        let write = async {
            tokio::time::sleep(2 * PATIENCE).await;
            std::fs::write(&path, "one").expect("a reader");
        };
        tokio::join!(file.refresh(), write);
        assert_eq!(file.with(|value| value.copied()), Some(3));
    }

    #[tokio::test]
    async fn a_file_that_hangs_keeps_its_value_for_a_while_and_holds_nobody_up() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("file");
        std::fs::write(&path, "one").expect("writable");
        let file = RereadFile::new("the file", path.clone(), Duration::ZERO, parse);
        file.open().expect("there");
        std::fs::remove_file(&path).expect("writable");
        make_pipe(&path);
        let start = Instant::now();
        for _ in 0..100 {
            file.refresh().await;
            assert_eq!(file.with(|value| value.copied()), Some(3));
        }
        let took = start.elapsed();
        assert!(took >= PATIENCE && took < 20 * PATIENCE, "{took:?}");
        assert_eq!(file.reading.available_permits(), 0, "one reads");
        file.file.held.lock().looked -= UNSEEN_FOR;
        assert_eq!(file.with(|value| value.copied()), None);

        std::fs::write(&path, "three").expect("a reader");
        while file.with(|value| value.copied()) != Some(5) {
            tokio::task::yield_now().await;
        }
    }
}
