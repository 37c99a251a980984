//! The places of connections: so many, and a few spare ones for probes of the dispatcher.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::limited;
use crate::state::connections::Connections;

/// How many connections above the maximum are served a response about the dispatcher, or a 503, at a time.
const SPARE: usize = 64;

/// How long a connection that makes way may take for it.
const MAKING_WAY: Duration = Duration::from_secs(1);

/// The places.
#[derive(Debug)]
pub struct Places {
    most: usize,
    regular: Arc<Semaphore>,
    spare: Arc<Semaphore>,
}

/// The place of a connection, free again when this is dropped.
#[derive(Debug)]
pub struct Place {
    _permit: OwnedSemaphorePermit,
    is_spare: bool,
}

impl Places {
    /// For `most` connections.
    pub fn new(most: usize) -> Self {
        Self {
            most,
            regular: Arc::new(Semaphore::new(most)),
            spare: Arc::new(Semaphore::new(SPARE)),
        }
    }

    /// Is any taken?
    pub fn is_any_taken(&self) -> bool {
        self.regular.available_permits() < self.most || self.spare.available_permits() < SPARE
    }

    /// A place for a connection that was accepted: a spare one where all are taken. Waits for one if there
    /// is none of these either.
    pub async fn take(&self) -> Option<Place> {
        let regular = Arc::clone(&self.regular).try_acquire_owned().ok();
        let is_spare = regular.is_none();
        let permit = match regular {
            Some(permit) => permit,
            // The semaphore is never closed.
            None => Arc::clone(&self.spare).acquire_owned().await.ok()?,
        };
        Some(Place {
            _permit: permit,
            is_spare,
        })
    }

    /// The place for a connection that took `place`: where that is a spare one, the longest idle of
    /// `connections` makes way.
    pub async fn settle(&self, place: Place, connections: &Connections) -> Place {
        if !place.is_spare {
            return place;
        }
        if connections.end_longest_idle()
            && let Ok(Ok(permit)) =
                timeout(MAKING_WAY, Arc::clone(&self.regular).acquire_owned()).await
        {
            return Place {
                _permit: permit,
                is_spare: false,
            };
        }
        limited!(WARN, "all places for connections are taken"; most = self.most);
        place
    }
}

impl Place {
    /// Is it above the maximum?
    pub fn is_spare(&self) -> bool {
        self.is_spare
    }
}
