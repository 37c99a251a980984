//! `t3-dispatcher check` of one person among several, and of everybody.

use std::path::Path;

use serde_json::{Value, json};
use t3_standin::server::{Options as StandinOptions, Standin};
use tempfile::TempDir;

use crate::common::process::{command, output};
use crate::common::{Dispatcher, cli_in};

/// Runs `check` with these arguments, behind single sign-on; returns what it prints and its exit code.
async fn check(args: &[&str]) -> (String, Option<i32>) {
    let mut command = command();
    command.args(["check", "--identity-header", "X-User"]);
    command.args(args);
    let run = tokio::task::spawn_blocking(move || output(&mut command));
    let run = run.await.expect("no panic");
    let said = String::from_utf8_lossy(&run.stdout).into_owned();
    (said, run.status.code())
}

async fn report(args: &[&str]) -> (Value, Option<i32>) {
    let (said, code) = check(&[args, &["--json"]].concat()).await;
    let value = serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"));
    (value, code)
}

/// The names of the steps with this outcome.
fn steps<'a>(report: &'a Value, outcome: &str) -> Vec<&'a str> {
    let steps = report["steps"].as_array().expect("steps").iter();
    let found = steps.filter(|step| step["outcome"] == outcome);
    found.filter_map(|step| step["name"].as_str()).collect()
}

fn living_sessions(t3: &Standin) -> usize {
    let sessions = t3.sessions();
    sessions.iter().filter(|session| !session.revoked).count()
}

async fn standin(dir: &Path, name: &str) -> Standin {
    let options = StandinOptions::new(dir.join(name));
    Standin::start(options).await.expect("a free port")
}

/// A dispatcher beside its own t3, which lets in that user beside the secret in `secret`.
async fn inner(t3: &Standin, secret: &Path, user: &str) -> Dispatcher {
    let secret = secret.to_str().expect("a UTF-8 path");
    let args = ["--identity-header", "X-User", "--secret-file", secret];
    let args = [&args[..], &["--allowed-users", user]].concat();
    Dispatcher::in_front_of(t3.addr(), &args).await
}

