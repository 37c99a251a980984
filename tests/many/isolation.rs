//! Nothing of one person is anything at another's t3.

use std::time::{Duration, Instant};

use crate::common::{PAGE, Scrape, request};
use crate::town::{Town, USER};

const PEOPLE: [&str; 4] = ["ada", "bob", "cyd", "dan"];

#[tokio::test(flavor = "multi_thread")]
async fn each_lands_in_his_own() {
    let town = Town::of(&PEOPLE).await;
    for name in PEOPLE {
        let cookie = town.sign_in(name).await;
        assert_eq!(town.page(name, "/t/1", &cookie).await.status, 200);
        let (_, opened) = town.websocket(name, &cookie).await;
        assert_eq!(opened.status, 101, "{name}");
        let asked = town.home(name).requests();
        assert!(asked.iter().any(|seen| seen.target == b"/t/1"));
    }
    for name in PEOPLE {
        let others = town.home(name).requests();
        let pages = others.iter().filter(|seen| seen.target == b"/t/1");
        assert_eq!(pages.count(), 1, "{name}'s t3 saw {name} alone");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_of_one_is_none_at_another_s() {
    let town = Town::of(&PEOPLE).await;
    let mut cookies = Vec::new();
    for name in PEOPLE {
        cookies.push((name, town.sign_in(name).await));
    }
    for (owner, cookie) in &cookies {
        let value = cookie.split_once('=').expect("a cookie").1;
        for (name, own) in &cookies {
            if name == owner {
                continue;
            }
            // Under whatever name the other t3 has for it.
            let own_name = own.split_once('=').expect("a cookie").0;
            let foreign = format!("{own_name}={value}; {cookie}");
            // A browser of its own each time: one that comes back without a session is in a loop.
            let agent = PAGE.replace("(test)", &format!("({owner} at {name})"));
            let head = format!("GET /\n{agent}\n{USER}: {name}\nCookie: {foreign}");
            let page = request(town.dispatcher.addr, &head).await;
            assert_eq!(page.status, 302, "{owner}'s at {name}'s is none");
            assert_ne!(page.cookie(), *cookie);
            let session = town.fetch(name, "/api/auth/session", &foreign).await;
            assert_eq!(session.json()["authenticated"], false, "{owner} at {name}");
            let bearer =
                format!("GET /api/auth/session\n{USER}: {name}\nAuthorization: Bearer {value}");
            let response = request(town.dispatcher.addr, &bearer).await;
            assert_ne!(response.json()["authenticated"], true, "{owner} at {name}");
        }
    }
}

/// A name stands for what the person's own t3 has sent under it, on both ways.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_kept_of_one_is_nothing_at_another_s() {
    let town = Town::of(&["ada", "bob"]).await;
    let (addr, path) = (town.dispatcher.addr, "/assets/filler-00000001.woff2");
    let asked_of = |name: &str| {
        let requests = town.home(name).requests();
        let is_this = |seen: &&t3_standin::seen::Seen| seen.target == path.as_bytes();
        requests.iter().filter(is_this).count()
    };
    let mut tag = String::new();
    for _ in 0..3 {
        let response = request(addr, &format!("GET {path}\n{USER}: ada")).await;
        assert_eq!(response.status, 200);
        tag = response.header("etag");
    }
    assert_eq!(asked_of("ada"), 1, "it is kept");
    let held = format!("GET {path}\nIf-None-Match: {tag}\n{USER}");
    assert_eq!(request(addr, &format!("{held}: ada")).await.status, 304);
    // bob's t3 has every file validated, and this name is no hash to it.
    for turn in 1..=3 {
        let before = asked_of("bob");
        let response = request(addr, &format!("{held}: bob")).await;
        assert_eq!(response.status, 200, "{turn}");
        assert!(asked_of("bob") > before, "{turn}");
    }
    for nobody in ["eve", "Ada", "", "ada, bob"] {
        for head in [&held, &format!("GET {path}\n{USER}")] {
            let response = request(addr, &format!("{head}: {nobody}")).await;
            assert_eq!(response.status, 403, "{nobody:?}");
            assert_eq!(response.header("etag"), "");
        }
    }
    assert_eq!(request(addr, &format!("GET {path}")).await.status, 403);
    assert_eq!(asked_of("ada"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_and_unknown_people_get_403() {
    let town = Town::of(&["ada"]).await;
    let addr = town.dispatcher.addr;
    for stated in [
        "bob",
        "Ada",
        "ADA",
        "ada ",
        "ada/",
        "ada,ada",
        "ada%20",
        "%61da",
        "аda",
        "ada@x",
        "ada\u{0}",
        "*",
        "",
        "{user}",
        "../ada",
        "a\u{301}da",
        "\"ada\"",
    ] {
        if stated.contains('\0') || stated == "ada " {
            // The first is no field, and the second is her name (RFC 9110 §5.5).
            continue;
        }
        for target in ["/", "/api/auth/session", "/assets/a.js", "/ws"] {
            let head = format!("GET {target}\n{PAGE}\n{USER}: {stated}");
            let response = request(addr, &head).await;
            assert_eq!(response.status, 403, "{stated:?} at {target}");
            assert_eq!(response.all("set-cookie"), Vec::<String>::new());
        }
    }
    for head in [
        format!("GET /\n{PAGE}"),
        format!("GET /\n{PAGE}\n{USER}: ada\n{USER}: ada"),
        "GET /api/auth/session".to_owned(),
    ] {
        assert_eq!(request(addr, &head).await.status, 403, "{head}");
    }
    let asked = town.home("ada").requests();
    assert!(asked.is_empty(), "nothing came to her: {asked:?}");
    assert_eq!(request(addr, "GET /healthz").await.status, 200);
    assert_eq!(request(addr, "GET /readyz").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_t3_that_hangs_is_not_felt_by_others() {
    let town = Town::of(&["ada", "bob"]).await;
    let (ada, bob) = (town.sign_in("ada").await, town.sign_in("bob").await);
    town.home("ada").set_faults(|faults| faults.hang_all = true);
    let hanging = town.fetch("ada", "/api/auth/session", &ada);
    let others = async {
        let mut took = Vec::new();
        for _ in 0..50 {
            let start = Instant::now();
            assert_eq!(
                town.fetch("bob", "/api/auth/session", &bob).await.status,
                200
            );
            took.push(start.elapsed());
        }
        took.sort();
        took[took.len() - 2]
    };
    let slowest = tokio::select! {
        response = hanging => panic!("{}", response.status),
        slowest = others => slowest,
    };
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
}

/// Another user of this machine may listen where a person's t3 does not: nothing is sent there.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_to_another_user_s_listener() {
    let own = std::process::Command::new("id").arg("-un").output();
    let own = String::from_utf8(own.expect("a program").stdout).expect("a name");
    let town = Town::timed(&["ada", "bob", "cyd"], &[], |timing| {
        timing.routes_reread = Duration::from_millis(50);
        timing.page_patience = Duration::from_millis(300);
    })
    .await;
    // The first table is read.
    assert_eq!(town.page("dan", "/", "").await.status, 403);
    let row = |name: &str, os_user: &str| {
        let mut row = town.row(name);
        row["os_user"] = os_user.into();
        row
    };
    town.set_table(&serde_json::json!({
        "ada": row("ada", own.trim()),
        "bob": row("bob", "nobody"),
        "cyd": row("cyd", "no-such-user"),
    }));
    let loaded = "routes_reloads_total{outcome=\"ok\"}";
    Scrape::until(town.dispatcher.metrics, |scrape| scrape.get(loaded) >= 2.0).await;
    town.sign_in("ada").await;
    for name in ["bob", "cyd"] {
        assert_eq!(town.page(name, "/", "").await.status, 503, "{name}");
        assert_eq!(town.fetch(name, "/api/x", "").await.status, 503, "{name}");
        assert!(town.home(name).requests().is_empty(), "{name}");
    }
}
