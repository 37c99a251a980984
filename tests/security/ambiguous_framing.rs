//! Ambiguous `Content-Length` and `Transfer-Encoding`: rows 1 to 4.

use crate::common::{Client, World};
use crate::harness::{SMUGGLED, assert_ends, assert_refused, assert_untouched, each};

#[tokio::test]
async fn row_01_content_length_beside_transfer_encoding() {
    let cases = [
        "Content-Length: 4\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 4",
        "Content-Length: 0\r\nTransfer-Encoding: chunked",
        "transfer-encoding: Chunked\r\ncontent-length: 4",
    ];
    each(cases, |framing| async move {
        let world = World::start().await;
        let mut client = Client::connect(world.addr()).await;
        let head = format!("POST /standin/echo HTTP/1.1\r\nHost: t3.test\r\n{framing}\r\n\r\n");
        client
            .send(format!("{head}5\r\nhello\r\n0\r\n\r\n{SMUGGLED}").as_bytes())
            .await;
        let response = client.response(false).await;
        assert_ends(&mut client, framing).await;
        if response.status == 400 {
            assert_untouched(&world, framing);
            return;
        }
        assert_eq!((response.status, response.text().as_str()), (200, "hello"));
        let seen = world.asked();
        assert_eq!(seen.len(), 1, "{framing}");
        assert_eq!(seen[0].header("content-length"), None, "{framing}");
    })
    .await;
}

#[tokio::test]
async fn row_02_content_length_that_is_no_single_number() {
    let cases = [
        "4\r\nContent-Length: 5",
        "5\r\nContent-Length: 4",
        "1,2",
        "4, 4",
        "4 4",
        "-1",
        "+5",
        "0x5",
        "5.0",
        "5e0",
        "18446744073709551616",
        "99999999999999999999999",
        "five",
        "",
    ];
    each(cases, |length| async move {
        let world = World::start().await;
        let head =
            format!("POST /standin/digest HTTP/1.1\r\nHost: t3.test\r\nContent-Length: {length}");
        assert_refused(&world, &head, "hello", &[400]).await;
    })
    .await;
}

/// It may be refused or merged into one (RFC 9110 §8.6).
#[tokio::test]
async fn row_02_content_length_twice_the_same_is_one_at_most() {
    let world = World::start().await;
    let mut client = Client::connect(world.addr()).await;
    client
        .send_head("POST /standin/digest\nContent-Length: 5\nContent-Length: 5")
        .await;
    client.send(b"hello").await;
    if client.response(false).await.status == 400 {
        return assert_untouched(&world, "two equal lengths");
    }
    let seen = world.asked().pop().expect("a request");
    let lengths = seen.headers.iter();
    let lengths = lengths.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    assert_eq!(lengths.count(), 1);
}

#[tokio::test]
async fn row_03_transfer_encoding_obfuscated() {
    let cases = [
        "\x0bchunked",
        "\x0cchunked",
        "xchunked",
        "chunkedx",
        "x chunked",
        "chunked\x0b",
        "chunked, chunked",
        "chunked,chunked",
        "chunked\r\nTransfer-Encoding: chunked",
        "chunked\r\nTransfer-Encoding: identity",
        "identity\r\nTransfer-Encoding: chunked",
        "chunked, gzip",
        "gzip, chunked",
        "chunked, identity",
        "identity",
        "gzip",
        "\"chunked\"",
        "chunked;q=1",
        ",chunked",
        "",
    ];
    each(cases, |coding| async move {
        let world = World::start().await;
        let head = format!(
            "POST /standin/digest HTTP/1.1\r\nHost: t3.test\r\nTransfer-Encoding: {coding}"
        );
        assert_refused(&world, &head, "5\r\nhello\r\n0\r\n\r\n", &[400, 501]).await;
    })
    .await;
}

#[tokio::test]
async fn row_04_transfer_encoding_on_http_1_0() {
    let world = World::start().await;
    let head = "POST /standin/digest HTTP/1.0\r\nHost: t3.test\r\nTransfer-Encoding: chunked";
    assert_refused(&world, head, "5\r\nhello\r\n0\r\n\r\n", &[400]).await;
}
