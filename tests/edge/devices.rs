//! Apps by the rules of docs/devices.md, through Traefik, Caddy and nginx, with the gate on the other router.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use t3_standin::edition::Edition;
use t3_standin::port;
use t3_standin::server::{Options, Standin};
use tempfile::TempDir;

use crate::bridge::Bridge;
use crate::certificate::Certificate;
use crate::common::app::{App, ORIGINS};
use crate::common::app_way::goes_its_way;
use crate::common::http::Response;
use crate::common::process::{Process, command};
use crate::common::{Client, HANDSHAKE, PAGE, cli_in, request};
use crate::other_proxies::{Parts, blocks_of, filled_in};
use crate::outpost::{APPLICATION, Manner, Outpost};
use crate::programs::{Program, named_by};
use crate::stack::SECRET;

/// The pages whose configurations are run: that of apps beside that of browsers.
const GATES: &str = include_str!("../../docs/gates.md");
const DEVICES: &str = include_str!("../../docs/devices.md");

/// The host of apps.
const HOST: &str = "devices.test";

/// The person, as the gate names that one.
const ADA: &str = "ada@example.org";

/// What stands behind a proxy: a t3 of an edition, a dispatcher with both doors, the gate.
struct House {
    edition: Edition,
    standin: Standin,
    dispatcher: Process,
    outpost: Outpost,
    certificate: Certificate,
    _dir: TempDir,
}

/// Where a proxy listens: for all by host, and for apps alone.
#[derive(Clone, Copy)]
struct Ports {
    secure: SocketAddr,
    devices: SocketAddr,
}

impl House {
    async fn of(edition: Edition) -> House {
        let dir = TempDir::new().expect("a temporary directory");
        let base = dir.path().join("t3");
        let standin = Standin::start(Options::of(edition, &base)).await;
        let standin = standin.expect("a free port");
        let secret = dir.path().join("secret");
        std::fs::write(&secret, SECRET).expect("a writable directory");
        let mut dispatcher = command();
        dispatcher
            .env("T3_UPSTREAM_PORT", standin.addr().port().to_string())
            .env("T3_BIN", cli_in(dir.path()))
            .env("T3CODE_HOME", base)
            .env("DISPATCHER_GATE", Manner::Authentik.gate())
            .env("DISPATCHER_SECRET_FILE", secret)
            .env("DISPATCHER_DEVICE_PORT", "0")
            .env("DISPATCHER_DEVICE_HOST", HOST)
            .env("DISPATCHER_TRUSTED_PROXIES", "127.0.0.0/8");
        let dispatcher = Process::start(&mut dispatcher);
        House {
            edition,
            standin,
            dispatcher,
            outpost: Outpost::start(Manner::Authentik).await,
            certificate: Certificate::new(),
            _dir: dir,
        }
    }

    /// A configuration of either page, with the test's addresses and files.
    fn filled_in(&self, text: &str, ports: Ports, dir: &Path) -> String {
        let devices = self.dispatcher.devices.expect("a door for apps");
        let mut text = text.to_owned();
        for (placeholder, value) in [
            (
                "https://devices.example.org",
                format!("https://{HOST}:{}", ports.secure.port()),
            ),
            (
                "https://t3.example.org:8443",
                format!("https://{APPLICATION}:{}", ports.devices.port()),
            ),
            ("devices.example.org", HOST.to_owned()),
            ("\":8443\"", format!("\"{}\"", ports.devices)),
            ("listen 8443", format!("listen {}", ports.devices)),
            ("127.0.0.1:8081", devices.to_string()),
        ] {
            text = text.replace(placeholder, &value);
        }
        let parts = Parts {
            certificate: &self.certificate,
            outpost: &self.outpost,
            dispatcher: self.dispatcher.addr,
        };
        filled_in(&text, &parts, ports.secure, dir)
    }

    /// Writes a file of a proxy's configuration.
    fn write(&self, name: &str, text: &str, ports: Ports, dir: &Path) -> std::path::PathBuf {
        let file = dir.join(name);
        let text = self.filled_in(text, ports, dir);
        std::fs::write(&file, text).expect("a writable directory");
        file
    }

