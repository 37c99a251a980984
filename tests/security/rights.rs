//! Rights by group: administrators, guests and everybody else get sessions of these rights, and of no others.

use std::time::Duration;

use serde_json::json;
use tokio::time::timeout;

use crate::common::http::Response;
use crate::common::{
    Client, Dispatcher, Edition, HANDSHAKE, PAGE, PATIENCE, World, config, in_front_of_each_t3,
    request, websocket_of,
};
use crate::harness::{HEADER, assert_paired, each, load, until};
use crate::signing::{AUDIENCE, ISSUER, SigningKey, claims, key_file};

const GROUPS: [&str; 6] = [
    "--groups-header",
    "X-Groups",
    "--admin-groups",
    "staff",
    "--guest-groups",
    "visitors",
];

/// The fields of a fetch by the page's own script.
const FETCH: &str = "Sec-Fetch-Site: same-origin\nSec-Fetch-Dest: empty\nAccept: */*";

/// A message that begins a turn, and one that only reads.
const TURN: &str = "orchestration.dispatchCommand";
const READ: &str = "server.getConfig";

async fn world(edition: Edition, further: &[&str]) -> World {
    let args = [&HEADER[..], &GROUPS, further].concat();
    // t3 is asked each time whether a session lives.
    World::of_timed(edition, &args, |timing| {
        timing.session_alive = Duration::ZERO
    })
    .await
}

/// The fields of `user`, whom single sign-on states to be in `groups`.
fn person(user: &str, groups: &str) -> String {
    format!("X-authentik-username: {user}\nX-Groups: {groups}\n")
}

/// The cookie that a page load as that person gets; `cookie` is what the browser has.
async fn enter(world: &World, fields: &str, cookie: &str) -> String {
    let page = page(world, fields, cookie).await;
    assert_paired(&page, true, fields);
    page.cookie()
}

async fn page(world: &World, fields: &str, cookie: &str) -> Response {
    let head = format!("GET /t/1\n{fields}Cookie: a=1; {cookie}\n{PAGE}");
    request(world.addr(), &head).await
}

/// The scopes of the newest session of that label, in alphabetical order.
fn scopes(world: &World, label: &str) -> Vec<String> {
    let mut rows = world.standin.sessions().into_iter();
    let row = rows.rfind(|row| row.label.as_deref() == Some(label));
    let mut scopes = row.expect("a session").scopes;
    scopes.sort();
    scopes
}

/// Those of the dispatcher's own session.
fn own_scopes(world: &World) -> Vec<String> {
    let rows = world.standin.sessions().into_iter();
    let is_own = |label: &str| label.starts_with("t3-dispatcher ");
    let mut rows = rows.filter(|row| row.label.as_deref().is_some_and(is_own));
    let mut scopes = rows.next().expect("the dispatcher's own").scopes;
    scopes.sort();
    scopes
}

/// Does t3 take the session of `cookie`?
async fn is_alive(world: &World, cookie: &str) -> bool {
    let head = format!("GET /api/auth/session\nCookie: {cookie}");
    let state = request(world.standin.addr(), &head).await;
    state.json()["authenticated"] == true
}

async fn assert_dies(world: &World, cookie: &str) {
    let dies = async { while is_alive(world, cookie).await {} };
    timeout(PATIENCE, dies).await.expect("it is revoked");
}

/// The status of a fetch of t3's client list, through the dispatcher.
async fn list(world: &World, fields: &str, cookie: &str) -> u16 {
    let head = format!("GET /api/auth/clients\n{fields}Cookie: {cookie}\n{FETCH}");
    request(world.addr(), &head).await.status
}

/// A tunnel through the dispatcher.
async fn tunnel(world: &World, edition: Edition, fields: &str, cookie: &str) -> Client {
    let fields = format!("{fields}Cookie: {cookie}\n");
    Client::websocket(world.addr(), websocket_of(edition), &fields).await
}

