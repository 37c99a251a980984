//! Who is paired: the identity header, the users allowed, the secret, the proxies believed.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;

use clap::Parser;
use t3_dispatcher::config::Options;
use tokio::net::{TcpListener, TcpSocket};

use crate::common::http::Answer;
use crate::common::{Client, Dispatcher, PAGE, PATIENCE, World, config};
use crate::harness::{assert_untouched, each, load};

const HEADER: [&str; 2] = ["--identity-header", "X-authentik-username"];
const ADA: &str = "X-authentik-username: ada\n";

/// What a page load without a session came to.
#[track_caller]
fn assert_paired(answer: &Answer, expected: bool, of: &str) {
    let (status, cookie) = (answer.status, answer.header("set-cookie"));
    match expected {
        true => assert!(status == 302 && !cookie.is_empty(), "{status} to {of}"),
        false => assert_eq!((status, &*cookie), (200, ""), "{of}"),
    }
}

#[tokio::test]
async fn one_value_of_exactly_that_name_is_an_identity() {
    let cases = [
        ("X-authentik-username: ada\n", true),
        ("x-AUTHENTIK-userName: ada\n", true),
        ("X-authentik-username: ada@example.org\n", true),
        ("X-authentik-username: J\u{f6}rg\n", true),
        ("", false),
        ("X-authentik-username:\n", false),
        ("X-authentik-username:   \n", false),
        (
            "X-authentik-username: ada\nX-authentik-username: ada\n",
            false,
        ),
        (
            "X-authentik-username: ada\nX-authentik-username: eve\n",
            false,
        ),
        ("X-authentik-username: ada\nX-authentik-username:\n", false),
        ("X-authentik-username:\nX-authentik-username: ada\n", false),
        ("X_authentik_username: ada\n", false),
        ("X.authentik.username: ada\n", false),
        ("X-authentik_username: ada\n", false),
        ("X-authentik-usernam: ada\n", false),
        ("X-authentik-username-x: ada\n", false),
        ("X-authentik-email: ada\n", false),
        ("X-authentik-uid: 1\nX-authentik-groups: admins\n", false),
        (
            "X-authentik-jwt: e30.e30.x\nX-authentik-meta-jwks: https://evil.test/\n",
            false,
        ),
        ("Remote-User: ada\nX-Forwarded-User: ada\n", false),
        ("Connection: X-authentik-username\n", false),
    ];
    each(cases, |(fields, expected)| async move {
        let world = World::with(&HEADER).await;
        let answer = load(world.addr(), fields).await;
        assert_paired(&answer, expected, fields);
        assert_eq!(world.cli_starts(), usize::from(expected), "{fields}");
    })
    .await;
}

#[tokio::test]
async fn without_an_identity_header_the_same_machine_is_paired() {
    let world = World::start().await;
    assert_paired(&load(world.addr(), "").await, true, "loopback");
    assert_paired(
        &load(world.addr(), ADA).await,
        true,
        "loopback, claiming a name",
    );
}

#[tokio::test]
async fn only_users_that_are_named_are_paired() {
    let options = ["--allowed-users", "ada,bob@example.org"];
    let cases = [
        ("ada", true),
        ("ada@example.org", true),
        ("bob@example.org", true),
        ("eve", false),
        ("eve@ada", false),
        ("ad", false),
        ("adaa", false),
        ("ada,bob@example.org", false),
        ("x@ada@example.org", false),
        ("@example.org", false),
        ("", false),
    ];
    each(cases, |(user, expected)| async move {
        let world = World::with(&[HEADER, options].concat()).await;
        let answer = load(world.addr(), &format!("X-authentik-username: {user}\n")).await;
        if expected || user.is_empty() {
            return assert_paired(&answer, expected, user);
        }
        assert_eq!(answer.status, 403, "{user}");
        assert!(
            answer.header("content-type").starts_with("text/html"),
            "{user}"
        );
        assert_eq!(answer.header("cache-control"), "no-store", "{user}");
        assert!(answer.text().contains(user), "{user}: {}", answer.text());
        assert_eq!(world.cli_starts(), 0, "{user}");
        assert_untouched(&world, user);
    })
    .await;
}

#[tokio::test]
async fn the_page_of_who_is_not_allowed_shows_a_name_and_nothing_else() {
    let world = World::with(&[HEADER, ["--allowed-users", "ada"]].concat()).await;
    let user = "<script>alert(1)</script>&\"'";
    let answer = load(world.addr(), &format!("X-authentik-username: {user}\n")).await;
    assert_eq!(answer.status, 403);
    assert!(
        !answer.text().contains("<script>alert"),
        "{}",
        answer.text()
    );
    assert!(
        answer.text().contains("&lt;script&gt;"),
        "{}",
        answer.text()
    );
}

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
        let answer = load(world.addr(), &format!("{ADA}{fields}")).await;
        assert_paired(&answer, expected, fields);
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
    // As a mounted secret changes: a new file takes the name.
    let new = dir.path().join("new");
    std::fs::write(&new, "the second\n").expect("writable");
    std::fs::rename(&new, dir.path().join("secret")).expect("writable");
    let taken = async { while load(world.addr(), &with("the second")).await.status != 302 {} };
    let taken = tokio::time::timeout(PATIENCE, taken).await;
    taken.expect("the new secret counts");
    assert_paired(&load(world.addr(), &with("first")).await, false, "first");
}

