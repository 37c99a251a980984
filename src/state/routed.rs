//! One t3 a person: made at the first request of its person, and ended when the table names it no more.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::config::options::{PairingConfig, UpstreamConfig};
use crate::config::upstream_template::UpstreamTemplate;
use crate::process::name_lookup::{is_no_such_name, look_up};
use crate::routes::row::{Row, Via};
use crate::routes::table::Table;
use crate::state::held_instances::Held;
use crate::state::instance::{Instance, SharedParts};
use crate::tunnel::registry::Tunnels;

/// How long a look-up of a name may take before its resolver is taken to fail.
const LOOKUP_LIMIT: Duration = Duration::from_secs(4);

/// How many t3s may be known where names lead to them, so that an app makes one more: under a wildcard each name
/// leads somewhere, and an app may ask for any.
const MAX_BY_APPS: usize = 1000;

/// It cannot be told whether somebody has a t3.
#[derive(Debug)]
pub struct Uncertain;

/// What says whose t3 is where.
#[derive(Debug)]
pub enum Routes {
    /// A table, the one in force at any time.
    Table(watch::Receiver<Arc<Table>>),
    /// The system's resolver, for names that are made of people's, and what listens there.
    Template(UpstreamTemplate, Via),
}

/// One t3 a person.
#[derive(Debug)]
pub struct Routed {
    pub(super) routes: Routes,
    /// What is the same for all of them; host and port are each one's own.
    upstream: UpstreamConfig,
    pub(super) pairing: PairingConfig,
    pub(super) shared: Arc<SharedParts>,
    pub(super) held: RwLock<Held>,
}

impl Routed {
    /// None yet, of the people whom `routes` names.
    pub fn new(
        routes: Routes,
        upstream: UpstreamConfig,
        pairing: PairingConfig,
        shared: &Arc<SharedParts>,
    ) -> Self {
        Self {
            routes,
            upstream,
            pairing,
            shared: Arc::clone(shared),
            held: RwLock::default(),
        }
    }

    pub(super) fn known(&self, identity: &str) -> Option<Arc<Instance>> {
        self.held.read().of(identity)
    }

    pub(super) fn people(&self) -> Vec<(Box<str>, Arc<Instance>)> {
        self.held.read().people()
    }

    pub(super) fn all(&self) -> Vec<Arc<Instance>> {
        self.held.read().all()
    }

    /// Has all tunnels end, also those of t3s that are made from now on.
    pub(super) fn end_tunnels(&self, end: fn(&Tunnels)) {
        self.held.write().end_tunnels(end);
    }

    /// The t3 of the person of `identity`, made if this is the first request for it; `None` if there is none.
    pub(super) async fn find(&self, identity: &str) -> Option<Arc<Instance>> {
        match &self.routes {
            Routes::Table(table) => self.known(identity).or_else(|| {
                // A table that comes meanwhile waits until this is kept, and looks at it then.
                let mut held = self.held.write();
                let row = table.borrow().row(identity).cloned()?;
                let is_somebody = row.pairing(&self.pairing).admits(identity);
                is_somebody.then(|| held.at_row(identity, &row, || self.make(&row, identity)))
            }),
            Routes::Template(template, via) => {
                let found = self.of_name(template, *via, identity, |_, _| true).await;
                found.ok().flatten()
            }
        }
    }

    /// The same for an app, which anybody may be: by a name it is made only where that is certain to be there, and
    /// while few are known.
    ///
    /// # Errors
    /// Where neither is so.
    pub(super) async fn find_for_app(
        &self,
        identity: &str,
    ) -> Result<Option<Arc<Instance>>, Uncertain> {
        let Routes::Template(template, via) = &self.routes else {
            return Ok(self.find(identity).await);
        };
        self.of_name(template, *via, identity, may_app_make).await
    }

    /// The same by a name: only one that is certain not to be there is nobody's. One that answers is not
    /// looked up again. `may_make` says whether one is made, by whether the name is there and how many are known.
    async fn of_name(
        &self,
        template: &UpstreamTemplate,
        via: Via,
        identity: &str,
        may_make: impl Fn(bool, usize) -> bool,
    ) -> Result<Option<Arc<Instance>>, Uncertain> {
        let known = self.known(identity);
        let row = match &known {
            Some(known) if known.readiness.is_surely_up() => return Ok(Some(Arc::clone(known))),
            Some(known) => known.row.clone(),
            None => Row::of_template(template, identity, via).map(Arc::new),
        };
        let Some(row) = row else {
            return Ok(None);
        };
        let found = timeout(LOOKUP_LIMIT, look_up(row.host(), row.port())).await;
        let mut held = self.held.write();
        if matches!(&found, Ok(Err(error)) if is_no_such_name(error)) {
            held.forget(identity);
            return Ok(None);
        }
        // Another request of this person may have made it meanwhile.
        if let Some(known) = held.of(identity) {
            return Ok(Some(known));
        }
        match may_make(matches!(found, Ok(Ok(_))), held.count()) {
            true => Ok(Some(
                held.at_row(identity, &row, || self.make(&row, identity)),
            )),
            false => Err(Uncertain),
        }
    }

