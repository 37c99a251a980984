//! The page of a person's devices: only its own forms change anything, for their person alone, and it pairs nobody.

use std::net::SocketAddr;

use clap::Parser;
use serde_json::{Value, json};
use t3_standin::edition::Edition;
use tokio::net::TcpListener;

use crate::common::app::App;
use crate::common::http::Response;
use crate::common::{Client, Config, Dispatcher, PAGE, World, cli_in, request};
use crate::harness::{ADA, assert_paired, assert_untouched, each, load, refused, until};

const PATH: &str = "/dispatcher/devices";

/// The options with which it is there.
const ON: [&str; 4] = [
    "--identity-header",
    "X-authentik-username",
    "--device-port",
    "0",
];

const BOB: &str = "X-authentik-username: bob\n";

/// What a browser says of a form of its own page.
const OWN: &str =
    "Origin: http://t3.localhost\nSec-Fetch-Site: same-origin\nSec-Fetch-Dest: document\n";

const EXCHANGE: &str = "grant_type=urn:ietf:params:oauth:grant-type:token-exchange\
    &subject_token_type=urn:t3:params:oauth:token-type:environment-bootstrap\
    &requested_token_type=urn:ietf:params:oauth:token-type:access_token";

/// What a browser has after it has opened the page.
struct Opened {
    /// `Cookie: …`, with the end of its line.
    cookie: String,
    token: String,
    html: String,
}

async fn open(to: SocketAddr, who: &str) -> Opened {
    let page = request(to, &format!("GET {PATH}\n{who}{PAGE}")).await;
    assert_eq!(page.status, 200, "{}", page.text());
    let html = page.text();
    let (_, rest) = html.split_once("name=\"token\" value=\"").expect("a form");
    Opened {
        cookie: format!("Cookie: {}\n", page.cookie()),
        token: rest.split('"').next().expect("a value").to_owned(),
        html,
    }
}

/// Sends a form with the fields `head`, and reads the response.
async fn post(to: SocketAddr, head: &str, form: &str) -> Response {
    let mut client = Client::connect(to).await;
    let kind = "Content-Type: application/x-www-form-urlencoded";
    let head = format!("POST {PATH}\n{head}{kind}\nContent-Length: {}", form.len());
    client.send_head(&head).await;
    client.send(form.as_bytes()).await;
    client.response(false).await
}

/// Has a code made, as the page's button does.
async fn pair(to: SocketAddr, who: &str) -> Response {
    let Opened { cookie, token, .. } = open(to, who).await;
    let form = format!("token={token}&action=pair");
    post(to, &format!("{who}{OWN}{cookie}"), &form).await
}

/// The response to the button that revokes `session`.
async fn revoke(to: SocketAddr, who: &str, session: &str) -> Response {
    let Opened { cookie, token, .. } = open(to, who).await;
    let form = format!("token={token}&action=revoke&session={session}");
    post(to, &format!("{who}{OWN}{cookie}"), &form).await
}

/// How often t3 was asked for a code.
fn minted(world: &World) -> usize {
    let requests = world.standin.requests();
    let is_mint = |target: &[u8]| target == b"/api/auth/pairing-token";
    requests.iter().filter(|seen| is_mint(&seen.target)).count()
}

/// The code in a page that shows one.
fn code_of(page: &Response) -> String {
    let html = page.text();
    let (_, rest) = html.split_once("/pair#token=").expect("a link");
    rest.split('"').next().expect("its end").to_owned()
}

/// A device that t3 lists by `label`, paired with a code that `who` had made; its token.
async fn device(world: &World, who: &str, label: &str) -> String {
    let code = code_of(&pair(world.addr(), who).await);
    let encoded: String = label.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let form = format!(
        "{EXCHANGE}&subject_token={code}&client_label={encoded}&client_os={encoded}&client_device_type=mobile"
    );
    let kind = "Content-Type: application/x-www-form-urlencoded";
    let head = format!("POST /oauth/token\n{kind}\nContent-Length: {}", form.len());
    let mut client = Client::connect(world.standin.addr()).await;
    client.send_head(&head).await;
    client.send(form.as_bytes()).await;
    let token = client.response(false).await;
    assert_eq!(token.status, 200, "{}", token.text());
    let token = token.json()["access_token"].take();
    token.as_str().expect("a token").to_owned()
}

