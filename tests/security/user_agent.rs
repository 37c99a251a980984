//! A User-Agent of any length: a person is paired, and little of it is kept.

use t3_standin::seen::Seen;

use crate::common::process::{Process, standin_and_command};
use crate::common::{PAGE, World, request};
use crate::harness::{ADA, HEADER, each};
use crate::resource_use::MOST_KIB;

/// A page load by a browser that calls itself `name`.
fn page(name: &str) -> String {
    format!("GET /\n{}", PAGE.replace("Mozilla/5.0 (test)", name))
}

/// The heads that t3 reads end at 16 KiB (contract §7).
#[tokio::test]
async fn a_long_user_agent_is_cut_for_the_exchange() {
    let x = "x".repeat(1023);
    let cases = [
        ("Mozilla/5.0".to_owned(), "Mozilla/5.0".to_owned()),
        (format!("{x}{}", "y".repeat(100_000)), format!("{x}y")),
        (format!("{x}\u{e9}{}", "y".repeat(100_000)), x.clone()),
        (format!("{x}\u{1f600}"), x),
    ];
    each(cases, |(sent, expected)| async move {
        let world = World::with(&HEADER).await;
        let paired = request(world.addr(), &format!("{}\n{ADA}", page(&sent))).await;
        assert_eq!(paired.status, 302, "{} bytes", sent.len());
        let seen = world.standin.requests();
        let exchange = |seen: &&Seen| seen.target == b"/api/auth/browser-session";
        let exchange = seen.iter().find(exchange).expect("an exchange");
        assert_eq!(exchange.header("user-agent"), Some(expected.as_bytes()));
    })
    .await;
}

/// What is kept of each browser is bounded, whatever its
/// request has.
#[tokio::test]
async fn browsers_with_long_fields_cost_little_memory() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (standin, mut command) = standin_and_command(dir.path()).await;
    // Nobody reads its log.
    command.env("RUST_LOG", "info,t3_dispatcher::pairing=warn");
    command.args(["--mint", "api"]).args(HEADER);
    let process = Process::start(&mut command);
    let long = "x".repeat(100_000);
    for number in 0..800 {
        let fields = match number % 2 {
            0 => page(&format!("{number}{long}")),
            _ => format!("{}\nX-Long: {long}", page(&number.to_string())),
        };
        let person = format!("X-authentik-username: person{number}");
        let response = request(process.addr, &format!("{fields}\n{person}")).await;
        assert_eq!(response.status, 302, "{number}");
    }
    let resident = process.resident();
    println!("{resident} KiB resident");
    assert!(resident < MOST_KIB, "{resident} KiB resident");
    drop(standin);
}
