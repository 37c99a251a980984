//! A real https server that publishes keys, with an authority of its own.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// What the server does when it is asked.
#[derive(Debug, Clone)]
pub(crate) enum Behaviour {
    /// Responds with these bytes, and ends the connection.
    Send(Vec<u8>),
    /// Takes the request, and says nothing more.
    Hang,
}

pub(crate) struct KeyServer {
    pub(crate) addr: SocketAddr,
    dir: TempDir,
    behaviour: Arc<Mutex<Behaviour>>,
    asked: Arc<AtomicUsize>,
    serving: JoinHandle<()>,
}

impl KeyServer {
    /// One that publishes `set`.
    pub(crate) async fn publishing(set: &str) -> Self {
        let dir = TempDir::new().expect("a temporary directory");
        make_certificate(dir.path());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let addr = listener.local_addr().expect("bound");
        let acceptor = TlsAcceptor::from(Arc::new(tls(dir.path())));
        let behaviour = Arc::new(Mutex::new(Behaviour::Send(ok(set.as_bytes()))));
        let asked = Arc::new(AtomicUsize::new(0));
        let (does, counted) = (Arc::clone(&behaviour), Arc::clone(&asked));
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, does) = (acceptor.clone(), Arc::clone(&does));
                let counted = Arc::clone(&counted);
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(stream).await else {
                        return;
                    };
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        match stream.read_buf(&mut head).await {
                            Ok(count) if count > 0 => {}
                            _ => return,
                        }
                    }
                    counted.fetch_add(1, Ordering::SeqCst);
                    let behaviour = does.lock().clone();
                    match behaviour {
                        Behaviour::Send(bytes) => {
                            let _ = stream.write_all(&bytes).await;
                            let _ = stream.shutdown().await;
                        }
                        Behaviour::Hang => tokio::time::sleep(Duration::from_secs(3600)).await,
                    }
                });
            }
        });
        Self {
            addr,
            dir,
            behaviour,
            asked,
            serving,
        }
    }

    pub(crate) fn address(&self) -> String {
        format!("https://localhost:{}/keys.json", self.addr.port())
    }

    /// The file with its authority.
    pub(crate) fn authority(&self) -> String {
        let path = self.dir.path().join("ca.pem");
        path.to_str().expect("a UTF-8 path").to_owned()
    }

    pub(crate) fn publish(&self, set: &str) {
        self.behave(Behaviour::Send(ok(set.as_bytes())));
    }

    pub(crate) fn behave(&self, behaviour: Behaviour) {
        *self.behaviour.lock() = behaviour;
    }

    /// How many requests it has got.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Drop for KeyServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// A response with `body`.
pub(crate) fn ok(body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// An authority and a certificate for localhost.
fn make_certificate(dir: &Path) {
    let openssl = |args: &str| {
        let mut command = Command::new("openssl");
        let made = command.current_dir(dir).args(args.split_whitespace());
        let made = made.output().expect("openssl");
        assert!(made.status.success(), "{made:?}");
    };
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2";
    openssl(&format!(
        "req -x509 {key} -keyout ca.key -out ca.pem -subj /CN=test-authority \
         -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign"
    ));
    openssl(&format!(
        "req -x509 {key} -keyout key.pem -out cert.pem -subj /CN=localhost -CA ca.pem -CAkey ca.key \
         -addext subjectAltName=DNS:localhost -addext basicConstraints=critical,CA:FALSE"
    ));
}

fn tls(dir: &Path) -> ServerConfig {
    let certificate = CertificateDer::from_pem_file(dir.join("cert.pem")).expect("a certificate");
    let key = PrivateKeyDer::from_pem_file(dir.join("key.pem")).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config =
        ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.expect("protocols").with_no_client_auth();
    config
        .with_single_cert(vec![certificate], key)
        .expect("a pair")
}
