//! The admin session as a file gives it: its token, which t3's container writes and may write anew.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use thiserror::Error;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout};
use tracing::{info, warn};

use crate::pairing::secret::Secret;
use crate::process::own_thread::on_own_thread;

/// How long a token is waited for once it lacks: t3's container may be about to write it.
const WAIT: Duration = Duration::from_secs(10);

/// The pause between two looks while it lacks.
const PAUSE: Duration = Duration::from_millis(100);

/// How long one look may take: the volume may be a network's.
const READ_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a token that t3 has refused is not tried again.
const REFUSED_FOR: Duration = Duration::from_secs(60);

/// The maximum size of the file; a token has about 500 characters.
const FILE_LIMIT_BYTES: u64 = 8 * 1024;

/// A file with the token of an administrative session, which is only read.
#[derive(Debug)]
pub(super) struct TokenFile {
    path: PathBuf,
    reread_after: Duration,
    /// Held by the thread that reads.
    reading: Arc<Semaphore>,
    state: Mutex<TokenState>,
}

#[derive(Debug, Default)]
struct TokenState {
    token: Option<Arc<Secret>>,
    /// When the file was last read.
    looked: Option<Instant>,
    /// Since when there is no token.
    lacking: Option<Instant>,
    /// What t3 has refused, and when.
    refused: Option<(Arc<Secret>, Instant)>,
    /// What was last reported of the file.
    reported: Option<String>,
}

/// Why a file gives no token.
#[derive(Debug, Error)]
pub enum TokenFileError {
    /// It is not there, or empty: it may not have been written yet.
    #[error("{0}: there is no token yet")]
    Missing(PathBuf),
    /// It cannot be read.
    #[error("{0}: {1}")]
    Unreadable(PathBuf, io::Error),
    /// Its content cannot be a token.
    #[error("{0}: its content is no token")]
    Unusable(PathBuf),
    /// Reading it takes too long.
    #[error("{0}: it cannot be read in time")]
    Late(PathBuf),
}

impl TokenFile {
    /// The file at `path`, which need not be there yet. It is taken to be what it was for
    /// `reread_after`.
    pub(super) fn new(path: PathBuf, reread_after: Duration) -> Self {
        Self {
            path,
            reread_after,
            reading: Arc::new(Semaphore::new(1)),
            state: Mutex::default(),
        }
    }

    /// The token. While there is none it is waited for, until it has been lacking for [`WAIT`].
    pub(super) async fn token(&self) -> Option<Arc<Secret>> {
        loop {
            self.look().await;
            let lacking = {
                let mut state = self.state.lock();
                if let Some(token) = &state.token {
                    return Some(Arc::clone(token));
                }
                *state.lacking.get_or_insert_with(Instant::now)
            };
            if lacking.elapsed() >= WAIT {
                return None;
            }
            sleep(PAUSE).await;
        }
    }

    /// The token that was last read, if t3 has not refused it.
    pub(super) fn present(&self) -> Option<Arc<Secret>> {
        self.state.lock().token.clone()
    }

    /// Drops `token`, which t3 has refused.
    pub(super) fn discard(&self, token: &Arc<Secret>) {
        let mut state = self.state.lock();
        if state.token.as_ref() != Some(token) {
            return;
        }
        let is_news = !matches!(&state.refused, Some((refused, _)) if refused == token);
        if is_news {
            warn!(file = %self.path.display(), "t3 refuses the admin session's token, waiting for another");
        }
        state.token = None;
        state.looked = None;
        state.refused = Some((Arc::clone(token), Instant::now()));
        state.lacking = Some(Instant::now());
    }

    /// Reads the file, unless it was read a moment ago.
    async fn look(&self) {
        if self.has_just_looked() {
            return;
        }
        let found = timeout(READ_TIMEOUT, self.read_in_turn()).await;
        let late = || Some(Err(TokenFileError::Late(self.path.clone())));
        if let Some(found) = found.unwrap_or_else(|_| late()) {
            self.state.lock().note(found);
        }
    }

    fn has_just_looked(&self) -> bool {
        let state = self.state.lock();
        let looked = state.looked.filter(|_| state.token.is_some());
        looked.is_some_and(|looked| looked.elapsed() < self.reread_after)
    }

    /// Reads the file in another thread, one at a time, so that a volume that hangs holds up only
    /// that. `None` if it was read by another turn meanwhile.
    async fn read_in_turn(&self) -> Option<Result<Secret, TokenFileError>> {
        let turn = Arc::clone(&self.reading).acquire_owned().await.ok()?;
        if self.has_just_looked() {
            return None;
        }
        let path = self.path.clone();
        let reading = move || {
            let _turn = turn;
            read(&path)
        };
        let unreadable = |error| Err(TokenFileError::Unreadable(self.path.clone(), error));
        Some(on_own_thread(reading).await.unwrap_or_else(unreadable))
    }
}

