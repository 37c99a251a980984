//! The real Traefik with the stack's middlewares, in their order.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use t3_standin::port;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::bridge::Bridge;
use crate::certificate::Certificate;
use crate::common::{PATIENCE, request};
use crate::outpost::{APPLICATION, PREFIX, SIGN_IN};
use crate::programs::Program;

/// Traefik, which reads its routes again when they change. Ends with the test.
pub(crate) struct Traefik {
    /// Where it speaks https, for browsers.
    pub(crate) secure: SocketAddr,
    /// Where it speaks http, with the same routes: for clients of the tests' own.
    pub(crate) plain: SocketAddr,
    /// How often its routes have changed.
    changes: u32,
    _program: Program,
    dir: TempDir,
}

/// The response header by which its routes say how many were before them.
const CHANGES: &str = "x-changes";

/// What stands behind it.
#[derive(Debug)]
pub(crate) struct Behind {
    pub(crate) dispatcher: SocketAddr,
    pub(crate) outpost: SocketAddr,
    /// What the door's middleware sets.
    pub(crate) secret: String,
}

impl Traefik {
    pub(crate) async fn start(program: &Path, certificate: &Certificate, behind: &Behind) -> Self {
        let dir = TempDir::new().expect("a temporary directory");
        let (secure, plain) = (port::unused(), port::unused());
        // The stack's times.
        let transport =
            json!({ "respondingTimeouts": { "readTimeout": "3600s", "idleTimeout": "600s" } });
        let configuration = json!({
            "entryPoints": {
                "secure": { "address": secure.to_string(), "transport": transport },
                "plain": { "address": plain.to_string(), "transport": transport },
            },
            "providers": { "file": { "filename": dir.path().join("routes.yaml"), "watch": true } },
            "serversTransport": {
                "forwardingTimeouts": { "idleConnTimeout": "90s", "responseHeaderTimeout": "30s" },
            },
            "log": { "level": "ERROR" },
            "global": { "checkNewVersion": false, "sendAnonymousUsage": false },
        });
        let file = dir.path().join("traefik.yaml");
        write(&file, &configuration);
        write(
            &dir.path().join("routes.yaml"),
            &routes(certificate, behind, 0),
        );
        let mut command = Command::new(program);
        command.arg("--configfile").arg(file);
        let program = Program::start(&mut command, secure);
        let traefik = Self {
            secure,
            plain,
            changes: 0,
            _program: program,
            dir,
        };
        // It listens at one address after the other, and before it knows its routes and certificate.
        let routed = async {
            while TcpStream::connect(plain).await.is_err() || !traefik.has_changed().await {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(PATIENCE, routed).await.expect("its routes in time");
        let bridge = Bridge::to(secure, SIGN_IN, certificate).await;
        bridge
            .until_served(&format!("GET /\nHost: {SIGN_IN}"))
            .await;
        traefik
    }

    /// Gives it other routes, which it notices within seconds: see [`Self::has_changed`].
    pub(crate) fn change(&mut self, certificate: &Certificate, behind: &Behind) {
        self.changes += 1;
        write(
            &self.dir.path().join("routes.yaml"),
            &routes(certificate, behind, self.changes),
        );
    }

    /// Does it route by the latest routes that it was given?
    pub(crate) async fn has_changed(&self) -> bool {
        let response = request(self.plain, &format!("GET /\nHost: {SIGN_IN}")).await;
        response.all(CHANGES) == [self.changes.to_string()]
    }
}

/// Written whole or not at all: it is read while it changes.
fn write(file: &Path, value: &Value) {
    let draft = file.with_extension("draft");
    std::fs::write(&draft, value.to_string()).expect("a writable directory");
    std::fs::rename(&draft, file).expect("the same directory");
}

/// The stack's routes: the application behind the gate, the outpost's own paths, the sign-in, and what
/// operators carve out of the gate.
fn routes(certificate: &Certificate, behind: &Behind, changes: u32) -> Value {
    let service = |address: SocketAddr| {
        json!({
            "loadBalancer": { "servers": [{ "url": format!("http://{address}") }] },
        })
    };
    let router = |rule: String, middlewares: &[&str], service: &str, is_secure: bool| {
        let mut router = json!({
            "rule": rule, "middlewares": middlewares, "service": service,
            "entryPoints": [if is_secure { "secure" } else { "plain" }],
        });
        if is_secure {
            router["tls"] = json!({});
        }
        router
    };
    let application = format!("Host(`{APPLICATION}`)");
    let at = |rule: &str| format!("{application} && ({rule})");
    let (gated, assets) = (gated("rate-limit"), gated("assets-rate-limit"));
    let mut routers = serde_json::Map::new();
    for (suffix, is_secure) in [("", true), ("-plain", false)] {
        for (name, rule, middlewares, service) in [
            ("application", application.clone(), &gated[..], "dispatcher"),
            (
                "assets",
                at("PathPrefix(`/assets/`)"),
                &assets,
                "dispatcher",
            ),
            ("carved-out", at(CARVED_OUT), &[], "dispatcher"),
            (
                "outpost",
                at(&format!("PathPrefix(`{PREFIX}`)")),
                &[],
                "outpost",
            ),
            (
                "sign-in",
                format!("Host(`{SIGN_IN}`)"),
                &["changes"],
                "outpost",
            ),
        ] {
            let router = router(rule, middlewares, service, is_secure);
            routers.insert(format!("{name}{suffix}"), router);
        }
    }
    let address = format!("http://{}{PREFIX}auth/traefik", behind.outpost);
    json!({
        "http": {
            "routers": routers,
            "services": {
                "dispatcher": service(behind.dispatcher),
                "outpost": service(behind.outpost),
            },
            "middlewares": {
                "retry": { "retry": { "attempts": 3, "initialInterval": "100ms" } },
                "error-pages": { "errors": {
                    "status": ["500-504"], "service": "outpost", "query": "/{status}.html",
                } },
                "rate-limit": { "rateLimit": { "average": 10, "burst": 50 } },
                "assets-rate-limit": { "rateLimit": assets_limit() },
                "csp-headers": { "headers": { "contentSecurityPolicy": "frame-ancestors 'self' https://*.test" } },
                "forward-auth": { "forwardAuth": {
                    "address": address,
                    "trustForwardHeader": true,
                    "authResponseHeaders": [
                        "X-authentik-username", "X-authentik-uid", "X-authentik-email", "X-authentik-name",
                        "X-authentik-groups", "Set-Cookie",
                    ],
                } },
                "changes": { "headers": { "customResponseHeaders": { CHANGES: changes.to_string() } } },
                "door": { "headers": { "customRequestHeaders": { "X-Dispatcher-Secret": behind.secret } } },
            },
        },
        "tls": { "certificates": [{ "certFile": certificate.certificate(), "keyFile": certificate.key() }] },
    })
}

/// The limit that the manifest has for static files.
fn assets_limit() -> Value {
    let manifest = include_str!("../../k8s/overlays/t3-afk/assets.yaml");
    let of = |name: &str| {
        let mut lines = manifest.lines().map(str::trim);
        let value = lines.find_map(|line| line.strip_prefix(name));
        value.and_then(|value| value.trim().parse::<u64>().ok())
    };
    json!({ "average": of("average:").expect("a rate"), "burst": of("burst:").expect("a number") })
}

/// What operators carve out of the gate: probes, what an operating system fetches for an app's icon, and
/// native apps.
const CARVED_OUT: &str = "PathPrefix(`/probe`) || Path(`/apple-touch-icon.png`) || Path(`/manifest.webmanifest`) \
    || PathPrefix(`/.well-known/t3/`) || Path(`/oauth/token`) || HeaderRegexp(`Authorization`, `^Bearer .`) \
    || QueryRegexp(`wsTicket`, `.`)";

/// The Ingress's annotation, in its order, with that limit.
fn gated(limit: &'static str) -> [&'static str; 6] {
    [
        "retry",
        "error-pages",
        limit,
        "csp-headers",
        "forward-auth",
        "door",
    ]
}
