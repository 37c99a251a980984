//! The file of the table of people, looked at again and again: the last table that could be used is in force.

use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tracing::{error, info};

use crate::metrics::Metrics;
use crate::process::descriptors;
use crate::process::own_thread::on_own_thread;
use crate::routes::stamp::{Stamp, read};
use crate::routes::table::Table;

/// How long a look may take until it is told that it hangs, as a volume of a network may.
const PATIENCE: Duration = Duration::from_secs(10);

/// The table of people in a file.
#[derive(Debug)]
pub struct RoutesFile {
    file: Arc<LookedAt>,
    reread_after: Duration,
    patience: Duration,
}

#[derive(Debug)]
struct LookedAt {
    path: PathBuf,
    table: watch::Sender<Arc<Table>>,
    seen: Mutex<Seen>,
    metrics: Arc<Metrics>,
}

/// What the last look has found.
#[derive(Debug, Default)]
struct Seen {
    /// Of a file that need not be read again while it has this.
    stamp: Option<Stamp>,
    /// Why it cannot be used, if it cannot.
    refused: Option<String>,
}

impl RoutesFile {
    /// Reads the file at `path`, which is to be read again within about `reread_after` of a change.
    ///
    /// # Errors
    /// If it cannot be read, or is no table: there is no earlier one to keep to.
    pub fn open(path: &Path, reread_after: Duration, metrics: Arc<Metrics>) -> io::Result<Self> {
        let file = LookedAt {
            path: path.to_owned(),
            table: watch::Sender::default(),
            seen: Mutex::default(),
            metrics,
        };
        let told = |why: &dyn Display| io::Error::other(file.told(why));
        let read = read(path, None).map_err(|error| told(&error))?;
        let content = read.map(|(_, content)| content).unwrap_or_default();
        let table = Table::parse(&content).map_err(|error| told(&error))?;
        file.metrics.routes_loaded(table.len());
        file.table.send_replace(Arc::new(table));
        Ok(Self {
            file: Arc::new(file),
            reread_after,
            patience: PATIENCE,
        })
    }

    /// The table in force. The row of a person who is where he was is that of the table before
    /// ([`Arc::ptr_eq`]).
    pub fn current(&self) -> Arc<Table> {
        Arc::clone(&self.file.table.borrow())
    }

    /// Tells of each table that comes into force from now on.
    pub fn changes(&self) -> watch::Receiver<Arc<Table>> {
        self.file.table.subscribe()
    }

    /// Looks at the file again and again, for ever.
    pub async fn keep_current(&self) {
        loop {
            sleep(self.reread_after).await;
            self.look().await;
        }
    }

    /// Looks at it once, on a thread of its own, which reads it, compares it and puts it into force. Where
    /// that takes long, what is in force stays so.
    async fn look(&self) {
        let file = Arc::clone(&self.file);
        let mut looking = Box::pin(on_own_thread(move || file.look()));
        let looked = match timeout(self.patience, &mut looking).await {
            Ok(looked) => looked,
            Err(_) => {
                self.file.hangs();
                looking.await
            }
        };
        if let Err(error) = looked {
            self.file.refuse(&error);
        }
    }
}

impl LookedAt {
    fn look(&self) {
        let begun = Instant::now();
        let held = self.seen.lock().stamp;
        match read(&self.path, held) {
            Ok(None) => {}
            Ok(Some((stamp, content))) => {
                self.seen.lock().stamp = stamp.is_settled().then_some(stamp);
                match Table::parse(&content) {
                    Ok(table) => self.accept(table, begun),
                    Err(error) => self.refuse(&error),
                }
            }
            // It says nothing of the file.
            Err(error) if descriptors::are_out(&error) => {}
            Err(error) => {
                self.seen.lock().stamp = None;
                self.refuse(&error);
            }
        }
    }

    /// Puts `table` into force, for which the look at the file began at `begun`.
    fn accept(&self, table: Table, begun: Instant) {
        let was_refused = self.seen.lock().refused.take().is_some();
        let current = Arc::clone(&self.table.borrow());
        let table = table.keeping_rows_of(&current);
        let changes = table.changes_since(&current);
        if !was_refused && changes.is_none() {
            return;
        }
        self.metrics.routes_loaded(table.len());
        let (people, new, moved, gone) = (table.len(), changes.new, changes.moved, changes.gone);
        if !changes.is_none() {
            self.table.send_replace(Arc::new(table));
        }
        let ms = begun.elapsed().as_millis() as u64;
        info!(
            people,
            new, moved, gone, ms, "the table of people is read again"
        );
    }

    /// Tells once why the file cannot be used.
    fn refuse(&self, why: &dyn Display) {
        let why = self.told(why);
        let mut seen = self.seen.lock();
        if seen.refused.as_ref() == Some(&why) {
            return;
        }
        self.metrics.routes_refused();
        error!(%why, "the table of people cannot be used, the last one that could is in force");
        seen.refused = Some(why);
    }

