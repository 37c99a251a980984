//! `server-runtime.json`: where the running server can be found (contract §1).

use std::fs;
use std::io;
use std::net::SocketAddr;

use serde::Serialize;

use crate::base::{self, Base};
use crate::clock;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Runtime {
    version: u8,
    pid: u32,
    host: String,
    port: u16,
    origin: String,
    started_at: String,
}

pub(super) fn write(base: &Base, addr: SocketAddr) -> io::Result<()> {
    let runtime = Runtime {
        version: 1,
        pid: std::process::id(),
        host: addr.ip().to_string(),
        port: addr.port(),
        origin: format!("http://{addr}"),
        started_at: clock::iso(clock::now_ms()),
    };
    base::replace(&base.runtime_file(), &serde_json::to_vec(&runtime)?)
}

/// On a clean exit only (contract §1).
pub(super) fn remove(base: &Base) {
    let _already_gone = fs::remove_file(base.runtime_file());
}
