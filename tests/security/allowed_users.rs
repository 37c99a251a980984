//! Who is let in: the lists of users, in an option or a file, and of groups.

use std::path::Path;
use std::time::Duration;

use crate::common::{Client, HANDSHAKE, PAGE, PATIENCE, World, request};
use crate::harness::{HEADER, assert_paired, assert_untouched, each, load, seen_last};

/// How soon a change of a file is noticed.
const REREAD: Duration = Duration::from_millis(50);

/// A fetch that takes the fast path, if nothing is wrong with it.
const FETCH: &str = "GET /standin/1k\nSec-Fetch-Dest: empty\nX-authentik-username: ";

/// Asserts whether a person's page load and fetch get through.
async fn assert_let_in(world: &World, user: &str, further: &str, expected: bool) {
    let of = format!("{user:?} {further}");
    let fields = format!("X-authentik-username: {user}\n{further}");
    let page = load(world.addr(), &fields).await;
    let fetch = request(world.addr(), &format!("{FETCH}{user}\n{further}")).await;
    if expected {
        assert_paired(&page, true, &of);
        return assert_eq!(fetch.status, 200, "{of}");
    }
    assert_eq!((page.status, fetch.status), (403, 403), "{of}");
    assert_eq!(page.header("set-cookie"), "", "{of}");
    assert_eq!(world.exchanges(), 0, "{of}");
    assert_untouched(world, &of);
}

#[tokio::test]
async fn row_71_only_exactly_the_name_on_the_list_is_let_in() {
    let options = ["--allowed-users", "viktor, bob@h.test ,@d.test,Zo\u{fffd}"];
    let cases = [
        ("viktor", true),
        ("bob@h.test", true),
        ("eve@d.test", true),
        ("bob@h.test@evil.test", false),
        ("bob@h.test@", false),
        ("bob@h.test@h.test", false),
        ("bob", false),
        ("bob@evil.test", false),
        ("Bob@h.test", false),
        ("bob@h.test\u{a0}", false),
        ("\u{3000}bob@h.test", false),
        ("bob@h.test\u{2028}", false),
        ("\u{a0}viktor", false),
        ("viktor@evil.example", false),
        ("viktor@h.test", false),
        ("viktor@", false),
        ("viktor,bob@h.test", false),
        ("@d.test", false),
        ("@", false),
        ("eve@d.test@d.test", false),
        ("eve@evil.test@d.test", false),
        ("eve@d.test.evil.test", false),
        ("eve@d.test@", false),
    ];
    each(cases, |(user, expected)| async move {
        let world = World::with(&[HEADER, options].concat()).await;
        assert_let_in(&world, user, "", expected).await;
    })
    .await;
}

#[tokio::test]
async fn a_list_in_a_file_is_read_again_when_it_changes() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = dir.path().join("users");
    let world = with_file(&file, &["--allowed-users", "root"]).await;
    assert_let_in(&world, "ada", "", false).await;
    for (content, let_in, kept_out) in [
        ("# people\nada\r\n@h.test\n", "ada", "eve"),
        ("eve\n", "eve", "ada"),
        // As a mounted list changes: a new file takes the name.
        ("@h.test", "x@h.test", "eve"),
    ] {
        let new = dir.path().join("new");
        std::fs::write(&new, content).expect("writable");
        std::fs::rename(&new, &file).expect("writable");
        assert_becomes(&world, let_in, 200).await;
        assert_becomes(&world, kept_out, 403).await;
    }
    std::fs::write(&file, "").expect("writable");
    assert_becomes(&world, "x@h.test", 403).await;
    std::fs::write(&file, "ada").expect("writable");
    assert_becomes(&world, "ada", 200).await;
    std::fs::remove_file(&file).expect("writable");
    assert_becomes(&world, "ada", 403).await;
    assert_becomes(&world, "root", 200).await;
}

async fn with_file(file: &Path, further: &[&str]) -> World {
    let path = file.to_str().expect("a UTF-8 path");
    let args = [&HEADER[..], &["--allowed-users-file", path], further].concat();
    World::timed(&args, |timing| timing.file_reread = REREAD).await
}

/// Waits until a person's fetch gets `status`.
async fn assert_becomes(world: &World, user: &str, status: u16) {
    let fetch = format!("{FETCH}{user}");
    let becomes = async { while request(world.addr(), &fetch).await.status != status {} };
    let becomes = tokio::time::timeout(PATIENCE, becomes).await;
    becomes.unwrap_or_else(|_| panic!("{user} does not get {status}"));
}

#[tokio::test]
async fn a_file_that_lists_nobody_lets_nobody_in() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let missing = with_file(&dir.path().join("missing"), &[]).await;
    let path = dir.path().join("empty");
    std::fs::write(&path, "\n# nobody\n").expect("writable");
    let empty = with_file(&path, &[]).await;
    for user in ["ada", "@", "# nobody", "#", "missing"] {
        assert_let_in(&missing, user, "", false).await;
        assert_let_in(&empty, user, "", false).await;
    }
}