/// The id of the session that a token of t3's is for.
fn session_of(token: &str) -> String {
    let claims = token.split('.').next().unwrap_or_default();
    let claims = data_encoding::BASE64URL_NOPAD.decode(claims.as_bytes());
    let claims: Value = serde_json::from_slice(&claims.expect("base64url")).expect("JSON");
    claims["sid"].as_str().expect("an id").to_owned()
}

async fn is_alive(world: &World, token: &str) -> bool {
    let head = format!("GET /api/auth/session\nAuthorization: Bearer {token}");
    let state = request(world.standin.addr(), &head).await.json();
    state["authenticated"].as_bool().expect("a verdict")
}

#[tokio::test]
async fn without_a_port_for_devices_it_is_t3_s() {
    let world = World::with(&ON[..2]).await;
    for head in [
        format!("GET {PATH}\n{ADA}{PAGE}"),
        format!("POST {PATH}\n{ADA}{OWN}Content-Length: 0"),
    ] {
        let response = request(world.addr(), &head).await;
        assert!(response.all("content-security-policy").len() < 2, "{head}");
        let seen = world.asked().pop().expect("t3 was asked");
        assert_eq!(seen.target, PATH.as_bytes(), "{head}");
    }
}

#[tokio::test]
async fn it_is_for_a_person_who_is_let_in_and_pairs_nobody() {
    let world = World::with(&[&ON[..], &["--allowed-users", "ada"]].concat()).await;
    let session = "Cookie: t3_session=x\n";
    for who in [
        "",
        BOB,
        "X-authentik-username: ada\nX-authentik-username: ada\n",
    ] {
        for method in ["GET", "HEAD", "POST", "PUT"] {
            let head = format!("{method} {PATH}\n{who}{session}{OWN}{PAGE}");
            let response = request(world.addr(), &head).await;
            assert_eq!(response.status, 403, "{head}");
            assert_paired(&response, false, &head);
        }
    }
    let page = request(world.addr(), &format!("GET {PATH}\n{ADA}{PAGE}")).await;
    assert_eq!(page.status, 200);
    assert!(page.header("set-cookie").starts_with("t3-dispatcher-form="));
    assert!(
        page.text().contains("<strong>ada</strong>"),
        "{}",
        page.text()
    );
    for method in ["PUT", "DELETE", "OPTIONS", "PATCH"] {
        let response = request(world.addr(), &format!("{method} {PATH}\n{ADA}{OWN}")).await;
        assert_eq!(response.status, 405, "{method}");
        assert_eq!(response.header("allow"), "GET, HEAD, POST");
    }
    assert_eq!((world.exchanges(), minted(&world)), (0, 0));
    assert_untouched(&world, PATH);
}

