//! Which peers are trusted proxies.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use tokio::net::{TcpListener, TcpSocket};

use crate::common::{Client, Dispatcher, PAGE, World, config, skip};
use crate::harness::{ADA, HEADER, assert_paired, each, load};

#[tokio::test]
async fn only_a_proxy_of_the_list_is_trusted() {
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
        let response = client.exchange(&format!("GET /\n{ADA}{PAGE}")).await;
        assert_paired(&response, expected, &format!("{from:?} of {proxies}"));
    })
    .await;
}

/// A dual-stack socket reports an IPv4 peer as `::ffff:127.0.0.1`.
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
        let response = load(addr, ADA).await;
        assert_paired(&response, expected, &format!("{named:?}"));
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
