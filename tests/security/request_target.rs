//! Unusual request targets are forwarded byte for byte or refused: row 17.

use crate::common::{Client, Dispatcher, World, request};
use crate::harness::{HEADER, assert_ends, each, shown};
use crate::recorder::Recorder;

#[tokio::test]
async fn row_17_the_target_s_bytes_go_on_or_are_refused() {
    let targets: [&[u8]; 21] = [
        b"/a#b",
        b"/#",
        b"/a?b#c",
        b"/a%00b",
        b"/%",
        b"/%zz",
        b"//a",
        b"//a//b",
        b"/a/../b",
        b"/../a",
        b"/./a",
        b"/a/%2e%2e/b",
        b"/a%2fb",
        b"/a\\b",
        b"/\xc3\xa9",
        b"/\xff",
        b"/a?\xc3\xa9",
        b"/a|b{c}^d`e\"<f>",
        b"/a;b=c,d'e(f)*!$&+",
        b"/a?b?c/d//e",
        b"/?",
    ];
    each(targets, |target| async move {
        let recorder = Recorder::start().await;
        let dispatcher = Dispatcher::in_front_of(recorder.upstream.addr, &[]).await;
        let mut client = Client::connect(dispatcher.addr).await;
        let head = [b"GET ", target, b" HTTP/1.1\r\nHost: t3.test\r\n\r\n"].concat();
        client.send(&head).await;
        let status = client.response(false).await.status;
        let brought = recorder.connections().concat();
        if status == 400 {
            assert_ends(&mut client, &shown(target)).await;
            assert_eq!(shown(&brought), "");
            return;
        }
        assert_eq!(status, 200, "{}", shown(target));
        let expected = [b"GET ", target, b" HTTP/1.1\r\n"].concat();
        assert!(
            brought.starts_with(&expected),
            "{} arrives as {}",
            shown(target),
            shown(&brought)
        );
    })
    .await;
}

#[tokio::test]
async fn row_17_own_paths_match_exactly() {
    for target in [
        "/healthz%20",
        "/%68ealthz",
        "/healthz;x",
        "/./healthz",
        "/x/../healthz",
        "/healthz%00",
        "/dispatcher/alive/",
        "/dispatcher//alive",
        "/dispatcher/%61live",
        "/x/../dispatcher/tab.js",
        "/dispatcher/signed-in;x",
    ] {
        let recorder = Recorder::start().await;
        let dispatcher = Dispatcher::in_front_of(recorder.upstream.addr, &HEADER).await;
        let response = request(dispatcher.addr, &format!("GET {target}")).await;
        assert_eq!(response.status, 200, "{target}");
        assert_eq!(recorder.upstream.connections(), 1, "{target} is t3's");
    }
}

/// Only a target can have a fragment, not the rest of a head that came with the request before it.
#[tokio::test]
async fn row_57_what_is_behind_a_request_is_no_target() {
    let worlds = [
        World::start().await,
        World::with(&["--fast-path", "off"]).await,
    ];
    let first = "POST /standin/echo HTTP/1.1\r\nHost: t3.test\r\nContent-Length: 6\r\n\r\n#hello";
    for (begin, rest) in [
        (
            "GET /standin/head HTTP/1.1\r\nHost: t3.test\r\nCookie: a=",
            "#b\r\n\r\n",
        ),
        (
            "GET /standin/head HTTP/1.1\r\nHost: t3.test\r\nCookie: a=",
            "c #b\r\n\r\n",
        ),
        (
            "GET /standin/head HTTP/1.1\r\nHost: t3.test\r\n",
            "#: b c#\r\n\r\n",
        ),
        ("", "GET /standin/head HTTP/1.1\r\nHost: t3.test\r\n\r\n"),
    ] {
        for world in &worlds {
            let mut client = Client::connect(world.addr()).await;
            client.send(format!("{first}{begin}").as_bytes()).await;
            let echo = client.response(false).await;
            assert_eq!((echo.status, echo.text().as_str()), (200, "#hello"));
            client.send(rest.as_bytes()).await;
            assert_eq!(client.response(false).await.status, 200, "{begin}|{rest}");
        }
    }
}
