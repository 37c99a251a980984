//! Everything that an app does in its life, on its own listed routes.

use serde_json::json;
use t3_standin::edition::Edition;
use t3_standin::server::Standin;

use super::app::{App, opened_by_a_camera};
use super::app_fetch::Fetch;

/// What an app reads with its token, of a t3 of that edition with one thread, `t1`.
pub fn reads(edition: Edition) -> &'static [&'static str] {
    match edition {
        Edition::June => &["/api/auth/session"],
        Edition::September => &[
            "/api/auth/session",
            "/api/orchestration/shell",
            "/api/orchestration/threads/t1",
        ],
        Edition::Protocol2 => &[
            "/api/auth/session",
            "/api/orchestration/shell",
            "/api/orchestration/threads/t1",
            "/api/orchestration/threads/t1/bounded?compactTurnItems=1",
            "/api/orchestration/threads/t1/history?cursor=",
            "/api/projects",
        ],
    }
}

/// Pairs with `code` as a device of that name, connects, and makes each kind of request once.
pub async fn goes_its_way(app: &mut App, t3: (Edition, &Standin), code: &str, name: &str) {
    let (edition, standin) = t3;
    standin.set_faults(|faults| faults.shell_threads = json!([{ "id": "t1" }]).to_string());
    let opened = opened_by_a_camera(app.to, &app.host).await;
    assert_eq!(opened.status, 200, "{}", opened.text());
    assert_eq!(opened.header("set-cookie"), "");

    let paired = app.pair(code, name).await;
    assert_eq!(paired.status, 200, "{}", paired.text());
    assert_eq!(paired.header("cache-control"), "no-store");

    let mut socket = app.connect_again().await.expect("a socket");
    socket.ping().await;
    let sent = socket
        .call("orchestration.dispatchCommand", &json!({ "type": "x" }))
        .await;
    assert_eq!(sent["_tag"], "Success", "{sent}");

    for target in reads(edition) {
        let response = app.call(target).await;
        assert_eq!(response.status, 200, "{target}: {}", response.text());
        assert!(response.complete, "{target}");
    }
    let session = app.call("/api/auth/session").await.json();
    assert_eq!(session["authenticated"], true);
    assert_eq!(session["sessionMethod"], "bearer-access-token");
    // It may not manage others, and t3 says so.
    let clients = app.call("/api/auth/clients").await;
    assert_eq!(clients.status, 403, "{}", clients.text());
    if edition != Edition::June {
        let body = json!({ "number": 1 });
        let difference = app.send("/api/pull-requests/diff", &body).await;
        assert_eq!(difference.status, 200, "{}", difference.text());
        signed_files(app, standin).await;
    }
    if edition == Edition::Protocol2 {
        streams(app).await;
    }
}

/// A picture by a signed path, and an upload, without a token.
async fn signed_files(app: &App, standin: &Standin) {
    let file = standin.asset_path("a%20picture.png");
    let picture = app.get(&file, &[]).await;
    assert_eq!((picture.status, &*picture.text()), (200, "a picture\n"));
    let head = Fetch {
        method: "HEAD",
        target: &file,
        fields: &[],
        body: b"",
    };
    assert_eq!(app.fetch(&head).await.status, 200);
    let bytes = [7; 100_000];
    let upload = standin.upload_path(bytes.len());
    let fields = ["Content-Type: image/png".to_owned()];
    assert_eq!(app.post(&upload, &fields, &bytes).await.status, 204);
}

/// What a ticket admits beside the socket.
async fn streams(app: &App) {
    let ticket = app.ticket().await.expect("a ticket");
    for target in [
        "/api/preview-stream/ws?threadId=a&tabId=b&wsTicket=",
        "/api/device-hub/api/devices/ws?wsTicket=",
    ] {
        let socket = app.open(&format!("{target}{ticket}")).await;
        socket.expect("a socket").ping().await;
    }
    let download = format!("/api/preview-stream/download?wsTicket={ticket}");
    assert_eq!(app.get(&download, &[]).await.text(), "a file\n");
    let fields = ["Content-Type: multipart/form-data; boundary=x".to_owned()];
    let upload = format!("/api/preview-stream/upload?wsTicket={ticket}");
    assert_eq!(app.post(&upload, &fields, b"--x--").await.status, 204);
    let hub = format!("/api/device-hub/vendor/serve-emu/api/screenshot?wsTicket={ticket}");
    assert_eq!(app.get(&hub, &[]).await.status, 200);
    assert_eq!(app.post(&hub, &[], b"").await.status, 200);
}
