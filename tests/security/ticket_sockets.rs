//! A WebSocket that a ticket has opened ends with the session that the ticket was issued to.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use t3_dispatcher::access::session_label::device_label;
use t3_standin::seen::Seen;

use crate::common::{
    Client, Dispatcher, Edition, HANDSHAKE, PATIENCE, World, config, in_front_of_each_t3, request,
    websocket_of,
};
use crate::harness::{HEADER, load};
use crate::revoked_session::{
    EVERY, OPTIONS, assert_alive, assert_closed, is_list, is_question, open_at, revoke,
};

in_front_of_each_t3!(
    a_revoked_device_s_sockets_end_and_no_others,
    a_list_that_is_not_good_ends_nothing,
);

/// A session of an app that is called `label`, and its token.
fn app(world: &World, label: &str) -> String {
    let token = world.standin.issue_administrative_session(label);
    token.expect("writable")
}

/// A ticket of the session of `token`, as an app asks for it.
async fn ticket(to: SocketAddr, token: &str) -> String {
    let head = "POST /api/auth/websocket-ticket\nContent-Length: 0";
    let response = request(to, &format!("{head}\nAuthorization: Bearer {token}")).await;
    response.json()["ticket"]
        .as_str()
        .expect("a ticket")
        .to_owned()
}

/// The target of a socket with `ticket`.
fn with_ticket(edition: Edition, ticket: &str) -> String {
    let target = websocket_of(edition);
    let separator = if target.contains('?') { '&' } else { '?' };
    format!("{target}{separator}wsTicket={ticket}")
}

async fn open_by_ticket(to: SocketAddr, edition: Edition, token: &str) -> Client {
    let target = with_ticket(edition, &ticket(to, token).await);
    open_at(to, &target, "X-App: 1").await
}

/// Waits until t3 was asked for its list so many times more.
async fn wait_for_lists(world: &World, count: usize) {
    world.standin.clear_requests();
    let lists = |seen: &[Seen]| seen.iter().filter(|seen| is_list(seen)).count();
    let asked = world
        .standin
        .wait_for(PATIENCE, |seen| lists(seen) >= count);
    assert!(asked.await, "t3 is asked for its list {count} times");
}

async fn a_revoked_device_s_sockets_end_and_no_others(edition: Edition) {
    let world = World::of(edition, &OPTIONS).await;
    let (gone, kept) = (
        app(&world, "ada@sso Pixel 9"),
        app(&world, "ada@sso iPhone"),
    );
    let to = world.addr();
    let ws = websocket_of(edition);
    let bound = |token: &str| format!("Authorization: DPoP {token}\nDPoP: proof");
    let bearer = |token: &str| format!("Authorization: Bearer {token}");
    // A ticket decides, whatever is beside it.
    let beside = with_ticket(edition, &ticket(to, &gone).await);
    let mut ended = vec![
        open_by_ticket(to, edition, &gone).await,
        open_at(to, &beside, &bearer(&kept)).await,
        open_at(to, ws, &bound(&gone)).await,
        open_at(to, ws, &bearer(&gone)).await,
    ];
    let beside = with_ticket(edition, &ticket(to, &kept).await);
    let mut others = vec![
        open_by_ticket(to, edition, &kept).await,
        open_at(to, &beside, &bearer(&gone)).await,
        open_at(to, ws, &bound(&kept)).await,
        open_at(to, ws, &bearer(&kept)).await,
    ];
    wait_for_lists(&world, 2).await;
    for socket in ended.iter_mut().chain(&mut others) {
        assert_alive(socket).await;
    }
    revoke(&world.standin, "ada@sso Pixel 9").await;
    for socket in &mut ended {
        assert_closed(socket).await;
    }
    wait_for_lists(&world, 2).await;
    for socket in &mut others {
        assert_alive(socket).await;
    }
}

/// Only a list that has the dispatcher's own session says that another one is dead.
async fn a_list_that_is_not_good_ends_nothing(edition: Edition) {
    let world = World::of_timed(edition, &OPTIONS, |timing| timing.api_response = EVERY).await;
    let token = app(&world, "ada@sso Pixel 9");
    let mut socket = open_by_ticket(world.addr(), edition, &token).await;
    let another = r#"{"sessionId":"x","client":{},"method":"bearer-access-token"}"#;
    for (status, body) in [
        (Some(500), ""),
        (Some(503), ""),
        (Some(403), ""),
        (Some(404), ""),
        (Some(302), ""),
        (None, "[]"),
        (None, ""),
        (None, "{}"),
        (None, "<!doctype html><html></html>"),
        (None, &format!("[{another}]")),
        (None, &format!("[{another},{}", "x".repeat(100))),
    ] {
        world.standin.set_faults(|faults| {
            faults.clients_status = status;
            faults.clients_body = Some(body.to_owned());
        });
        wait_for_lists(&world, 2).await;
        assert_alive(&mut socket).await;
    }
    world.standin.set_faults(|faults| faults.hang_all = true);
    tokio::time::sleep(EVERY * 4).await;
    assert_alive(&mut socket).await;
    world.standin.set_faults(|faults| {
        faults.hang_all = false;
        (faults.clients_status, faults.clients_body) = (None, None);
    });
    revoke(&world.standin, "ada@sso Pixel 9").await;
    assert_closed(&mut socket).await;
}

