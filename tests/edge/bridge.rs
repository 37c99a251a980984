//! A way to a proxy's https for clients that speak none.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;

use crate::certificate::Certificate;
use crate::common::{Client, PATIENCE};

/// Each connection to it is one by TLS to the proxy, in which the host's certificate is verified. Ends with the test.
pub(crate) struct Bridge {
    pub(crate) addr: SocketAddr,
    accepting: AbortHandle,
}

impl Bridge {
    pub(crate) async fn to(proxy: SocketAddr, host: &str, certificate: &Certificate) -> Self {
        let mut roots = RootCertStore::empty();
        let authority = CertificateDer::from_pem_file(certificate.authority());
        roots
            .add(authority.expect("a certificate"))
            .expect("an authority");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions of TLS")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector = TlsConnector::from(Arc::new(config));
        let host = ServerName::try_from(host.to_owned()).expect("a host name");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let addr = listener.local_addr().expect("a bound socket");
        let accepting = tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let (connector, host) = (connector.clone(), host.clone());
                tokio::spawn(async move {
                    // Where there is no such way, the client's connection ends.
                    let Ok(stream) = TcpStream::connect(proxy).await else {
                        return;
                    };
                    if let Ok(mut stream) = connector.connect(host, stream).await {
                        let _ = copy_bidirectional(&mut client, &mut stream).await;
                    }
                });
            }
        });
        Self {
            addr,
            accepting: accepting.abort_handle(),
        }
    }

    /// Waits until what is asked by `head` is served with the host's certificate: a proxy may listen before it
    /// knows its routes and certificates.
    pub(crate) async fn until_served(&self, head: &str) {
        let served = async {
            while !self.is_served(head).await {
                sleep(Duration::from_millis(20)).await;
            }
        };
        let served = timeout(PATIENCE, served).await;
        served.unwrap_or_else(|_| panic!("no route for {head}"));
    }

    async fn is_served(&self, head: &str) -> bool {
        let mut client = Client::connect(self.addr).await;
        client.send_head(head).await;
        let response = client.head().await;
        response.is_some_and(|response| response.status == 200)
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}