#[tokio::test]
async fn every_response_stays_with_its_origin_and_out_of_frames() {
    let world = World::with(&[&ON[..], &["--frame-ancestors", "https://dash.test"]].concat()).await;
    let to = world.addr();
    let Opened { cookie, token, .. } = open(to, ADA).await;
    let own = format!("{ADA}{OWN}{cookie}");
    let mut responses = vec![
        request(to, &format!("GET {PATH}\n{ADA}{PAGE}")).await,
        request(to, &format!("HEAD {PATH}\n{ADA}{PAGE}")).await,
        request(
            to,
            &format!("OPTIONS {PATH}\n{ADA}Origin: https://evil.test"),
        )
        .await,
        request(
            to,
            &format!("GET {PATH}\n{ADA}Sec-Fetch-Site: same-site\nSec-Fetch-Dest: iframe"),
        )
        .await,
    ];
    for form in ["", "action=pair", "token=x&action=revoke&session=x"] {
        responses.push(post(to, &own, form).await);
    }
    responses.push(post(to, &own, &format!("token={token}&action=pair")).await);
    let statuses: Vec<_> = responses.iter().map(|response| response.status).collect();
    assert_eq!(statuses, [200, 200, 405, 403, 403, 403, 403, 200]);
    for response in &responses {
        assert_eq!(response.all("cache-control"), ["no-store"]);
        assert_eq!(
            response.header("cross-origin-resource-policy"),
            "same-origin"
        );
        assert_eq!(response.header("x-content-type-options"), "nosniff");
        // With `no-referrer` a browser would send its forms with `Origin: null`.
        assert_eq!(response.header("referrer-policy"), "same-origin");
        let policies = response.all("content-security-policy");
        let own = policies
            .iter()
            .find(|policy| policy.starts_with("default-src 'none';"));
        let own = own.expect("its policy");
        assert!(
            own.contains("frame-ancestors 'none'") && !own.contains("unsafe"),
            "{own}"
        );
        let is_open = |(name, _): &(String, Vec<u8>)| name.starts_with("access-control-");
        assert!(!response.headers.iter().any(is_open), "{response:?}");
    }
}

#[tokio::test]
async fn behind_https_its_cookie_is_for_https_alone() {
    let world = World::with(&ON).await;
    let proto = "X-Forwarded-Proto: https\n";
    let page = request(world.addr(), &format!("GET {PATH}\n{ADA}{proto}{PAGE}")).await;
    let line = page.header("set-cookie");
    let (pair, attributes) = line.split_once("; ").expect("attributes");
    assert!(pair.starts_with("__Secure-"), "{line}");
    assert_eq!(
        attributes,
        "Path=/dispatcher/devices; HttpOnly; SameSite=Strict; Secure"
    );
    let token = pair.split_once('=').expect("a value").1;
    let form = format!("token={token}&action=pair");
    let own = OWN.replace("http:", "https:");
    let head = format!("{ADA}{proto}{own}Cookie: {pair}\n");
    let page = post(world.addr(), &head, &form).await;
    assert_eq!(page.status, 200, "{}", page.text());
    assert!(
        page.text().contains("href=\"https://t3.localhost:"),
        "{}",
        page.text()
    );
    // By plain http anybody on the way can set the cookie of the other name.
    let page = request(world.addr(), &format!("GET {PATH}\n{ADA}{PAGE}")).await;
    let plain = page.cookie();
    let token = plain.split_once('=').expect("a value").1;
    let head = format!("{ADA}{proto}{own}Cookie: {plain}\n");
    let response = post(world.addr(), &head, &format!("token={token}&action=pair")).await;
    assert_eq!(response.status, 403);
}

#[tokio::test]
async fn a_get_never_makes_a_code() {
    let world = World::with(&ON).await;
    let to = world.addr();
    let Opened {
        cookie,
        token,
        html,
    } = open(to, ADA).await;
    assert!(
        !html.contains("#token=") && !html.contains("<script"),
        "{html}"
    );
    for method in ["GET", "HEAD"] {
        for target in [
            format!("{PATH}?token={token}&action=pair"),
            format!("{PATH}?action=pair"),
        ] {
            let head = format!("{method} {target}\n{ADA}{OWN}{cookie}{PAGE}");
            let response = request(to, &head).await;
            assert_eq!(response.status, 200, "{head}");
            assert!(response.header("set-cookie").is_empty(), "it has one");
        }
    }
    let form = format!("token={token}&action=pair");
    let kind = "Content-Type: application/x-www-form-urlencoded";
    let bytes = format!(
        "GET {PATH} HTTP/1.1\r\nHost: t3.localhost\r\n{}{kind}\r\nContent-Length: {}\r\n\r\n{form}",
        format!("{ADA}{OWN}{cookie}").replace('\n', "\r\n"),
        form.len()
    );
    let mut client = Client::connect(to).await;
    client.send(bytes.as_bytes()).await;
    assert_eq!(client.response(false).await.status, 200);
    assert_eq!(minted(&world), 0);
}