    /// A code that the person has t3 mint in its settings, behind the gate.
    async fn code(&self, gated: SocketAddr, host: &str) -> String {
        let session = request(self.standin.addr(), "GET /api/auth/session")
            .await
            .json();
        let name = session["auth"]["sessionCookieName"]
            .as_str()
            .expect("a name")
            .to_owned();
        let admin = self
            .standin
            .issue_administrative_session(&format!("{ADA}@sso"));
        let gate = self.outpost.cookie_of(ADA);
        let head = format!(
            "POST /api/auth/pairing-token\nHost: {host}\nCookie: {gate}; {name}={}\n\
            Content-Type: application/json\nContent-Length: 2",
            admin.expect("writes")
        );
        let mut client = Client::connect(gated).await;
        client.send_head(&head).await;
        client.send(b"{}").await;
        let minted = client.response(false).await;
        assert_eq!(minted.status, 200, "{}", minted.text());
        minted.json()["credential"]
            .as_str()
            .expect("a code")
            .to_owned()
    }
}

/// A page load with `fields`, each ended by a line feed.
async fn load(to: SocketAddr, host: &str, path: &str, fields: &str) -> Response {
    request(to, &format!("GET {path}\nHost: {host}\n{fields}{PAGE}")).await
}

/// An app goes its way behind the proxy whose command `configure` completes, by a host and by a port, on t3 of each
/// protocol; a browser needs the gate, and nobody gets past it by the apps' way.
async fn apps_go_their_way(variable: &str, configure: impl Fn(&mut Command, &House, Ports, &Path)) {
    let Some(program) = named_by(variable) else {
        return;
    };
    for edition in [Edition::September, Edition::Protocol2] {
        let house = House::of(edition).await;
        let dir = TempDir::new().expect("a temporary directory");
        let ports = Ports {
            secure: port::unused(),
            devices: port::unused(),
        };
        let mut command = Command::new(&program);
        command.env("HOME", dir.path());
        configure(&mut command, &house, ports, dir.path());
        let proxy = Program::start(&mut command, ports.secure);
        let certificate = &house.certificate;
        let gated = Bridge::to(ports.secure, APPLICATION, certificate).await;
        let by_host = Bridge::to(ports.secure, HOST, certificate).await;
        let by_port = Bridge::to(ports.devices, APPLICATION, certificate).await;
        let cockpit = format!("{APPLICATION}:{}", ports.secure.port());
        let doors = [
            (&by_host, format!("{HOST}:{}", ports.secure.port())),
            (&by_port, format!("{APPLICATION}:{}", ports.devices.port())),
        ];
        for (door, host) in &doors {
            let head = format!("GET /.well-known/t3/environment\nHost: {host}");
            door.until_served(&head).await;
        }

        for (door, host) in &doors {
            let to = door.addr;
            for (number, origin) in ORIGINS.into_iter().enumerate() {
                let code = house.code(gated.addr, &cockpit).await;
                let mut app = App::connect(to, host, origin).await;
                let t3 = (house.edition, &house.standin);
                goes_its_way(&mut app, t3, &code, &format!("Phone {number}")).await;
                let label = house.standin.sessions().pop().and_then(|row| row.label);
                assert_eq!(label, Some(format!("{ADA}@sso Phone {number}")));
            }
            nobody_is_let_in(&house, to, host).await;
        }
        browsers_need_the_gate(&house, gated.addr, &cockpit).await;
        println!("{variable}, {edition:?}: apps went their way by host and by port");
        drop(proxy);
    }
}

/// At the apps' way neither a claim nor the gate's own cookie is anybody.
async fn nobody_is_let_in(house: &House, to: SocketAddr, host: &str) {
    let gate = house.outpost.cookie_of(ADA);
    house.standin.clear_requests();
    for fields in [
        "",
        &format!("Cookie: {gate}\n"),
        &format!("X-authentik-username: {ADA}\nX-Dispatcher-Secret: {SECRET}\n"),
        &format!("Cookie: {gate}\nX-authentik-username: {ADA}\nX-Dispatcher-Secret: {SECRET}\n"),
    ] {
        for (path, status) in [
            ("/", 404),
            ("/t/1", 404),
            ("/dispatcher/devices", 404),
            ("/pair", 200),
            ("/mcp", 404),
        ] {
            let response = load(to, host, path, fields).await;
            assert_eq!(response.status, status, "{host}{path} with {fields}");
            assert_eq!(
                response.all("set-cookie"),
                [""; 0],
                "{host}{path} with {fields}"
            );
        }
        let upgrade = format!("GET /ws?wsTicket=\nHost: {host}\n{fields}{HANDSHAKE}");
        assert_eq!(request(to, &upgrade).await.status, 404, "{fields}");
    }
    // The dispatcher's own questions carry t3's address.
    let own = house.standin.addr().to_string();
    let asked = house.standin.requests();
    let mut asked = asked.iter();
    let by_a_client = asked.find(|seen| seen.header("host") != Some(own.as_bytes()));
    assert!(by_a_client.is_none(), "{by_a_client:?}");
}

