//! The server in-process: start, faults, stop.

mod listener;
mod runtime_file;
mod sessions;
mod watch;

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::base::Base;
use crate::bundle::Bundle;
use crate::edition::{self, Edition};
use crate::faults::{self, Faults};
use crate::state::{Identity, Phase, State};
use crate::store::Store;
use listener::Listener;

/// The options of a server.
#[derive(Clone, Debug)]
pub struct Options {
    /// The base directory, shared with the CLI.
    pub base_dir: PathBuf,
    /// Where to listen.
    pub listen: SocketAddr,
    /// Which t3 it is; the CLI on the same directory is the same.
    pub edition: Edition,
    /// The id in `/.well-known/t3/environment`.
    pub environment_id: String,
    /// The faults from the start.
    pub faults: Faults,
    /// Mode desktop: the cookie's name carries the port.
    pub desktop: bool,
    /// The files of the page.
    pub bundle: Bundle,
    /// How many of the last requests to keep at least; 0 keeps none, for benchmarks.
    pub keep_requests: usize,
}

impl Options {
    /// A healthy server on a free port of the loopback.
    #[must_use]
    pub fn new(base_dir: impl Into<PathBuf>) -> Options {
        Options::of(Edition::default(), base_dir)
    }

    /// The same, of that edition.
    #[must_use]
    pub fn of(edition: Edition, base_dir: impl Into<PathBuf>) -> Options {
        Options {
            edition,
            base_dir: base_dir.into(),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            environment_id: "7d3c1c52-9a55-4c0e-8f6e-2f1f6a3b9c10".to_owned(),
            faults: Faults::healthy(edition),
            desktop: false,
            bundle: Bundle::default(),
            keep_requests: 10_000,
        }
    }
}

/// A running server. Dropping it is [`Standin::kill`].
#[derive(Debug)]
pub struct Standin {
    state: Arc<State>,
    listener: Arc<Listener>,
}

impl Standin {
    /// Creates the base directory if it is missing, and serves on the current runtime.
    ///
    /// # Errors
    /// The base directory cannot be created, or the address cannot be bound.
    pub async fn start(options: Options) -> io::Result<Standin> {
        let base = Base::at(&options.base_dir);
        let facts = options.edition.facts();
        let store = Store::open(base.clone(), facts)?;
        edition::save(&base, options.edition)?;
        base.note_environment(&options.environment_id)?;
        faults::save(&base, &options.faults)?;
        let listener = Listener::bind(options.listen).await?;
        let Options {
            environment_id,
            desktop,
            bundle,
            faults,
            keep_requests,
            ..
        } = options;
        // The first request must not wait for it.
        bundle.files();
        let identity = Identity {
            environment_id,
            desktop,
            bundle,
            facts,
            faults,
        };
        let state = Arc::new(State::new(store, listener.addr(), identity, keep_requests));
        runtime_file::write(&base, state.addr)?;
        let listener = Arc::new(listener);
        tokio::spawn(listener::accept(listener.clone(), state.clone()));
        Ok(Standin { state, listener })
    }

    /// The address on which it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.state.addr
    }

    /// Its base directory.
    #[must_use]
    pub fn base_dir(&self) -> &Path {
        self.state.store.base().root()
    }

    /// The current faults; `cli_locked_times` is what is left of it.
    #[must_use]
    pub fn faults(&self) -> Faults {
        let mut faults = (*self.state.faults()).clone();
        faults.cli_locked_times = faults::locks_left(self.state.store.base());
        faults
    }

    /// Changes the faults, for the server at once and for the CLI's next run.
    ///
    /// # Panics
    /// If the file for the CLI cannot be written.
    pub fn set_faults(&self, change: impl FnOnce(&mut Faults)) {
        let mut faults = self.faults();
        change(&mut faults);
        faults::save(self.state.store.base(), &faults).expect("the base directory is writable");
        self.state.put_faults(faults);
    }

    /// Whether an authenticated client's handshake was refused, so that the stop will never end (contract §7).
    #[must_use]
    pub fn is_wedged(&self) -> bool {
        self.state.wedged.load(Ordering::Acquire)
    }

    /// Like SIGKILL: the listener is closed on return, every socket as soon as the runtime gets to it.
    pub fn kill(self) {
        drop(self);
    }

    /// Like SIGTERM (contract §7): nothing new, idle connections closed, requests completed, WebSockets cut after the
    /// grace period. It never returns once the server is wedged; dropping the future then is like SIGKILL.
    pub async fn stop(self) {
        let grace = Duration::from_millis(self.state.faults().websocket_grace_ms);
        self.listener.close();
        self.state.phase.send_replace(Phase::Draining);
        if !self
            .wait_for_connections(grace, |connections, _| connections == 0)
            .await
        {
            self.state.phase.send_replace(Phase::Cut);
            self.wait_for_connections(LAST_WORDS, |connections, _| connections == 0)
                .await;
        }
        if self.is_wedged() {
            std::future::pending::<()>().await;
        }
        runtime_file::remove(self.state.store.base());
    }
}

/// How long a cut connection may take to send its close.
const LAST_WORDS: Duration = Duration::from_secs(5);

impl Drop for Standin {
    fn drop(&mut self) {
        self.listener.close();
        self.state.phase.send_replace(Phase::Killed);
    }
}
