//! A certificate authority of the test's own, and the certificate of its hosts.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::programs::run;

/// Files that OpenSSL has made.
pub(crate) struct Certificate {
    dir: TempDir,
}

impl Certificate {
    /// One for `*.test`.
    pub(crate) fn new() -> Self {
        let dir = TempDir::new().expect("a temporary directory");
        let openssl = |args: &str| {
            let mut command = Command::new("openssl");
            run(command
                .current_dir(dir.path())
                .args(args.split_whitespace()));
        };
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2";
        openssl(&format!(
            "req -x509 {key} -keyout ca.key -out ca.pem -subj /CN=test-authority \
            -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign"
        ));
        openssl(&format!(
            "req -x509 {key} -keyout key.pem -out cert.pem -subj /CN=t3.test -CA ca.pem -CAkey ca.key \
            -addext subjectAltName=DNS:t3.test,DNS:auth.test,DNS:devices.test -addext basicConstraints=critical,CA:FALSE"
        ));
        Self { dir }
    }

    pub(crate) fn authority(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    pub(crate) fn certificate(&self) -> PathBuf {
        self.dir.path().join("cert.pem")
    }

    pub(crate) fn key(&self) -> PathBuf {
        self.dir.path().join("key.pem")
    }

    /// Makes a browser whose home is `home` trust the authority, as an administrator would.
    pub(crate) fn trust_in(&self, home: &Path) {
        let store = home.join(".pki/nssdb");
        std::fs::create_dir_all(&store).expect("a writable directory");
        let store = format!("sql:{}", store.display());
        let certutil =
            |args: &[&str]| run(Command::new("certutil").args(["-d", &store]).args(args));
        certutil(&["-N", "--empty-password"]);
        let authority = self.authority();
        let authority = authority.to_str().expect("a UTF-8 path");
        certutil(&["-A", "-n", "test", "-t", "C,,", "-i", authority]);
    }
}
