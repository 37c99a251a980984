//! The session rate: how many pairings one person may begin, whatever the browser calls itself.

use std::num::NonZeroUsize;
use std::time::Duration;

use lru::LruCache;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::metrics::pairing::PairingRefusal;
use crate::pairing::keys::PersonKey;
use crate::pairing::loop_guard::GuardRefusal;
use crate::process::cell_rate::CellRate;
use crate::process::lru_cache::lru_cache;

/// How many pairings a person may begin at once. Tabs of one browser share a pairing; ten restored
/// windows, or without an identity twenty browsers and ten tabs on this machine, do not.
const BURST: u32 = 30;

/// How long it takes until one more may begin: [`BURST`] a minute.
const INTERVAL: Duration = Duration::from_secs(2);

/// How long nobody is warned again of one person.
const PERIOD: Duration = Duration::from_secs(60);

/// The maximum of people that are remembered; of more, who was paired longest ago is forgotten.
const MAX_PEOPLE: NonZeroUsize = NonZeroUsize::new(4096).expect("not zero");

/// Remembers how many pairings each person has begun lately.
#[derive(Debug)]
pub(super) struct SessionRate {
    /// The person whose pairing began last is the most recently used.
    people: Mutex<LruCache<PersonKey, Allowance>>,
}

/// What a person has left.
#[derive(Debug)]
struct Allowance {
    rate: CellRate,
    warned: Option<Instant>,
}

impl SessionRate {
    /// Nobody has begun any.
    pub(super) fn new() -> Self {
        Self {
            people: Mutex::new(lru_cache(MAX_PEOPLE)),
        }
    }

    /// Takes one pairing from what `person` may begin.
    pub(super) fn take(&self, person: PersonKey) -> Result<(), GuardRefusal> {
        let now = Instant::now();
        let mut people = self.people.lock();
        while let Some((_, oldest)) = people.peek_lru()
            && oldest.is_over(now)
        {
            people.pop_lru();
        }
        let allowance = people.get_or_insert_mut(person, || Allowance {
            rate: CellRate::new(now),
            warned: None,
        });
        if allowance.rate.take(now, BURST, INTERVAL) {
            return Ok(());
        }
        let is_news = allowance.warned.is_none_or(|at| now - at >= PERIOD);
        if is_news {
            allowance.warned = Some(now);
        }
        Err(GuardRefusal {
            cause: PairingRefusal::Rate,
            is_news,
        })
    }

    /// Gives one back: the pairing could not even begin.
    pub(super) fn give_back(&self, person: &PersonKey) {
        if let Some(allowance) = self.people.lock().peek_mut(person) {
            allowance.rate.give_back(INTERVAL);
        }
    }
}

impl Allowance {
    fn is_over(&self, now: Instant) -> bool {
        self.rate.is_full(now) && self.warned.is_none_or(|at| now - at >= PERIOD)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::identity::Browser;

    fn person(identity: &str) -> PersonKey {
        PersonKey::of(&Browser {
            identity: Some(identity.into()),
            rights: Default::default(),
            user_agent: None,
            address: [127, 0, 0, 1].into(),
        })
    }

    fn refused(is_news: bool) -> Result<(), GuardRefusal> {
        let cause = PairingRefusal::Rate;
        Err(GuardRefusal { cause, is_news })
    }

    #[tokio::test(start_paused = true)]
    async fn a_person_has_a_burst_then_one_an_interval_and_others_have_theirs() {
        let rate = SessionRate::new();
        for _ in 0..BURST {
            assert_eq!(rate.take(person("mallory")), Ok(()));
        }
        assert_eq!(rate.take(person("mallory")), refused(true));
        assert_eq!(rate.take(person("mallory")), refused(false));
        assert_eq!(rate.take(person("alice")), Ok(()));
        tokio::time::advance(INTERVAL).await;
        assert_eq!(rate.take(person("mallory")), Ok(()));
        assert_eq!(rate.take(person("mallory")), refused(false));
        rate.give_back(&person("mallory"));
        assert_eq!(rate.take(person("mallory")), Ok(()));
        tokio::time::advance(PERIOD).await;
        for _ in 0..BURST {
            assert_eq!(rate.take(person("mallory")), Ok(()));
        }
        assert_eq!(rate.take(person("mallory")), refused(true), "once a period");
    }

    #[tokio::test(start_paused = true)]
    async fn people_are_forgotten_in_time_and_their_number_is_bounded() {
        let rate = SessionRate::new();
        let most = MAX_PEOPLE.get();
        for n in 0..2 * most {
            assert_eq!(rate.take(person(&n.to_string())), Ok(()));
        }
        assert_eq!(rate.people.lock().len(), most);
        tokio::time::advance(INTERVAL).await;
        assert_eq!(rate.take(person("one more")), Ok(()));
        assert_eq!(rate.people.lock().len(), 1);
    }
}
