//! Other spellings of paths that are on the list, and of ways from them to what is not.

use t3_standin::edition::Edition;

use crate::common::{Client, HANDSHAKE};
use crate::door::{Door, HOST};

/// What an attacker wants: behind these t3 needs no session, or takes the one that is brought.
const WANTED: [&str; 5] = [
    "mcp",
    "api/hooks/a/b",
    "api/auth/browser-session",
    "api/projects/mutate",
    "standin/head",
];

/// Ways to `to`, each as a request target.
fn tricks(to: &str) -> Vec<String> {
    let (first, rest) = to.split_once('/').unwrap_or((to, ""));
    let mut targets = vec![
        format!("/{to}"),
        format!("//{to}"),
        format!("/./{to}"),
        format!("/{to}?wsTicket=x.y"),
        format!("/{to}#/oauth/token"),
        format!("/{to};/oauth/token"),
        format!("/{to}%00"),
        format!("\\{to}"),
        format!("/\\{to}"),
        format!("http://{HOST}/{to}"),
        format!("http://{HOST}//{to}"),
        format!("http://{HOST}\\{to}"),
        format!("https://{HOST}/{to}"),
        format!("/{}", to.to_uppercase()),
        format!("/{first}%2f{rest}"),
        format!("/{first}/%2e/{rest}"),
    ];
    for prefix in [
        "oauth",
        "oauth/token",
        ".well-known/t3/environment",
        "pair",
        "api/orchestration/threads/t1",
        "api/orchestration/threads/t1/bounded",
        "api/assets/a.b",
        "api/assets/a.b/c",
        "api/attachments/upload/a.b",
        "api/device-hub/x",
    ] {
        let depth = prefix.split('/').count();
        for up in [
            "..",
            "%2e%2e",
            "%2E.",
            ".%2e",
            "..;",
            "..%00",
            "..%2f",
            "..\\",
            "..%5c",
            "..%255c",
            "%252e%252e",
        ] {
            let climb = vec![up; depth].join("/");
            targets.push(format!("/{prefix}/{climb}/{to}"));
            targets.push(format!("/{prefix}/{climb}/{to}?wsTicket=x.y"));
        }
        targets.push(format!("/{prefix}//{to}"));
        targets.push(format!("/{prefix}\\..\\{to}"));
        targets.push(format!("/{prefix};/../{to}"));
    }
    targets
}

async fn status_of(door: &Door, bytes: &str) -> u16 {
    let mut client = Client::connect(door.addr()).await;
    client.send(bytes.as_bytes()).await;
    let is_head = bytes.starts_with("HEAD ");
    client.response(is_head).await.status
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_beside_the_list_is_reached_by_any_spelling() {
    let door = Door::of(Edition::Protocol2).await;
    let app = door.paired("ada").await;
    door.forget();
    let mut tried = 0;
    for to in WANTED {
        for target in tricks(to) {
            for method in ["GET", "POST"] {
                let head = format!(
                    "{method} {target} HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: Bearer {}\r\n\
                    x-t3-orchestration-protocol: 2\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{{}}",
                    app.token
                );
                let status = status_of(&door, &head).await;
                // A file or a stream that t3 knows by such a name is on the list, and t3 says that there is none.
                let is_refused = matches!(status, 400 | 401 | 404 | 405);
                assert!(is_refused, "{status}: {method} {target}");
                door.assert_nothing_gained(&target);
                for seen in door.world.asked() {
                    let seen = String::from_utf8_lossy(&seen.target).into_owned();
                    assert!(
                        seen.starts_with("/api/assets/")
                            || seen.starts_with("/api/attachments/upload/")
                            || seen.starts_with("/api/device-hub/"),
                        "{seen} by {method} {target}"
                    );
                }
                door.forget();
                tried += 1;
            }
        }
    }
    println!("{tried} requests");
}

/// A listed path in another spelling is another path.
#[tokio::test(flavor = "multi_thread")]
async fn a_listed_path_has_one_spelling() {
    let door = Door::of(Edition::Protocol2).await;
    let app = door.paired("ada").await;
    door.forget();
    let spellings = |path: &str| {
        let (folder, name) = path.rsplit_once('/').expect("a path");
        let first = name.chars().next().expect("a name");
        [
            format!("{path}/"),
            format!("{path}."),
            format!("{path}/."),
            format!("{path}%20"),
            format!("{path};a"),
            format!("/{path}"),
            format!("{folder}//{name}"),
            format!("{folder}/./{name}"),
            format!("{folder}/x/../{name}"),
            format!("{folder}/%{:02x}{}", first as u32, &name[1..]),
            format!("{folder}\\{name}"),
            path.to_uppercase(),
        ]
    };
    for (method, path) in [
        ("GET", "/.well-known/t3/environment"),
        ("POST", "/oauth/token"),
        ("GET", "/api/auth/session"),
        ("GET", "/api/projects"),
        ("GET", "/api/orchestration/shell"),
        ("POST", "/api/auth/websocket-ticket"),
        ("GET", "/pair"),
    ] {
        for target in spellings(path) {
            let head = format!(
                "{method} {target} HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: Bearer {}\r\nContent-Length: 0\r\n\r\n",
                app.token
            );
            let status = status_of(&door, &head).await;
            assert!(matches!(status, 400 | 404), "{status}: {method} {target}");
        }
    }
    let ticket = app.ticket().await.expect("a ticket");
    door.forget();
    for target in spellings("/ws")
        .iter()
        .filter(|target| !target.contains('x'))
    {
        let handshake = HANDSHAKE.replace('\n', "\r\n");
        let head = format!(
            "GET {target}?orchestrationProtocol=2&wsTicket={ticket} HTTP/1.1\r\nHost: {HOST}\r\n{handshake}\r\n\r\n"
        );
        let status = status_of(&door, &head).await;
        assert!(matches!(status, 400 | 404), "{status}: {target}");
    }
    door.assert_untouched("other spellings");
}

/// As an absolute target it is the same request, and its authority is the host (RFC 9112 §3.2.2).
#[tokio::test(flavor = "multi_thread")]
async fn an_absolute_target_is_judged_by_its_path() {
    let door = Door::of(Edition::Protocol2).await;
    let get = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: evil.test\r\n\r\n");
    let listed = format!("http://{HOST}/.well-known/t3/environment");
    assert_eq!(status_of(&door, &get(&listed)).await, 200);
    let seen = door.world.asked().pop().expect("a request");
    assert_eq!(seen.target, b"/.well-known/t3/environment");
    assert_eq!(seen.header("host"), Some(HOST.as_bytes()));
    door.forget();
    for target in [
        format!("http://{HOST}/mcp"),
        format!("http://{HOST}"),
        format!("http://x@{HOST}/.well-known/t3/environment"),
        "http:///.well-known/t3/environment".to_owned(),
        "*".to_owned(),
        "devices.test:443".to_owned(),
    ] {
        let status = status_of(&door, &get(&target)).await;
        assert!(matches!(status, 400 | 404), "{status}: {target}");
    }
    for line in [
        "CONNECT devices.test:443",
        "TRACE /oauth/token",
        "OPTIONS *",
    ] {
        let head = format!("{line} HTTP/1.1\r\nHost: {HOST}\r\n\r\n");
        let status = status_of(&door, &head).await;
        assert!(matches!(status, 400 | 404 | 405 | 501), "{status}: {line}");
    }
    door.assert_untouched("targets of other forms");
}
