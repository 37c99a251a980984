//! What t3 is asked for once, and what it is asked for again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::AsyncWriteExt;
use tokio::sync::Semaphore;

use crate::assets::files::{decoded, file, file_with, script};
use crate::assets::harness::{T3, World, path_of};
use crate::common::{Client, request};

#[tokio::test]
async fn t3_is_asked_once_and_need_not_be_there_any_more() {
    let body = script(100_000);
    let world = World::with(vec![
        ("/assets/a.js", file("text/javascript", &body)),
        ("/assets/a.png", file("image/png", &body)),
    ])
    .await;
    for path in ["/assets/a.js", "/assets/a.png"] {
        for _ in 0..5 {
            assert!(decoded(&world.get(path, "br").await) == body, "{path}");
        }
        assert_eq!(world.t3.asked(path), 1, "{path}");
    }
    let World {
        t3,
        dispatcher,
        dir,
    } = world;
    drop(t3);
    for path in ["/assets/a.js", "/assets/a.png"] {
        let answer = request(dispatcher.addr, &format!("GET {path}\nAccept-Encoding: br")).await;
        assert!(answer.status == 200 && decoded(&answer) == body, "{path}");
    }
    drop(dir);
}

#[tokio::test]
async fn clients_that_come_together_share_one_fetch() {
    let (body, gate) = (script(300_000), Arc::new(Semaphore::new(0)));
    let (answer, closed) = (file("text/javascript", &body), Arc::clone(&gate));
    let t3 = T3::start(move |_, mut stream| {
        let (answer, gate) = (answer.clone(), Arc::clone(&closed));
        async move {
            let half = answer.len() / 2;
            let _ = stream.write_all(&answer[..half]).await;
            let _ = gate.acquire().await;
            let _ = stream.write_all(&answer[half..]).await;
        }
    })
    .await;
    let world = World::of(t3, &[]).await;
    let head = "GET /assets/a.js\nAccept-Encoding: br";
    let mut first = Client::connect(world.addr()).await;
    first.send_head(head).await;
    assert_eq!(first.head().await.expect("a head").status, 200);
    let mut clients = Vec::new();
    for _ in 0..20 {
        let mut client = Client::connect(world.addr()).await;
        client.send_head(head).await;
        clients.push(client);
    }
    // The fetch goes on without the client that it began for.
    drop(first);
    gate.add_permits(1000);
    for client in &mut clients {
        let answer = client.answer(false).await;
        assert!(answer.complete && decoded(&answer) == body);
    }
    assert_eq!(world.t3.asked("/assets/a.js"), 1);
}

#[tokio::test]
async fn what_is_kept_was_asked_for_by_nobody_in_particular() {
    let world = World::with(vec![(
        "/assets/a.js",
        file("text/javascript", &script(5000)),
    )])
    .await;
    let head = "GET /assets/a.js\nAccept-Encoding: br\nCookie: t3_session=x\n\
        If-None-Match: \"x\"\nAccept-Language: de";
    assert_eq!(request(world.addr(), head).await.status, 200);
    assert!(world.t3.heads("/assets/a.js").is_empty(), "no client's own");
    assert_eq!(world.t3.asked("/assets/a.js"), 1);
}

#[tokio::test]
async fn a_page_under_a_missing_name_is_neither_kept_nor_for_ever() {
    let (page, body) = (script(3000), script(5000));
    let is_there = Arc::new(AtomicBool::new(false));
    let (served, found) = ((page.clone(), body.clone()), Arc::clone(&is_there));
    let t3 = T3::start(move |_, mut stream| {
        let answer = match found.load(Ordering::SeqCst) {
            true => file("text/javascript", &served.1),
            false => file("text/html; charset=utf-8", &served.0),
        };
        async move {
            let _ = stream.write_all(&answer).await;
        }
    })
    .await;
    let world = World::of(t3, &[]).await;
    for turn in 1..=3 {
        let answer = world.get("/assets/gone.js", "br").await;
        assert!(decoded(&answer) == page);
        assert_eq!(answer.all("cache-control"), ["no-cache"]);
        assert_eq!(world.t3.asked("/assets/gone.js"), turn);
    }
    is_there.store(true, Ordering::SeqCst);
    let answer = world.get("/assets/gone.js", "br").await;
    assert!(decoded(&answer) == body);
    assert!(answer.header("cache-control").ends_with("immutable"));
}

