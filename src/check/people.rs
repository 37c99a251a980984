//! The check of one person's way among several, or of everybody's.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::check::advice::finding;
use crate::check::devices::DevicesCheck;
use crate::check::inner::check_inner;
use crate::check::report::{CheckReport, Finding};
use crate::check::steps::bare_upstream;
use crate::check::{cache, check, check_t3};
use crate::config::access_options::AccessConfig;
use crate::config::asset_options::CacheConfig;
use crate::config::options::{PairingConfig, UpstreamConfig};
use crate::config::routes_options::RoutesConfig;
use crate::config::timing::Timing;
use crate::routes::file::RoutesFile;
use crate::routes::row::{Row, Via};
use crate::routes::row_options::lacks;

/// How many people are checked at a time: each may need a run of the t3 CLI.
const AT_ONCE: usize = 4;

/// How long the check of everybody may take.
const TOTAL: Duration = Duration::from_secs(10 * 60);

/// The check of people who have a t3 each.
#[derive(Debug)]
pub struct PeopleCheck {
    /// Where each person's t3 is.
    pub routes: RoutesConfig,
    /// What is the same for all of them; host and port are each one's own.
    pub upstream: UpstreamConfig,
    /// How sessions are made where a row does not say it.
    pub pairing: PairingConfig,
    /// How single sign-on names people.
    pub access: AccessConfig,
    /// What outlives a restart.
    pub cache: CacheConfig,
    /// Whether an app's way is gone, too.
    pub devices: DevicesCheck,
    /// Times that no option sets.
    pub timing: Timing,
    /// Whether it is to end early.
    pub interrupted: CancellationToken,
}

/// The report of everybody's check.
#[derive(Debug)]
pub struct PeopleReport {
    people: Vec<(String, Option<CheckReport>)>,
    lacks: Vec<String>,
}

impl PeopleCheck {
    /// Makes every step of the only t3, which is everybody's.
    pub async fn only_t3(&self) -> CheckReport {
        let (upstream, pairing) = (self.upstream.clone(), self.pairing.clone());
        let mut report = check(upstream, pairing, self.devices, self.timing).await;
        cache::add_step(&self.cache, &mut report).await;
        report
    }

    /// Makes every step of the way of the person whom single sign-on calls `name`, without a domain that is
    /// taken off.
    ///
    /// # Errors
    /// If the table of people cannot be used.
    pub async fn one(&self, name: &str) -> io::Result<CheckReport> {
        let (row, place) = match (&self.routes.routes, &self.routes.upstream_template) {
            (Some(path), _) => {
                let table = self.table(path)?.current();
                (table.row(name).cloned(), path.display().to_string())
            }
            (None, Some(template)) => {
                let secret = self.routes.upstream_secret_file.as_ref();
                let via = secret.map_or(Via::T3, |_| Via::Dispatcher);
                let place = "DISPATCHER_UPSTREAM_TEMPLATE".to_owned();
                (Row::of_template(template, name, via).map(Arc::new), place)
            }
            (None, None) => (None, "no table".to_owned()),
        };
        let mut report = self.person(name, row.as_deref(), &place).await;
        cache::add_step(&self.cache, &mut report).await;
        Ok(report)
    }

    /// Makes every step of everybody's way, some people at a time. After 10 minutes none is begun, nor once it is
    /// interrupted, and who is left is reported as not checked: one that was begun revokes what it made.
    ///
    /// # Errors
    /// If the table of people cannot be used.
    pub async fn all(&self) -> io::Result<PeopleReport> {
        let path = self.routes.routes.as_deref();
        let path = path.ok_or_else(|| io::Error::other("there is no table of people"))?;
        let (table, place) = (self.table(path)?.current(), &*path.to_string_lossy());
        let mut people: Vec<_> = table.people().collect();
        people.sort_unstable_by_key(|(name, _)| *name);
        let deadline = tokio::time::Instant::now() + TOTAL;
        let checks = people.iter().map(|(name, row)| async move {
            let is_late = tokio::time::Instant::now() >= deadline;
            let is_begun = !is_late && !self.interrupted.is_cancelled();
            match is_begun {
                true => Some(self.person(name, Some(row), place).await),
                false => None,
            }
        });
        let reports: Vec<_> = stream::iter(checks).buffered(AT_ONCE).collect().await;
        let names = people.iter().map(|(name, _)| (*name).to_owned());
        let mut lacks = lacks(&table, &self.pairing);
        lacks.extend(cache::lack(&self.cache).await);
        Ok(PeopleReport {
            people: names.zip(reports).collect(),
            lacks,
        })
    }

    /// Every step of the way of the person called `name`, to whom `place` gives `row`.
    async fn person(&self, name: &str, row: Option<&Row>, place: &str) -> CheckReport {
        let mut report = CheckReport::default();
        let admits = |row: &&Row| row.pairing(&self.pairing).admits(name);
        let Some(row) = row.filter(admits) else {
            report.add("person", Err(no_way(name, place)), Duration::ZERO);
            return report;
        };
        let what = format!("{}:{} by {place}", row.host(), row.port());
        report.add("person", Ok(what), Duration::ZERO);
        report.append(self.steps(name, row).await);
        report
    }

    fn table(&self, path: &Path) -> io::Result<RoutesFile> {
        RoutesFile::open(path, self.timing.file_reread, Arc::default())
    }

