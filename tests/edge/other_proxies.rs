//! The way to the cockpit by the configurations of docs/gates.md: Traefik, Caddy and nginx.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use t3_standin::port;
use tempfile::TempDir;
use tokio::time::Instant;

use crate::bridge::Bridge;
use crate::certificate::Certificate;
use crate::common::browser::{Browser, Page};
use crate::outpost::{APPLICATION, Manner, Outpost, SIGN_IN};
use crate::programs::{Program, named_by};
use crate::stack::{CONNECTED, Door, OTHER_SECRET, PATIENCE, SECRET, sign_in};

/// The page whose configurations are run.
const PAGE: &str = include_str!("../../docs/gates.md");

/// What each of them serves past the gate.
const CARVED_OUT: &str = "apple-touch-icon.png";

/// What a configuration of a page is filled in with.
pub(crate) struct Parts<'a> {
    pub(crate) certificate: &'a Certificate,
    pub(crate) outpost: &'a Outpost,
    pub(crate) dispatcher: SocketAddr,
}

/// The blocks of that page in `language`, in their order.
fn blocks(language: &str) -> Vec<&'static str> {
    blocks_of(PAGE, language)
}

/// The blocks of `page` in `language`, in their order.
pub(crate) fn blocks_of(page: &'static str, language: &str) -> Vec<&'static str> {
    let mut blocks = page.split("\n```").skip(1).step_by(2);
    let mut found = Vec::new();
    for block in &mut blocks {
        let (info, text) = block.split_once('\n').expect("a block has lines");
        if info == language {
            found.push(text);
        }
    }
    assert!(!found.is_empty(), "no block of {language}");
    found
}

/// A configuration of a page, with the test's addresses and files.
pub(crate) fn filled_in(text: &str, parts: &Parts<'_>, listen: SocketAddr, dir: &Path) -> String {
    let [certificate, key] = [parts.certificate.certificate(), parts.certificate.key()];
    let mut text = text.to_owned();
    for (placeholder, value) in [
        (
            "https://t3.example.org",
            format!("https://{APPLICATION}:{}", listen.port()),
        ),
        (
            "https://auth.example.org",
            format!("https://{SIGN_IN}:{}", listen.port()),
        ),
        ("t3.example.org", APPLICATION.to_owned()),
        ("auth.example.org", SIGN_IN.to_owned()),
        ("listen 443", format!("listen {listen}")),
        ("\":443\"", format!("\"{listen}\"")),
        (
            "/etc/ssl/example.org.pem",
            certificate.display().to_string(),
        ),
        ("/etc/ssl/example.org.key", key.display().to_string()),
        ("/etc/traefik", dir.display().to_string()),
        ("127.0.0.1:9000", parts.outpost.addr.to_string()),
        ("127.0.0.1:8080", parts.dispatcher.to_string()),
        ("the-secret-of-DISPATCHER_SECRET_FILE", SECRET.to_owned()),
    ] {
        text = text.replace(placeholder, &value);
    }
    parts.outpost.manner().names(&text)
}

/// A proxy that is to be run.
struct Proxy<'a> {
    door: &'a Door,
    listen: SocketAddr,
    dir: &'a Path,
}

impl Proxy<'_> {
    /// Writes a file of its configuration.
    fn write(&self, name: &str, text: &str) -> std::path::PathBuf {
        let file = self.dir.join(name);
        let parts = Parts {
            certificate: &self.door.certificate,
            outpost: &self.door.outpost,
            dispatcher: self.door.dispatcher.addr,
        };
        let text = filled_in(text, &parts, self.listen, self.dir);
        std::fs::write(&file, text).expect("a writable directory");
        file
    }
}

/// A tab without cookies, whose every request claims to be somebody else's in each field of the gate's.
async fn claiming_page(browser: &Browser, manner: Manner) -> Page {
    let page = browser.page().await;
    let mut claims = json!({ "X-Dispatcher-Secret": OTHER_SECRET });
    for field in manner.fields() {
        claims[field] = json!("mallory@example.org");
    }
    let claims = json!({ "headers": claims });
    let sent = page.command("Network.setExtraHTTPHeaders", claims).await;
    sent.unwrap_or_else(|error| panic!("{error}"));
    page
}

