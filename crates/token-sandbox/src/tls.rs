//! Certificates made at the start: a good one, and one for each [`CertificateFault`].

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use tokio::net::TcpStream;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::{Accept, TlsAcceptor};

use crate::fault::CertificateFault;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What the services show to prove who they are. No `Debug`: it holds private keys.
pub(crate) struct Tls {
    root_pem: String,
    good: Arc<ServerConfig>,
    expired: Arc<ServerConfig>,
    self_signed: Arc<ServerConfig>,
    wrong_host: Arc<ServerConfig>,
}

impl Tls {
    pub(crate) fn new() -> Result<Self, Failure> {
        let mut root = CertificateParams::new(Vec::new())?;
        root.distinguished_name.push(DnType::CommonName, "token-sandbox, of this start alone");
        root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = CertifiedIssuer::self_signed(root, KeyPair::generate()?)?;
        let ours = || vec!["127.0.0.1".to_owned(), "localhost".to_owned()];

        let issued = |params: CertificateParams| -> Result<_, Failure> {
            let key = KeyPair::generate()?;
            let certificate = params.signed_by(&key, &root)?;
            config(vec![certificate.der().clone(), root.der().clone()], &key)
        };
        let mut past = CertificateParams::new(ours())?;
        past.not_before = date_time_ymd(2020, 1, 1);
        past.not_after = date_time_ymd(2020, 12, 31);
        let key = KeyPair::generate()?;
        let own = CertificateParams::new(ours())?.self_signed(&key)?;
        Ok(Self {
            root_pem: root.pem(),
            good: issued(CertificateParams::new(ours())?)?,
            expired: issued(past)?,
            self_signed: config(vec![own.der().clone()], &key)?,
            wrong_host: issued(CertificateParams::new(vec!["other.example".to_owned()])?)?,
        })
    }

    pub(crate) fn root_pem(&self) -> &str {
        &self.root_pem
    }

    pub(crate) fn accept(&self, stream: TcpStream, fault: Option<CertificateFault>) -> Accept<TcpStream> {
        let config = match fault {
            None => &self.good,
            Some(CertificateFault::Expired) => &self.expired,
            Some(CertificateFault::SelfSigned) => &self.self_signed,
            Some(CertificateFault::WrongHost) => &self.wrong_host,
        };
        TlsAcceptor::from(Arc::clone(config)).accept(stream)
    }
}

fn config(chain: Vec<CertificateDer<'static>>, key: &KeyPair) -> Result<Arc<ServerConfig>, Failure> {
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
