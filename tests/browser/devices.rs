//! A phone's way: the page of a person's devices in a phone's browser, its code read back by a reader, and its button.

use std::time::Duration;

use data_encoding::BASE64;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use crate::common::app::App;
use crate::common::browser::{Browser, Page};
use crate::common::{PATIENCE, World};
use crate::sign_on_gate::Gate;

const ON: [&str; 4] = [
    "--identity-header",
    "X-authentik-username",
    "--device-port",
    "0",
];

/// How soon a device's socket has ended after it was revoked.
const SOON: Duration = Duration::from_secs(15);

const FITS: &str = "document.documentElement.scrollWidth <= innerWidth";

/// The rectangle of an element, `SELECTOR`, in the middle of the viewport.
const PLACE: &str = "(() => { const element = document.querySelector('SELECTOR'); \
    element.scrollIntoView({ block: 'center' }); const { x, y, width, height } = element.getBoundingClientRect(); \
    return { x, y, width, height }; })()";

/// The brightness of each pixel of a picture, as [width, height, bytes in Base64].
const PIXELS: &str = "new Promise(resolve => { const image = new Image(); image.onload = () => { \
    const canvas = document.createElement('canvas'); canvas.width = image.width; canvas.height = image.height; \
    const context = canvas.getContext('2d'); context.drawImage(image, 0, 0); \
    const { data } = context.getImageData(0, 0, image.width, image.height); let bytes = ''; \
    for (let at = 0; at < data.length; at += 4) bytes += String.fromCharCode((data[at] + data[at + 1] + data[at + 2]) / 3); \
    resolve([image.width, image.height, btoa(bytes)]); }; image.src = 'data:image/png;base64,PNG'; })";

/// A phone's browser that is signed in, on the page.
async fn phone(browser: &Browser, gate: &Gate) -> Page {
    let page = browser.page().await;
    page.set_viewport(390, 844, 2.0, true).await;
    page.navigate(&format!("http://{}/dispatcher/devices", gate.addr))
        .await;
    assert_eq!(page.evaluate(FITS).await, true, "no scrolling to the side");
    page
}

async fn place(page: &Page, selector: &str) -> Value {
    page.evaluate(&PLACE.replace("SELECTOR", selector)).await
}

/// Taps on the middle of an element, as a finger does.
async fn tap(page: &Page, selector: &str) {
    let place = place(page, selector).await;
    let middle = |at: &str, length: &str| {
        place[at].as_f64().expect("a number") + place[length].as_f64().expect("a number") / 2.0
    };
    let at = json!([{ "x": middle("x", "width"), "y": middle("y", "height") }]);
    for (kind, points) in [("touchStart", at), ("touchEnd", json!([]))] {
        let touch = json!({ "type": kind, "touchPoints": points });
        let touched = page.command("Input.dispatchTouchEvent", touch).await;
        touched.expect("it is touched");
    }
}

/// What a reader reads in the picture of the code that the page shows.
async fn read_back(page: &Page) -> String {
    let place = place(page, "svg").await;
    let scrolled = page.evaluate("[scrollX, scrollY]").await;
    let on_page = |at: &str, scrolled: &Value| {
        place[at].as_f64().expect("a number") + scrolled.as_f64().expect("a number")
    };
    let clip = json!({
        "x": on_page("x", &scrolled[0]), "y": on_page("y", &scrolled[1]),
        "width": place["width"], "height": place["height"], "scale": 1
    });
    let picture = json!({ "format": "png", "clip": clip, "captureBeyondViewport": true });
    let picture = page.command("Page.captureScreenshot", picture).await;
    let picture = picture.expect("a picture")["data"].take();
    let tab = page.sibling().await;
    let pixels = PIXELS.replace("PNG", picture.as_str().expect("a picture"));
    let pixels = tab.evaluate(&pixels).await;
    tab.close().await;
    let [width, height] = [0, 1].map(|at| pixels[at].as_u64().expect("a length") as usize);
    let bytes = BASE64.decode(pixels[2].as_str().expect("bytes").as_bytes());
    let bytes = bytes.expect("Base64");
    let brightness = |x, y| bytes[y * width + x];
    let mut image = rqrr::PreparedImage::prepare_from_greyscale(width, height, brightness);
    let grids = image.detect_grids();
    assert_eq!(grids.len(), 1, "one code in {width} x {height} pixels");
    grids[0].decode().expect("a code that can be read").1
}

