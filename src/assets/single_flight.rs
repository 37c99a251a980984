//! Which files are being fetched right now: who comes first leads, the others join.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use http::HeaderMap;
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::assets::broadcast_body::{Growing, Reader};
use crate::assets::encoder::Coding;

/// The files that are being fetched, by name and by the coding that was asked for.
#[derive(Debug, Default)]
pub(super) struct Flights(Mutex<HashMap<Key, watch::Receiver<Progress>>>);

type Key = (Box<str>, Coding);

/// How far a fetch has come.
#[derive(Debug, Clone)]
enum Progress {
    /// t3 has not answered.
    Asked,
    /// The body comes, with these fields.
    Coming(Arc<HeaderMap>, Weak<Growing>),
    /// What t3 answered is for nobody else.
    Declined,
}

/// What somebody finds who asks for a file.
#[derive(Debug)]
pub(super) enum Flight {
    /// Nobody fetches it: it is up to whoever has this.
    Lead(Lead),
    /// Somebody does: the fields of the answer, and its body.
    Join(Arc<HeaderMap>, Reader),
    /// What t3 answered is for nobody else.
    Declined,
    /// Somebody did, until a moment ago.
    Over,
}

/// The one fetch of a file; others may fetch it once this is dropped.
#[derive(Debug)]
pub(super) struct Lead {
    flights: Arc<Flights>,
    key: Key,
    progress: watch::Sender<Progress>,
}

impl Flights {
    /// Begins to fetch `name`, or waits until whoever does knows more.
    pub(super) async fn enter(self: &Arc<Self>, name: &str, coding: Coding) -> Flight {
        let mut fetch = match self.lead_or_join((name.into(), coding)) {
            Ok(lead) => return Flight::Lead(lead),
            Err(fetch) => fetch,
        };
        let answered = |progress: &Progress| !matches!(progress, Progress::Asked);
        let progress = fetch.wait_for(answered).await.map(|found| found.clone());
        match progress {
            Ok(Progress::Coming(fields, growing)) => match growing.upgrade() {
                Some(growing) => Flight::Join(fields, growing.reader()),
                None => {
                    // Its last reader has just left; it ends at once.
                    while fetch.changed().await.is_ok() {}
                    Flight::Over
                }
            },
            Ok(_) => Flight::Declined,
            Err(_) => Flight::Over,
        }
    }

    fn lead_or_join(self: &Arc<Self>, key: Key) -> Result<Lead, watch::Receiver<Progress>> {
        let mut all = self.0.lock();
        if let Some(fetch) = all.get(&key) {
            return Err(fetch.clone());
        }
        let (progress, fetch) = watch::channel(Progress::Asked);
        all.insert(key.clone(), fetch);
        Ok(Lead {
            flights: Arc::clone(self),
            key,
            progress,
        })
    }
}

impl Lead {
    /// The file's name.
    pub(super) fn name(&self) -> &str {
        &self.key.0
    }

    /// Lets those who wait read `growing` too.
    pub(super) fn announce(&self, fields: &Arc<HeaderMap>, growing: &Arc<Growing>) {
        let progress = Progress::Coming(Arc::clone(fields), Arc::downgrade(growing));
        self.progress.send_replace(progress);
    }

    /// Lets those who wait ask t3 themselves.
    pub(super) fn decline(self) {
        self.progress.send_replace(Progress::Declined);
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        self.flights.0.lock().remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn lead(flights: &Arc<Flights>, name: &str) -> Lead {
        match flights.enter(name, Coding::Br).now_or_never() {
            Some(Flight::Lead(lead)) => lead,
            other => panic!("{name}: {other:?}"),
        }
    }

    #[tokio::test]
    async fn the_first_leads_and_the_others_join() {
        let flights = Arc::<Flights>::default();
        let first = lead(&flights, "/a");
        let _of_another_name = lead(&flights, "/b");
        let (growing, writer) = Growing::new();
        let (second, ()) = tokio::join!(flights.enter("/a", Coding::Br), async {
            first.announce(&Arc::default(), &growing);
        });
        assert!(matches!(second, Flight::Join(..)));
        let third = flights.enter("/a", Coding::Br).await;
        assert!(matches!(third, Flight::Join(..)));
        drop((second, third, growing, writer));
        assert!(
            flights.enter("/a", Coding::Br).now_or_never().is_none(),
            "its readers have left, and it is about to end"
        );
        drop(first);
        drop(lead(&flights, "/a"));
        assert_eq!(flights.0.lock().len(), 1);
    }

    #[tokio::test]
    async fn whoever_waited_in_vain_learns_why() {
        let flights = Arc::<Flights>::default();
        let first = lead(&flights, "/a");
        let (second, ()) = tokio::join!(flights.enter("/a", Coding::Br), async { first.decline() });
        assert!(matches!(second, Flight::Declined));
        let first = lead(&flights, "/a");
        let (second, ()) = tokio::join!(flights.enter("/a", Coding::Br), async { drop(first) });
        assert!(matches!(second, Flight::Over));
    }
}
