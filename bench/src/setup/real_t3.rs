//! How the real t3 is started, and what stands between it and a browser: the dispatcher, Traefik, a line.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::time::sleep;

use super::{Setup, Variable, free_port};
use crate::roles::Failure;
use crate::running::Running;
use crate::tests::line::Line;

/// Public, and the same for everybody (contract §6).
const DESCRIPTOR: &str = "/.well-known/t3/environment";

const WARM_UP: Duration = Duration::from_secs(300);

/// The real t3 on a base directory of its own.
#[derive(Debug)]
pub(crate) struct RealT3 {
    running: Running,
    bin: PathBuf,
    base: PathBuf,
}

impl Setup {
    /// The t3 that `BENCH_T3` names, serving; `None` where it names none.
    pub(crate) async fn real_t3(&self) -> Result<Option<RealT3>, Failure> {
        let Some(bin) = program("BENCH_T3") else {
            return Ok(None);
        };
        let (listen, home) = (free_port()?, self.dir().join("real"));
        fs::create_dir_all(&home)?;
        let base = home.join("t3");
        let mut command = Command::new(&bin);
        command
            .args(["serve", "--mode", "web", "--host", "127.0.0.1", "--port"])
            .arg(listen.to_string())
            .arg("--base-dir")
            .arg(&base)
            .current_dir(&home)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", &home)
            .env("T3CODE_NO_BROWSER", "1")
            .env("T3CODE_TELEMETRY_ENABLED", "false")
            // Its shells complain there that they have no terminal.
            .stderr(Stdio::null());
        let running = Running::spawn(&mut command, listen)?;
        let running = running.serving_at(DESCRIPTOR).await?;
        Ok(Some(RealT3 { running, bin, base }))
    }

    /// The dispatcher in front of `t3`, told more by its environment; where it handles static files, once they are
    /// compressed, which takes it long on a busy machine.
    pub(crate) async fn before_real(
        &self,
        t3: &RealT3,
        more: &[Variable],
    ) -> Result<Running, Failure> {
        let listen = free_port()?;
        let log = self.dir().join(format!("{listen}-log"));
        let mut command = Command::new(&self.dispatcher);
        self.environment(&mut command, listen, t3.running.addr.port());
        command
            .env("T3_BIN", &t3.bin)
            .env("T3CODE_HOME", &t3.base)
            .env("T3CODE_TELEMETRY_ENABLED", "false")
            .env("RUST_LOG", "info")
            .envs(more.iter().copied());
        let told = fs::File::create(&log)?.into();
        let running = Running::spawn_telling(&mut command, listen, told)?;
        let running = running.serving_at(DESCRIPTOR).await?;
        let start = Instant::now();
        while !more.contains(&("DISPATCHER_ASSETS", "off"))
            && !fs::read_to_string(&log)?.contains("warm-up done")
        {
            if start.elapsed() > WARM_UP {
                return Err(format!("nothing is compressed after {WARM_UP:?}").into());
            }
            sleep(Duration::from_millis(100)).await;
        }
        Ok(running)
    }

    /// Such a line in front of that port.
    pub(crate) async fn line(&self, line: Line, upstream: u16) -> Result<Running, Failure> {
        let listen = free_port()?;
        let mut command = Command::new(&self.own);
        command.args(["line", &listen.to_string(), &upstream.to_string()]);
        command.args([
            line.round_trip.as_millis().to_string(),
            line.bytes_a_second.to_string(),
        ]);
        let running = Running::spawn(&mut command, listen)?;
        running.listening().await
    }

    /// Traefik, which asks a gate of each request, in front of that port, and the port at which it speaks https with the
    /// certificate that `BENCH_CERTIFICATE` names; `None` where `BENCH_TRAEFIK` names none.
    pub(crate) async fn traefik(
        &self,
        gate: u16,
        upstream: u16,
    ) -> Result<Option<(Running, u16)>, Failure> {
        let (Some(traefik), Some(certificate)) =
            (program("BENCH_TRAEFIK"), program("BENCH_CERTIFICATE"))
        else {
            return Ok(None);
        };
        let (secure, plain) = (free_port()?, free_port()?);
        // JSON is YAML.
        let file = |name: &str| self.dir().join(format!("{plain}-{name}.yaml"));
        let (static_part, dynamic_part) = (file("traefik"), file("routes"));
        let routes = routes(&certificate, gate, upstream);
        fs::write(&dynamic_part, routes.to_string())?;
        let address = |port: u16| json!({ "address": format!("127.0.0.1:{port}") });
        let configuration = json!({
            "entryPoints": { "secure": address(secure), "plain": address(plain) },
            "providers": { "file": { "filename": dynamic_part } },
            "log": { "level": "ERROR" },
            "global": { "checkNewVersion": false, "sendAnonymousUsage": false },
        });
        fs::write(&static_part, configuration.to_string())?;
        let mut command = Command::new(traefik);
        command.arg("--configfile").arg(static_part);
        // It listens before it knows its routes.
        let running = Running::spawn(&mut command, plain)?;
        Ok(Some((running.serving_at(DESCRIPTOR).await?, secure)))
    }
}

/// What the variable names.
fn program(variable: &str) -> Option<PathBuf> {
    let path = std::env::var_os(variable).filter(|path| !path.is_empty());
    path.map(PathBuf::from)
}

/// The certificate's key is in the same file.
fn routes(certificate: &Path, gate: u16, upstream: u16) -> serde_json::Value {
    let router = json!({
        "rule": "PathPrefix(`/`)", "service": "dispatcher", "middlewares": ["gate"], "entryPoints": ["plain"],
    });
    let mut secure = router.clone();
    (secure["entryPoints"], secure["tls"]) = (json!(["secure"]), json!({}));
    let upstream = format!("http://127.0.0.1:{upstream}");
    let gate = format!("http://127.0.0.1:{gate}/");
    json!({
        "http": {
            "routers": { "plain": router, "secure": secure },
            "services": { "dispatcher": { "loadBalancer": { "servers": [{ "url": upstream }] } } },
            "middlewares": { "gate": { "forwardAuth": { "address": gate, "trustForwardHeader": true } } },
        },
        "tls": { "certificates": [{ "certFile": certificate, "keyFile": certificate }] },
    })
}