/// What t3 says to a call of `method` over the tunnel.
async fn call(tunnel: &mut Client, method: &str) -> String {
    let message = json!({"_tag": "Request", "id": "1", "tag": method}).to_string();
    // One masked frame whose mask is zero.
    let length = u8::try_from(message.len()).expect("a short one");
    assert!(length < 126, "{message}");
    let mut frame = vec![0x81, 0x80 | length, 0, 0, 0, 0];
    frame.extend(message.as_bytes());
    tunnel.send(&frame).await;
    let reply = tunnel.read_at_least(40).await;
    String::from_utf8_lossy(&reply).into_owned()
}

async fn assert_given(world: &World, rights: &str, times: f64) {
    let series = format!("rights_given_total{{rights=\"{rights}\"}}");
    assert_eq!(world.metrics().await.get(&series), times, "{rights}");
}

async fn each_gets_the_session_of_its_rights(edition: Edition) {
    let world = world(edition, &[]).await;
    let (ada, gil, bob) = (
        person("ada", "users|staff"),
        person("gil", "visitors"),
        person("bob", "users"),
    );
    let cookies = [
        enter(&world, &ada, "").await,
        enter(&world, &gil, "").await,
        enter(&world, &bob, "").await,
    ];
    let own = own_scopes(&world);
    assert_eq!(scopes(&world, "ada@sso"), own);
    assert_eq!(scopes(&world, "gil@sso"), ["orchestration:read"]);
    let standard = scopes(&world, "bob@sso");
    assert!(
        standard
            .iter()
            .any(|scope| scope == "orchestration:operate")
    );
    assert!(!standard.iter().any(|scope| scope.starts_with("access:")));
    for ((fields, cookie), (listed, turn)) in [&ada, &gil, &bob].into_iter().zip(&cookies).zip([
        (200, "Success"),
        (403, "Failure"),
        (403, "Success"),
    ]) {
        assert_paired(&page(&world, fields, cookie).await, false, fields);
        assert_eq!(list(&world, fields, cookie).await, listed, "{fields}");
        let mut tunnel = tunnel(&world, edition, fields, cookie).await;
        let said = call(&mut tunnel, TURN).await;
        assert!(said.contains(turn), "{fields}: {said}");
        assert!(
            call(&mut tunnel, READ).await.contains("Success"),
            "{fields}"
        );
    }
    assert_given(&world, "administrator", 1.0).await;
    assert_given(&world, "guest", 1.0).await;
    // A restarted dispatcher knows it by t3's list.
    let args = [&HEADER[..], &GROUPS].concat();
    let config = config(world.standin.addr(), world.dir.path(), &args);
    let another = Dispatcher::start(config).await;
    for (fields, cookie) in [&ada, &gil, &bob].into_iter().zip(&cookies) {
        let head = format!("GET /t/1\n{fields}Cookie: {cookie}\n{PAGE}");
        assert_paired(&request(another.addr, &head).await, false, fields);
    }
}

/// The person, the browser's session and another one of before, moved from one group to another.
async fn who_moves_gets_the_new_rights(edition: Edition) {
    let world = world(edition, &["--session-check", "100ms"]).await;
    for (from, to) in [
        ("staff", "visitors"),
        ("staff", "users"),
        ("users", "visitors"),
        ("visitors", "users"),
        ("visitors", "staff"),
        ("users", "staff"),
    ] {
        let user = format!("{from}-{to}");
        let (before, after) = (person(&user, from), person(&user, to));
        let phone = format!("{before}User-Agent: a phone\n");
        let old = enter(&world, &before, "").await;
        let elsewhere = enter(&world, &phone, "").await;
        let is_demoted = (from, to) != ("visitors", "users") && to != "staff";
        let mut open = tunnel(&world, edition, &before, &old).await;
        // Not a page, on both ways: without the session where that may do more.
        for way in ["", "Connection: keep-alive, x-nothing\n"] {
            let head = format!("GET /api/auth/session\n{after}{way}Cookie: {old}\nAccept: */*");
            let state = request(world.addr(), &head).await.json();
            assert_eq!(state["authenticated"], !is_demoted, "{user}");
            let head = format!("GET /api/auth/clients\n{after}{way}Cookie: {old}\n{FETCH}");
            let status = request(world.addr(), &head).await.status;
            assert_ne!(status, 200, "{user}");
        }
        if is_demoted {
            assert_dies(&world, &old).await;
            assert_dies(&world, &elsewhere).await;
            let end = timeout(PATIENCE, open.rest()).await.expect("closed");
            assert!(end.ends_with(&[0x88, 2, 0x03, 0xf0]), "1008: {end:02x?}");
        }
        let new = enter(&world, &after, &old).await;
        assert_ne!(new, old, "{user}");
        assert_dies(&world, &old).await;
        assert_paired(&page(&world, &after, &new).await, false, &user);
        assert!(is_alive(&world, &new).await, "{user}");
        let is_admin = list(&world, &after, &new).await == 200;
        assert_eq!(is_admin, to == "staff", "{user}");
        // The other browser gets its own at its next page.
        let phone = format!("{after}User-Agent: a phone\n");
        enter(&world, &phone, &elsewhere).await;
        assert_dies(&world, &elsewhere).await;
        assert!(is_alive(&world, &new).await, "{user}");
    }
}