/// Nothing is used but the ticket and t3's list.
#[tokio::test(flavor = "multi_thread")]
async fn a_dispatcher_that_saw_no_ticket_issued_ends_its_socket_too() {
    let world = World::with(&[]).await;
    let token = app(&world, "ada@sso Pixel 9");
    let target = with_ticket(Edition::June, &ticket(world.addr(), &token).await);
    world.dispatcher.drain().await;
    let config = || config(world.standin.addr(), world.dir.path(), &OPTIONS);
    let replicas = [
        Dispatcher::start(config()).await,
        Dispatcher::start(config()).await,
    ];
    let mut sockets = Vec::new();
    for replica in &replicas {
        sockets.push(open_at(replica.addr, &target, "X-App: 1").await);
    }
    revoke(&world.standin, "ada@sso Pixel 9").await;
    for socket in &mut sockets {
        assert_closed(socket).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t3_is_asked_one_question_for_fifty_tickets_sockets() {
    let world = World::with(&OPTIONS).await;
    let mut sockets = Vec::new();
    for number in 0..50 {
        let token = app(&world, &device_label("ada", &format!("phone {number}")));
        sockets.push(open_by_ticket(world.addr(), Edition::June, &token).await);
    }
    let session = world.standin.issue_browser_session("ada@sso");
    let cookie = format!("Cookie: t3_session={}", session.expect("writable"));
    sockets.push(open_at(world.addr(), "/ws", &cookie).await);
    wait_for_lists(&world, 6).await;
    let seen = world.standin.requests();
    let lists: Vec<Instant> = seen
        .iter()
        .filter(|seen| is_list(seen))
        .map(|seen| seen.at)
        .collect();
    let span = lists[lists.len() - 1] - lists[0];
    let least = EVERY * (lists.len() - 1) as u32 / 2;
    assert!(span > least, "{} lists within {span:?}", lists.len());
    assert_eq!(seen.iter().filter(|seen| is_question(seen)).count(), 0);
    for socket in &mut sockets {
        assert_alive(socket).await;
    }
}

/// What this dispatcher revokes itself has its sockets ended long before the next check is due.
#[tokio::test(flavor = "multi_thread")]
async fn the_sockets_of_who_is_let_in_no_more_end_soon() {
    let groups = ["--groups-header", "X-Groups", "--allowed-groups", "dev"];
    let options = [&HEADER[..], &groups, &["--session-check", "1h"]].concat();
    let world = World::with(&options).await;
    let (eve, ada) = (
        app(&world, "eve@sso Pixel 9"),
        app(&world, "ada@sso Pixel 9"),
    );
    let mut eve_s = open_by_ticket(world.addr(), Edition::June, &eve).await;
    let mut ada_s = open_by_ticket(world.addr(), Edition::June, &ada).await;
    let denied = load(world.addr(), "X-authentik-username: eve\nX-Groups: users\n").await;
    assert_eq!(denied.status, 403);
    assert_closed(&mut eve_s).await;
    assert_alive(&mut ada_s).await;
}

/// A ticket that is used while its session is revoked: either t3 refuses it, or the next check ends its socket.
#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_that_is_used_while_its_session_is_revoked_opens_nothing_that_stays() {
    let world = World::with(&OPTIONS).await;
    for number in 0..5 {
        let label = format!("ada@sso phone {number}");
        let token = app(&world, &label);
        let target = with_ticket(Edition::June, &ticket(world.addr(), &token).await);
        let mut clients = Vec::new();
        for _ in 0..8 {
            let mut client = Client::connect(world.addr()).await;
            client
                .send_head(&format!("GET {target}\n{HANDSHAKE}"))
                .await;
            clients.push(client);
            if clients.len() == 4 {
                revoke(&world.standin, &label).await;
            }
        }
        for client in &mut clients {
            let status = client.head().await.expect("a response").status;
            match status {
                101 => assert_closed(client).await,
                _ => assert_eq!(status, 401),
            }
        }
    }
}

/// As it finds no t3 CLI, it has no administrative session: a ticket's socket cannot be looked after.
#[tokio::test]
async fn without_t3_s_list_a_ticket_s_socket_stays() {
    let world = World::with(&[]).await;
    let without = Dispatcher::in_front_of(world.standin.addr(), &OPTIONS).await;
    let token = app(&world, "ada@sso Pixel 9");
    let mut by_ticket = open_by_ticket(without.addr, Edition::June, &token).await;
    let bearer = format!("Authorization: Bearer {token}");
    let mut by_token = open_at(without.addr, "/ws", &bearer).await;
    revoke(&world.standin, "ada@sso Pixel 9").await;
    assert_closed(&mut by_token).await;
    let stays = Duration::from_millis(100);
    let end = tokio::time::timeout(stays, by_ticket.read_at_least(1)).await;
    assert!(end.is_err(), "there is nothing to tell that it is dead");
}
