//! The dispatcher's own session on t3, and what t3's administrative endpoints give it.

use std::sync::Arc;

use t3_dispatcher::metrics::Metrics;
use t3_dispatcher::pairing::Pairing;
use t3_dispatcher::process::Tasks;
use t3_dispatcher::upstream::Upstream;
use t3_dispatcher::upstream::health::Readiness;
use t3_standin::journal;
use t3_standin::server::{Options as StandinOptions, Standin};
use tempfile::TempDir;

use crate::common::config;

/// A pairing in front of a stand-in, without a server.
async fn pairing() -> (Standin, Pairing, TempDir) {
    let dir = TempDir::new().expect("a temporary directory");
    let standin = Standin::start(StandinOptions::new(dir.path().join("t3")));
    let standin = standin.await.expect("a free port");
    let config = config(standin.addr(), dir.path(), &[]);
    let (metrics, tasks) = (Arc::<Metrics>::default(), Tasks::default());
    let pairing = Pairing::new(
        config.pairing,
        config.timing,
        Arc::new(Upstream::new(config.upstream, tasks.clone())),
        Arc::new(Readiness::new(Arc::clone(&metrics))),
        metrics,
        tasks,
    );
    (standin, pairing, dir)
}

#[tokio::test(flavor = "multi_thread")]
async fn t3_s_clients_are_listed_and_revoked() {
    let (standin, pairing, _dir) = pairing().await;
    standin.issue_browser_session("alice").expect("it writes");
    let api = pairing.admin_api();
    let listed = api.clients().await.expect("a list");
    let [alice, own] = &listed[..] else {
        panic!("{listed:?}")
    };
    let row = &standin.sessions()[0];
    assert_eq!(
        (&alice.id, alice.label.as_deref()),
        (&row.id, Some("alice"))
    );
    assert_eq!(alice.method, "browser-session-cookie");
    assert!(alice.issued_at < alice.expires_at && !alice.current);
    assert!(own.current && own.subject == "cli-issued-session");
    assert!(api.revoke(&alice.id).await.expect("a yes"));
    assert!(!api.revoke(&alice.id).await.expect("a no"));
    assert!(
        api.revoke(&own.id).await.is_err(),
        "t3 lets none revoke itself"
    );
    assert_eq!(api.clients().await.expect("a list").len(), 1);
    assert_eq!(journal::starts(standin.base_dir()).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_t3_refuses_is_asked_for_with_a_new_admin_session() {
    let (standin, pairing, _dir) = pairing().await;
    let first = pairing.admin_api().clients().await.expect("a list");
    standin.wipe_sessions();
    let second = pairing.admin_api().clients().await.expect("a list");
    assert_eq!((first.len(), second.len()), (1, 1));
    assert_ne!(first[0].id, second[0].id);
    assert_eq!(journal::starts(standin.base_dir()).len(), 2);
}

/// A list of 30 days may be longer than any other response of t3's API.
#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_two_hundred_clients_is_read() {
    let (standin, pairing, _dir) = pairing().await;
    for number in 0..200 {
        let label = format!("person{number}");
        standin.issue_browser_session(&label).expect("it writes");
    }
    let listed = pairing.admin_api().clients().await.expect("a list");
    assert_eq!(listed.len(), 201);
}
