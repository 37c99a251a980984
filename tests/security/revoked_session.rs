//! A session that is revoked or expires ends its open tunnels.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::Value;
use t3_standin::seen::Seen;
use t3_standin::server::Standin;
use t3_standin::store::sessions::SessionRow;

use crate::common::{
    Client, Dispatcher, Edition, HANDSHAKE, PATIENCE, World, in_front_of_each_t3, request,
    websocket_of,
};
use crate::harness::each;

in_front_of_each_t3!(a_revoked_session_s_tunnels_are_closed_and_no_others);

pub(crate) const EVERY: Duration = Duration::from_millis(300);

pub(crate) const OPTIONS: [&str; 2] = ["--session-check", "300ms"];

/// How long one check and its effect may take on a busy machine.
const SOON: Duration = Duration::from_secs(5);

pub(crate) async fn open(world: &World, credential: &str) -> Client {
    open_at(world.addr(), "/ws", credential).await
}

pub(crate) async fn open_at(to: SocketAddr, target: &str, credential: &str) -> Client {
    let mut client = Client::connect(to).await;
    client
        .send_head(&format!("GET {target}\n{HANDSHAKE}\n{credential}"))
        .await;
    assert_eq!(client.head().await.expect("a response").status, 101);
    client
}

/// Sends one message and receives its reply.
pub(crate) async fn assert_alive(client: &mut Client) {
    // `{"_tag":"Ping"}` in one masked frame whose mask is zero.
    let mut frame = vec![0x81, 0x80 | 15, 0, 0, 0, 0];
    frame.extend(br#"{"_tag":"Ping"}"#);
    client.send(&frame).await;
    let pong = client.read_at_least(2 + 15).await;
    assert!(pong.ends_with(br#"{"_tag":"Pong"}"#), "{pong:?}");
}

pub(crate) async fn assert_closed(client: &mut Client) {
    let end = tokio::time::timeout(SOON, client.rest()).await;
    let end = end.expect("closed soon after");
    assert!(end.ends_with(&[0x88, 2, 0x03, 0xf0]), "1008: {end:02x?}");
}

/// Was t3 asked about one session?
pub(crate) fn is_question(seen: &Seen) -> bool {
    let brings = |name| seen.header(name).is_some();
    seen.target.starts_with(b"/api/auth/session") && (brings("cookie") || brings("authorization"))
}

/// Was it asked for all sessions?
pub(crate) fn is_list(seen: &Seen) -> bool {
    seen.target == b"/api/auth/clients"
}

fn is_check(seen: &Seen) -> bool {
    is_list(seen) || is_question(seen)
}

pub(crate) async fn wait_for_checks(world: &World, count: usize) {
    let done = world.standin.wait_for(PATIENCE, |seen| {
        seen.iter().filter(|seen| is_check(seen)).count() >= count
    });
    assert!(done.await, "t3 is asked {count} times");
}

/// Revokes the session that is called `label`.
pub(crate) async fn revoke(standin: &Standin, label: &str) {
    let sessions = standin.sessions();
    let is_meant = |row: &&SessionRow| row.label.as_deref() == Some(label);
    let row = sessions.iter().find(is_meant).expect("a session");
    let session_id = &row.id;
    let bearer = standin.issue_administrative_session("admin");
    let bearer = bearer.expect("writable");
    let body = format!(r#"{{"sessionId":"{session_id}"}}"#);
    let mut client = Client::connect(standin.addr()).await;
    let head = format!(
        "POST /api/auth/clients/revoke\nAuthorization: Bearer {bearer}\n\
         Content-Type: application/json\nContent-Length: {}",
        body.len()
    );
    client.send_head(&head).await;
    client.send(body.as_bytes()).await;
    assert_eq!(
        client.response(false).await.json()["revoked"],
        Value::Bool(true)
    );
}

async fn a_revoked_session_s_tunnels_are_closed_and_no_others(edition: Edition) {
    for by_cookie in [true, false] {
        let world = World::of(edition, &OPTIONS).await;
        let carrier = match by_cookie {
            true => format!("Cookie: {}=", world.cookie_name().await),
            false => "Authorization: Bearer ".to_owned(),
        };
        let target = websocket_of(edition);
        let issue = |name| world.standin.issue_browser_session(name).expect("writable");
        let (revoked, kept) = (issue("revoked"), issue("kept"));
        let to = world.addr();
        let mut tunnels = vec![
            open_at(to, target, &format!("{carrier}{revoked}")).await,
            open_at(to, target, &format!("{carrier}{revoked}")).await,
        ];
        let mut other = open_at(to, target, &format!("{carrier}{kept}")).await;
        wait_for_checks(&world, 3).await;
        for tunnel in tunnels.iter_mut().chain([&mut other]) {
            assert_alive(tunnel).await;
        }
        revoke(&world.standin, "revoked").await;
        for tunnel in &mut tunnels {
            assert_closed(tunnel).await;
        }
        world.standin.clear_requests();
        wait_for_checks(&world, 2).await;
        assert_alive(&mut other).await;
        let left = world
            .standin
            .wait_for_connections(SOON, |_, websockets| websockets == 1);
        assert!(left.await, "t3's sides of them are closed too");
    }
}

#[tokio::test]
async fn a_session_that_ended_by_itself_is_closed_too() {
    let world = World::with(&OPTIONS).await;
    world
        .standin
        .set_faults(|faults| faults.session_ttl_ms = Some(2000));
    let paired = request(world.addr(), &format!("GET /\n{}", crate::common::PAGE)).await;
    let mut tunnel = open(&world, &format!("Cookie: {}", paired.cookie())).await;
    assert_alive(&mut tunnel).await;
    assert_closed(&mut tunnel).await;
}

/// A ticket by which t3 certainly decides is not asked about; a cookie is, whatever the query seems to name.
#[tokio::test]
async fn row_74_a_cookie_s_socket_ends_with_its_session_whatever_its_query_says() {
    let queries = [
        "?wsTicket=",
        "?wsTicket",
        "?x=wsTicket=1",
        "?wsToken=x",
        "?wsticket=x",
        "?WSTICKET=x",
    ];
    each(queries, |query| async move {
        let world = World::with(&OPTIONS).await;
        let session = world.standin.issue_browser_session("gone");
        let cookie = format!("Cookie: t3_session={}", session.expect("writable"));
        let mut tunnel = open_at(world.addr(), &format!("/ws{query}"), &cookie).await;
        assert_alive(&mut tunnel).await;
        world.standin.wipe_sessions();
        assert_closed(&mut tunnel).await;
    })
    .await;
}

#[tokio::test]
async fn row_76_a_socket_bound_by_dpop_is_not_ended_by_a_question_that_cannot_be_asked() {
    let credentials = [
        "Authorization: DPoP {}\nDPoP: proof",
        "Authorization: dPoP {}\nDPoP: proof",
    ];
    each(credentials, |credential| async move {
        let world = World::with(&OPTIONS).await;
        let issue = |name| world.standin.issue_browser_session(name).expect("writable");
        let bound = credential.replace("{}", &issue("bound"));
        let mut tunnel = open(&world, &bound).await;
        let mut asked = open(&world, &format!("Cookie: t3_session={}", issue("other"))).await;
        wait_for_checks(&world, 3).await;
        assert_alive(&mut tunnel).await;
        assert_alive(&mut asked).await;
    })
    .await;
}

/// As it finds no t3 CLI, it has no administrative session, and no list.
#[tokio::test]
async fn without_t3_s_list_it_is_asked_once_for_each_session_whatever_the_number_of_tunnels() {
    let world = World::with(&[]).await;
    let without = Dispatcher::in_front_of(world.standin.addr(), &OPTIONS).await;
    let issue = |name| world.standin.issue_browser_session(name).expect("writable");
    let sessions = [issue("one"), issue("two")];
    let mut tunnels = Vec::new();
    for session in sessions.iter().cycle().take(6) {
        let cookie = format!("Cookie: x=1; t3_session={session}");
        tunnels.push(open_at(without.addr, "/ws", &cookie).await);
    }
    world.standin.clear_requests();
    wait_for_checks(&world, 8).await;
    let seen = world.standin.requests();
    for session in &sessions {
        let of_it = |seen: &&Seen| {
            let cookie = seen.header("cookie").unwrap_or_default();
            is_question(seen) && String::from_utf8_lossy(cookie).contains(&**session)
        };
        let times: Vec<Instant> = seen.iter().filter(of_it).map(|seen| seen.at).collect();
        assert!(times.len() >= 3, "asked for {} times", times.len());
        let span = times[times.len() - 1] - times[0];
        let least = EVERY * (times.len() - 1) as u32 / 2;
        assert!(span > least, "{} times within {span:?}", times.len());
    }
    drop(tunnels);
    let gone = world
        .standin
        .wait_for_connections(PATIENCE, |_, open| open == 0);
    assert!(gone.await);
    world.standin.clear_requests();
    tokio::time::sleep(EVERY * 3).await;
    let asked = world
        .standin
        .requests()
        .iter()
        .filter(|seen| is_check(seen))
        .count();
    assert!(asked <= 2, "{asked} checks without a tunnel");
}
