//! The limits that are options: idle time, connections, tunnels.

use std::time::{Duration, Instant};

use crate::common::{Client, HANDSHAKE, PATIENCE, World};
use crate::harness::assert_untouched;

/// How long a bound of half a second may take on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(4);

#[tokio::test]
async fn a_kept_connection_is_closed_after_its_idle_time() {
    let world = World::with(&["--idle-timeout", "2s", "--header-timeout", "10s"]).await;
    let mut client = Client::connect(world.addr()).await;
    assert_eq!(client.exchange("GET /healthz").await.status, 200);
    // The idle time begins anew after the second request.
    tokio::time::sleep(Duration::from_millis(1000)).await;
    let start = Instant::now();
    assert_eq!(client.exchange("GET /healthz").await.status, 200);
    let rest = tokio::time::timeout(SOON, client.rest()).await;
    assert_eq!(rest.expect("closed soon"), b"", "without a word");
    assert!(
        start.elapsed() >= Duration::from_millis(1900),
        "not before its time"
    );
}

#[tokio::test]
async fn the_number_of_tunnels_is_bounded_for_each_identity() {
    let options = [
        "--identity-header",
        "X-authentik-username",
        "--max-tunnels",
        "2",
    ];
    let world = World::with(&options).await;
    let session = world
        .standin
        .issue_browser_session("test")
        .expect("writable");
    let open = async |user: &str| {
        let mut client = Client::connect(world.addr()).await;
        let head = format!(
            "GET /ws\nX-authentik-username: {user}\nCookie: t3_session={session}\n{HANDSHAKE}"
        );
        client.send_head(&head).await;
        let status = client.head().await.expect("a response").status;
        (client, status)
    };
    let (first, one) = open("ada").await;
    let (_second, two) = open("ada").await;
    assert_eq!((one, two), (101, 101));
    world.standin.clear_requests();
    let (_third, three) = open("ada").await;
    assert!(matches!(three, 429 | 503), "{three}");
    assert_untouched(&world, "one tunnel too many");
    let (_other, other) = open("bob").await;
    assert_eq!(other, 101, "others have their own");
    drop(first);
    let fourth = async { while open("ada").await.1 != 101 {} };
    let fourth = tokio::time::timeout(PATIENCE, fourth).await;
    fourth.expect("a tunnel that ended makes room");
}

#[tokio::test]
async fn no_timeout_ends_a_tunnel() {
    let options = [
        "--header-timeout",
        "200ms",
        "--body-timeout",
        "200ms",
        "--idle-timeout",
        "200ms",
    ];
    let more = ["--response-timeout", "200ms", "--session-check", "200ms"];
    let world = World::with(&[&options[..], &more].concat()).await;
    let mut client = Client::connect(world.addr()).await;
    client
        .send_head(&format!("GET /standin/ws-raw\n{HANDSHAKE}"))
        .await;
    assert_eq!(client.head().await.expect("a response").status, 101);
    for turn in 0..3 {
        tokio::time::sleep(Duration::from_millis(500)).await;
        client.send(b"still here").await;
        assert_eq!(client.read_at_least(10).await, b"still here", "{turn}");
    }
}