    /// Every step on the t3 of `row`, which is that of the person called `name`.
    async fn steps(&self, name: &str, row: &Row) -> CheckReport {
        let upstream = UpstreamConfig {
            host: row.host().to_owned(),
            port: row.port(),
            os_user: row.os_user.clone(),
            ..self.upstream.clone()
        };
        match row.via {
            Via::T3 => {
                let how = (self.devices, self.timing);
                check_t3(upstream, row.pairing(&self.pairing), how, name).await
            }
            Via::Dispatcher => {
                let upstream = bare_upstream(upstream, self.timing);
                let common = self.routes.upstream_secret_file.as_ref();
                let inner = row.inner(common, name).unwrap_or_default();
                check_inner(&upstream, &self.access, &inner, name, self.timing).await
            }
        }
    }
}

/// The finding for a person called `name` whom `place` leads nowhere.
fn no_way(name: &str, place: &str) -> Finding {
    let advice = "a name counts exactly, as the line `refused: the user has no t3 here` of the log has it: without a domain of DISPATCHER_IDENTITY_DOMAINS, and where it stands for {user} of a to z, 0 to 9 and inner hyphens only";
    let what = format!("{} leads to no t3 by {place}, 403", name.escape_debug());
    finding(what, advice)
}

impl PeopleReport {
    /// Was everybody checked, and has no step failed?
    pub fn is_well(&self) -> bool {
        let is_well = |report: &CheckReport| report.is_well();
        self.people
            .iter()
            .all(|(_, report)| report.as_ref().is_some_and(is_well))
    }

    /// One object: `well`, what people `lack` as the server says it at its start, and the `people`, each
    /// with `name`, `outcome` (`well`, `failed`, `unchecked`) and the `steps` that failed.
    pub fn json(&self) -> Value {
        let people = self.people.iter().map(|(name, report)| {
            let steps = report.as_ref().map(CheckReport::failed_json);
            json!({
                "name": name,
                "outcome": outcome(report.as_ref()),
                "steps": steps.unwrap_or_default(),
            })
        });
        let people: Vec<_> = people.collect();
        json!({ "well": self.is_well(), "lack": self.lacks, "people": people })
    }
}

fn outcome(report: Option<&CheckReport>) -> &'static str {
    match report.map(CheckReport::is_well) {
        Some(true) => "well",
        Some(false) => "failed",
        None => "unchecked",
    }
}

impl fmt::Display for PeopleReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, report) in &self.people {
            let sign = match outcome(report.as_ref()) {
                "well" => "ok",
                "failed" => "FAILED",
                _ => "-",
            };
            let what = match report {
                Some(report) => report.first_failed().unwrap_or_default(),
                None => format!(
                    "not checked: it was interrupted, or took {} minutes",
                    TOTAL.as_secs() / 60
                ),
            };
            let line = format!("{sign:<7}{:<24}  {what}", name.escape_debug().to_string());
            writeln!(formatter, "{}", line.trim_end())?;
        }
        for lack in &self.lacks {
            writeln!(formatter, "not available: {lack}")?;
        }
        let well =
            |(_, report): &&(String, Option<CheckReport>)| outcome(report.as_ref()) == "well";
        let count = self.people.iter().filter(well).count();
        writeln!(
            formatter,
            "all is well with {count} of {}",
            self.people.len()
        )
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use serde_json::Map;
    use tokio::time::Instant;

    use super::*;
    use crate::config::Config;

    #[tokio::test(start_paused = true)]
    async fn everybody_s_check_ends_in_time_and_says_who_is_left() {
        // What connects to it is never answered.
        let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = silent.local_addr().expect("a bound socket").port();
        let rows = (0..2000).map(|number| {
            let row = json!({ "port": port, "mint": [] });
            (format!("person-{number:04}"), row)
        });
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("routes.json");
        let table = Value::Object(rows.collect::<Map<_, _>>());
        std::fs::write(&path, table.to_string()).expect("written");
        let path = path.to_str().expect("a UTF-8 path");
        let args = [
            "t3-dispatcher",
            "--identity-header",
            "X-User",
            "--routes",
            path,
        ];
        let config = Config::parse_from(args);
        let check = PeopleCheck {
            routes: config.routes,
            upstream: config.upstream,
            pairing: config.pairing,
            access: config.access,
            cache: config.assets.cache,
            devices: DevicesCheck::default(),
            timing: config.timing,
            interrupted: CancellationToken::new(),
        };
        let start = Instant::now();
        let report = check.all().await.expect("a table");
        let took = start.elapsed();
        let longest = TOTAL + Duration::from_secs(60);
        assert!((TOTAL..longest).contains(&took), "who was begun: {took:?}");
        assert!(!report.is_well());
        let json = report.json();
        let outcomes = |outcome: &str| {
            let people = json["people"].as_array().expect("people").iter();
            people.filter(|person| person["outcome"] == outcome).count()
        };
        let (failed, left) = (outcomes("failed"), outcomes("unchecked"));
        assert!(failed > 0 && left > 0, "{failed} failed, {left} left");
        assert_eq!(failed + left, 2000);
        let line = format!(
            "{:<7}{:<24}  not checked: it was interrupted, or took 10 minutes",
            "-", "person-1999"
        );
        assert!(report.to_string().contains(&line), "{report}");
    }
}
