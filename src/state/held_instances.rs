//! The t3s that were asked for: whose is which, and what a new table takes.

use std::collections::HashMap;
use std::sync::Arc;

use crate::routes::address::Address;
use crate::routes::row::Row;
use crate::routes::table::Table;
use crate::state::instance::Instance;
use crate::tunnel::registry::Tunnels;

/// The t3s that were asked for.
#[derive(Debug, Default)]
pub(super) struct Held {
    of_person: HashMap<Box<str>, Arc<Instance>>,
    /// People may share one.
    at: HashMap<Address, Arc<Instance>>,
    /// How the tunnels end of one that is made from now on, if they do.
    ending: Option<fn(&Tunnels)>,
}

/// What a new table takes.
pub(super) struct Taken {
    /// People, each with the t3 of before.
    pub(super) people: Vec<(Box<str>, Arc<Instance>)>,
    /// The t3s that nobody has any more.
    pub(super) instances: Vec<Arc<Instance>>,
}

impl Held {
    /// The t3 of the person of `identity`.
    pub(super) fn of(&self, identity: &str) -> Option<Arc<Instance>> {
        self.of_person.get(identity).cloned()
    }

    /// Everybody who has one, in the order of their names.
    pub(super) fn people(&self) -> Vec<(Box<str>, Arc<Instance>)> {
        let people = self.of_person.iter();
        let mut people: Vec<_> = people
            .map(|(person, instance)| (person.clone(), Arc::clone(instance)))
            .collect();
        people.sort_unstable_by(|one, other| one.0.cmp(&other.0));
        people
    }

    /// All of them.
    pub(super) fn all(&self) -> Vec<Arc<Instance>> {
        self.at.values().cloned().collect()
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.at.len()
    }

    /// Has the tunnels of all of them end, and of those that are made from now on.
    pub(super) fn end_tunnels(&mut self, end: fn(&Tunnels)) {
        self.ending = Some(end);
        self.at.values().for_each(|instance| end(&instance.tunnels));
    }

    /// The t3 of `row`, which is that of the person of `identity` from now on; `make` makes it where it is
    /// not there.
    pub(super) fn at_row(
        &mut self,
        identity: &str,
        row: &Arc<Row>,
        make: impl FnOnce() -> Arc<Instance>,
    ) -> Arc<Instance> {
        let held = self.at.get(row.address());
        let instance = match held.filter(|held| held.is_of(row)) {
            Some(instance) => Arc::clone(instance),
            None => {
                let instance = make();
                if let Some(end) = self.ending {
                    end(&instance.tunnels);
                }
                let replaced = self.at.insert(row.address().clone(), Arc::clone(&instance));
                if let Some(replaced) = replaced {
                    replaced.end();
                }
                instance
            }
        };
        self.of_person
            .insert(identity.into(), Arc::clone(&instance));
        instance
    }

    /// The person of `identity` has no t3 any more.
    pub(super) fn forget(&mut self, identity: &str) {
        if let Some(instance) = self.of_person.remove(identity) {
            self.at.retain(|_, held| !Arc::ptr_eq(held, &instance));
            instance.end();
        }
    }

    /// Keeps what `table` leaves as it was.
    pub(super) fn follow(&mut self, table: &Table) -> Taken {
        let is_moved = |identity: &str, instance: &Instance| {
            let row = table.row(identity);
            !row.is_some_and(|row| instance.is_of(row))
        };
        let people = self
            .of_person
            .extract_if(|identity, instance| is_moved(identity, instance));
        let people = people.collect();
        let ended = self.at.extract_if(|_, instance| {
            let row = instance.row.as_ref();
            !row.is_some_and(|row| table.contains(row))
        });
        let instances = ended.map(|(_, instance)| instance).collect();
        Taken { people, instances }
    }
}
