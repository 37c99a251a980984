//! The shared secret: without it no identity counts.

use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;

use crate::common::process::{Process, standin_and_command};
use crate::common::{Client, HANDSHAKE, PATIENCE, World, request};
use crate::harness::{ADA, HEADER, assert_paired, each, load};

/// How soon a change of the file is noticed.
const REREAD: Duration = Duration::from_millis(50);

#[tokio::test]
async fn an_identity_counts_only_beside_the_secret() {
    let cases = [
        ("X-Dispatcher-Secret: s3cret of 1\n", true),
        ("", false),
        ("X-Dispatcher-Secret:\n", false),
        ("X-Dispatcher-Secret: s3cret of\n", false),
        ("X-Dispatcher-Secret: s3cret of 11\n", false),
        ("X-Dispatcher-Secret: S3CRET OF 1\n", false),
        ("X_Dispatcher_Secret: s3cret of 1\n", false),
        (
            "X-Dispatcher-Secret: s3cret of 1\nX-Dispatcher-Secret: s3cret of 1\n",
            false,
        ),
        (
            "X-Dispatcher-Secret: x\nX-Dispatcher-Secret: s3cret of 1\n",
            false,
        ),
    ];
    each(cases, |(fields, expected)| async move {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let world = behind_secret(dir.path(), "s3cret of 1\n").await;
        let response = load(world.addr(), &format!("{ADA}{fields}")).await;
        assert_paired(&response, expected, fields);
        let alone = load(world.addr(), fields).await;
        assert_paired(&alone, false, "the secret without an identity");
    })
    .await;
}

#[tokio::test]
async fn the_secret_is_read_again_when_its_file_changes() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let world = behind_secret(dir.path(), "first").await;
    let with = |secret: &str| format!("{ADA}X-Dispatcher-Secret: {secret}\n");
    assert_paired(&load(world.addr(), &with("first")).await, true, "first");
    // A mounted secret changes in this way: a new file takes the name.
    let new = dir.path().join("new");
    std::fs::write(&new, "the second\n").expect("writable");
    std::fs::rename(&new, dir.path().join("secret")).expect("writable");
    let taken = async { while load(world.addr(), &with("the second")).await.status != 302 {} };
    let taken = tokio::time::timeout(PATIENCE, taken).await;
    taken.expect("the new secret counts");
    assert_paired(&load(world.addr(), &with("first")).await, false, "first");
}

#[tokio::test]
async fn a_secret_whose_file_is_gone_lets_nobody_in() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let world = behind_secret(dir.path(), "first").await;
    let fields = format!("{ADA}X-Dispatcher-Secret: first\n");
    assert_paired(
        &load(world.addr(), &fields).await,
        true,
        "while it is there",
    );
    std::fs::remove_file(dir.path().join("secret")).expect("writable");
    let refused = async {
        for number in 0.. {
            // Another browser each time, as the loop guard limits one browser.
            let other = format!("User-Agent: {number}\n{fields}");
            if load(world.addr(), &other).await.status == 403 {
                return;
            }
        }
    };
    let refused = tokio::time::timeout(PATIENCE, refused).await;
    refused.expect("a secret that is gone counts no more");
    let exchanges = world.exchanges();
    for number in 0..3 {
        let other = format!("User-Agent: late{number}\n{fields}");
        assert_paired(&load(world.addr(), &other).await, false, "it is gone");
    }
    assert_eq!(world.exchanges(), exchanges);
}

/// Claims an identity on paths that an operator carved out of single sign-on: nothing overwrites there
/// what a client says of itself, and nothing adds the secret.
#[tokio::test]
async fn a_path_that_skips_single_sign_on_heals_nobody_without_the_secret() {
    let own = "Origin: http://t3.localhost\nSec-Fetch-Site: same-origin\nCookie: t3_session=dead";
    let query = format!("GET /api/auth/session\nSec-Fetch-Dest: empty\n{own}");
    let upgrade = format!("GET /ws\n{HANDSHAKE}\n{own}");
    let dir = tempfile::tempdir().expect("a temporary directory");
    let world = behind_secret(dir.path(), "s3cret").await;
    for claim in [ADA, &format!("{ADA}X-Dispatcher-Secret: guess\n")] {
        let response = request(world.addr(), &format!("{query}\n{claim}")).await;
        assert_eq!(response.json()["authenticated"], false, "{claim}");
        assert_eq!(response.header("set-cookie"), "", "{claim}");
        let mut client = Client::connect(world.addr()).await;
        client.send_head(&format!("{upgrade}\n{claim}")).await;
        let response = client.head().await.expect("a response");
        assert!(response.status >= 400, "{}: {claim}", response.status);
        assert_eq!(response.header("set-cookie"), "", "{claim}");
        assert_eq!(world.exchanges(), 0, "{claim}");
    }
    let proven = format!("{query}\n{ADA}X-Dispatcher-Secret: s3cret");
    let response = request(world.addr(), &proven).await;
    assert_eq!(response.json()["authenticated"], true, "the gate's own");
}

