//! Administrators and guests on the real t3: what it lets their sessions do.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::common::process::Process;
use crate::common::{Client, request};
use crate::same_answers::TURN;
use crate::t3::T3;
use crate::tab::{Tab, load};

const OPTIONS: [&str; 8] = [
    "--identity-header",
    "X-User",
    "--groups-header",
    "X-Groups",
    "--admin-groups",
    "staff",
    "--guest-groups",
    "visitors",
];

/// What t3 gives to whoever pairs (contract §1).
const STANDARD: [&str; 5] = [
    "orchestration:operate",
    "orchestration:read",
    "relay:read",
    "review:write",
    "terminal:operate",
];

/// A person with a session.
struct Person {
    to: SocketAddr,
    user: &'static str,
    groups: &'static str,
    cookie: String,
}

impl Person {
    async fn enter(to: SocketAddr, user: &'static str, groups: &'static str, old: &str) -> Self {
        let fields = format!("\nX-User: {user}\nX-Groups: {groups}\nCookie: a=1; {old}");
        let page = load(to, &fields).await;
        assert_eq!(page.status, 302, "{user}: {}", page.text());
        let cookie = page.cookie();
        Self {
            to,
            user,
            groups,
            cookie,
        }
    }

    fn fields(&self) -> String {
        let Self {
            user,
            groups,
            cookie,
            ..
        } = self;
        format!("X-User: {user}\nX-Groups: {groups}\nCookie: {cookie}\nAccept: */*")
    }

    /// In alphabetical order.
    async fn scopes(&self) -> Vec<String> {
        let head = format!("GET /api/auth/session\n{}", self.fields());
        let state = request(self.to, &head).await.json();
        let scopes = state["scopes"].as_array().expect("a session").iter();
        let mut scopes: Vec<_> = scopes
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect();
        scopes.sort();
        scopes
    }

    /// The status of t3's list of clients, and of a credential for a phone.
    async fn manages(&self) -> (u16, u16) {
        let list = format!("GET /api/auth/clients\n{}", self.fields());
        let list = request(self.to, &list).await;
        let body = json!({"label": "a phone"}).to_string();
        let framing = format!(
            "Content-Type: application/json\nContent-Length: {}",
            body.len()
        );
        let mut client = Client::connect(self.to).await;
        client
            .send_head(&format!(
                "POST /api/auth/pairing-token\n{}\n{framing}",
                self.fields()
            ))
            .await;
        client.send(body.as_bytes()).await;
        (list.status, client.response(false).await.status)
    }

    /// What t3 says to a turn that is to begin.
    async fn begins_a_turn(&self) -> Value {
        let fields = [("x-user", self.user), ("x-groups", self.groups)];
        let mut tab = Tab::open_as(self.to, &self.cookie, &fields).await;
        let said = tab.ask(TURN).await;
        tab.close().await;
        said
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a real t3: set LIVE_T3_BIN to its path"]
async fn an_administrator_manages_a_guest_takes_no_turn_and_who_moves_is_what_he_became() {
    let t3 = T3::start().await;
    let dispatcher = Process::start(t3.dispatcher().args(OPTIONS));
    let to = dispatcher.addr;
    let ada = Person::enter(to, "ada", "users|staff", "").await;
    let gil = Person::enter(to, "gil", "visitors", "").await;
    let bob = Person::enter(to, "bob", "users", "").await;
    assert_eq!(gil.scopes().await, ["orchestration:read"]);
    assert_eq!(bob.scopes().await, STANDARD);
    let all = ada.scopes().await;
    println!("an administrator: {all:?}");
    assert!(all.len() > STANDARD.len() && all.contains(&"access:write".to_owned()));
    assert_eq!(ada.manages().await, (200, 200));
    assert_eq!(gil.manages().await, (403, 403));
    assert_eq!(bob.manages().await, (403, 403));
    let refused = gil.begins_a_turn().await.to_string();
    println!("{refused}");
    assert!(
        refused.contains("\"requiredScope\":\"orchestration:operate\""),
        "{refused}"
    );
    let other = bob.begins_a_turn().await.to_string();
    assert!(!other.contains("requiredScope"), "{other}");

    let moved = Person::enter(to, "ada", "visitors", &ada.cookie).await;
    assert_eq!(moved.scopes().await, ["orchestration:read"]);
    let start = std::time::Instant::now();
    while t3.is_alive(&ada.cookie).await {
        assert!(start.elapsed() < crate::common::PATIENCE, "it is revoked");
    }
    let again = Person::enter(to, "ada", "staff", &moved.cookie).await;
    assert_eq!(again.scopes().await, all);
    while t3.is_alive(&moved.cookie).await {
        assert!(
            start.elapsed() < 2 * crate::common::PATIENCE,
            "it is revoked"
        );
    }
    t3.finish().await;
}
