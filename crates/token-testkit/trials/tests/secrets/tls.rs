//! TLS in front of a loopback server, under a root of this test.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, split};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// Puts TLS in front of `base_url`, which is plain `http`. Gives the base URL in its place.
    pub(crate) async fn front(&self, base_url: &str) -> String {
        let rest = base_url.strip_prefix("http://").unwrap();
        let (target, path) = rest.split_once('/').map_or((rest, String::new()), |(target, path)| (target, format!("/{path}")));
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &self.0).unwrap();
        let mut config = ServerConfig::builder_with_provider(rustls::crypto::aws_lc_rs::default_provider().into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
            .unwrap();
        // HTTP/2 is offered and must not be taken.
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let own = listener.local_addr().unwrap().to_string();
        let (from, to) = (own.clone(), target.to_owned());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(pass(acceptor.clone(), stream, from.clone(), to.clone()));
            }
        });
        format!("https://{own}{path}")
    }
}

async fn pass(acceptor: TlsAcceptor, stream: TcpStream, own: String, target: String) {
    // A client that does not trust it goes away here.
    let Ok(stream) = acceptor.accept(stream).await else { return };
    let Ok(server) = TcpStream::connect(&target).await else { return };
    let (from_client, to_client) = split(stream);
    let (from_server, to_server) = split(server);
    let answers = tokio::spawn(copy(from_server, to_client, None));
    // The server wants its own name.
    copy(from_client, to_server, Some((own, target))).await;
    let _ = answers.await;
}

async fn copy(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, names: Option<(String, String)>) {
    let mut buffer = vec![0; 64 * 1_024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let mut bytes = buffer[..length].to_vec();
        if let Some((own, target)) = &names
            && let Some(at) = bytes.windows(own.len()).position(|window| window == own.as_bytes())
        {
            bytes.splice(at..at + own.len(), target.bytes());
        }
        if to.write_all(&bytes).await.is_err() || to.flush().await.is_err() {
            break;
        }
    }
    let _ = to.shutdown().await;
}