#[tokio::test]
async fn a_form_that_is_not_its_own_changes_nothing() {
    let world = World::with(&ON).await;
    let to = world.addr();
    let phone = device(&world, ADA, "ada@sso phone").await;
    let session = session_of(&phone);
    let before = minted(&world);
    let Opened { cookie, token, .. } = open(to, ADA).await;
    let other = open(to, BOB).await;
    let own = format!("token={token}&action=");
    let theirs = format!("token={}&action=", other.token);
    let both = format!(
        "Cookie: {}; {}",
        &cookie[8..cookie.len() - 1],
        &other.cookie[8..]
    );
    let origin = "Origin: http://t3.localhost\n";
    for (fields, form) in [
        // No token, or no cookie, or another's.
        (format!("{OWN}{cookie}"), "action=".to_owned()),
        (format!("{OWN}{cookie}"), "token=&action=".to_owned()),
        (OWN.to_owned(), own.clone()),
        (format!("{OWN}{cookie}"), theirs.clone()),
        (format!("{OWN}{}", other.cookie), own.clone()),
        (format!("{OWN}{both}"), own.clone()),
        (format!("{OWN}{cookie}"), format!("token={token}&{own}")),
        // Another origin, or none.
        (cookie.clone(), own.clone()),
        (format!("Origin: null\n{cookie}"), own.clone()),
        (format!("Origin: http://evil.test\n{cookie}"), own.clone()),
        (
            format!("Origin: http://t3.localhost:8443\n{cookie}"),
            own.clone(),
        ),
        (
            format!("Origin: http://t3.localhost.evil.test\n{cookie}"),
            own.clone(),
        ),
        (format!("{origin}{origin}{cookie}"), own.clone()),
        (
            format!("{origin}Sec-Fetch-Site: cross-site\n{cookie}"),
            own.clone(),
        ),
        (
            format!("{origin}Sec-Fetch-Site: same-site\n{cookie}"),
            own.clone(),
        ),
    ] {
        for action in ["pair".to_owned(), format!("revoke&session={session}")] {
            let response = post(to, &format!("{ADA}{fields}"), &format!("{form}{action}")).await;
            assert_eq!(response.status, 403, "{fields}{form}{action}");
            assert!(response.text().contains("<h1>"), "{}", response.text());
        }
    }
    for form in [
        "",
        "dance",
        "pair&action=pair",
        "revoke",
        "revoke&session=a&session=b",
        "PAIR",
    ] {
        let response = post(to, &format!("{ADA}{OWN}{cookie}"), &format!("{own}{form}")).await;
        assert_eq!(response.status, 400, "{form}");
    }
    assert_eq!(minted(&world), before);
    assert!(is_alive(&world, &phone).await);
}

