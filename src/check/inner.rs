//! The steps to a dispatcher behind this one, which makes the sessions of its own t3.

use std::time::{Duration, Instant};

use http::{HeaderMap, StatusCode};
use tokio::time::{sleep, timeout};

use crate::access::AccessPolicy;
use crate::access::inner::InnerDispatcher;
use crate::check::advice::{finding, on_upstream};
use crate::check::report::{CheckReport, Finding};
use crate::config::access_options::AccessConfig;
use crate::config::options::InnerConfig;
use crate::config::timing::Timing;
use crate::process::Tasks;
use crate::upstream::Upstream;
use crate::upstream::api_call::ApiCall;

/// The pause between two looks at the secret's file, which requests wait for only a moment.
const PAUSE: Duration = Duration::from_millis(10);

/// What is not this dispatcher's.
const OF_INNER: &str = "not available: the dispatcher there makes the sessions, run its own check";

/// Checks that the dispatcher at `upstream` responds, and takes the person called `name` as this one
/// would tell it.
pub(super) async fn check_inner(
    upstream: &Upstream,
    access: &AccessConfig,
    inner: &InnerConfig,
    name: &str,
    timing: Timing,
) -> CheckReport {
    let (mut report, address) = (CheckReport::default(), upstream.to_string());
    let start = Instant::now();
    let health = upstream
        .call(ApiCall::get("/healthz"), timing.api_response)
        .await;
    let health = match health {
        Err(failure) => Err(on_upstream(&failure, &address)),
        Ok(response) if response.status() == StatusCode::OK => Ok(format!("{address} responds")),
        Ok(response) => Err(finding(
            format!("{address}: {} to /healthz", response.status()),
            "what listens there may be no dispatcher: is `via` right?",
        )),
    };
    let is_there = health.is_ok();
    report.add("dispatcher", health, start.elapsed());
    if is_there {
        let start = Instant::now();
        let accepted = ask(upstream, access, inner, name, timing).await;
        report.add("secret", accepted, start.elapsed());
    } else {
        report.skip("secret", "there is no dispatcher");
    }
    report.skip("session", OF_INNER);
    report
}

/// Asks as this dispatcher would for the person called `name`.
async fn ask(
    upstream: &Upstream,
    access: &AccessConfig,
    inner: &InnerConfig,
    name: &str,
    timing: Timing,
) -> Result<String, Finding> {
    let access = AccessPolicy::new(access.clone(), timing, &Tasks::default());
    let access = access.map_err(|error| finding(error, "see the options of access here"))?;
    let dispatcher = InnerDispatcher::new(inner, timing.file_reread);
    let read = async {
        while !dispatcher.is_fresh(tokio::time::Instant::now()) {
            dispatcher.refresh().await;
            sleep(PAUSE).await;
        }
    };
    // What is not there by then is told below.
    let _ = timeout(timing.api_response, read).await;
    let mut fields = HeaderMap::new();
    let told = access.passed_on(&dispatcher, name, None);
    told.and_then(|told| told.set(&mut fields))
        .map_err(|error| finding(error, "write DISPATCHER_UPSTREAM_SECRET_FILE, or the row's `secret_file`, so that the user of this process can read it"))?;
    let mut call = ApiCall::get("/dispatcher/alive");
    for (field, value) in &fields {
        call = call.with(field.clone(), Some(value.clone()));
    }
    let response = upstream.call(call, timing.api_response).await;
    let response = response.map_err(|failure| on_upstream(&failure, &upstream.to_string()))?;
    let by = match inner.secret_file {
        Some(_) => "beside the secret",
        None => "and there is no secret",
    };
    match response.status() {
        StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED => Err(finding(
            "the dispatcher there takes the name for nobody's, or does not let that person in",
            "compare DISPATCHER_UPSTREAM_SECRET_FILE (or `secret_file`) here with its DISPATCHER_SECRET_FILE, the gate or identity header of both, and its DISPATCHER_ALLOWED_USERS with the name",
        )),
        _ => Ok(format!("the name is taken, {by}")),
    }
}
