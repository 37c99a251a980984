//! A new table of people: what it takes from whom is ended.

use std::sync::Arc;

use tracing::info;

use crate::routes::table::Table;
use crate::state::held_instances::Taken;
use crate::state::routed::{Routed, Routes};

impl Routed {
    /// Ends what a new table takes from its people, for ever.
    pub(super) async fn follow_table(&self) {
        let Routes::Table(tables) = &self.routes else {
            return;
        };
        let mut tables = tables.clone();
        while tables.changed().await.is_ok() {
            let table = Arc::clone(&tables.borrow_and_update());
            self.apply(&table);
        }
    }

    pub(super) fn apply(&self, table: &Table) {
        let Taken { people, instances } = self.held.write().follow(table);
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
}
