//! `GET /dispatcher/activity`: which t3s are in use and whose agents are at work, for upgrades, drains and cullers.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::{StreamExt, stream};
use humantime::format_rfc3339_seconds;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};

use crate::state::Services;
use crate::state::instance::Instance;

/// How many t3s are asked at a time.
const ASKED_AT_A_TIME: usize = 8;

/// How many t3s one response tells of.
const PAGE: usize = 500;

/// What t3s do, in the order of their ids: those behind the id `after`, [`PAGE`] at most, and the id to go on
/// behind. What is not known by `deadline` is told as that. `shows_people` adds whose they are.
pub(super) async fn activity(
    services: &Services,
    after: &str,
    shows_people: bool,
    deadline: Instant,
) -> Value {
    let all = services.instances.all().into_iter();
    let mut named: Vec<_> = all.map(|instance| (instance.id(), instance)).collect();
    named.retain(|(id, _)| after < id.as_str());
    named.sort_unstable_by(|one, other| one.0.cmp(&other.0));
    let is_more = named.len() > PAGE;
    named.truncate(PAGE);
    let next = named.last().filter(|_| is_more).map(|(id, _)| id.clone());
    let max_age = services.timing.agent_turns;
    let mut people: HashMap<_, Vec<_>> = HashMap::new();
    if shows_people {
        for (person, instance) in services.instances.people() {
            let theirs = people.entry(Arc::as_ptr(&instance).addr());
            theirs.or_default().push(person);
        }
    }
    let told = stream::iter(named).map(|(id, instance)| {
        let people = people.remove(&Arc::as_ptr(&instance).addr());
        let people = shows_people.then(|| people.unwrap_or_default());
        async move { tell(id, &instance, people, max_age, deadline).await }
    });
    let instances: Vec<_> = told.buffered(ASKED_AT_A_TIME).collect().await;
    json!({ "instances": instances, "next": next })
}

async fn tell(
    id: String,
    instance: &Arc<Instance>,
    people: Option<Vec<Box<str>>>,
    max_age: Duration,
    deadline: Instant,
) -> Value {
    let turns = match Instant::now() < deadline {
        true => timeout_at(deadline, instance.turns(max_age)).await,
        false => Ok(None),
    };
    let turns = turns.ok().flatten();
    let idle_since = instance.usage.idle_for().map(|idle| {
        let since = SystemTime::now().checked_sub(idle);
        format_rfc3339_seconds(since.unwrap_or(SystemTime::UNIX_EPOCH)).to_string()
    });
    let mut told = json!({
        "id": id,
        "state": instance.readiness.status().state.to_string(),
        "idle_since": idle_since,
        "tunnels": instance.tunnels.count(),
        "turns_running": turns.map(|turns| turns.running),
        "waiting_for_person": turns.map(|turns| turns.waiting_for_person),
    });
    if let Some(people) = people {
        told["users"] = json!(people);
    }
    told
}

/// Brings the metrics of use up to date, without asking any t3. `shows_people` adds the series of each person.
pub(super) fn refresh(services: &Services, shows_people: bool) {
    let all = services.instances.all();
    let in_use = all.iter().filter(|one| one.usage.idle_for().is_none());
    services.metrics.instances_in_use(in_use.count());
    if !shows_people {
        return;
    }
    let people = services.instances.people().into_iter();
    services.metrics.people(people.map(|(person, instance)| {
        let idle = instance.usage.idle_for().unwrap_or_default();
        (person, idle, instance.tunnels.count())
    }));
}
