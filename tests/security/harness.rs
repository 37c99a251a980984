//! What the rows share: raw bytes in, the answer and the end of the connection out.

use std::net::SocketAddr;
use std::time::Duration;

use crate::common::http::Response;
use crate::common::{Client, PAGE, PATIENCE, World};

/// What "closed" may take, on a machine that is doing other things too.
pub(crate) const CLOSES: Duration = Duration::from_secs(3);

/// A request that would be found at the stand-in if a body's bytes became one.
pub(crate) const SMUGGLED: &str = "GET /standin/smuggled HTTP/1.1\r\nHost: t3.test\r\n\r\n";

/// The options behind single sign-on, and a request's field of somebody who has passed it.
pub(crate) const HEADER: [&str; 2] = ["--identity-header", "X-authentik-username"];
pub(crate) const ADA: &str = "X-authentik-username: ada\n";

/// `bytes` as a test's message shows them.
pub(crate) fn shown(bytes: &[u8]) -> String {
    bytes[..bytes.len().min(200)].escape_ascii().to_string()
}

/// Sends `bytes` on a connection of its own. One answer has to come, with one of `statuses`, and
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

/// The connection ends, and nothing more comes before that.
pub(crate) async fn assert_ends(client: &mut Client, of: &str) {
    let rest = tokio::time::timeout(CLOSES, client.rest()).await;
    let rest = rest.unwrap_or_else(|_| panic!("left open: {of}"));
    assert_eq!(shown(&rest), "", "said after the response to {of}");
}

/// Is refused with the connection closed, and t3 hears nothing of it.
pub(crate) async fn assert_refused(world: &World, head: &str, body: &str, statuses: &[u16]) {
    let bytes = format!("{head}\r\n\r\n{body}{SMUGGLED}");
    refused(world.addr(), bytes.as_bytes(), statuses).await;
    assert_untouched(world, &shown(bytes.as_bytes()));
}

/// No client's request has reached t3.
pub(crate) fn assert_untouched(world: &World, of: &str) {
    let asked = world.asked();
    let asked: Vec<_> = asked.iter().map(|seen| shown(&seen.target)).collect();
    assert!(asked.is_empty(), "t3 was asked for {asked:?} by {of}");
}

/// The values with which t3 saw `name` in a client's last request.
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

/// What a page load without a session came to.
#[track_caller]
pub(crate) fn assert_paired(response: &Response, expected: bool, of: &str) {
    let (status, cookie) = (response.status, response.header("set-cookie"));
    match expected {
        true => assert!(status == 302 && !cookie.is_empty(), "{status} to {of}"),
        false => assert_eq!((status, &*cookie), (200, ""), "{of}"),
    }
}

/// Looks again and again until it is so; false where that takes too long.
pub(crate) async fn until(what: impl Fn() -> bool) -> bool {
    let met = async {
        while !what() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, met).await.is_ok()
}

/// Checks every case, and fails after the last one if any failed.
pub(crate) async fn each<T, F>(cases: impl IntoIterator<Item = T>, check: impl Fn(T) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut wrong = 0;
    for case in cases {
        wrong += usize::from(tokio::spawn(check(case)).await.is_err());
    }
    assert_eq!(wrong, 0, "as many cases went wrong, each told above");
}
