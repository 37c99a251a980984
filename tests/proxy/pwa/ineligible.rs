//! Responses that `--pwa on` leaves byte for byte as they are.

use super::load;
use crate::assets::files::{file, file_with};
use crate::assets::site::Site;
use crate::common::http::Response;
use crate::common::{Dispatcher, config, request};

const PAGE: &[u8] = b"<html><head><title>x</title></head><body>y</body></html>";

fn fields(response: &Response) -> Vec<(String, Vec<u8>)> {
    let mut fields = response.fields();
    // Without one of t3's it is the time of the response.
    fields.retain(|(name, _)| name != "date");
    fields.sort();
    fields
}

/// The responses with the option on and with it off must be the same.
async fn assert_same(response: Vec<u8>, path: &'static str) {
    for assets in ["on", "off"] {
        let on = Site::with(vec![(path, response.clone())]).await;
        let args = ["--pwa", "off", "--assets", assets];
        let off = Dispatcher::start(config(on.t3.addr, on.dir.path(), &args)).await;
        let args = ["--assets", assets];
        let on = Dispatcher::start(config(on.t3.addr, on.dir.path(), &args)).await;
        let (touched, plain) = (
            request(on.addr, &load(path)).await,
            request(off.addr, &load(path)).await,
        );
        let what = format!("{path} {}", String::from_utf8_lossy(&response));
        assert_eq!(touched.status, plain.status, "{what}");
        assert_eq!(fields(&touched), fields(&plain), "{what}");
        assert_eq!(touched.body, plain.body, "{what}");
    }
}

#[tokio::test]
async fn responses_that_are_no_page_are_left_alone() {
    let html = "text/html; charset=utf-8";
    for path in [
        "/api/x",
        "/attachments/1.html",
        "/oauth/token",
        "/.well-known/x",
        "/%61pi/x",
    ] {
        assert_same(file(html, PAGE), path).await;
    }
    for content_type in [
        "text/plain",
        "application/xhtml+xml",
        "image/svg+xml",
        "text/html; charset=utf-16",
        "application/json",
    ] {
        assert_same(file(content_type, PAGE), "/").await;
    }
    for line in [
        "content-encoding: identity\r\n",
        "content-disposition: attachment\r\n",
        "cache-control: no-transform\r\n",
        "content-type: text/plain\r\n",
    ] {
        assert_same(file_with(html, line, PAGE), "/").await;
    }
}

#[tokio::test]
async fn errors_and_redirections_are_left_alone() {
    for status in [
        "201 Made",
        "203 Other",
        "302 Found",
        "401 Who",
        "404 Gone",
        "500 Oh",
        "503 Later",
    ] {
        let page = String::from_utf8_lossy(PAGE);
        let response = format!(
            "HTTP/1.1 {status}\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\
             Location: /x\r\nConnection: close\r\n\r\n{page}",
            PAGE.len()
        );
        assert_same(response.into_bytes(), "/").await;
    }
}

#[tokio::test]
async fn a_page_with_a_broken_head_or_a_manifest_elsewhere_is_left_alone() {
    for page in [
        "<head><link rel=manifest href=https://other.test/own></head><body>",
        "<head><link crossorigin REL='icon MANIFEST'></head>",
        "<head><title></head><body>never closed",
        "<p>no head, no body",
        "<head><a b='<</head><body>",
        "</head><<<//>>\0\u{fffd}",
        "",
    ] {
        for assets in ["on", "off"] {
            let world = Site::with(vec![("/", file("text/html", page.as_bytes()))]).await;
            let args = ["--assets", assets];
            let on = Dispatcher::start(config(world.t3.addr, world.dir.path(), &args)).await;
            let response = request(on.addr, &load("/")).await;
            assert!(response.status == 200 && response.complete, "{page}");
            assert_eq!(response.text(), page, "{assets}");
        }
    }
}
