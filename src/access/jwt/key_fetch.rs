//! One fetch of a key set by https: from the configured address alone, bounded in time and length.

use std::io;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT, HOST, USER_AGENT};
use http::uri::{Authority, PathAndQuery};
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::Semaphore;
use tokio_rustls::TlsConnector;

use crate::process::own_thread::on_own_thread;
use crate::process::reach::reach;

/// The maximum length of a key set, in bytes.
const MAX_SET_BYTES: usize = 64 * 1024;

/// The maximum length of the head of a response, in bytes.
const MAX_HEAD_BYTES: usize = 16 * 1024;

/// The maximum length of the file of authorities, in bytes: this system's own have 220 KB.
const MAX_AUTHORITIES_BYTES: u64 = 1 << 20;

/// The port of https.
const HTTPS_PORT: u16 = 443;

/// Where a key set is published, and who may vouch for that server.
#[derive(Debug)]
pub(super) struct KeyAddress {
    authority: Authority,
    target: PathAndQuery,
    server: ServerName<'static>,
    ca_file: Option<PathBuf>,
    /// Held by the thread that reads the authorities.
    reading: Arc<Semaphore>,
}

/// Why there is no key set.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Http(#[from] hyper::Error),
    #[error("the server responded {0}, and no redirect is followed")]
    Status(StatusCode),
    #[error("the response is longer than 64 KiB, or was cut short")]
    Unreadable,
}

impl KeyAddress {
    /// The address `uri`, whose server the authorities in `ca_file` vouch for, or those of this system.
    ///
    /// # Errors
    /// Where its host is none that a certificate can be for.
    pub(super) fn new(uri: &Uri, ca_file: Option<PathBuf>) -> io::Result<Self> {
        let invalid = || io::Error::new(io::ErrorKind::InvalidInput, "the address of a key set");
        let authority = uri.authority().ok_or_else(invalid)?.clone();
        let server = ServerName::try_from(without_brackets(authority.host()).to_owned());
        Ok(Self {
            server: server.map_err(|_| invalid())?,
            target: uri.path_and_query().ok_or_else(invalid)?.clone(),
            authority,
            ca_file,
            reading: Arc::new(Semaphore::new(1)),
        })
    }

    /// What is published there now. The caller bounds how long it may take.
    ///
    /// # Errors
    /// Where the server is not reached, not who it should be, or does not respond with a set.
    pub(super) async fn fetch(&self) -> Result<Bytes, FetchError> {
        let tls = self.tls().await?;
        let host = without_brackets(self.authority.host());
        let port = self.authority.port_u16().unwrap_or(HTTPS_PORT);
        let stream = reach(host, port).await?;
        let stream = tls.connect(self.server.clone(), stream).await?;
        let mut http = http1::Builder::new();
        http.max_buf_size(MAX_HEAD_BYTES);
        let (mut sender, connection) = http.handshake(TokioIo::new(stream)).await?;
        let mut exchange = pin!(async {
            let response = sender.send_request(self.request()).await?;
            match response.status() {
                StatusCode::OK => {}
                status => return Err(FetchError::Status(status)),
            }
            let body = Limited::new(response.into_body(), MAX_SET_BYTES)
                .collect()
                .await;
            body.map(|body| body.to_bytes())
                .map_err(|_| FetchError::Unreadable)
        });
        tokio::select! {
            biased;
            fetched = &mut exchange => return fetched,
            // It may end before all that came on it is read.
            _ = connection => {}
        }
        exchange.await
    }

    fn request(&self) -> Request<Empty<Bytes>> {
        let agent = concat!("t3-dispatcher/", env!("CARGO_PKG_VERSION"));
        let request = Request::get(Uri::from(self.target.clone()))
            .header(HOST, self.authority.as_str())
            .header(ACCEPT, "application/json")
            .header(USER_AGENT, agent);
        request.body(Empty::new()).expect("every part is valid")
    }

    /// TLS with the authorities as they are now, of which nothing is kept: they are some hundred
    /// kilobytes, and may change.
    async fn tls(&self) -> io::Result<TlsConnector> {
        let turn = Arc::clone(&self.reading).try_acquire_owned();
        let turn = turn.map_err(|_| io::Error::other("the authorities are still being read"))?;
        let ca_file = self.ca_file.clone();
        let config = on_own_thread(move || {
            let _turn = turn;
            client_config(ca_file)
        });
        Ok(TlsConnector::from(Arc::new(config.await??)))
    }
}

fn client_config(ca_file: Option<PathBuf>) -> io::Result<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?;
    let roots = authorities(ca_file)?;
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// The authorities in `ca_file` and no others, or those of this system.
fn authorities(ca_file: Option<PathBuf>) -> io::Result<RootCertStore> {
    let certificates = match &ca_file {
        Some(path) => {
            let mut text = Vec::new();
            let file = std::fs::File::open(path)?;
            io::Read::read_to_end(&mut io::Read::take(file, MAX_AUTHORITIES_BYTES), &mut text)?;
            let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
            read.map_err(|error| io::Error::other(format!("DISPATCHER_JWT_CA_FILE: {error}")))?
        }
        None => rustls_native_certs::load_native_certs().certs,
    };
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certificates);
    if roots.is_empty() {
        let why = match ca_file {
            Some(_) => "there is no certificate in DISPATCHER_JWT_CA_FILE",
            None => "this system has no authorities: set DISPATCHER_JWT_CA_FILE",
        };
        return Err(io::Error::other(why));
    }
    Ok(roots)
}

fn without_brackets(host: &str) -> &str {
    let inner = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    inner.unwrap_or(host)
}