/// Signs in behind the proxy whose command `configure` completes, as a browser whose every request claims to
/// be somebody else's.
async fn leads_to_the_cockpit(
    variable: &str,
    manner: Manner,
    configure: impl FnOnce(&mut Command, &Proxy<'_>),
) {
    let Some(program) = named_by(variable) else {
        return;
    };
    let door = Door::behind(manner).await;
    let dir = TempDir::new().expect("a temporary directory");
    let listen = port::unused();
    let mut command = Command::new(program);
    command.env("HOME", dir.path());
    configure(
        &mut command,
        &Proxy {
            door: &door,
            listen,
            dir: dir.path(),
        },
    );
    let proxy = Program::start(&mut command, listen);
    let bridge = Bridge::to(listen, APPLICATION, &door.certificate).await;
    let icon = format!("GET /{CARVED_OUT}\nHost: {APPLICATION}");
    bridge.until_served(&icon).await;
    let Some(browser) = door.browser().await else {
        return door.finish().await;
    };
    let application = format!("https://{APPLICATION}:{}/", listen.port());
    let page = claiming_page(&browser, manner).await;
    let start = Instant::now();
    page.navigate(&application).await;
    sign_in(&page, "ada@example.org").await;
    page.wait_for(CONNECTED, PATIENCE).await;
    println!("{variable}, {manner:?}: live after {:?}", start.elapsed());
    let failed = page.responses();
    let failed: Vec<_> = failed
        .iter()
        .filter(|response| response.status >= 400)
        .collect();
    assert!(failed.is_empty(), "{failed:?}");
    assert!(page.cookies().await.iter().any(|cookie| {
        let name = cookie["name"].as_str().unwrap_or_default();
        name.starts_with("t3_session") && cookie["secure"] == true
    }));
    // Past the gate nobody is named, whatever is claimed.
    let stranger = claiming_page(&browser, manner).await;
    stranger
        .navigate(&format!("{application}{CARVED_OUT}"))
        .await;
    let responses = stranger.responses();
    let statuses: Vec<_> = responses.iter().map(|response| response.status).collect();
    assert_eq!(statuses.first(), Some(&200), "{responses:?}");
    assert_eq!(stranger.cookies().await, Vec::<Value>::new());
    let labels = door.clients().await;
    let labels: Vec<_> = labels
        .iter()
        .filter(|label| label.ends_with("@sso"))
        .collect();
    assert_eq!(labels, ["ada@example.org@sso"]);
    drop((page, stranger, browser, proxy));
    door.finish().await;
}

fn traefik(command: &mut Command, proxy: &Proxy<'_>) {
    let [own, routes] = blocks("yaml").try_into().expect("two files");
    proxy.write("routes.yaml", routes);
    let file = proxy.write("traefik.yaml", own);
    command.arg(format!("--configfile={}", file.display()));
}

fn caddy(command: &mut Command, proxy: &Proxy<'_>) {
    let [text] = blocks("caddyfile").try_into().expect("one file");
    // The test's certificate, and no port but the one.
    let text = format!("{{\n\tadmin off\n\tauto_https off\n}}\n\n{text}");
    let file = proxy.write("Caddyfile", &text);
    command
        .env("DISPATCHER_SECRET", SECRET)
        .args(["run", "--adapter", "caddyfile", "--config"])
        .arg(file);
}

fn nginx(command: &mut Command, proxy: &Proxy<'_>) {
    let [text] = blocks("nginx").try_into().expect("one file");
    // Whoever runs the test may write nowhere else.
    let mut own = "http {\n    access_log off;\n".to_owned();
    for name in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
        own += &format!("    {name}_temp_path {}/{name};\n", proxy.dir.display());
    }
    let file = proxy.write("nginx.conf", &text.replacen("http {\n", &own, 1));
    let globals = format!(
        "daemon off; worker_processes 1; error_log stderr error; pid {}/pid;",
        proxy.dir.display()
    );
    command.args(["-g", &globals, "-c"]).arg(file);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a real t3 and a real Traefik: .ci/edge"]
async fn traefik_with_forward_auth_leads_to_the_cockpit() {
    leads_to_the_cockpit("EDGE_TRAEFIK", Manner::Authentik, traefik).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a real t3 and a real Caddy: .ci/edge"]
async fn caddy_with_forward_auth_leads_to_the_cockpit() {
    leads_to_the_cockpit("EDGE_CADDY", Manner::Authentik, caddy).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a real t3 and a real nginx: .ci/edge"]
async fn nginx_with_auth_request_leads_to_the_cockpit() {
    leads_to_the_cockpit("EDGE_NGINX", Manner::Authentik, nginx).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a real t3 and a real nginx: .ci/edge"]
async fn nginx_with_authelia_leads_to_the_cockpit() {
    leads_to_the_cockpit("EDGE_NGINX", Manner::Authelia, nginx).await;
}
