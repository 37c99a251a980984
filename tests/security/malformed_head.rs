//! Malformed request lines and field lines: row 9.

use crate::common::World;
use crate::harness::{assert_refused, each};

#[tokio::test]
async fn row_09_lines_that_are_no_fields() {
    let cases = [
        "X-A: 1\r\n folded",
        "X-A: 1\r\n\tfolded",
        "X-A : 1",
        "X-A\t: 1",
        " X-A: 1",
        "Content-Length : 5",
        "Transfer-Encoding : chunked",
        "X-A: a\0b",
        "X-A: a\x01b",
        "X-A: a\x7fb",
        "X\0A: 1",
        "X\x01A: 1",
        "X(A): 1",
        "X\u{e9}: 1",
        "no colon",
        ": no name",
        ":",
    ];
    each(cases, |line| async move {
        let world = World::start().await;
        let head = format!("GET /standin/head HTTP/1.1\r\nHost: t3.test\r\n{line}");
        assert_refused(&world, &head, "", &[400]).await;
    })
    .await;
    for folded_first in [" Host: t3.test", "\tHost: t3.test"] {
        let world = World::start().await;
        let head = format!("GET /standin/head HTTP/1.1\r\n{folded_first}\r\nHost: t3.test");
        assert_refused(&world, &head, "", &[400]).await;
    }
}

#[tokio::test]
async fn row_09_request_lines_that_are_none() {
    let cases = [
        "GET",
        "GET /standin/head",
        "GET  /standin/head HTTP/1.1",
        "GET /standin/head  HTTP/1.1",
        "GET /standin/head HTTP/1.1 ",
        "GET /standin/head HTTP/1.2",
        "GET /standin/head HTTP/2.0",
        "GET /standin/head HTTP/3",
        "GET /standin/head http/1.1",
        "GET /standin/head HTTP/1.10",
        "GET /standin/head HTTQ/1.1",
        "GET /a b HTTP/1.1",
        "G\x01T /standin/head HTTP/1.1",
        " GET /standin/head HTTP/1.1",
        "GET standin/head HTTP/1.1",
    ];
    each(cases, |line| async move {
        let world = World::start().await;
        let head = format!("{line}\r\nHost: t3.test");
        assert_refused(&world, &head, "", &[400, 505]).await;
    })
    .await;
}
