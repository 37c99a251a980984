//! Clients that say what only the gate and the door may say.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::timeout;

use crate::common::http::Response;
use crate::common::{PAGE, request};
use crate::outpost::APPLICATION;
use crate::stack::{OTHER_SECRET, PATIENCE, SECRET, Stack};

/// Loads `path` as a browser of its own would, with `fields`, each ended by a line feed.
async fn load(to: SocketAddr, path: &str, fields: &str) -> Response {
    static BROWSERS: AtomicUsize = AtomicUsize::new(0);
    let number = BROWSERS.fetch_add(1, Ordering::Relaxed);
    let page = PAGE.replace("(test)", &format!("({number})"));
    request(
        to,
        &format!("GET {path}\nHost: {APPLICATION}\n{fields}{page}"),
    )
    .await
}

fn is_paired(response: &Response) -> bool {
    response
        .all("set-cookie")
        .iter()
        .any(|line| line.starts_with("t3_session"))
}

/// Loads a page with a session's `cookies` again and again, which is answered each time, until `is_done`.
async fn undisturbed_until(to: SocketAddr, cookies: &str, is_done: impl AsyncFn() -> bool) {
    let until_done = async {
        loop {
            let response = load(to, "/", cookies).await;
            assert_eq!(response.status, 200, "{}", response.text());
            if is_done().await {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(PATIENCE, until_done)
        .await
        .expect("a change in time");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a real t3 and a real Traefik: .ci/edge"]
async fn only_who_has_passed_the_gate_gets_a_session_and_a_rotated_secret_is_noticed_by_nobody() {
    let Some(mut stack) = Stack::start().await else {
        return;
    };
    let traefik = stack.traefik.plain;
    let mallory = "X-authentik-username: mallory\n";
    // Without the gate's session: the sign-in.
    for fields in [
        "",
        mallory,
        "X-Forwarded-Host: t3.test\nX-authentik-username: mallory\n",
    ] {
        let response = load(traefik, "/", fields).await;
        assert_eq!(response.status, 302, "{fields}");
        assert!(
            response
                .header("location")
                .contains("/outpost.goauthentik.io/start"),
            "{fields}"
        );
        assert!(!is_paired(&response), "{fields}");
    }
    // Past the gate, which no proxy watches: by itself, and with everything that can be guessed.
    let secret = format!("{mallory}X-Dispatcher-Secret: {OTHER_SECRET}\n");
    for (to, path) in [
        (traefik, "/apple-touch-icon.png"),
        (traefik, "/manifest.webmanifest"),
        (traefik, "/probe"),
        (traefik, "/.well-known/t3/environment"),
        (traefik, "/?wsTicket=x"),
        (stack.door.dispatcher.addr, "/"),
    ] {
        for fields in [
            "",
            mallory,
            &secret,
            &format!("{mallory}Authorization: Bearer x.y\n"),
        ] {
            let response = load(to, path, fields).await;
            assert!(
                !is_paired(&response),
                "{} to {path} with {fields}",
                response.status
            );
        }
    }
    // Who has passed it is who the gate says, whatever the client says besides.
    for fields in [
        "",
        mallory,
        "Connection: X-authentik-username\nX-authentik-username: mallory\n",
        "Connection: X-Dispatcher-Secret\n",
        &secret,
    ] {
        let gate = stack.door.outpost.cookie_of("ada@example.org");
        let response = load(traefik, "/t/1", &format!("Cookie: {gate}\n{fields}")).await;
        assert_eq!(response.status, 302, "{fields}");
        assert_eq!(response.header("location"), "/t/1");
        assert!(is_paired(&response), "{fields}");
    }
    let clients = stack.door.clients().await;
    let labels: Vec<_> = clients
        .iter()
        .filter(|label| label.ends_with("@sso"))
        .collect();
    assert_eq!(labels.len(), 5, "{clients:?}");
    assert!(
        labels.iter().all(|label| *label == "ada@example.org@sso"),
        "{labels:?}"
    );

    // The secret: a second one beside it, Traefik with the second, the first one gone.
    let gate = stack.door.outpost.cookie_of("bob@example.org");
    let paired = load(traefik, "/", &format!("Cookie: {gate}\n")).await;
    assert!(is_paired(&paired), "{}", paired.status);
    let cookies = format!("Cookie: {gate}; {}\n", paired.cookie());
    let takes = async |secret: &str| {
        let fields = format!("X-Dispatcher-Secret: {secret}\n{mallory}");
        is_paired(&load(stack.door.dispatcher.addr, "/", &fields).await)
    };
    stack
        .door
        .replace_secrets(&format!("{SECRET}\n{OTHER_SECRET}\n"));
    undisturbed_until(traefik, &cookies, async || takes(OTHER_SECRET).await).await;
    stack.behind.secret = OTHER_SECRET.to_owned();
    stack.traefik.change(&stack.door.certificate, &stack.behind);
    undisturbed_until(traefik, &cookies, async || {
        stack.traefik.has_changed().await
    })
    .await;
    stack.door.replace_secrets(OTHER_SECRET);
    undisturbed_until(traefik, &cookies, async || !takes(SECRET).await).await;
    stack.finish().await;
}
