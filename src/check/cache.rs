//! The step that looks at the directory which keeps static files over a restart.

use std::time::{Duration, Instant};

use tokio::time::timeout;

use crate::assets::disk_cache;
use crate::check::advice::finding;
use crate::check::report::{CheckReport, Finding};
use crate::config::asset_options::CacheConfig;
use crate::process::own_thread::on_own_thread;

/// How long the directory may take.
const PATIENCE: Duration = Duration::from_secs(5);

const ADVICE: &str = "DISPATCHER_CACHE_DIR names a directory, and no link, where this user can write; without it each start compresses t3's files again, and nothing else is lost";

/// Adds the step to `report`, if `config` names a directory.
pub(super) async fn add_step(config: &CacheConfig, report: &mut CheckReport) {
    let start = Instant::now();
    if let Some(found) = looked_at(config).await {
        report.add("cache", found, start.elapsed());
    }
}

/// What is wrong with the directory, if there is one and anything is.
pub(super) async fn lack(config: &CacheConfig) -> Option<String> {
    let found = looked_at(config).await?.err()?;
    Some(format!("{}: {}", found.what, found.advice))
}

async fn looked_at(config: &CacheConfig) -> Option<Result<String, Finding>> {
    let path = config.cache_dir.clone()?;
    let name = path.display().to_string();
    let probed = timeout(PATIENCE, on_own_thread(move || disk_cache::probe(&path))).await;
    let outcome = match probed {
        Ok(Ok(probed)) => probed,
        Ok(Err(error)) => Err(error),
        Err(_) => Err(std::io::ErrorKind::TimedOut.into()),
    };
    Some(outcome.map_err(|error| finding(format!("{name}: {error}"), ADVICE)))
}
