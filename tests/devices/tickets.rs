//! Tickets that are none, or somebody else's.

use t3_standin::edition::Edition;

use crate::common::HANDSHAKE;
use crate::door::{Door, HOST};

const SOCKETS: [&str; 3] = [
    "/ws?orchestrationProtocol=2&",
    "/api/preview-stream/ws?threadId=a&",
    "/api/device-hub/api/devices/ws?",
];

/// Blank to t3, or not surely what it looks like; with all of them t3 would look at the next credential.
const NONE: [&str; 16] = [
    "",
    "wsTicket",
    "wsTicket=",
    "wsTicket=%20",
    "wsTicket=+",
    "wsTicket=%09%0a",
    "wsTicket=%C2%A0",
    "wsTicket=%E2%80%83",
    "wsTicket=%EF%BB%BF",
    "wsticket=x",
    "wsToken=x",
    "ws%54icket=x",
    "a=b;wsTicket=x",
    "wsTicket=&wsTicket=x.y",
    "wsTicket=x.y&wsTicket=",
    "x=wsTicket=x.y",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_that_is_none_opens_nothing() {
    let door = Door::of(Edition::Protocol2).await;
    let (name, session) = door.browser_session().await;
    door.forget();
    for socket in SOCKETS {
        for ticket in NONE {
            let head = format!(
                "GET {socket}{ticket}\nHost: {HOST}\nCookie: {name}={session}\n\
                Authorization: Bearer {session}\n{HANDSHAKE}"
            );
            let response = door.ask(&head).await;
            assert_eq!(response.status, 404, "{head}");
        }
    }
    for (method, target) in [
        ("GET", "/api/preview-stream/download?"),
        ("POST", "/api/preview-stream/upload?"),
        ("GET", "/api/device-hub/api/devices?"),
        ("PUT", "/api/device-hub/api/devices?"),
    ] {
        for ticket in NONE {
            let head = format!(
                "{method} {target}{ticket}\nHost: {HOST}\nCookie: {name}={session}\n\
                Authorization: Bearer {session}\nContent-Length: 0"
            );
            assert_eq!(door.ask(&head).await.status, 404, "{head}");
        }
    }
    door.assert_untouched("tickets that are none");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_instance_s_ticket_is_refused_whatever_is_beside_it() {
    let (door, other) = (
        Door::of(Edition::Protocol2).await,
        Door::of(Edition::Protocol2).await,
    );
    let foreign = other.paired("ada").await.ticket().await;
    let foreign = foreign.expect("a ticket of another t3");
    let own = door.paired("ada").await;
    let ticket = own.ticket().await.expect("a ticket");
    let (name, session) = door.browser_session().await;
    door.forget();
    for bad in [&foreign, "x.y", &own.token, &ticket[..ticket.len() - 1]] {
        for beside in [
            "X-A: b".to_owned(),
            format!("Cookie: {name}={session}"),
            format!("Authorization: Bearer {}", own.token),
            format!("Authorization: Bearer {session}"),
        ] {
            for socket in SOCKETS {
                let head =
                    format!("GET {socket}wsTicket={bad}\nHost: {HOST}\n{beside}\n{HANDSHAKE}");
                assert_eq!(door.ask(&head).await.status, 401, "{head}");
            }
        }
    }
    door.assert_nothing_gained("foreign tickets");
    // A good one opens each, and none of what is beside it is at t3.
    for socket in SOCKETS {
        let head =
            format!("GET {socket}wsTicket={ticket}\nHost: {HOST}\nCookie: {name}=bad\n{HANDSHAKE}");
        let mut client = crate::common::Client::connect(door.addr()).await;
        client.send_head(&head).await;
        let response = client.head().await.expect("a response");
        assert_eq!(response.status, 101, "{head}");
        assert_eq!(response.header("set-cookie"), "");
    }
    door.assert_nothing_gained("a good ticket");
}

/// A handshake that would keep t3 from ending never gets there (contract §7, §10).
#[tokio::test(flavor = "multi_thread")]
async fn a_bad_handshake_is_refused_here() {
    let door = Door::of(Edition::Protocol2).await;
    let ticket = door.paired("ada").await.ticket().await.expect("a ticket");
    door.forget();
    for (good, bad) in [
        ("Version: 13", "Version: 12"),
        ("dGhlIHNhbXBsZSBub25jZQ==", "short"),
        ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "X-A: b"),
        (
            "Connection: Upgrade",
            "Connection: Upgrade\nSec-WebSocket-Protocol: a, a",
        ),
        (
            "Connection: Upgrade",
            "Connection: Upgrade\nSec-WebSocket-Extensions: ",
        ),
        (
            "Connection: Upgrade",
            "Connection: Upgrade\nSec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=99",
        ),
    ] {
        for socket in SOCKETS {
            let handshake = HANDSHAKE.replace(good, bad);
            let head = format!("GET {socket}wsTicket={ticket}\nHost: {HOST}\n{handshake}");
            let status = door.ask(&head).await.status;
            assert!(matches!(status, 400 | 426), "{status}: {head}");
        }
    }
    assert!(!door.world.standin.is_wedged());
    door.assert_untouched("bad handshakes");
}
