//! The page with files as large and as compressible as t3's (contract §6).

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use t3_standin::bundle::Bundle;
use t3_standin::server::{Options, Standin};

use crate::client::Client;
use crate::room::Room;

/// Its length after gzip -6.
fn gzip(bytes: &[u8]) -> f64 {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(6));
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory").len() as f64
}

fn assert_near(value: f64, expected: f64) {
    let off = (value / expected - 1.0).abs();
    assert!(off < 0.05, "{value} is not near {expected}");
}

/// The text between `before` and the next quote.
fn name<'a>(page: &'a str, before: &str) -> &'a str {
    let rest = page.split(before).nth(1).expect("it is in the page");
    rest.split('"').next().expect("a quote")
}

#[tokio::test]
async fn the_real_bundle_is_as_long_and_as_hard_to_compress_as_t3s() {
    let room = Room::new();
    let mut options = Options::new(room.path());
    options.bundle = Bundle::Real;
    let standin = Standin::start(options).await.expect("starts");
    let mut client = Client::to(standin.addr()).await;

    let page = client.get("/").await;
    assert_eq!(page.body.len(), 3_391);
    let page = page.text();

    let script = client.get(name(page, "type=\"module\" src=\"")).await;
    assert_eq!(
        script.header("content-type"),
        Some("text/javascript; charset=utf-8")
    );
    assert_eq!(script.body.len(), 5_390_126);
    assert_near(gzip(&script.body), 1_683_718.0);

    let style = client.get(name(page, "rel=\"stylesheet\" href=\"")).await;
    assert_eq!(
        style.header("content-type"),
        Some("text/css; charset=utf-8")
    );
    assert_eq!(style.body.len(), 283_248);
    assert_near(gzip(&style.body), 37_660.0);

    let icon = client.get("/apple-touch-icon.png").await;
    assert_eq!(icon.body.len(), 75_497);
    assert!(gzip(&icon.body) > 75_000.0, "noise stays noise");
}