/// The names of everything of `role` that the page tells a screen reader.
async fn named(page: &Page, role: &str) -> Vec<String> {
    let tree = page.command("Accessibility.getFullAXTree", json!({})).await;
    let tree = tree.expect("a tree");
    let nodes = tree["nodes"].as_array().expect("a list").iter();
    let of_role = nodes.filter(|node| node["role"]["value"] == role && node["ignored"] == false);
    let names = of_role.map(|node| {
        node["name"]["value"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    });
    names.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_is_paired_by_the_code_that_it_reads_and_revoked_by_its_button() {
    let Some(browser) = Browser::launch().await else {
        return;
    };
    let world = World::with(&ON).await;
    let gate = Gate::before(world.addr()).await;
    let page = phone(&browser, &gate).await;
    assert_eq!(
        named(&page, "heading").await,
        ["Your devices", "Pair a phone", "Paired devices"]
    );
    assert_eq!(named(&page, "button").await, ["Pair a phone"]);
    tap(&page, "button").await;
    page.wait_for("document.querySelector('svg')", PATIENCE)
        .await;
    assert_eq!(page.evaluate(FITS).await, true);
    assert_eq!(named(&page, "image").await, ["QR code of the link below"]);
    assert_eq!(
        named(&page, "button").await,
        ["Copy the link", "Make another code"]
    );

    let link = read_back(&page).await;
    assert_eq!(
        page.evaluate("document.getElementById('link').href").await,
        link
    );
    let devices = world.dispatcher.devices.expect("a port for devices");
    let code = link.strip_prefix(&format!("http://{devices}/pair#token="));
    let code = code.unwrap_or_else(|| panic!("{link} leads to {devices}"));
    let mut app = App::connect(devices, &devices.to_string(), None).await;
    let paired = app.pair(code, "Ada's phone").await;
    assert_eq!(paired.status, 200, "{}", paired.text());
    let again = App::connect(devices, &devices.to_string(), None)
        .await
        .pair(code, "x")
        .await;
    assert_eq!(again.status, 401, "a code is valid once");
    let mut socket = app.connect_again().await.expect("a socket");

    page.navigate(&format!("http://{}/dispatcher/devices", gate.addr))
        .await;
    assert_eq!(
        named(&page, "button").await,
        ["Pair a phone", "Revoke Ada's phone"]
    );
    assert_eq!(
        named(&page, "columnheader").await,
        ["Name", "System", "Last seen", "Revoke"]
    );
    let row = page
        .evaluate("document.querySelector('tbody tr').innerText")
        .await;
    let row = row.as_str().expect("text");
    for told in ["Ada's phone", "iOS, mobile", "Connected now"] {
        assert!(row.contains(told), "{row}");
    }
    assert_eq!(page.evaluate(FITS).await, true, "with a device, too");
    let revoked = Instant::now();
    tap(&page, "td button").await;
    page.wait_for("document.body.innerText.includes('None yet.')", PATIENCE)
        .await;
    assert_eq!(
        page.evaluate("location.pathname").await,
        "/dispatcher/devices"
    );
    timeout(PATIENCE, socket.ended())
        .await
        .expect("the socket ends");
    let took = revoked.elapsed();
    println!("the socket ended {took:?} after the button");
    assert!(took < SOON, "{took:?}");
    assert!(app.connect_again().await.is_err(), "it is revoked");
    assert_eq!(page.console_errors(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_works_in_the_dark_and_without_a_script() {
    let Some(browser) = Browser::launch().await else {
        return;
    };
    let world = World::with(&ON).await;
    let gate = Gate::before(world.addr()).await;
    let page = browser.page().await;
    page.set_viewport(390, 844, 2.0, true).await;
    let dark = json!({ "features": [{ "name": "prefers-color-scheme", "value": "dark" }] });
    page.command("Emulation.setEmulatedMedia", dark)
        .await
        .expect("it is dark");
    let without = json!({ "value": true });
    let off = page.command("Emulation.setScriptExecutionDisabled", without);
    off.await.expect("no script runs");
    page.navigate(&format!("http://{}/dispatcher/devices", gate.addr))
        .await;
    let paper = "getComputedStyle(document.querySelector('button')).color";
    let color = page.evaluate(paper).await;
    assert_eq!(color, "rgb(255, 255, 255)", "a dark page's colours");
    tap(&page, "button").await;
    let shown = async {
        while page
            .evaluate("document.querySelector('svg') !== null")
            .await
            != true
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, shown).await.expect("a code is shown");
    let link = read_back(&page).await;
    assert_eq!(
        page.evaluate("document.getElementById('link').href").await,
        link
    );
    assert_eq!(
        named(&page, "button").await,
        ["Make another code"],
        "nothing that needs a script"
    );
}