#[tokio::test(flavor = "multi_thread")]
async fn it_goes_the_way_of_one_person_or_of_everybody() {
    let dir = TempDir::new().expect("a temporary directory");
    let (ada, bob) = (
        standin(dir.path(), "ada").await,
        standin(dir.path(), "bob").await,
    );
    let (secret, other) = (dir.path().join("secret"), dir.path().join("other"));
    std::fs::write(&secret, "s3cret\n").expect("writable");
    std::fs::write(&other, "another\n").expect("writable");
    let [cyd, dan, fil] = [
        inner(&bob, &secret, "cyd").await,
        inner(&bob, &secret, "dan").await,
        inner(&bob, &secret, "somebody").await,
    ];
    let cli = cli_in(dir.path());
    let via = |to: &Dispatcher, secret: &Path| json!({"port": to.addr.port(), "via": "dispatcher", "secret_file": secret});
    let mint = json!([
        cli,
        "auth",
        "pairing",
        "create",
        "--json",
        "--base-dir",
        bob.base_dir()
    ]);
    let well = json!({
        "ada": {"port": ada.addr().port(), "base_dir": ada.base_dir(), "t3_bin": cli},
        "bob": {"port": bob.addr().port(), "mint": mint},
        "cyd": via(&cyd, &secret),
    });
    let mut all = well.clone();
    all["dan"] = via(&dan, &other);
    all["eve"] = json!({"port": 1, "base_dir": ada.base_dir(), "t3_bin": cli});
    all["fil"] = via(&fil, &secret);
    let table = dir.path().join("people.json");
    let path = table.to_str().expect("a UTF-8 path");
    std::fs::write(&table, all.to_string()).expect("writable");
    let of = |user| ["--routes", path, "--user", user];

    let (found, code) = report(&of("ada")).await;
    assert_eq!((&found["well"], code), (&json!(true), Some(0)), "{found:#}");
    assert_eq!(living_sessions(&ada), 0, "{found:#}");
    let (found, code) = report(&of("bob")).await;
    assert_eq!((&found["well"], code), (&json!(true), Some(0)), "{found:#}");
    assert!(steps(&found, "skipped").contains(&"admin session"));
    let text = found.to_string();
    assert!(
        text.contains("not available: with a mint command alone"),
        "{text}"
    );
    let (found, code) = report(&of("cyd")).await;
    assert_eq!((&found["well"], code), (&json!(true), Some(0)), "{found:#}");
    assert_eq!(steps(&found, "well"), ["person", "dispatcher", "secret"]);
    for (user, failed) in [
        ("dan", "secret"),
        ("eve", "t3"),
        ("fil", "secret"),
        ("zoe", "person"),
        ("Ada", "person"),
        ("ada ", "person"),
    ] {
        let (found, code) = report(&of(user)).await;
        assert_eq!(code, Some(1), "{user}: {found:#}");
        assert_eq!(steps(&found, "failed"), [failed], "{user}: {found:#}");
    }

    let everybody = ["--routes", path, "--all"];
    let (found, code) = report(&everybody).await;
    assert_eq!((&found["well"], code), (&json!(false), Some(1)));
    let people = found["people"].as_array().expect("people").iter();
    let people: Vec<_> = people
        .map(|person| (person["name"].as_str(), person["outcome"].as_str()))
        .collect();
    let outcomes = ["well", "well", "well", "failed", "failed", "failed"];
    let names = ["ada", "bob", "cyd", "dan", "eve", "fil"];
    let expected: Vec<_> = names
        .into_iter()
        .map(Some)
        .zip(outcomes.map(Some))
        .collect();
    assert_eq!(people, expected, "{found:#}");
    let (said, code) = check(&everybody).await;
    assert_eq!(code, Some(1));
    for line in [
        "ok     ada",
        "FAILED eve",
        "not available: 1 of the table (bob) have a mint command alone",
        "all is well with 3 of 6",
    ] {
        assert!(said.contains(line), "{line}\n{said}");
    }
    std::fs::write(&table, well.to_string()).expect("writable");
    let (said, code) = check(&everybody).await;
    assert_eq!(code, Some(0), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whose_way_it_is_has_to_be_said() {
    let template = ["--upstream-template", "t3-{user}.svc:1"];
    for args in [
        &["--user", "ada"][..],
        &["--all"],
        &["--routes", "/people.json"],
        &["--routes", "/people.json", "--user", "ada", "--all"],
        &template,
        &[&template[..], &["--all"]].concat(),
    ] {
        let (said, code) = check(args).await;
        assert_eq!(code, Some(2), "{args:?}: {said}");
    }
    let (said, code) = check(&["--routes", "/no/people.json", "--all"]).await;
    assert_eq!(code, Some(1), "{said}");
    let (found, code) = report(&[&template[..], &["--user", "Ada"]].concat()).await;
    assert_eq!(code, Some(1), "{found:#}");
    assert_eq!(steps(&found, "failed"), ["person"]);
}

/// A name that no mint command can be given leads nowhere, whatever its row says.
#[tokio::test(flavor = "multi_thread")]
async fn everybody_s_check_tells_who_is_refused() {
    let dir = TempDir::new().expect("a temporary directory");
    let t3 = standin(dir.path(), "t3").await;
    let token = t3.issue_administrative_session("by hand").expect("writes");
    let file = dir.path().join("token");
    std::fs::write(&file, token).expect("writable");
    let row = json!({"port": t3.addr().port(), "token_file": file});
    let rows = json!({"cyd": row, "cyd@example.org": row});
    let table = dir.path().join("people.json");
    std::fs::write(&table, rows.to_string()).expect("writable");
    let table = table.to_str().expect("a UTF-8 path");
    let (said, code) = check(&["--routes", table, "--mint-command", "mint {user}", "--all"]).await;
    assert_eq!(code, Some(1), "{said}");
    let refused = said.lines().find(|line| line.contains("cyd@example.org"));
    let refused = refused.expect("a line");
    assert!(
        refused.starts_with("FAILED") && refused.contains("person"),
        "{said}"
    );
    assert!(said.contains("ok     cyd\n"), "{said}");
}