#[tokio::test]
async fn a_form_is_short_and_whole_and_a_form() {
    let world = World::with(&ON).await;
    let to = world.addr();
    let Opened { cookie, token, .. } = open(to, ADA).await;
    let head = |fields: &str| {
        let own = format!("{ADA}{OWN}{cookie}").replace('\n', "\r\n");
        format!("POST {PATH} HTTP/1.1\r\nHost: t3.localhost\r\n{own}{fields}\r\n\r\n")
    };
    let form = "Content-Type: application/x-www-form-urlencoded";
    let action = format!("token={token}&action=pair");
    let long = format!("{action}&x={}", "x".repeat(4096));
    let chunked = format!("{:x}\r\n{long}\r\n0\r\n\r\n", long.len());
    for bytes in [
        head(&format!("{form}\r\nContent-Length: 5000")),
        head(&format!("{form}\r\nContent-Length: 5000")) + &long,
        head(&format!("{form}\r\nTransfer-Encoding: chunked")) + &chunked,
    ] {
        refused(to, bytes.as_bytes(), &[413]).await;
    }
    let length = format!("Content-Length: {}", action.len());
    for fields in [
        length.clone(),
        format!("Content-Type: text/plain\r\n{length}"),
        format!("Content-Type: multipart/form-data; boundary=x\r\n{length}"),
        format!("{form}\r\n{form}\r\n{length}"),
        format!("{form}\r\nContent-Encoding: gzip\r\n{length}"),
    ] {
        let mut client = Client::connect(to).await;
        client.send((head(&fields) + &action).as_bytes()).await;
        assert_eq!(client.response(false).await.status, 415, "{fields}");
    }
    // It ends before its length.
    let mut client = Client::connect(to).await;
    let cut = head(&format!("{form}\r\nContent-Length: {}", action.len() + 1)) + &action;
    client.send(cut.as_bytes()).await;
    let shut = tokio::io::AsyncWriteExt::shutdown(&mut client.stream).await;
    shut.expect("a half-closed connection");
    client.rest().await;
    assert_eq!(minted(&world), 0);
    let in_time = format!("{form}; charset=utf-8\r\n{length}");
    let mut client = Client::connect(to).await;
    client.send((head(&in_time) + &action).as_bytes()).await;
    assert_eq!(client.response(false).await.status, 200);
}

#[tokio::test]
async fn a_device_is_revoked_by_its_own_person_alone() {
    each(
        [Edition::June, Edition::September, Edition::Protocol2],
        |edition| async move {
            let world = World::of(edition, &ON).await;
            let to = world.addr();
            let phone = device(&world, ADA, "ada@sso phone").await;
            let by_hand = device(&world, ADA, "ada's phone").await;
            // A name that looks like one of ada's devices is another person.
            let lookalike = device(&world, BOB, "ada@sso phone@sso").await;
            let paired = load(to, ADA).await;
            let browser = paired.cookie();
            let (_, browser) = browser.split_once('=').expect("a cookie");
            let listed = open(to, ADA).await.html;
            assert_eq!(listed.matches("<th scope=\"row\">").count(), 1, "{listed}");
            assert!(listed.contains("aria-label=\"Revoke phone\""), "{listed}");
            assert!(
                listed.contains("ada@sso phone, mobile") && listed.contains("Never"),
                "{listed}"
            );
            assert!(!open(to, BOB).await.html.contains("<table"), "bob has none");
            for (who, token) in [
                (BOB, &*phone),
                (ADA, &by_hand),
                (ADA, &lookalike),
                (ADA, browser),
            ] {
                let response = revoke(to, who, &session_of(token)).await;
                assert_eq!(response.status, 404, "{who}");
                assert!(is_alive(&world, token).await, "{who}");
            }
            for session in ["", "x", "%00", "..%2F..", &"x".repeat(3000)] {
                assert_eq!(revoke(to, ADA, session).await.status, 404, "{session}");
            }
            let response = revoke(to, ADA, &session_of(&phone)).await;
            assert_eq!(
                (response.status, &*response.header("location")),
                (303, PATH)
            );
            assert!(!is_alive(&world, &phone).await);
            assert!(open(to, ADA).await.html.contains("None yet."));
            assert_eq!(
                revoke(to, ADA, &session_of(&phone)).await.status,
                404,
                "once"
            );
        },
    )
    .await;
}

#[tokio::test]
async fn whatever_a_device_calls_itself_is_text() {
    let world = World::with(&ON).await;
    let hostile = "\"><script>alert(1)</script><img src=x onerror='alert(2)'>&quot;";
    device(&world, ADA, &format!("ada@sso {hostile}")).await;
    let html = open(world.addr(), ADA).await.html;
    let escaped = "&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;&lt;img src=x \
        onerror=&#39;alert(2)&#39;&gt;&amp;quot;";
    assert_eq!(
        html.matches(escaped).count(),
        3,
        "name, button and system: {html}"
    );
    assert!(
        !html.contains("<script") && !html.contains("<img"),
        "{html}"
    );
}

