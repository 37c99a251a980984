//! The proxies that are believed, and options that could not guard the door.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use clap::Parser;
use t3_dispatcher::config::Options;
use tokio::net::{TcpListener, TcpSocket};

use crate::common::{Client, Dispatcher, PAGE, World, config, skip};
use crate::harness::{ADA, HEADER, assert_paired};
use crate::harness::{each, load};

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
            return skip("no IPv6 on this machine");
        };
        let port = listener.local_addr().expect("bound").port();
        let named = match options.is_empty() {
            true => vec![],
            false => [HEADER.to_vec(), options].concat(),
        };
        let config = config(world.standin.addr(), world.dir.path(), &named);
        let dispatcher = Dispatcher::on(listener, config).await;
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
