//! The store: which files are fetched from t3 once, and which again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::AsyncWriteExt;
use tokio::sync::Semaphore;

use crate::assets::files::{decoded, file, file_with, script};
use crate::assets::site::Site;
use crate::common::raw_upstream::{RawUpstream, target_of};
use crate::common::{Client, request};

#[tokio::test]
async fn a_stored_file_is_fetched_once_and_served_without_t3() {
    let body = script(100_000);
    let world = Site::with(vec![
        ("/assets/a.js", file("text/javascript", &body)),
        ("/assets/a.png", file("image/png", &body)),
    ])
    .await;
    for path in ["/assets/a.js", "/assets/a.png"] {
        for _ in 0..5 {
            assert!(decoded(&world.get(path, "br").await) == body, "{path}");
        }
        assert_eq!(world.t3.count_of(path), 1, "{path}");
    }
    let Site {
        t3,
        dispatcher,
        dir,
    } = world;
    drop(t3);
    for path in ["/assets/a.js", "/assets/a.png"] {
        let response = request(dispatcher.addr, &format!("GET {path}\nAccept-Encoding: br")).await;
        assert!(
            response.status == 200 && decoded(&response) == body,
            "{path}"
        );
    }
    drop(dir);
}

#[tokio::test]
async fn concurrent_clients_share_one_fetch() {
    let (body, gate) = (script(300_000), Arc::new(Semaphore::new(0)));
    let (response, closed) = (file("text/javascript", &body), Arc::clone(&gate));
    let t3 = RawUpstream::of_files(move |mut stream, _, _| {
        let (response, gate) = (response.clone(), Arc::clone(&closed));
        async move {
            let half = response.len() / 2;
            let _ = stream.write_all(&response[..half]).await;
            let _ = gate.acquire().await;
            let _ = stream.write_all(&response[half..]).await;
        }
    })
    .await;
    let world = Site::of(t3, &[]).await;
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
        let response = client.response(false).await;
        assert!(response.complete && decoded(&response) == body);
    }
    assert_eq!(world.t3.count_of("/assets/a.js"), 1);
}

#[tokio::test]
async fn the_fetch_for_the_store_has_no_client_s_fields() {
    let world = Site::with(vec![(
        "/assets/a.js",
        file("text/javascript", &script(5000)),
    )])
    .await;
    let head = "GET /assets/a.js\nAccept-Encoding: br\nCookie: t3_session=x\n\
        If-None-Match: \"x\"\nAccept-Language: de";
    assert_eq!(request(world.addr(), head).await.status, 200);
    assert!(
        world.t3.client_heads("/assets/a.js").is_empty(),
        "no client's own"
    );
    assert_eq!(world.t3.count_of("/assets/a.js"), 1);
}

#[tokio::test]
async fn html_at_the_name_of_an_asset_is_neither_stored_nor_immutable() {
    let (page, body) = (script(3000), script(5000));
    let is_there = Arc::new(AtomicBool::new(false));
    let (served, found) = ((page.clone(), body.clone()), Arc::clone(&is_there));
    let t3 = RawUpstream::of_files(move |mut stream, _, _| {
        let response = match found.load(Ordering::SeqCst) {
            true => file("text/javascript", &served.1),
            false => file("text/html; charset=utf-8", &served.0),
        };
        async move {
            let _ = stream.write_all(&response).await;
        }
    })
    .await;
    let world = Site::of(t3, &[]).await;
    for turn in 1..=3 {
        let response = world.get("/assets/gone.js", "br").await;
        assert!(decoded(&response) == page);
        assert_eq!(response.all("cache-control"), ["no-cache"]);
        assert_eq!(world.t3.count_of("/assets/gone.js"), turn);
    }
    is_there.store(true, Ordering::SeqCst);
    let response = world.get("/assets/gone.js", "br").await;
    assert!(decoded(&response) == body);
    assert!(response.header("cache-control").ends_with("immutable"));
}