#[tokio::test]
async fn a_code_leads_to_the_device_port_and_one_person_s_codes_have_a_rate() {
    let world = World::with(&ON).await;
    let to = world.addr();
    let page = pair(to, ADA).await;
    let html = page.text();
    assert_eq!(page.status, 200, "{html}");
    assert!(
        html.contains("<a id=\"link\" href=\"http://t3.localhost:"),
        "{html}"
    );
    assert!(
        html.contains("<svg role=\"img\" aria-label=\"QR code of the link below\""),
        "{html}"
    );
    assert_paired(&page, false, "it makes no session");
    let Opened { cookie, token, .. } = open(to, ADA).await;
    let form = format!("token={token}&action=pair");
    let mut statuses = Vec::new();
    for _ in 0..40 {
        statuses.push(post(to, &format!("{ADA}{OWN}{cookie}"), &form).await.status);
    }
    let made = statuses.iter().filter(|status| **status == 200).count();
    assert!((20..40).contains(&made), "{statuses:?}");
    assert!(
        statuses.contains(&429) && minted(&world) == made + 1,
        "{statuses:?}"
    );
    assert_eq!(
        pair(to, BOB).await.status,
        200,
        "another person's are his own"
    );
}

#[tokio::test]
async fn where_t3_s_list_cannot_be_had_it_says_what_is_needed() {
    let world = World::with(&ON).await;
    // It finds no t3 CLI, so that it has no session of its own on t3.
    let bare = Dispatcher::in_front_of(world.standin.addr(), &ON).await;
    let html = open(bare.addr, ADA).await.html;
    assert!(html.contains("DISPATCHER_TOKEN_FILE"), "{html}");
    let page = pair(bare.addr, ADA).await;
    assert_eq!(page.status, 503, "{}", page.text());
    assert_eq!(revoke(bare.addr, ADA, "x").await.status, 503);
    assert_eq!(minted(&world), 0);
}

#[tokio::test]
async fn a_code_ends_with_the_access_of_its_person() {
    let groups = ["--groups-header", "X-Groups", "--allowed-groups", "dev"];
    let world = World::with(&[&ON[..], &groups].concat()).await;
    let devices = world.dispatcher.devices.expect("a port for devices");
    let ada = format!("{ADA}X-Groups: dev\n");
    let first = code_of(&pair(world.addr(), &ada).await);
    let second = code_of(&pair(world.addr(), &ada).await);
    let mut app = App::connect(devices, "apps.test", None).await;
    assert_eq!(app.pair(&first, "phone").await.status, 200);
    // She is in the group no more, as a request of hers shows.
    let denied = request(world.addr(), &format!("GET /\n{ADA}X-Groups: ops\n{PAGE}")).await;
    assert_eq!(denied.status, 403);
    assert_eq!(app.pair(&second, "tablet").await.status, 401);
}

/// A phone is no way around the rights of its person.
#[tokio::test]
async fn a_device_may_do_what_its_person_may() {
    each(
        [Edition::June, Edition::September, Edition::Protocol2],
        |edition| async move {
            let groups = ["--groups-header", "X-Groups", "--guest-groups", "guests"];
            let args = [&ON[..], &groups, &["--admin-groups", "admins"]].concat();
            let world = World::of(edition, &args).await;
            let devices = world.dispatcher.devices.expect("a port for devices");
            let mut scopes = Vec::new();
            for group in ["guests", "others", "admins"] {
                let page = pair(world.addr(), &format!("{ADA}X-Groups: {group}\n")).await;
                let mut app = App::connect(devices, "apps.test", None).await;
                let token = app.pair(&code_of(&page), "phone").await.json();
                let granted = token["scope"].as_str().expect("its scopes");
                scopes.push(granted.split(' ').map(str::to_owned).collect::<Vec<_>>());
            }
            assert_eq!(scopes[0], ["orchestration:read"]);
            let administrative =
                |scopes: &[String]| scopes.iter().any(|scope| scope == "access:write");
            assert!(
                !administrative(&scopes[1]) && administrative(&scopes[2]),
                "{scopes:?}"
            );
        },
    )
    .await;
}

