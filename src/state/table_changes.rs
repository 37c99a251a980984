//! A new table of people: what it takes from whom is ended.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use tracing::info;

use crate::routes::row::{Row, Via};
use crate::routes::table::Table;
use crate::state::held_instances::{Held, Taken};
use crate::state::instance::Instance;
use crate::state::routed::{Routed, Routes};

impl Routed {
    /// Ends what a new table takes from its people, for ever.
    pub(super) async fn follow_table(&self) {
        let Routes::Table(tables) = &self.routes else {
            return;
        };
        let mut tables = tables.clone();
        let mut earlier = Arc::clone(&tables.borrow());
        while tables.changed().await.is_ok() {
            let table = Arc::clone(&tables.borrow_and_update());
            self.apply(&earlier, &table);
            earlier = table;
        }
    }

    pub(super) fn apply(&self, earlier: &Table, table: &Table) {
        let mut held = self.held.write();
        let Taken {
            mut people,
            instances,
        } = held.follow(table);
        people.extend(self.unseen(&mut held, earlier, table, &people));
        drop(held);
        for (identity, instance) in &people {
            instance.leave_to(identity, table.row(identity));
        }
        for instance in &instances {
            instance.end();
        }
        if !people.is_empty() {
            let (people, instances) = (people.len(), instances.len());
            info!(people, instances, "a new table takes t3s from people");
        }
    }

    /// Whom `table` takes a t3 from that others have still, and who is none of the `seen`, as nothing was asked by
    /// that person since the start of this process: each with that t3, which is made for one of the others.
    fn unseen(
        &self,
        held: &mut Held,
        earlier: &Table,
        table: &Table,
        seen: &[(Box<str>, Arc<Instance>)],
    ) -> Vec<(Box<str>, Arc<Instance>)> {
        let seen: HashSet<&str> = seen.iter().map(|(identity, _)| &**identity).collect();
        let is_there = |identity: &str, row: &Row| {
            let now = table.row(identity);
            now.is_some_and(|now| now.address() == row.address())
        };
        let people = earlier.people();
        let left =
            people.filter(|(identity, row)| !seen.contains(identity) && !is_there(identity, row));
        let left: Vec<_> = left.collect();
        let addresses: HashSet<_> = left.iter().map(|(_, row)| row.address()).collect();
        let others = table.people().filter(|(other, row)| {
            let has_left = addresses.contains(row.address());
            has_left && row.via == Via::T3 && row.pairing(&self.pairing).admits(other)
        });
        let others = others.map(|(other, row)| (row.address(), (other, row)));
        let others: HashMap<_, _> = others.collect();
        let left = left.into_iter().filter_map(|(identity, row)| {
            let (other, row) = others.get(row.address())?;
            let instance = held.at_row(other, row, || self.make(row, other));
            Some((identity.into(), instance))
        });
        left.collect()
    }
}
