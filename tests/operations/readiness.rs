//! What /readyz tells: t3's state, never the dispatcher's own.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

use crate::common::raw_upstream::RawUpstream;
use crate::common::{Dispatcher, PATIENCE, World, config, request};

/// Waits until /readyz says `text`; returns its status.
async fn until_it_says(to: SocketAddr, text: &str) -> u16 {
    let start = Instant::now();
    loop {
        let ready = request(to, "GET /readyz").await;
        if ready.text() == text {
            return ready.status;
        }
        assert!(start.elapsed() < PATIENCE, "{}", ready.text());
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

/// A proxy that passes connections on to where `to` points at the moment.
async fn relay(to: Arc<Mutex<SocketAddr>>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let addr = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let to = *to.lock().expect("no panic");
            tokio::spawn(async move {
                if let Ok(mut far) = TcpStream::connect(to).await {
                    let _ = copy_bidirectional(&mut near, &mut far).await;
                }
            });
        }
    });
    addr
}

/// A dispatcher that serves at `own`, in front of `upstream`.
async fn serving(own: TcpListener, upstream: SocketAddr, args: &[&str]) -> Dispatcher {
    let dir = tempfile::tempdir().expect("a temporary directory");
    Dispatcher::on(own, config(upstream, dir.path(), args)).await
}

#[tokio::test]
async fn before_the_first_probe_has_ended_the_state_is_unknown() {
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let dispatcher = Dispatcher::in_front_of(silent.local_addr().expect("bound"), &[]).await;
    assert_eq!(until_it_says(dispatcher.addr, "unknown").await, 503);
    assert_eq!(until_it_says(dispatcher.addr, "starting").await, 503);
    let answering = RawUpstream::sending(b"").await;
    let dispatcher = Dispatcher::in_front_of(answering.addr, &[]).await;
    assert_eq!(until_it_says(dispatcher.addr, "up").await, 200);
}

#[tokio::test]
async fn a_dispatcher_that_is_its_own_upstream_says_so() {
    let identity = ["--identity-header", "X-authentik-username"];
    for (args, is_proxied) in [(&[][..], false), (&identity[..], false), (&[][..], true)] {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let own = listener.local_addr().expect("bound");
        let upstream = match is_proxied {
            true => relay(Arc::new(Mutex::new(own))).await,
            false => own,
        };
        let dispatcher = serving(listener, upstream, args).await;
        assert_eq!(until_it_says(dispatcher.addr, "itself").await, 503);
        let fetch = request(dispatcher.addr, "GET /api/x").await;
        assert_eq!(fetch.status, 503);
        assert!(fetch.text().contains("itself"), "{}", fetch.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dispatcher_that_becomes_its_own_upstream_says_so() {
    let world = World::start().await;
    let target = Arc::new(Mutex::new(world.standin.addr()));
    let upstream = relay(Arc::clone(&target)).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let own = listener.local_addr().expect("bound");
    let dispatcher = serving(listener, upstream, &[]).await;
    assert_eq!(until_it_says(dispatcher.addr, "up").await, 200);
    assert_eq!(
        request(dispatcher.addr, "GET /standin/1k").await.status,
        200
    );
    *target.lock().expect("no panic") = own;
    let World { standin, .. } = world;
    standin.kill();
    let start = Instant::now();
    while request(dispatcher.addr, "GET /readyz").await.text() != "itself" {
        assert!(start.elapsed() < PATIENCE, "it is asked itself");
        // The next request notices that what was open has been closed.
        request(dispatcher.addr, "GET /standin/1k").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_dispatcher_is_an_upstream_like_any_other() {
    let world = World::start().await;
    let before = Dispatcher::in_front_of(world.addr(), &[]).await;
    assert_eq!(until_it_says(before.addr, "up").await, 200);
    let fetched = request(before.addr, "GET /standin/1k").await;
    assert_eq!((fetched.status, fetched.body.len()), (200, 1024));
}