#[tokio::test]
async fn a_device_gets_the_rights_of_its_person_and_its_code_ends_with_them() {
    let groups = ["--groups-header", "X-Groups", "--admin-groups", "staff"];
    let guests = ["--guest-groups", "visitors"];
    let world = World::with(&[&ON[..], &groups, &guests].concat()).await;
    let devices = world.dispatcher.devices.expect("a port for devices");
    let [admin, guest] = ["staff", "visitors"].map(|group| format!("{ADA}X-Groups: {group}\n"));
    let [first, second] = [
        code_of(&pair(world.addr(), &admin).await),
        code_of(&pair(world.addr(), &admin).await),
    ];
    let mut app = App::connect(devices, "apps.test", None).await;
    assert_eq!(app.pair(&first, "phone").await.status, 200);
    let session = |label: &str| {
        let mut rows = world.standin.sessions().into_iter();
        rows.find(|row| row.label.as_deref() == Some(label))
            .expect("a session")
    };
    let phone = session("ada@sso phone");
    assert!(phone.scopes.iter().any(|scope| scope == "access:write"));
    let page = request(world.addr(), &format!("GET /\n{guest}{PAGE}")).await;
    assert_eq!(page.status, 302, "{}", page.text());
    assert_eq!(app.pair(&second, "tablet").await.status, 401);
    assert!(until(|| session("ada@sso phone").revoked).await);
    let third = code_of(&pair(world.addr(), &guest).await);
    assert_eq!(app.pair(&third, "watch").await.status, 200);
    assert_eq!(session("ada@sso watch").scopes, ["orchestration:read"]);
}

#[tokio::test]
async fn with_many_people_a_link_has_the_host_of_its_person_if_the_name_can_be_in_one() {
    let world = World::start().await;
    let row = json!({
        "port": world.standin.addr().port(),
        "base_dir": world.standin.base_dir(),
        "t3_bin": cli_in(world.dir.path()),
    });
    let table = world.dir.path().join("routes.json");
    let rows = json!({ "ada": row, "Ada Lovelace": row });
    std::fs::write(&table, rows.to_string()).expect("a writable directory");
    let table = table.to_str().expect("a UTF-8 path");
    let own = [
        "t3-dispatcher",
        "--routes",
        table,
        "--device-host",
        "{user}.apps.test:8443",
    ];
    let config = Config::try_parse_from(own.iter().chain(&ON)).expect("options that parse");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let dispatcher = Dispatcher::on(listener, config).await;
    let to = dispatcher.addr;
    let page = pair(to, ADA).await.text();
    assert!(
        page.contains("href=\"http://ada.apps.test:8443/pair#token="),
        "{page}"
    );
    let before = minted(&world);
    let lovelace = "X-authentik-username: Ada Lovelace\n";
    let opened = request(to, &format!("GET {PATH}\n{lovelace}{PAGE}")).await;
    let (cookie, html) = (format!("Cookie: {}\n", opened.cookie()), opened.text());
    assert!(
        html.contains("Your name cannot be part of a host name"),
        "{html}"
    );
    assert!(!html.contains("value=\"pair\""), "no button: {html}");
    let token = cookie
        .trim_end()
        .split('=')
        .nth(1)
        .expect("a value")
        .to_owned();
    let form = format!("token={token}&action=pair");
    let page = post(to, &format!("{lovelace}{OWN}{cookie}"), &form).await;
    assert_eq!(
        (page.status, minted(&world)),
        (409, before),
        "{}",
        page.text()
    );
    let nobody = request(
        to,
        &format!("GET {PATH}\nX-authentik-username: eve\n{PAGE}"),
    )
    .await;
    assert_eq!(nobody.status, 403);
}