/// The other router is as it was.
async fn browsers_need_the_gate(house: &House, gated: SocketAddr, host: &str) {
    let stranger = load(gated, host, "/", "").await;
    assert_eq!(stranger.status, 302);
    assert_eq!(stranger.header("set-cookie").find("t3_session"), None);
    let gate = house.outpost.cookie_of(ADA);
    let signed_in = load(gated, host, "/t/1", &format!("Cookie: {gate}\n")).await;
    assert_eq!(
        (signed_in.status, &*signed_in.header("location")),
        (302, "/t/1")
    );
    let cookies = signed_in.all("set-cookie");
    assert!(
        cookies.iter().any(|line| line.starts_with("t3_session")),
        "{cookies:?}"
    );
}

fn traefik(command: &mut Command, house: &House, ports: Ports, dir: &Path) {
    let [own, routes] = blocks_of(GATES, "yaml").try_into().expect("two files");
    let [devices, entry_point, _component] =
        blocks_of(DEVICES, "yaml").try_into().expect("three blocks");
    let folder = dir.join("routes");
    std::fs::create_dir(&folder).expect("a writable directory");
    house.write("routes/routes.yaml", routes, ports, dir);
    house.write("routes/devices.yaml", devices, ports, dir);
    let entry_point = entry_point
        .strip_prefix("entryPoints:\n")
        .expect("entry points");
    let own = own
        .replacen(
            "entryPoints:\n",
            &format!("entryPoints:\n{entry_point}\n"),
            1,
        )
        .replace(
            "filename: /etc/traefik/routes.yaml",
            "directory: /etc/traefik/routes",
        );
    let file = house.write("traefik.yaml", &own, ports, dir);
    command.arg(format!("--configfile={}", file.display()));
}

fn caddy(command: &mut Command, house: &House, ports: Ports, dir: &Path) {
    let [gates] = blocks_of(GATES, "caddyfile").try_into().expect("one file");
    let [devices] = blocks_of(DEVICES, "caddyfile")
        .try_into()
        .expect("one block");
    // The test's certificate, and no port but these.
    let text = format!("{{\n\tadmin off\n\tauto_https off\n}}\n\n{gates}\n{devices}");
    let file = house.write("Caddyfile", &text, ports, dir);
    command
        .env("DISPATCHER_SECRET", SECRET)
        .args(["run", "--adapter", "caddyfile", "--config"])
        .arg(file);
}

fn nginx(command: &mut Command, house: &House, ports: Ports, dir: &Path) {
    let [gates] = blocks_of(GATES, "nginx").try_into().expect("one file");
    let [devices] = blocks_of(DEVICES, "nginx").try_into().expect("one block");
    // Whoever runs the test may write nowhere else.
    let mut own = "http {\n    access_log off;\n".to_owned();
    for name in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
        own += &format!("    {name}_temp_path {}/{name};\n", dir.display());
    }
    let (http, end) = gates.rsplit_once('}').expect("a block");
    let text = format!("{}\n{devices}\n}}{end}", http.replacen("http {\n", &own, 1));
    let file = house.write("nginx.conf", &text, ports, dir);
    let globals = format!(
        "daemon off; worker_processes 1; error_log stderr error; pid {}/pid;",
        dir.display()
    );
    command.args(["-g", &globals, "-c"]).arg(file);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a real Traefik: .ci/edge"]
async fn apps_go_their_way_by_traefik() {
    apps_go_their_way("EDGE_TRAEFIK", traefik).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a real Caddy: .ci/edge"]
async fn apps_go_their_way_by_caddy() {
    apps_go_their_way("EDGE_CADDY", caddy).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a real nginx: .ci/edge"]
async fn apps_go_their_way_by_nginx() {
    apps_go_their_way("EDGE_NGINX", nginx).await;
}
