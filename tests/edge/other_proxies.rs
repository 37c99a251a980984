//! The way to the cockpit behind other proxies than the stack's: Caddy and nginx.

use std::path::{Path, PathBuf};
use std::process::Command;

use tokio::time::Instant;

use crate::outpost::APPLICATION;
use crate::programs::{Program, free_address, named_by};
use crate::stack::{CONNECTED, Door, PATIENCE, SECRET, sign_in};

/// Signs in behind the proxy that `start` makes of its configuration and its program.
async fn leads_to_the_cockpit(
    variable: &str,
    configuration: &str,
    arguments: impl FnOnce(&mut Command, &Path),
) {
    let Some(program) = named_by(variable) else {
        return;
    };
    let door = Door::start().await;
    let dir = tempfile::TempDir::new().expect("a temporary directory");
    let listen = free_address();
    let shown = |path: PathBuf| path.display().to_string();
    let mut text = configuration.to_owned();
    for (placeholder, value) in [
        ("{port}", listen.port().to_string()),
        ("{listen}", listen.to_string()),
        ("{certificate}", shown(door.certificate.certificate())),
        ("{key}", shown(door.certificate.key())),
        ("{outpost}", door.outpost.addr.to_string()),
        ("{dispatcher}", door.dispatcher.addr.to_string()),
        ("{secret}", SECRET.to_owned()),
        ("{directory}", shown(dir.path().to_owned())),
    ] {
        text = text.replace(placeholder, &value);
    }
    let file = dir.path().join("configuration");
    std::fs::write(&file, text).expect("a writable directory");
    let mut command = Command::new(program);
    command.env("HOME", dir.path());
    arguments(&mut command, &file);
    let proxy = Program::start(&mut command, listen);
    let Some(browser) = door.browser().await else {
        return door.finish().await;
    };
    let page = browser.page().await;
    let start = Instant::now();
    page.navigate(&format!("https://{APPLICATION}:{}/", listen.port()))
        .await;
    sign_in(&page, "ada@example.org").await;
    page.wait_for(CONNECTED, PATIENCE).await;
    println!("{variable}: live after {:?}", start.elapsed());
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
    let labels = door.clients().await;
    assert!(
        labels.iter().any(|label| label == "ada@example.org@sso"),
        "{labels:?}"
    );
    drop((page, browser, proxy));
    door.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a real t3 and a real Caddy: .ci/edge"]
async fn caddy_with_forward_auth_leads_to_the_cockpit() {
    let configuration = include_str!("configurations/Caddyfile");
    leads_to_the_cockpit("EDGE_CADDY", configuration, |command, file| {
        command
            .args(["run", "--adapter", "caddyfile", "--config"])
            .arg(file);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a real t3 and a real nginx: .ci/edge"]
async fn nginx_with_auth_request_leads_to_the_cockpit() {
    let configuration = include_str!("configurations/nginx.conf");
    leads_to_the_cockpit("EDGE_NGINX", configuration, |command, file| {
        command.args(["-g", "daemon off;", "-c"]).arg(file);
    })
    .await;
}