#[tokio::test]
async fn an_identity_header_that_nothing_proves_is_warned_of_once() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let secret = dir.path().join("secret");
    std::fs::write(&secret, "s3cret").expect("writable");
    let secret = secret.to_str().expect("a UTF-8 path");
    for (further, expected) in [
        (&[][..], 0),
        (&HEADER[..], 1),
        (&[HEADER[0], HEADER[1], "--secret-file", secret], 0),
        (
            &[HEADER[0], HEADER[1], "--trusted-proxies", "10.0.0.0/8"],
            0,
        ),
    ] {
        let (_standin, mut command) = standin_and_command(dir.path()).await;
        let process = Process::start(command.args(further));
        for _ in 0..2 {
            request(process.addr, &format!("GET /standin/1k\n{ADA}")).await;
        }
        process.signal(Signal::TERM);
        let ended = tokio::task::spawn_blocking(|| process.end()).await;
        let (_, log) = ended.expect("no panic");
        let warnings = log.lines().filter(|line| line.contains("WARN"));
        let warnings: Vec<_> = warnings
            .filter(|line| line.contains("carved out"))
            .collect();
        assert_eq!(warnings.len(), expected, "{further:?}: {log}");
        for word in [
            "DISPATCHER_SECRET_FILE",
            "DISPATCHER_TRUSTED_PROXIES",
            "/ws",
            "/api",
        ] {
            assert!(warnings.iter().all(|line| line.contains(word)), "{log}");
        }
    }
}

/// A new secret is introduced while the ingress still sends the old one, and nobody notices.
#[tokio::test]
async fn either_of_two_secrets_counts() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = dir.path().join("secret");
    let world = behind_secret_for(dir.path(), "old", &["--allowed-users", "ada"]).await;
    let write = |content: &str| std::fs::write(&file, content).expect("writable");
    // An identity that counts is denied, as it is not on the list; any other is nobody's.
    let counts = async |secret: &str| {
        let fetch = "GET /standin/1k\nSec-Fetch-Dest: empty\nX-authentik-username: eve";
        let fetch = format!("{fetch}\nX-Dispatcher-Secret: {secret}");
        request(world.addr(), &fetch).await.status == 403
    };
    let becomes = async |secret: &str, expected: bool, meanwhile: &str| {
        let changed = async {
            while counts(secret).await != expected {
                assert!(counts(meanwhile).await, "{meanwhile} until {secret}");
            }
        };
        let changed = tokio::time::timeout(PATIENCE, changed).await;
        changed.unwrap_or_else(|_| panic!("{secret}: never {expected}"));
    };
    write("old\nnew\n");
    becomes("new", true, "old").await;
    assert!(counts("old").await && !counts("old new").await);
    write("new\nold");
    assert!(counts("old").await && counts("new").await);
    write("new\r\n");
    becomes("old", false, "new").await;
    write("new\n\nnewer\n");
    becomes("newer", true, "new").await;
    write("new\nnewer\nnewest");
    let unusable = async { while counts("new").await {} };
    let unusable = tokio::time::timeout(PATIENCE, unusable).await;
    unusable.expect("three secrets are none");
    assert!(!counts("newest").await);
}

async fn behind_secret(dir: &Path, secret: &str) -> World {
    behind_secret_for(dir, secret, &[]).await
}

async fn behind_secret_for(dir: &Path, secret: &str, further: &[&str]) -> World {
    let file = dir.join("secret");
    std::fs::write(&file, secret).expect("writable");
    let file = file.to_str().expect("a UTF-8 path");
    let args = [&HEADER[..], &["--secret-file", file], further].concat();
    World::timed(&args, |timing| timing.file_reread = REREAD).await
}
