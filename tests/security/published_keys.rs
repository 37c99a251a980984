//! Keys that are published by https: what they are taken from, how often, and what an unusable answer changes.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use t3_dispatcher::config::timing::Timing;

use crate::common::{PATIENCE, World, request};
use crate::harness::{assert_paired, load};
use crate::key_server::{Behaviour, KeyServer, ok};
use crate::signing::{AUDIENCE, ISSUER, SigningKey, claims, key_set};

/// A request that the fast path takes, once its token is known.
const FETCH: &str = "GET /standin/1k\nSec-Fetch-Dest: empty\n";

/// In front of the stand-in, with the keys of `server`; whoever is named is denied, and so is told from
/// nobody.
async fn world(server: &KeyServer, set: impl FnOnce(&mut Timing)) -> World {
    let (address, authority) = (server.address(), server.authority());
    world_by(&["--jwt-jwks", &address, "--jwt-ca-file", &authority], set).await
}

async fn world_by(source: &[&str], set: impl FnOnce(&mut Timing)) -> World {
    let own = [
        "--jwt-header",
        "X-Token",
        "--jwt-issuer",
        ISSUER,
        "--jwt-audience",
        AUDIENCE,
    ];
    World::timed(
        &[source, &own, &["--allowed-users", "nobody-else"]].concat(),
        set,
    )
    .await
}

/// Whether `token` names somebody.
async fn counts(world: &World, token: &str) -> bool {
    request(world.addr(), &format!("{FETCH}X-Token: {token}"))
        .await
        .status
        == 403
}