#[tokio::test]
async fn a_secret_that_is_empty_or_gone_lets_nobody_in() {
    each(["", "\n", "  \n"], |empty| async move {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let world = behind_secret(dir.path(), empty).await;
        for fields in ["X-Dispatcher-Secret:\n", ""] {
            let answer = load(world.addr(), &format!("{ADA}{fields}")).await;
            assert_paired(&answer, false, "an empty secret");
        }
    })
    .await;
    let dir = tempfile::tempdir().expect("a temporary directory");
    let world = behind_secret(dir.path(), "first").await;
    std::fs::remove_file(dir.path().join("secret")).expect("writable");
    let fields = format!("{ADA}X-Dispatcher-Secret: first\n");
    let refused = async { while load(world.addr(), &fields).await.status != 200 {} };
    let refused = tokio::time::timeout(PATIENCE, refused).await;
    refused.expect("a secret that is gone counts no more");
}

async fn behind_secret(dir: &Path, secret: &str) -> World {
    let file = dir.join("secret");
    std::fs::write(&file, secret).expect("writable");
    let file = file.to_str().expect("a UTF-8 path");
    World::with(&[HEADER, ["--secret-file", file]].concat()).await
}

#[tokio::test]
async fn only_a_proxy_of_the_list_is_believed() {
    let cases = [
        ("127.0.0.2/32", [127, 0, 0, 2], true),
        ("127.0.0.2/32", [127, 0, 0, 1], false),
        ("127.0.0.2", [127, 0, 0, 2], true),
        ("10.0.0.0/8,127.0.0.0/30", [127, 0, 0, 3], true),
        ("10.0.0.0/8,127.0.0.0/30", [127, 0, 0, 4], false),
        ("10.0.0.0/8", [127, 0, 0, 1], false),
        ("::1/128", [127, 0, 0, 1], false),
        ("0.0.0.0/0", [127, 0, 0, 1], true),
    ];
    each(cases, |(proxies, from, expected)| async move {
        let world = World::with(&[HEADER, ["--trusted-proxies", proxies]].concat()).await;
        let mut client = connect_from(from.into(), world.addr()).await;
        let answer = client.exchange(&format!("GET /\n{ADA}{PAGE}")).await;
        assert_paired(&answer, expected, &format!("{from:?} of {proxies}"));
    })
    .await;
}

/// A socket of both families names an IPv4 peer `::ffff:127.0.0.1`.
#[tokio::test]
async fn an_ipv4_peer_of_an_ipv6_socket_is_that_peer() {
    let cases = [
        (vec![], true),
        (vec!["--trusted-proxies", "127.0.0.0/8"], true),
        (vec!["--trusted-proxies", "10.0.0.0/8"], false),
    ];
    each(cases, |(options, expected)| async move {
        let world = World::start().await;
        let Ok(listener) = TcpListener::bind("[::ffff:127.0.0.1]:0").await else {
            return println!("skipped: no IPv6 on this machine");
        };
        let port = listener.local_addr().expect("bound").port();
        let named = match options.is_empty() {
            true => vec![],
            false => [HEADER.to_vec(), options].concat(),
        };
        let config = config(world.standin.addr(), world.dir.path(), &named);
        let dispatcher = Dispatcher::on(listener, config);
        let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let answer = load(addr, ADA).await;
        assert_paired(&answer, expected, &format!("{named:?}"));
        drop(dispatcher);
    })
    .await;
}

async fn connect_from(from: IpAddr, to: SocketAddr) -> Client {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket
        .bind((from, 0).into())
        .expect("an address of the loopback");
    Client::over(socket.connect(to).await.expect("a listener"))
}

#[test]
fn what_could_not_guard_the_door_ends_the_start() {
    for (flag, good, bad) in [
        ("--identity-header", "X-Remote-User", "X Remote User"),
        ("--identity-header", "X-Remote-User", ""),
        ("--trusted-proxies", "10.0.0.0/8,::1", "10.0.0.0/33"),
        ("--trusted-proxies", "::/0", "traefik"),
        ("--trusted-proxies", "10.0.0.1", "10.0.0"),
        ("--secret-file", "/dev/null", ""),
        ("--header-limit", "131072", "128k"),
        ("--header-timeout", "10s", "soon"),
        ("--idle-timeout", "2m", "2"),
        ("--body-timeout", "60s", "-1s"),
        ("--session-check", "15s", "never"),
        ("--max-connections", "10000", "0"),
        ("--max-tunnels", "256", "many"),
    ] {
        let parse = |value| {
            let named = [
                "t3-dispatcher",
                "--identity-header",
                "X-User",
                "--header-limit",
                "65536",
            ];
            Options::try_parse_from(named.iter().chain(&[flag, value]))
        };
        assert!(
            parse(good).is_ok(),
            "{flag} {good}: {:?}",
            parse(good).err()
        );
        assert!(parse(bad).is_err(), "{flag} {bad:?} is taken");
    }
}
