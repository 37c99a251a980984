//! Assertions and options shared by the rows.

use std::net::SocketAddr;
use std::time::Duration;

use crate::common::http::Response;
use crate::common::{Client, PAGE, PATIENCE, World};

/// How long a close may take on a busy machine.
pub(crate) const CLOSES: Duration = Duration::from_secs(3);

/// A request that the stand-in would record if a body's bytes were parsed as one.
pub(crate) const SMUGGLED: &str = "GET /standin/smuggled HTTP/1.1\r\nHost: t3.test\r\n\r\n";

/// The options behind single sign-on.
pub(crate) const HEADER: [&str; 2] = ["--identity-header", "X-authentik-username"];

/// The identity field of a user who has signed in.
pub(crate) const ADA: &str = "X-authentik-username: ada\n";

/// `bytes` escaped for a test's message.
pub(crate) fn shown(bytes: &[u8]) -> String {
    bytes[..bytes.len().min(200)].escape_ascii().to_string()
}

/// Sends `bytes` on a new connection. There has to be one response with one of `statuses`, and
/// then the end of the connection.
pub(crate) async fn refused(to: SocketAddr, bytes: &[u8], statuses: &[u16]) -> Response {
    let mut client = Client::connect(to).await;
    client.send(bytes).await;
    let response = client.response(bytes.starts_with(b"HEAD ")).await;
    let status = response.status;
    assert!(statuses.contains(&status), "{status} to {}", shown(bytes));
    assert_ends(&mut client, &shown(bytes)).await;
    response
}

/// Asserts that the connection ends, with no more bytes before that.
pub(crate) async fn assert_ends(client: &mut Client, of: &str) {
    let rest = tokio::time::timeout(CLOSES, client.rest()).await;
    let rest = rest.unwrap_or_else(|_| panic!("left open: {of}"));
    assert_eq!(shown(&rest), "", "said after the response to {of}");
}

/// Asserts that the request is refused, the connection closed, and nothing forwarded to t3.
pub(crate) async fn assert_refused(world: &World, head: &str, body: &str, statuses: &[u16]) {
    let bytes = format!("{head}\r\n\r\n{body}{SMUGGLED}");
    refused(world.addr(), bytes.as_bytes(), statuses).await;
    assert_untouched(world, &shown(bytes.as_bytes()));
}

/// Asserts that no client's request has reached t3.
pub(crate) fn assert_untouched(world: &World, of: &str) {
    let asked = world.asked();
    let asked: Vec<_> = asked.iter().map(|seen| shown(&seen.target)).collect();
    assert!(asked.is_empty(), "t3 was asked for {asked:?} by {of}");
}

/// The values of `name` in a client's last request at t3.
pub(crate) fn seen_last(world: &World, name: &str) -> Vec<String> {
    let seen = world.asked().pop().expect("a request at t3");
    let lines = seen.headers.iter();
    lines
        .filter(|(held, _)| held.eq_ignore_ascii_case(name))
        .map(|(_, value)| String::from_utf8_lossy(value).into_owned())
        .collect()
}

/// Loads a page without a session; `fields` are added to a browser's own, each ended by `\n`.
pub(crate) async fn load(to: SocketAddr, fields: &str) -> Response {
    crate::common::request(to, &format!("GET /\n{fields}{PAGE}")).await
}

/// Asserts whether a page load was paired.
#[track_caller]
pub(crate) fn assert_paired(response: &Response, expected: bool, of: &str) {
    let (status, cookie) = (response.status, response.header("set-cookie"));
    match expected {
        true => assert!(status == 302 && !cookie.is_empty(), "{status} to {of}"),
        // t3's own page, or where an identity is required, that of somebody who has none.
        false => assert!(
            matches!(status, 200 | 403) && cookie.is_empty(),
            "{status} to {of}"
        ),
    }
}

/// Waits until `what` is true; false after [`PATIENCE`].
pub(crate) async fn until(what: impl Fn() -> bool) -> bool {
    let met = async {
        while !what() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, met).await.is_ok()
}

/// Runs `check` for every case, and fails after the last one if any failed.
pub(crate) async fn each<T, F>(cases: impl IntoIterator<Item = T>, check: impl Fn(T) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut wrong = 0;
    for case in cases {
        wrong += usize::from(tokio::spawn(check(case)).await.is_err());
    }
    assert_eq!(wrong, 0, "cases failed, each reported above");
}