async fn until_counts(world: &World, token: &str, expected: bool) {
    let becomes = async {
        while counts(world, token).await != expected {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, becomes)
        .await
        .unwrap_or_else(|_| panic!("never {expected}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn row_82_a_token_of_a_published_key_counts_from_the_first_request_on() {
    let key = SigningKey::new("RS256");
    let server = KeyServer::publishing(&key_set(&[key.jwk("k")])).await;
    let world = world(&server, |_| {}).await;
    assert!(counts(&world, &key.token("k", &claims("ada"))).await);
    assert_eq!(server.asked(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn row_82_a_thousand_unknown_keys_cause_one_fetch_a_minute() {
    let [key, other] = ["ES256", "ES256"].map(SigningKey::new);
    let server = KeyServer::publishing(&key_set(&[key.jwk("k")])).await;
    let world = world(&server, |_| {}).await;
    let good = key.token("k", &claims("ada"));
    assert!(counts(&world, &good).await);
    let begun = Instant::now();
    for number in 0..1000 {
        let token = other.token(&format!("k{number}"), &claims("ada"));
        assert!(!counts(&world, &token).await);
    }
    assert!(begun.elapsed() < PATIENCE, "nobody waits");
    assert_eq!(server.asked(), 1, "the minute after the first is not over");
    assert!(counts(&world, &good).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn row_82_a_fetch_is_shared_by_all_who_name_an_unknown_key_meanwhile() {
    let [key, new] = ["ES256", "ES256"].map(SigningKey::new);
    let server = KeyServer::publishing(&key_set(&[key.jwk("k")])).await;
    let world = world(&server, |timing| timing.jwks_pause = Duration::ZERO).await;
    assert!(counts(&world, &key.token("k", &claims("ada"))).await);
    server.behave(Behaviour::Hang);
    let begun = Instant::now();
    let waiting = (0..20).map(|number| {
        let token = new.token(&format!("k{number}"), &claims("ada"));
        let addr = world.addr();
        tokio::spawn(async move {
            request(addr, &format!("{FETCH}X-Token: {token}"))
                .await
                .status
        })
    });
    let waiting: Vec<_> = waiting.collect();
    // Nobody else waits with them.
    until_asked(&server, 2).await;
    assert!(counts(&world, &key.token("k", &claims("bob"))).await);
    assert!(
        begun.elapsed() < Duration::from_secs(4),
        "{:?}",
        begun.elapsed()
    );
    for status in waiting {
        assert_eq!(
            status.await.expect("no panic"),
            200,
            "nobody, as t3 sees fit"
        );
    }
    let waited = begun.elapsed();
    assert!(
        waited >= Duration::from_secs(5) && waited < Duration::from_secs(9),
        "{waited:?}"
    );
    assert!(server.asked() <= 3, "{}", server.asked());
}

async fn until_asked(server: &KeyServer, expected: usize) {
    let asked = async {
        while server.asked() < expected {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, asked).await.expect("it is asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn row_82_a_new_key_is_picked_up_and_old_ones_stay_while_the_fetch_fails() {
    let [old, new] = ["ES256", "RS256"].map(SigningKey::new);
    let old_set = key_set(&[old.jwk("old")]);
    let server = KeyServer::publishing(&old_set).await;
    let world = world(&server, |timing| {
        timing.jwks_pause = Duration::from_millis(50)
    })
    .await;
    let [of_old, of_new] =
        [(&old, "old"), (&new, "new")].map(|(key, id)| key.token(id, &claims("ada")));
    assert!(counts(&world, &of_old).await);
    assert!(!counts(&world, &of_new).await);
    let oversized = format!(
        "{{\"keys\":[{}],\"x\":\"{}\"}}",
        new.jwk("new"),
        "x".repeat(65 * 1024)
    );
    let redirect = format!(
        "HTTP/1.1 302 Found\r\nLocation: {}\r\nContent-Length: 0\r\n\r\n",
        server.address()
    );
    let cut = ok(key_set(&[new.jwk("new")]).as_bytes());
    for (what, bytes) in [
        (
            "an error",
            b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n".to_vec(),
        ),
        ("a redirect", redirect.into_bytes()),
        ("too much", ok(oversized.as_bytes())),
        ("cut short", cut[..cut.len() - 5].to_vec()),
        ("no keys", ok(br#"{"keys":[]}"#)),
        ("a page", ok(b"<html></html>")),
        (
            "a secret",
            ok(key_set(&[SigningKey::new("HS256").jwk("new")]).as_bytes()),
        ),
        ("no http", b"keys".to_vec()),
        ("nothing", Vec::new()),
    ] {
        server.behave(Behaviour::Send(bytes));
        let before = server.asked();
        // Each asks for it once the pause is over.
        let asked = async {
            while server.asked() == before {
                assert!(!counts(&world, &of_new).await, "{what}");
            }
        };
        timeout(PATIENCE, asked).await.expect(what);
        let fresh = old.token("old", &claims(what));
        assert!(
            counts(&world, &of_old).await && counts(&world, &fresh).await,
            "{what}"
        );
    }
    server.publish(&key_set(&[old.jwk("old"), new.jwk("new")]));
    until_counts(&world, &of_new, true).await;
    assert!(counts(&world, &of_old).await, "both");
}

/// A key that is published no more counts no more, though a token by it is known.
#[tokio::test(flavor = "multi_thread")]
async fn row_82_a_key_that_is_gone_counts_no_more() {
    let [old, new] = ["ES256", "ES256"].map(SigningKey::new);
    let server = KeyServer::publishing(&key_set(&[old.jwk("old")])).await;
    let world = world(&server, |timing| {
        timing.jwks_age = Duration::from_millis(200)
    })
    .await;
    let of_old = old.token("old", &claims("ada"));
    for _ in 0..3 {
        assert!(counts(&world, &of_old).await);
    }
    server.publish(&key_set(&[new.jwk("new")]));
    until_counts(&world, &of_old, false).await;
    assert!(counts(&world, &new.token("new", &claims("ada"))).await);
}

/// A server that comes up later than the dispatcher is asked again, though nobody can name a key of its.
#[tokio::test(flavor = "multi_thread")]
async fn row_82_without_any_key_nobody_counts_and_it_is_asked_again() {
    let key = SigningKey::new("ES256");
    let set = key_set(&[key.jwk("k")]);
    let server = KeyServer::publishing(&set).await;
    server.behave(Behaviour::Send(Vec::new()));
    let world = world(&server, |timing| {
        timing.jwks_retry = Duration::from_millis(100)
    })
    .await;
    let token = key.token("k", &claims("ada"));
    until_asked(&server, 1).await;
    assert!(!counts(&world, &token).await);
    server.publish(&set);
    until_counts(&world, &token, true).await;
}

/// Only the authority that is configured vouches for it: not this system's for an unknown one, nor a
/// certificate for another name.
#[tokio::test(flavor = "multi_thread")]
async fn row_82_a_server_that_nobody_vouches_for_is_not_believed() {
    let key = SigningKey::new("ES256");
    let set = key_set(&[key.jwk("k")]);
    let (server, other) = (
        KeyServer::publishing(&set).await,
        KeyServer::publishing(&set).await,
    );
    let token = key.token("k", &claims("ada"));
    let (address, own, others) = (server.address(), server.authority(), other.authority());
    let by_number = address.replace("localhost", "127.0.0.1");
    for (source, expected) in [
        (vec!["--jwt-jwks", &address, "--jwt-ca-file", &own], true),
        (
            vec!["--jwt-jwks", &address, "--jwt-ca-file", &others],
            false,
        ),
        (vec!["--jwt-jwks", &address], false),
        (vec!["--jwt-jwks", &by_number, "--jwt-ca-file", &own], false),
        (
            vec!["--jwt-jwks", &address, "--jwt-ca-file", "/no/such"],
            false,
        ),
    ] {
        let world = world_by(&source, |_| {}).await;
        assert_eq!(counts(&world, &token).await, expected, "{source:?}");
    }
}

/// A key set in a file is read again as it changes, and lets nobody in while it is gone.
#[tokio::test(flavor = "multi_thread")]
async fn row_82_a_file_of_keys_is_read_again() {
    let [old, new] = ["ES256", "EdDSA"].map(SigningKey::new);
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("jwks.json");
    let write = |keys: &[serde_json::Value]| {
        let written = dir.path().join("new");
        std::fs::write(&written, key_set(keys)).expect("writable");
        std::fs::rename(&written, &path).expect("writable");
    };
    write(&[old.jwk("old")]);
    let source = ["--jwt-jwks", path.to_str().expect("a UTF-8 path")];
    let world = world_by(&source, |timing| {
        timing.file_reread = Duration::from_millis(20)
    })
    .await;
    let [of_old, of_new] =
        [(&old, "old"), (&new, "new")].map(|(key, id)| key.token(id, &claims("ada")));
    assert!(counts(&world, &of_old).await && !counts(&world, &of_new).await);
    write(&[old.jwk("old"), new.jwk("new")]);
    until_counts(&world, &of_new, true).await;
    assert!(counts(&world, &of_old).await);
    write(&[new.jwk("new")]);
    until_counts(&world, &of_old, false).await;
    std::fs::remove_file(&path).expect("there");
    until_counts(&world, &of_new, false).await;
    let response = load(world.addr(), &format!("X-Token: {of_new}\n")).await;
    assert_paired(&response, false, "its keys are gone");
}