async fn devices_that_may_do_more_are_revoked(edition: Edition) {
    let world = world(edition, &[]).await;
    let issue = |label: &str| {
        let token = world.standin.issue_administrative_session(label);
        format!("t3_session={}", token.expect("writable"))
    };
    let labels = [
        "ada@sso phone",
        "bob@sso phone",
        "ada@sso",
        "a phone of ada's",
    ];
    let _cookies = labels.map(issue);
    let lives = |label: &str| {
        let mut rows = world.standin.sessions().into_iter();
        rows.any(|row| row.label.as_deref() == Some(label) && !row.revoked)
    };
    // She has no session in this browser that would show what she was.
    enter(&world, &person("ada", "visitors"), "").await;
    assert!(until(|| !lives("ada@sso phone")).await, "her device's");
    let [_, bob, _, by_hand] = labels;
    assert!(lives(bob) && lives(by_hand));
    let counted = async {
        let revoked = "devices_total{event=\"revoked\"}";
        while world.metrics().await.get(revoked) < 1.0 {}
    };
    timeout(PATIENCE, counted).await.expect("it is counted");
}

/// Where t3's API mints nothing, nobody with rights of his own gets a session by another way.
async fn a_failing_api_is_a_403_and_no_session(edition: Edition) {
    for (user, groups) in [("ada", "staff"), ("gil", "visitors")] {
        let world = world(edition, &[]).await;
        let cli_sets_scopes = edition == Edition::Protocol2;
        world.standin.set_faults(|faults| {
            faults.pairing_token_status = Some(500);
            faults.cli_fail = cli_sets_scopes;
        });
        let fields = person(user, groups);
        let sessions = || world.standin.sessions().len();
        // The dispatcher's own is issued before the CLI fails.
        let refused = page(&world, &fields, "").await;
        let before = sessions();
        for page in [refused, page(&world, &fields, "").await] {
            assert_eq!(page.status, 403, "{user}");
            assert_eq!(page.header("set-cookie"), "");
            assert!(page.header("content-type").starts_with("text/html"));
            assert!(page.text().contains(user), "{}", page.text());
        }
        let to = world.addr();
        let own = format!("Host: {to}\nOrigin: http://{to}\nUser-Agent: a tab\n{fields}");
        let state = request(to, &format!("GET /api/auth/session\n{own}{FETCH}")).await;
        assert_eq!(state.status, 403);
        assert_eq!(state.json()["error"], "no_session_with_these_rights");
        let own = own.replace("a tab", "another");
        let target = websocket_of(edition);
        let socket = request(to, &format!("GET {target}\n{own}{HANDSHAKE}")).await;
        assert_eq!(socket.status, 403);
        assert_eq!(sessions(), before, "none is made");
        if !cli_sets_scopes {
            // Everybody else is paired by the CLI.
            enter(&world, &person("bob", "users"), "").await;
        }
    }
}