#[tokio::test]
async fn a_domain_that_is_taken_off_is_taken_off_everywhere() {
    let options = [
        "--identity-domains",
        "h.test",
        "--allowed-users",
        "alice,@d.test",
    ];
    let args = [&HEADER[..], &options[..], &["--max-tunnels", "1"]].concat();
    let world = World::with(&args).await;
    let field = |user: &str| format!("X-authentik-username: {user}\n");
    let paired = load(world.addr(), &field("alice@h.test")).await;
    assert_paired(&paired, true, "alice@h.test");
    let mut sessions = world.standin.sessions().into_iter();
    assert!(sessions.any(|row| row.label.as_deref() == Some("alice@sso")));
    // A tab of the same person, with the same session.
    let tab = format!("GET /tab\n{}{PAGE}", field("alice"));
    let tab = request(world.addr(), &tab).await;
    assert_eq!(tab.cookie(), paired.cookie(), "alice is alice@h.test");
    // Tunnels are counted by the person.
    let upgrade = |user: &str| {
        format!(
            "GET /standin/ws\n{HANDSHAKE}\nX-authentik-username: {user}\nCookie: {}",
            paired.cookie()
        )
    };
    let mut first = Client::connect(world.addr()).await;
    first.send_head(&upgrade("alice@h.test")).await;
    assert_eq!(first.head().await.expect("a response").status, 101);
    let second = request(world.addr(), &upgrade("alice")).await;
    assert_eq!(second.status, 429, "alice has one open");
    for user in [
        "alice@evil.test",
        "alice@h.test@evil.test",
        "alice@evil.test@h.test",
        "bob@h.test",
        "@h.test",
    ] {
        let response = load(world.addr(), &field(user)).await;
        assert_eq!(response.status, 403, "{user}");
    }
    let denied = load(world.addr(), &field("bob@h.test")).await;
    assert!(
        denied.text().contains("bob") && !denied.text().contains("h.test"),
        "{}",
        denied.text()
    );
}

const GROUPS: [&str; 4] = [
    "--groups-header",
    "X-Groups",
    "--allowed-groups",
    "Home Server Admins,a&b",
];

#[tokio::test]
async fn a_member_of_an_allowed_group_is_let_in() {
    let cases = [
        ("X-Groups: Home Server Admins\n", true),
        ("X-Groups: users|Home Server Admins\n", true),
        ("x-gROUPS: users | \tHome Server Admins |x\n", true),
        ("X-Groups: a&b\n", true),
        ("", false),
        ("X-Groups:\n", false),
        ("X-Groups: |\n", false),
        ("X-Groups: users\n", false),
        ("X-Groups: home server admins\n", false),
        ("X-Groups: users,Home Server Admins\n", false),
        ("X-Groups: Home Server Admins\u{a0}\n", false),
        ("X_Groups: Home Server Admins\n", false),
        ("X-Groups: Home Server Admins\nX-Groups: users\n", false),
        ("X-Groups: users\nX-Groups: Home Server Admins\n", false),
        (
            "X-Groups: Home Server Admins\nConnection: X-Groups\n",
            false,
        ),
        (
            "X-Groups: Home Server Admins\nConnection: keep-alive, x-groups\n",
            false,
        ),
    ];
    each(cases, |(fields, expected)| async move {
        let world = World::with(&[&HEADER[..], &GROUPS].concat()).await;
        assert_let_in(&world, "eve", fields, expected).await;
    })
    .await;
}

#[tokio::test]
async fn users_and_groups_let_in_each_on_their_own() {
    let users = ["--allowed-users", "ada", "--groups-separator", ","];
    let world = World::with(&[&HEADER[..], &GROUPS, &users].concat()).await;
    assert_let_in(&world, "eve", "X-Groups: a&b|x\n", false).await;
    assert_let_in(&world, "ada", "X-Groups: users\n", true).await;
    assert_let_in(&world, "eve", "X-Groups: x, a&b\n", true).await;
    for way in ["", "TE: trailers\n"] {
        for name in ["X-Groups", "x_groups", "X.Groups"] {
            let fetch = format!("{FETCH}ada\n{name}: a&b\n{way}");
            assert_eq!(request(world.addr(), &fetch).await.status, 200);
            assert_eq!(seen_last(&world, name), [""; 0], "{name} reached t3");
        }
    }
    let response = load(world.addr(), "X-Groups: a&b\n").await;
    assert_ne!(response.status, 302, "a group is nobody");
}

#[tokio::test]
async fn a_group_counts_only_beside_the_secret() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = dir.path().join("secret");
    std::fs::write(&file, "s3cret").expect("writable");
    let secret = ["--secret-file", file.to_str().expect("a UTF-8 path")];
    let world = World::with(&[&HEADER[..], &GROUPS, &secret].concat()).await;
    let claimed = "X-authentik-username: eve\nX-Groups: a&b\n";
    let response = load(world.addr(), claimed).await;
    assert_ne!(response.status, 302, "anybody can say so");
    assert_eq!(world.exchanges(), 0);
    let proven = format!("{claimed}X-Dispatcher-Secret: s3cret\n");
    let proven = load(world.addr(), &proven).await;
    assert_paired(&proven, true, "the ingress says so");
}