    /// The one of `row`, for the first time for the person of `identity`.
    pub(super) fn make(&self, row: &Arc<Row>, identity: &str) -> Arc<Instance> {
        let upstream = UpstreamConfig {
            host: row.host().to_owned(),
            port: row.port(),
            os_user: row.os_user.clone(),
            inner: self.shared.inner_of(row, identity),
            ..self.upstream.clone()
        };
        let pairing = row.pairing(&self.pairing);
        let row = Some(Arc::clone(row));
        let instance = Arc::new(Instance::new(
            upstream,
            pairing,
            &self.shared,
            row,
            identity,
        ));
        instance.start();
        instance
    }
}

/// May an app have one made of a name that is there or not, where so many are `known`?
fn may_app_make(is_there: bool, known: usize) -> bool {
    is_there && known < MAX_BY_APPS
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;
    use crate::metrics::upstream::TunnelEnd;
    use crate::state::instance::shared_parts;
    use crate::tunnel::record::Ending;

    fn table(text: &str) -> Arc<Table> {
        Arc::new(Table::parse(text.as_bytes()).expect(text))
    }

    fn routed(text: &str) -> (watch::Sender<Arc<Table>>, Arc<Routed>) {
        use clap::Parser;
        let config = crate::config::Config::parse_from(["t3-dispatcher"]);
        let (sender, tables) = watch::channel(table(text));
        let shared = shared_parts();
        let routed = Routed::new(
            Routes::Table(tables),
            config.upstream,
            config.pairing,
            &shared,
        );
        (sender, Arc::new(routed))
    }

    async fn put(tables: &watch::Sender<Arc<Table>>, routed: &Routed, text: &str) {
        let earlier = Arc::clone(&tables.borrow());
        let later = Table::parse(text.as_bytes()).expect(text);
        let mut seen = tables.subscribe();
        tables.send_replace(Arc::new(later.keeping_rows_of(&earlier)));
        let _ = seen.changed().await;
        routed.apply(&earlier, &tables.borrow());
    }

    #[tokio::test]
    async fn only_the_exact_name_has_a_t3() {
        let (_tables, routed) =
            routed(r#"{"ada": {"port": 1}, "bob": {"port": 2}, "Ada": {"port": 3}}"#);
        for (identity, port) in [
            ("ada", Some(1)),
            ("bob", Some(2)),
            ("Ada", Some(3)),
            ("ADA", None),
            (" ada", None),
            ("ada ", None),
            ("ada\0", None),
            ("ada,bob", None),
            ("\u{430}da", None),
            ("", None),
        ] {
            assert!(
                routed.known(identity).is_none(),
                "{identity:?} has not asked"
            );
            let found = routed.find(identity).await;
            let found = found.as_ref().map(|instance| instance.upstream.port());
            assert_eq!(found, port, "{identity:?}");
            let known = routed.known(identity);
            assert_eq!(known.map(|instance| instance.upstream.port()), port);
        }
        assert_eq!(routed.all().len(), 3);
    }

    #[tokio::test]
    async fn a_new_table_keeps_whom_it_leaves_as_he_was() {
        let (tables, routed) =
            routed(r#"{"ada": {"port": 1}, "bob": {"port": 2}, "cyd": {"port": 2}}"#);
        let ada = routed.find("ada").await.expect("hers");
        let bob = routed.find("bob").await.expect("his");
        let cyd = routed.find("cyd").await.expect("the same");
        assert!(Arc::ptr_eq(&bob, &cyd), "they share one address");
        put(
            &tables,
            &routed,
            r#"{"bob": {"port": 2}, "ada": {"port": 1, "os_user": "ada"}}"#,
        )
        .await;
        assert!(routed.known("ada").is_none(), "her row is another one");
        assert!(routed.known("cyd").is_none());
        assert!(Arc::ptr_eq(&bob, &routed.find("bob").await.expect("his")));
        assert!(ada.has_ended() && !bob.has_ended());
        let new = routed.find("ada").await.expect("hers");
        assert!(!Arc::ptr_eq(&ada, &new) && !new.has_ended());
        put(&tables, &routed, "{}").await;
        assert!(routed.find("bob").await.is_none());
        assert!(bob.has_ended() && new.has_ended());
        assert_eq!(routed.all().len(), 0);
    }

    #[tokio::test]
    async fn an_app_has_none_made_of_a_name_that_is_not_certain_to_be_there() {
        let (_tables, mut routed) = routed("{}");
        let template = UpstreamTemplate::parse("t3-{user}.invalid:1").expect("a template");
        Arc::get_mut(&mut routed).expect("the only one").routes =
            Routes::Template(template, Via::T3);
        // Without a resolver that is uncertain, and with one nobody's (RFC 6761 §6.4).
        let found = routed.find_for_app("ada").await;
        assert!(!matches!(found, Ok(Some(_))));
        assert_eq!(routed.all().len(), 0);
        assert!(may_app_make(true, MAX_BY_APPS - 1));
        assert!(!may_app_make(true, MAX_BY_APPS) && !may_app_make(false, 0));
    }

    #[tokio::test]
    async fn a_t3_that_is_made_after_the_drain_has_begun_keeps_no_tunnel() {
        let (_tables, routed) = routed(r#"{"ada": {"port": 1}}"#);
        routed.end_tunnels(Tunnels::drain);
        let ada = routed.find("ada").await.expect("hers");
        let permit = ada.tunnels.permit("ada").expect("the first");
        let registration = permit.register(Default::default(), true);
        let ending = poll_fn(|cx| registration.poll_ending(cx));
        let ending = timeout(Duration::from_secs(1), ending).await;
        assert_eq!(ending, Ok(Ending::Close(TunnelEnd::Drained)));
    }
}