#[tokio::test]
async fn a_response_that_varies_by_cookie_is_not_shared() {
    let body = script(5000);
    let response = file_with("text/javascript", "Vary: Cookie\r\n", &body);
    let t3 = RawUpstream::of_files(move |mut stream, head, _| {
        let head = String::from_utf8_lossy(&head).to_lowercase();
        let response = match head.contains("cookie: t3_session=ada") {
            true => response.clone(),
            false => b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n".to_vec(),
        };
        async move {
            let _ = stream.write_all(&response).await;
        }
    })
    .await;
    let world = Site::of(t3, &[]).await;
    let head = "GET /assets/a.js\nAccept-Encoding: br\nCookie: t3_session=ada";
    let of_ada = request(world.addr(), head).await;
    assert!(of_ada.status == 200 && decoded(&of_ada) == body);
    assert_eq!(world.get("/assets/a.js", "br").await.status, 401);
}

#[tokio::test]
async fn the_least_recently_used_file_is_evicted() {
    // Three of these fit, overhead included.
    let files = ["/assets/1", "/assets/2", "/assets/3", "/assets/4"];
    let response = |name: &str| file("image/png", &name.as_bytes().repeat(1_000)[..9_000]);
    let world = Site::of(
        RawUpstream::serving(files.map(|name| (name, response(name))).to_vec()).await,
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
        assert_eq!(world.get(name, "br").await.body.len(), 9_000);
    }
    assert_eq!(world.get("/assets/1", "br").await.status, 200);
    assert_eq!(world.t3.count_of("/assets/1"), 1, "used lately");
    assert_eq!(world.get("/assets/2", "br").await.status, 200);
    assert_eq!(world.t3.count_of("/assets/2"), 2, "used longest ago");
}

#[tokio::test]
async fn a_file_cut_short_is_cut_short_for_the_client_and_not_stored() {
    let (body, is_whole) = (script(200_000), Arc::new(AtomicBool::new(false)));
    let (whole, found) = (file("text/javascript", &body), Arc::clone(&is_whole));
    let t3 = RawUpstream::of_files(move |mut stream, head, _| {
        let length = match found.load(Ordering::SeqCst) {
            true => whole.len(),
            false => whole.len() / 2,
        };
        let page = file("text/html", &whole[whole.len() - 3000..]);
        let response = match head.starts_with(b"GET /page.html") {
            true => page[..page.len().min(length / 50)].to_vec(),
            false => whole[..length].to_vec(),
        };
        async move {
            let _ = stream.write_all(&response).await;
        }
    })
    .await;
    let world = Site::of(t3, &[]).await;
    for codings in ["br", "zstd", "gzip", "identity"] {
        let response = world.get("/assets/a.js", codings).await;
        assert!(!response.complete, "{codings}");
    }
    let page = world.get("/page.html", "br").await;
    assert_eq!((page.status, page.header("etag").as_str()), (502, ""));
    is_whole.store(true, Ordering::SeqCst);
    for codings in ["br", "zstd", "gzip", "identity"] {
        let response = world.get("/assets/a.js", codings).await;
        assert!(response.complete && decoded(&response) == body, "{codings}");
    }
    assert_eq!(world.get("/page.html", "br").await.status, 200);
}

#[tokio::test]
async fn a_follower_of_a_fetch_that_is_cut_short_gets_the_file_from_t3() {
    let (body, gate) = (script(200_000), Arc::new(Semaphore::new(0)));
    let (whole, closed) = (file("text/javascript", &body), Arc::clone(&gate));
    let is_next_first = AtomicBool::new(true);
    let t3 = RawUpstream::of_files(move |mut stream, head, _| {
        // The warm-up reads the page.
        let is_file = target_of(&head) == "/assets/a.js";
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
    let world = Site::of(t3, &[]).await;
    let head = "GET /assets/a.js\nAccept-Encoding: br";
    let mut leader = Client::connect(world.addr()).await;
    leader.send_head(head).await;
    assert_eq!(leader.head().await.expect("a head").status, 200);
    let mut follower = Client::connect(world.addr()).await;
    follower.send_head(head).await;
    gate.add_permits(1);
    assert!(!leader.rest().await.ends_with(b"0\r\n\r\n"), "cut short");
    let response = follower.response(false).await;
    assert!(response.complete && decoded(&response) == body);
    assert_eq!(world.t3.count_of("/assets/a.js"), 2);
}
