//! Four people behind one dispatcher: three stand-ins and the real t3, each person in a profile of Chromium's.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use t3_standin::edition::Edition;
use t3_standin::server::{Options as StandinOptions, Standin};

use crate::chromium::CONNECTED;
use crate::common::browser::{Browser, Page};
use crate::common::process::{self, Process};
use crate::common::{cli_in, request};
use crate::t3::T3;

const PATIENCE: Duration = Duration::from_secs(60);

/// The field that names the person.
const USER: &str = "X-User";

const LIVE: &str = "document.documentElement.dataset.state === 'live'";

/// A path that every page asks for, to be found among what a t3 was asked.
const OWN_PATH: &str = "/t/own";

fn row(standin: &Standin, dir: &Path) -> Value {
    json!({"port": standin.addr().port(), "base_dir": standin.base_dir(), "t3_bin": cli_in(dir)})
}

async fn opened(browser: &Browser, dispatcher: &Process, name: &str, is_live: &str) -> Page {
    let page = browser.page().await;
    page.set_extra_headers(&[(USER, name)]).await;
    page.navigate(&format!("http://{}{OWN_PATH}", dispatcher.addr))
        .await;
    page.wait_for(is_live, PATIENCE).await;
    page
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a real t3: set LIVE_T3_BIN to its path"]
async fn four_people_are_each_in_their_own_cockpit() {
    let Some(browser) = Browser::launch().await else {
        return;
    };
    let t3 = T3::start().await;
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut standins = Vec::new();
    let mut table = json!({"dan": t3.row()});
    for (name, edition) in [
        ("ada", Edition::June),
        ("bob", Edition::September),
        ("cyd", Edition::Protocol2),
    ] {
        let options = StandinOptions::of(edition, dir.path().join(name));
        let standin = Standin::start(options).await.expect("a free port");
        table[name] = row(&standin, dir.path());
        standins.push((name, standin));
    }
    let path = dir.path().join("routes.json");
    std::fs::write(&path, table.to_string()).expect("writable");
    let mut command = process::command();
    command
        .env("HOME", dir.path())
        .env("T3CODE_TELEMETRY_ENABLED", "false")
        .env("DISPATCHER_IDENTITY_HEADER", USER)
        .env("DISPATCHER_ROUTES", &path);
    let dispatcher = Process::start(&mut command);
    let mut pages = Vec::new();
    for (name, _) in &standins {
        pages.push(opened(&browser, &dispatcher, name, LIVE).await);
    }
    pages.push(opened(&browser, &dispatcher, "dan", CONNECTED).await);
    for (name, standin) in &standins {
        let asked = standin.requests();
        let pages = asked.iter().filter(|seen| {
            seen.target == OWN_PATH.as_bytes() && seen.header("sec-fetch-dest") == Some(b"document")
        });
        // The load that pairs is answered before t3 sees it.
        assert_eq!(pages.count(), 1, "{name}'s page alone came to {name}'s t3");
    }
    // The cookie of each is nothing at another's.
    let names = ["ada", "bob", "cyd", "dan"];
    for (owner, page) in names.iter().zip(&pages) {
        let cookies = page.cookies().await;
        let cookies = cookies.iter().map(|cookie| {
            let part = |of: &str| cookie[of].as_str().unwrap_or_default().to_owned();
            format!("{}={}", part("name"), part("value"))
        });
        let cookies = cookies.collect::<Vec<_>>().join("; ");
        for name in names {
            let head = format!("GET /api/auth/session\n{USER}: {name}\nCookie: {cookies}");
            let session = request(dispatcher.addr, &head).await;
            let is_own = name == *owner;
            assert_eq!(
                session.json()["authenticated"],
                is_own,
                "{owner}'s at {name}'s"
            );
        }
    }
    for page in pages {
        page.close().await;
    }
    t3.finish().await;
}
