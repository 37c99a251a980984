//! Devices whose person is let in no more, though that one makes no request.

use std::path::Path;

use t3_standin::edition::Edition;
use tokio::time::timeout;

use crate::common::{
    Client, Dispatcher, PAGE, PATIENCE, World, config, in_front_of_each_t3, request, websocket_of,
};
use crate::door::{Door, USER};

fn write(file: &Path, users: &str) {
    let new = file.with_extension("new");
    std::fs::write(&new, users).expect("writable");
    std::fs::rename(&new, file).expect("writable");
}

/// Waits until so many sessions of devices are revoked.
async fn until_revoked(world: &World, count: usize) {
    let sessions = async {
        let revoked = || {
            let sessions = world.standin.sessions().into_iter();
            sessions
                .filter(|row| row.revoked && row.label.as_deref() == Some("bob@sso phone"))
                .count()
        };
        while revoked() < count {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, sessions).await.expect("they are revoked");
}

/// An open WebSocket of that person's browser, which is on the list.
async fn browser_s(door: &Door, user: &str) -> Client {
    let (name, session) = door.browser_session().await;
    let fields = format!("{USER}: {user}\nCookie: {name}={session}\n");
    Client::websocket(door.world.addr(), websocket_of(door.edition), &fields).await
}

async fn who_disappears_from_the_list_loses_devices_without_a_request(edition: Edition) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = dir.path().join("users");
    write(&file, "ada\nbob\n");
    let path = file.to_str().expect("a UTF-8 path");
    let options = ["--allowed-users-file", path, "--session-check", "300ms"];
    let door = Door::with(edition, &options).await;
    let (mut ada, mut bob) = (door.paired("ada").await, door.paired("bob").await);
    let mut ada_s = ada.connect_again().await.expect("a socket");
    let mut bob_s = bob.connect_again().await.expect("a socket");
    let mut browser = browser_s(&door, "ada").await;
    // A list that is not there lets nobody in, and says nothing of anybody's devices.
    std::fs::remove_file(&file).expect("it is there");
    timeout(PATIENCE, browser.rest()).await.expect("its end");
    let page = format!("GET /\n{USER}: ada\n{PAGE}");
    assert_eq!(request(door.world.addr(), &page).await.status, 403);
    write(&file, "ada\nbob\n");
    let is_back = async { while request(door.world.addr(), &page).await.status == 403 {} };
    timeout(PATIENCE, is_back).await.expect("it is read again");
    for socket in [&mut ada_s, &mut bob_s] {
        socket.ping().await;
    }
    for app in [&mut ada, &mut bob] {
        app.ticket().await.expect("it lives");
    }
    write(&file, "ada\n");
    bob_s.ended().await;
    until_revoked(&door.world, 1).await;
    let refused = bob.ticket().await.expect_err("no session");
    assert_eq!(refused.status, 401);
    ada_s.ping().await;
    ada.connect_again().await.expect("a socket").ping().await;
}

in_front_of_each_t3!(who_disappears_from_the_list_loses_devices_without_a_request);

#[tokio::test(flavor = "multi_thread")]
async fn who_is_let_in_no_more_since_a_restart_loses_devices() {
    let door = Door::with(Edition::Protocol2, &["--allowed-users", "ada,bob"]).await;
    let (ada, _bob) = (door.paired("ada").await, door.paired("bob").await);
    let Door { world, .. } = door;
    let options = [
        "--identity-header",
        USER,
        "--device-port",
        "0",
        "--allowed-users",
        "ada",
    ];
    let again = config(world.standin.addr(), world.dir.path(), &options);
    let again = Dispatcher::start(again).await;
    until_revoked(&world, 1).await;
    let ada = crate::common::app::App {
        to: again.devices.expect("a door for apps"),
        ..ada
    };
    ada.ticket().await.expect("hers lives");
}