    /// A look hangs. Once it has ended, the file is read in any case.
    fn hangs(&self) {
        self.refuse(&"it cannot be read in time");
        self.seen.lock().stamp = None;
    }

    fn told(&self, why: &dyn Display) -> String {
        format!("the table of people, {}: {why}", self.path.display())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A file of a table with `content`, in a folder of its own.
    fn opened(content: &str) -> (tempfile::TempDir, PathBuf, RoutesFile) {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("people.json");
        fs::write(&path, content).expect("writable");
        let file = RoutesFile::open(&path, Duration::ZERO, Arc::default()).expect("a table");
        (dir, path, file)
    }

    fn metric(file: &RoutesFile, name: &str) -> String {
        let text = file.file.metrics.text().expect("text");
        let name = format!("t3_dispatcher_routes_{name} ");
        let value = text.lines().find_map(|line| line.strip_prefix(&name));
        value.expect("a series").to_owned()
    }

    #[test]
    fn a_start_needs_a_table() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("people.json");
        let open = || RoutesFile::open(&path, Duration::ZERO, Arc::default());
        let error = open().expect_err("it is missing").to_string();
        assert!(error.contains("people.json: No such file"), "{error}");
        fs::write(&path, r#"{"bob": {}}"#).expect("writable");
        let error = open().expect_err("a row without a port").to_string();
        assert!(
            error.contains("people.json: `bob`: missing field `port`"),
            "{error}"
        );
        fs::write(&path, "{}").expect("writable");
        assert!(open().expect("nobody is a table").current().is_empty());
    }

    #[tokio::test]
    async fn the_last_table_that_can_be_used_is_in_force() {
        let (_dir, path, file) = opened(r#"{"a": {"port": 1}, "b": {"port": 2}}"#);
        let (first, mut changes, mut failed) = (file.current(), file.changes(), 0);
        let port = |name: &str| file.current().row(name).map(|row| row.port());
        let both = [Some(1), Some(3)];
        for (content, expected, is_new) in [
            // Of one length, perhaps in one moment.
            (Some(r#"{"a": {"port": 1}, "b": {"port": 3}}"#), both, true),
            (Some(r#"{"b": {"port": 3}, "a": {"port": 1}}"#), both, false),
            (Some(r#"{"a": {"port": 1}, "a": {"port": 3}}"#), both, false),
            (Some(""), both, false),
            (None, both, false),
            (Some(r#"{"a": {"port": 1}}"#), [Some(1), None], true),
            (Some("{}"), [None, None], true),
        ] {
            match content {
                Some(content) => fs::write(&path, content).expect("writable"),
                None => fs::remove_file(&path).expect("there"),
            }
            let is_table = content.is_some_and(|text| Table::parse(text.as_bytes()).is_ok());
            failed += u32::from(!is_table);
            for _ in 0..2 {
                file.look().await;
                assert_eq!(["a", "b"].map(port), expected, "{content:?}");
                assert_eq!(metric(&file, "stale"), u32::from(!is_table).to_string());
                assert_eq!(
                    metric(&file, r#"reloads_total{outcome="failed"}"#),
                    failed.to_string()
                );
            }
            assert_eq!(changes.has_changed().expect("open"), is_new, "{content:?}");
            let _ = changes.borrow_and_update();
            let is_kept = |row| Arc::ptr_eq(row, first.row("a").expect("a row"));
            assert!(file.current().row("a").is_none_or(is_kept));
        }
        assert_eq!(metric(&file, r#"reloads_total{outcome="ok"}"#), "4");
        assert_eq!(
            first.row("b").map(|row| row.port()),
            Some(2),
            "who has begun with it keeps it"
        );
    }

    /// A pipe that nobody writes to hangs when it is opened, as a file of a network does.
    #[tokio::test]
    async fn a_file_that_hangs_leaves_the_table_as_it_is() {
        let (_dir, path, mut file) = opened(r#"{"a": {"port": 1}}"#);
        file.patience = Duration::from_millis(20);
        fs::remove_file(&path).expect("there");
        let made = std::process::Command::new("mkfifo").arg(&path).status();
        assert!(made.expect("a program").success());
        let hung = async {
            while metric(&file, "stale") != "1" {
                sleep(Duration::from_millis(1)).await;
            }
            assert_eq!(file.current().len(), 1);
            let opened = fs::File::options().write(true).open(&path);
            fs::remove_file(&path).expect("there");
            fs::write(&path, r#"{"a": {"port": 1}}"#).expect("writable");
            drop(opened.expect("a reader"));
        };
        tokio::join!(file.look(), hung);
        file.patience = PATIENCE;
        file.look().await;
        assert_eq!(
            (metric(&file, "stale").as_str(), file.current().len()),
            ("0", 1)
        );
    }
}