#[tokio::test]
async fn what_depends_on_who_asks_is_not_shared() {
    let body = script(5000);
    let answer = file_with("text/javascript", "Vary: Cookie\r\n", &body);
    let t3 = T3::start(move |head, mut stream| {
        let answer = match head.to_lowercase().contains("cookie: t3_session=ada") {
            true => answer.clone(),
            false => b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n".to_vec(),
        };
        async move {
            let _ = stream.write_all(&answer).await;
        }
    })
    .await;
    let world = World::of(t3, &[]).await;
    let head = "GET /assets/a.js\nAccept-Encoding: br\nCookie: t3_session=ada";
    let of_ada = request(world.addr(), head).await;
    assert!(of_ada.status == 200 && decoded(&of_ada) == body);
    assert_eq!(world.get("/assets/a.js", "br").await.status, 401);
}

#[tokio::test]
async fn the_least_recently_used_is_asked_for_again() {
    // Three of these fit, with what keeping each costs.
    let files = ["/assets/1", "/assets/2", "/assets/3", "/assets/4"];
    let answer = file("image/png", &[7; 10_000]);
    let world = World::of(
        T3::with(files.map(|name| (name, answer.clone())).to_vec()).await,
        &["--assets-memory", "36KiB"],
    )
    .await;
    for name in [
        "/assets/1",
        "/assets/2",
        "/assets/3",
        "/assets/1",
        "/assets/4",
    ] {
        assert_eq!(world.get(name, "br").await.body.len(), 10_000);
    }
    assert_eq!(world.get("/assets/1", "br").await.status, 200);
    assert_eq!(world.t3.asked("/assets/1"), 1, "used lately");
    assert_eq!(world.get("/assets/2", "br").await.status, 200);
    assert_eq!(world.t3.asked("/assets/2"), 2, "used longest ago");
}

#[tokio::test]
async fn a_file_cut_short_is_cut_short_for_the_client_and_not_kept() {
    let (body, is_whole) = (script(200_000), Arc::new(AtomicBool::new(false)));
    let (whole, found) = (file("text/javascript", &body), Arc::clone(&is_whole));
    let t3 = T3::start(move |head, mut stream| {
        let length = match found.load(Ordering::SeqCst) {
            true => whole.len(),
            false => whole.len() / 2,
        };
        let page = file("text/html", &whole[whole.len() - 3000..]);
        let answer = match head.starts_with("GET /page.html") {
            true => page[..page.len().min(length / 50)].to_vec(),
            false => whole[..length].to_vec(),
        };
        async move {
            let _ = stream.write_all(&answer).await;
        }
    })
    .await;
    let world = World::of(t3, &[]).await;
    for codings in ["br", "zstd", "gzip", "identity"] {
        let answer = world.get("/assets/a.js", codings).await;
        assert!(!answer.complete, "{codings}");
    }
    let page = world.get("/page.html", "br").await;
    assert_eq!((page.status, page.header("etag").as_str()), (502, ""));
    is_whole.store(true, Ordering::SeqCst);
    for codings in ["br", "zstd", "gzip", "identity"] {
        let answer = world.get("/assets/a.js", codings).await;
        assert!(answer.complete && decoded(&answer) == body, "{codings}");
    }
    assert_eq!(world.get("/page.html", "br").await.status, 200);
}

#[tokio::test]
async fn who_waits_for_a_fetch_that_is_cut_short_gets_the_file_from_t3_itself() {
    let (body, gate) = (script(200_000), Arc::new(Semaphore::new(0)));
    let (whole, closed) = (file("text/javascript", &body), Arc::clone(&gate));
    let is_next_first = AtomicBool::new(true);
    let t3 = T3::start(move |head, mut stream| {
        // The warm-up reads the page.
        let is_file = path_of(&head) == "/assets/a.js";
        let is_first = is_file && is_next_first.swap(false, Ordering::SeqCst);
        let (whole, gate) = (whole.clone(), Arc::clone(&closed));
        async move {
            let half = &whole[..whole.len() / 2];
            let _ = stream.write_all(if is_first { half } else { &whole }).await;
            if is_first {
                let _ = gate.acquire().await;
            }
        }
    })
    .await;
    let world = World::of(t3, &[]).await;
    let head = "GET /assets/a.js\nAccept-Encoding: br";
    let mut leader = Client::connect(world.addr()).await;
    leader.send_head(head).await;
    assert_eq!(leader.head().await.expect("a head").status, 200);
    let mut follower = Client::connect(world.addr()).await;
    follower.send_head(head).await;
    gate.add_permits(1);
    assert!(!leader.rest().await.ends_with(b"0\r\n\r\n"), "cut short");
    let answer = follower.answer(false).await;
    assert!(answer.complete && decoded(&answer) == body);
    assert_eq!(world.t3.asked("/assets/a.js"), 2);
}
