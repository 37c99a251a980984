//! Ten thousand guesses cost no more than their answers.

use std::time::{Duration, Instant};

use crate::common::Client;
use crate::common::process::{Process, standin_and_command};
use crate::door::HOST;

const GUESSES: usize = 10_000;
const CONNECTIONS: usize = 20;

/// What the process may hold more afterwards, in KiB.
const MORE_KIB: u64 = 6 * 1024;

/// The codes that a client may show at once before it is told to wait, and one a second after that.
const BURST: usize = 60;

/// A guess: each another one.
fn guess(kind: &str, number: usize) -> (String, String) {
    match kind {
        "code" => {
            let body = format!(
                "grant_type=urn:ietf:params:oauth:grant-type:token-exchange&subject_token={number:012}\
                &subject_token_type=urn:t3:params:oauth:token-type:environment-bootstrap"
            );
            let head = format!(
                "POST /oauth/token\nHost: {HOST}\nContent-Type: application/x-www-form-urlencoded\n\
                Content-Length: {}",
                body.len()
            );
            (head, body)
        }
        _ => {
            let claims = format!(
                r#"{{"v":1,"kind":"session","sid":"{number}","method":"bearer-access-token","exp":9999999999999}}"#
            );
            let claims = data_encoding::BASE64URL_NOPAD.encode(claims.as_bytes());
            let head = format!(
                "GET /api/auth/session\nHost: {HOST}\nAuthorization: Bearer {claims}.c2lnbmF0dXJl"
            );
            (head, String::new())
        }
    }
}

/// Makes the guesses by several connections at once; how many were answered by each of 401 and 429.
async fn guess_all(to: std::net::SocketAddr, kind: &'static str) -> (usize, usize) {
    let share = GUESSES / CONNECTIONS;
    let guessers = (0..CONNECTIONS).map(|connection| {
        tokio::spawn(async move {
            let mut client = Client::connect(to).await;
            let (mut refused, mut told_to_wait) = (0, 0);
            for number in connection * share..(connection + 1) * share {
                let (head, body) = guess(kind, number);
                client.send_head(&head).await;
                client.send(body.as_bytes()).await;
                let response = client.response(false).await;
                match response.status {
                    401 => refused += 1,
                    429 => {
                        assert!(!response.header("retry-after").is_empty());
                        told_to_wait += 1;
                    }
                    status => panic!("{status}: {}", response.text()),
                }
            }
            (refused, told_to_wait)
        })
    });
    let mut all = (0, 0);
    for guesser in guessers.collect::<Vec<_>>() {
        let (refused, told_to_wait) = guesser.await.expect("no panic");
        all = (all.0 + refused, all.1 + told_to_wait);
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_guesses_cost_no_more_than_their_answers() {
    for kind in ["code", "token"] {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (standin, mut command) = standin_and_command(dir.path()).await;
        let process = Process::start(command.env("DISPATCHER_DEVICE_PORT", "0"));
        let door = process.devices.expect("a door for apps");
        let ready = Client::connect(door)
            .await
            .exchange("GET /.well-known/t3/environment")
            .await;
        assert_eq!(ready.status, 200);
        standin.clear_requests();
        let before = process.resident();
        let start = Instant::now();
        let (refused, told_to_wait) = guess_all(door, kind).await;
        let took = start.elapsed();
        let grown = process.resident().saturating_sub(before);
        println!(
            "{kind}: {refused} refused, {told_to_wait} told to wait, {took:?}, {grown} KiB more"
        );
        assert_eq!(refused + told_to_wait, GUESSES);
        assert!(refused <= BURST + took.as_secs() as usize + 1, "{refused}");
        assert!(grown < MORE_KIB, "{grown} KiB");
        let requests = standin.requests();
        let asked = requests.iter().filter(|seen| {
            let target = String::from_utf8_lossy(&seen.target);
            target.starts_with("/oauth") || target.starts_with("/api/auth/session")
        });
        // A token that has t3's form is t3's to judge, within the budget; of a code t3 hears nothing.
        let may_ask = if kind == "code" { 0 } else { refused };
        let asked = asked.count();
        assert!(asked <= may_ask, "t3 was asked {asked} times");
        // Somebody else, and the one who guessed, are served meanwhile.
        let start = Instant::now();
        let served = Client::connect(door)
            .await
            .exchange("GET /.well-known/t3/environment")
            .await;
        assert!(served.status == 200 && start.elapsed() < Duration::from_secs(2));
    }
}