in_front_of_each_t3!(
    each_gets_the_session_of_its_rights,
    who_moves_gets_the_new_rights,
    devices_that_may_do_more_are_revoked,
    a_failing_api_is_a_403_and_no_session,
);

#[tokio::test]
async fn the_cli_of_protocol_2_alone_sets_scopes() {
    for edition in [Edition::June, Edition::September, Edition::Protocol2] {
        let world = world(edition, &["--mint", "cli"]).await;
        let (ada, gil) = (person("ada", "staff"), person("gil", "visitors"));
        if edition != Edition::Protocol2 {
            for fields in [&ada, &gil] {
                assert_eq!(page(&world, fields, "").await.status, 403, "{edition:?}");
            }
            continue;
        }
        enter(&world, &ada, "").await;
        enter(&world, &gil, "").await;
        assert_eq!(scopes(&world, "ada@sso"), own_scopes(&world));
        assert_eq!(scopes(&world, "gil@sso"), ["orchestration:read"]);
    }
}

#[tokio::test]
async fn a_command_mints_for_the_standard_only() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let standin =
        t3_standin::server::Standin::start(t3_standin::server::Options::new(dir.path().join("t3")));
    let standin = standin.await.expect("a free port");
    let bin = crate::common::cli_in(dir.path());
    let base = dir.path().join("t3");
    let command = format!(
        "{} auth pairing create --json --base-dir {}",
        bin.display(),
        base.display()
    );
    let args = [&HEADER[..], &GROUPS, &["--mint-command", &command]].concat();
    let dispatcher = Dispatcher::start(config(standin.addr(), dir.path(), &args)).await;
    for (groups, status) in [("users", 302), ("staff", 403), ("visitors", 403)] {
        let page = load(dispatcher.addr, &person(groups, groups)).await;
        assert_eq!(page.status, status, "{groups}: {}", page.text());
    }
    assert_eq!(standin.sessions().len(), 1);
}

#[tokio::test]
async fn a_guest_may_do_more_where_the_options_say_so_and_t3_knows_it() {
    let scopes_option = "orchestration:read,terminal:read,filesystem:read,no:such";
    let option = ["--guest-scopes", scopes_option];
    let gil = person("gil", "visitors");
    let second = world(Edition::Protocol2, &option).await;
    enter(&second, &gil, "").await;
    let expected = ["filesystem:read", "orchestration:read", "terminal:read"];
    assert_eq!(scopes(&second, "gil@sso"), expected);
    let first = world(Edition::June, &option).await;
    enter(&first, &gil, "").await;
    assert_eq!(scopes(&first, "gil@sso"), ["orchestration:read"]);
    let none = world(Edition::June, &["--guest-scopes", "no:such"]).await;
    let page = page(&none, &gil, "").await;
    assert_eq!(page.status, 403, "{}", page.text());
}

/// A client that says of itself that it is of a group, where nobody overwrites that.
#[tokio::test]
async fn groups_that_nobody_vouches_for_give_no_rights() {
    let cases = [
        "X-Groups: staff\nX-Groups: users\n",
        "X-Groups: users\nX-Groups: staff\n",
        "X-Groups: staff\nConnection: x-groups\n",
        "X_Groups: staff\n",
        "X-Groups: Staff\n",
        "X-Groups: users,staff\n",
    ];
    each(cases, |groups| async move {
        let world = world(Edition::September, &[]).await;
        let fields = format!("X-authentik-username: eve\n{groups}");
        let cookie = enter(&world, &fields, "").await;
        assert_eq!(list(&world, &fields, &cookie).await, 403, "{groups}");
        assert_given(&world, "administrator", 0.0).await;
    })
    .await;
    let dir = tempfile::tempdir().expect("a temporary directory");
    let secret = dir.path().join("secret");
    std::fs::write(&secret, "s3cret").expect("writable");
    let secret = secret.to_str().expect("a UTF-8 path");
    let world = world(Edition::September, &["--secret-file", secret]).await;
    let page = page(&world, &person("eve", "staff"), "").await;
    assert_paired(&page, false, "anybody can say so");
    assert_given(&world, "administrator", 0.0).await;
}