impl TokenState {
    /// Takes over what a look has found. A token stays until there is another, as a file that is
    /// written anew is empty for a while.
    fn note(&mut self, found: Result<Secret, TokenFileError>) {
        self.looked = Some(Instant::now());
        match found {
            Ok(token) if self.was_refused(&token) => {}
            Ok(token) => self.take(token),
            Err(error) if self.token.is_none() => self.report(error),
            Err(_) => {}
        }
    }

    fn was_refused(&self, token: &Secret) -> bool {
        let refused = self.refused.as_ref();
        refused.is_some_and(|(refused, at)| **refused == *token && at.elapsed() < REFUSED_FOR)
    }

    fn take(&mut self, token: Secret) {
        self.lacking = None;
        self.reported = None;
        let known = [
            self.token.as_ref(),
            self.refused.as_ref().map(|(token, _)| token),
        ];
        if !known.iter().flatten().any(|known| ***known == token) {
            info!("admin session's token read from its file");
            self.refused = None;
        }
        if self.token.as_deref() != Some(&token) {
            self.token = Some(Arc::new(token));
        }
    }

    /// Reports once what is found again and again.
    fn report(&mut self, error: TokenFileError) {
        let text = error.to_string();
        if self.reported.as_ref() == Some(&text) {
            return;
        }
        match error {
            TokenFileError::Missing(path) => {
                info!(file = %path.display(), "waiting for the admin session's token");
            }
            error => warn!(%error, "no admin session"),
        }
        self.reported = Some(text);
    }
}

/// The token in the file at `path`, without the white space around it.
pub(super) fn read(path: &Path) -> Result<Secret, TokenFileError> {
    let mut text = String::new();
    let file = File::open(path).map(|file| file.take(FILE_LIMIT_BYTES));
    match file.and_then(|mut file| file.read_to_string(&mut text)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(TokenFileError::Missing(path.to_owned()))
        }
        Err(error) => Err(TokenFileError::Unreadable(path.to_owned(), error)),
        Ok(_) => match text.trim() {
            "" => Err(TokenFileError::Missing(path.to_owned())),
            token => Secret::new(token).ok_or_else(|| TokenFileError::Unusable(path.to_owned())),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn file_in(dir: &tempfile::TempDir) -> TokenFile {
        TokenFile::new(dir.path().join("token"), Duration::ZERO)
    }

    async fn token(file: &TokenFile) -> Option<String> {
        file.token().await.map(|token| token.reveal().to_owned())
    }

    #[tokio::test]
    async fn it_is_read_again_and_stays_while_it_is_being_written() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let file = file_in(&dir);
        for (content, expected) in [
            ("one\n", "one"),
            ("", "one"),
            ("two words\n", "one"),
            (" two \n", "two"),
        ] {
            fs::write(&file.path, content).expect("a writable directory");
            assert_eq!(token(&file).await.as_deref(), Some(expected), "{content:?}");
        }
        fs::remove_file(&file.path).expect("it is there");
        assert_eq!(token(&file).await.as_deref(), Some("two"));
    }

    #[tokio::test]
    async fn it_is_waited_for_once_and_then_looked_for_each_time() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let file = file_in(&dir);
        let waited = timeout(2 * PAUSE, token(&file)).await;
        assert!(waited.is_err(), "it may come");
        file.state.lock().lacking = Some(Instant::now() - WAIT);
        assert_eq!(token(&file).await, None);
        fs::write(&file.path, "one").expect("a writable directory");
        assert_eq!(token(&file).await.as_deref(), Some("one"));
    }

    #[tokio::test]
    async fn a_token_that_t3_refuses_is_replaced_and_tried_again_later() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let file = file_in(&dir);
        fs::write(&file.path, "one").expect("a writable directory");
        let one = file.token().await.expect("a token");
        file.discard(&one);
        file.state.lock().lacking = Some(Instant::now() - WAIT);
        assert_eq!((token(&file).await, file.present()), (None, None));
        file.state.lock().refused = Some((one, Instant::now() - REFUSED_FOR));
        assert_eq!(token(&file).await.as_deref(), Some("one"));
        file.discard(&file.present().expect("a token"));
        fs::write(&file.path, "two").expect("a writable directory");
        assert_eq!(token(&file).await.as_deref(), Some("two"));
    }

    #[test]
    fn what_is_no_token_is_told_apart_from_what_is_not_there() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("token");
        assert!(matches!(read(&path), Err(TokenFileError::Missing(_))));
        for (content, is_missing) in [("\n", true), ("a b", false), ("\u{e9}", false)] {
            fs::write(&path, content).expect("a writable directory");
            let error = read(&path).expect_err("no token");
            let missing = matches!(error, TokenFileError::Missing(_));
            assert_eq!(missing, is_missing, "{content:?}: {error}");
        }
        assert!(read(dir.path()).is_err(), "a directory");
        fs::write(&path, "a".repeat(9000)).expect("a writable directory");
        assert!(matches!(read(&path), Err(TokenFileError::Unusable(_))));
    }
}
