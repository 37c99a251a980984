//! `t3-dispatcher check`: each fault fails its own step, and its advice names the cause.

use std::net::SocketAddr;
use std::time::Duration;

use t3_dispatcher::check::check;
use t3_dispatcher::check::devices::DevicesCheck;
use t3_standin::faults::Faults;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::common::raw_upstream::{RawUpstream, target_of};
use crate::common::{World, config};

/// A name, the fault, `--mint`, the step that fails, and a word of its report.
type Case = (
    &'static str,
    fn(&mut Faults),
    &'static str,
    &'static str,
    &'static str,
);

const CASES: [Case; 15] = [
    (
        "fails",
        |f| f.cli_fail = true,
        "auto",
        "admin session",
        "told to fail",
    ),
    (
        "issues nothing",
        |f| f.cli_no_session_issue = true,
        "auto",
        "admin session",
        "no session",
    ),
    (
        "prints rubbish",
        |f| f.cli_garbage = true,
        "auto",
        "admin session",
        "T3_BIN",
    ),
    (
        "prints 50 MB",
        |f| f.cli_flood_bytes = 50_000_000,
        "cli",
        "credential",
        "over 64 KiB",
    ),
    (
        "mints nothing",
        |f| f.cli_empty_credential = true,
        "cli",
        "credential",
        "nothing usable",
    ),
    (
        "hangs",
        |f| f.cli_hang = true,
        "cli",
        "credential",
        "did not end in time",
    ),
    (
        "is locked",
        |f| f.cli_locked_times = 100,
        "cli",
        "credential",
        "did not end in time",
    ),
    ("t3 hangs", |f| f.hang_all = true, "auto", "t3", "hang"),
    (
        "no state",
        |f| f.session_status = Some(500),
        "auto",
        "cookie",
        "t3's log",
    ),
    (
        "api refuses",
        |f| f.pairing_token_status = Some(403),
        "auto",
        "credential",
        "T3CODE_HOME",
    ),
    (
        "api is gone",
        |f| f.pairing_token_status = Some(404),
        "api",
        "credential",
        "newer",
    ),
    (
        "exchange refuses",
        |f| f.refuse_exchange = true,
        "auto",
        "session",
        "T3CODE_HOME",
    ),
    (
        "exchange fails",
        |f| f.exchange_status = Some(500),
        "auto",
        "session",
        "t3's log",
    ),
    (
        "exchange is lost",
        |f| f.exchange_lost = true,
        "auto",
        "session",
        "cut the connection",
    ),
    (
        "no cookie",
        |f| f.no_set_cookie = true,
        "auto",
        "session",
        "newer",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn each_fault_fails_its_step_and_its_advice_names_the_cause() {
    let cases = CASES.map(|(name, set, mint, red, word)| async move {
        let world = World::with(&["--mint", "cli"]).await;
        world.standin.set_faults(set);
        let mut config = config(world.standin.addr(), world.dir.path(), &["--mint", mint]);
        match name {
            "hangs" | "is locked" => config.timing.cli_run = Duration::from_secs(2),
            "t3 hangs" => config.timing.api_response = Duration::from_secs(1),
            _ => {}
        }
        let report = check(
            config.upstream,
            config.pairing,
            DevicesCheck::default(),
            config.timing,
        )
        .await;
        assert!(!report.is_well(), "{name}: {report}");
        let report = report.json();
        let mut steps = report["steps"].as_array().expect("steps").iter();
        let step = steps.find(|step| step["outcome"] == "failed");
        let step = step.expect("a step that failed");
        assert_eq!(step["name"], red, "{name}: {report:#}");
        let said = format!("{} {}", step["what"], step["advice"]);
        assert!(said.contains(word), "{name}: {said}");
        assert!(
            step["advice"]
                .as_str()
                .is_some_and(|advice| !advice.is_empty()),
            "{name}"
        );
    });
    for case in cases.map(tokio::spawn) {
        case.await.expect("no case failed");
    }
}

/// `standin` behind a relay that changes one response of it: of the descriptor, or of `/ws`.
async fn relayed(standin: SocketAddr, target: &'static str, response: &'static str) -> RawUpstream {
    let own = move |head: &[u8]| {
        let is_it = target_of(head).starts_with(target);
        is_it.then(|| response.as_bytes().to_vec())
    };
    RawUpstream::with_own_requests(own, move |mut client, head, _| async move {
        let mut t3 = TcpStream::connect(standin).await.expect("a listener");
        t3.write_all(&head).await.expect("a request");
        let _ = tokio::io::copy_bidirectional(&mut client, &mut t3).await;
    })
    .await
}

/// The steps that failed where `upstream` stands for `world`'s t3, and the whole report.
async fn failed(world: &World, upstream: SocketAddr) -> (Vec<String>, String) {
    let config = config(upstream, world.dir.path(), &[]);
    let report = check(
        config.upstream,
        config.pairing,
        DevicesCheck::default(),
        config.timing,
    )
    .await;
    let json = report.json();
    let steps = json["steps"].as_array().expect("steps").iter();
    let failed = steps.filter(|step| step["outcome"] == "failed");
    let names = failed.map(|step| step["name"].as_str().expect("a name").to_owned());
    (names.collect(), report.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_protocol_is_red_with_its_cure_and_every_other_step_is_made() {
    let world = World::with(&["--mint", "cli"]).await;
    let third = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 60\r\n\r\n\
        {\"serverVersion\":\"0.0.26\",\"orchestrationProtocolVersion\":3}  ";
    let t3 = relayed(world.standin.addr(), "/.well-known/t3/environment", third).await;
    let (failed, report) = failed(&world, t3.addr).await;
    assert_eq!(failed, ["protocol"], "{report}");
    for word in [
        "3, as t3's descriptor says; this dispatcher knows 1 and 2",
        "look for a newer dispatcher",
        "/ws?orchestrationProtocol=3 is open",
        "its sessions are revoked",
    ] {
        assert!(report.contains(word), "{word}\n{report}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_of_another_protocol_is_red_with_its_cure() {
    let world = World::with(&["--mint", "cli"]).await;
    let refusal = "HTTP/1.1 426 Upgrade Required\r\nContent-Length: 2\r\n\r\n{}";
    let t3 = relayed(world.standin.addr(), "/ws", refusal).await;
    let (failed, report) = failed(&world, t3.addr).await;
    assert_eq!(failed, ["websocket"], "{report}");
    for word in [
        "426 Upgrade Required",
        "another protocol",
        "newer dispatcher",
    ] {
        assert!(report.contains(word), "{word}\n{report}");
    }
}