/// A proxy that takes off what a client's `Connection` names, or a second line of the client's own.
#[tokio::test]
async fn a_guest_whose_groups_are_not_stated_once_stays_a_guest() {
    let cases = [
        "",
        "X-Groups: visitors\nX-Groups: users\n",
        "X-Groups: visitors\nConnection: x-groups\n",
        "X-Groups: visitors\n",
    ];
    each(cases, |groups| async move {
        let world = world(Edition::September, &[]).await;
        let fields = format!("X-authentik-username: gil\n{groups}");
        enter(&world, &fields, "").await;
        assert_given(&world, "guest", 1.0).await;
    })
    .await;
}

#[tokio::test]
async fn a_token_s_groups_give_rights_and_a_field_s_beside_it_none() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let key = SigningKey::new("ES256");
    let file = key_file(dir.path(), &[key.jwk("k")]);
    let args = [
        "--jwt-jwks",
        &file,
        "--jwt-header",
        "X-Token",
        "--jwt-issuer",
        ISSUER,
        "--jwt-audience",
        AUDIENCE,
        "--jwt-groups-claim",
        "groups",
    ];
    let world = World::of(Edition::September, &[&args[..], &GROUPS].concat()).await;
    let of = |user: &str, groups: serde_json::Value| {
        let mut claims = claims(user);
        claims["groups"] = groups;
        format!("X-Token: {}\n", key.token("k", &claims))
    };
    for (user, groups, further, listed) in [
        ("ada", json!(["users", "staff"]), "", 200),
        ("gil", json!("visitors"), "", 403),
        ("bob", json!(["users"]), "X-Groups: staff\n", 403),
        ("eve", json!(["users|staff"]), "", 403),
        ("cyd", json!([]), "", 403),
        // Nothing is stated of these two's groups.
        ("dan", json!(null), "", 403),
        ("fay", json!({ "staff": true }), "X-Groups: users\n", 403),
    ] {
        let fields = format!("{}{further}", of(user, groups));
        let cookie = enter(&world, &fields, "").await;
        assert_eq!(list(&world, &fields, &cookie).await, listed, "{user}");
    }
    assert_given(&world, "administrator", 1.0).await;
    assert_given(&world, "guest", 3.0).await;
}

/// Tabs of one browser share a pairing, but not over a change of rights.
#[tokio::test(flavor = "multi_thread")]
async fn tabs_of_different_rights_share_no_session() {
    let world = world(Edition::September, &[]).await;
    let (to, mut tabs) = (world.addr(), Vec::new());
    for n in 0..8 {
        let groups = if n % 2 == 0 { "staff" } else { "visitors" };
        let head = format!("GET /t/{n}\n{}{PAGE}", person("ada", groups));
        tabs.push(tokio::spawn(async move { request(to, &head).await }));
    }
    let mut cookies = [Vec::new(), Vec::new()];
    for (n, tab) in tabs.into_iter().enumerate() {
        let page = tab.await.expect("no panic");
        assert_paired(&page, true, "a tab");
        cookies[n % 2].push(page.cookie());
    }
    for cookies in &cookies {
        assert!(cookies.iter().all(|cookie| *cookie == cookies[0]));
    }
    assert_ne!(cookies[0][0], cookies[1][0]);
}

/// Without t3's list nobody's session that may do more than it should is believed.
#[tokio::test]
async fn what_a_session_may_do_is_not_believed_where_it_cannot_be_known() {
    let world = world(Edition::September, &[]).await;
    let cookie = enter(&world, &person("ada", "staff"), "").await;
    // It finds no t3 CLI, so that it has no session of its own on t3.
    let args = [&HEADER[..], &GROUPS].concat();
    let blind = Dispatcher::in_front_of(world.standin.addr(), &args).await;
    for (groups, listed) in [("staff", 200), ("visitors", 401), ("users", 401)] {
        let fields = person("ada", groups);
        let head = format!("GET /api/auth/clients\n{fields}Cookie: {cookie}\n{FETCH}");
        assert_eq!(request(blind.addr, &head).await.status, listed, "{groups}");
    }
}
