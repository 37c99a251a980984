//! `X-Request-Id`: forwarded to t3 and shown on the dispatcher's own error pages only.

use crate::common::{PAGE, World, request};

/// The values of `name` in the last request that t3 received.
fn seen(world: &World, name: &str) -> Vec<String> {
    let seen = world.asked().pop().expect("a request");
    let lines = seen.headers.iter();
    lines
        .filter(|(held, _)| held.eq_ignore_ascii_case(name))
        .map(|(_, value)| String::from_utf8_lossy(value).into_owned())
        .collect()
}

#[tokio::test]
async fn a_valid_id_is_forwarded_and_any_other_replaced() {
    let world = World::start().await;
    let mut made = Vec::new();
    for (lines, is_taken) in [
        ("X-Request-Id: 7b2c-1", true),
        ("Connection: X-Request-Id\nX-Request-Id: 7b2c-1", true),
        ("X-Request-Id: a b", false),
        ("X-Request-Id: 7b2c-1\nX-Request-Id: 7b2c-1", false),
        ("Accept: */*", false),
    ] {
        let response = request(world.addr(), &format!("GET /standin/1k\n{lines}")).await;
        assert!(response.all("x-request-id").is_empty(), "t3's own response");
        let told = seen(&world, "x-request-id");
        assert_eq!(told.len(), 1, "{lines}: {told:?}");
        assert_eq!(told[0] == "7b2c-1", is_taken, "{lines}: {told:?}");
        if !is_taken {
            made.extend(told);
        }
    }
    made.sort();
    made.dedup();
    assert_eq!(made.len(), 3, "each is called otherwise: {made:?}");
}

#[tokio::test]
async fn trace_context_is_forwarded_unchanged() {
    let world = World::start().await;
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let lines = format!("traceparent: {parent}\ntracestate: a=1,b=2");
    request(world.addr(), &format!("GET /standin/1k\n{lines}")).await;
    assert_eq!(seen(&world, "traceparent"), [parent]);
    assert_eq!(seen(&world, "tracestate"), ["a=1,b=2"]);
    request(world.addr(), "GET /standin/1k").await;
    assert!(seen(&world, "traceparent").is_empty(), "none is made");
}

#[tokio::test]
async fn error_pages_show_the_id() {
    let world = World::with(&["--identity-header", "x-user", "--allowed-users", "alice"]).await;
    let addr = world.addr();
    let named = "X-Request-Id: quoted-1";
    for (head, status, is_shown) in [
        (format!("TRACE /\n{named}"), 405, false),
        (format!("GET /\n{PAGE}\nX-User: eve\n{named}"), 403, true),
        (format!("GET /api/x\nX-User: eve\n{named}"), 403, true),
        (format!("GET /standin/drop\n{named}"), 502, true),
    ] {
        let response = request(addr, &head).await;
        assert_eq!(response.status, status, "{head}");
        assert_eq!(response.header("x-request-id"), "quoted-1", "{head}");
        assert_eq!(response.text().contains("quoted-1"), is_shown, "{head}");
    }
    let page = request(addr, &format!("GET /\n{PAGE}\nX-User: alice\n{named}")).await;
    assert_eq!(page.status, 302);
    assert!(page.all("x-request-id").is_empty(), "no error");
}
