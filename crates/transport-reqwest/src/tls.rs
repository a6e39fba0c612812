//! Who is trusted, and by which cryptography.

use std::sync::{Arc, OnceLock};

use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::Verifier;

use crate::builder::TransportBuildError;

const SETTING: &str = "root_certificate_pem";

/// TLS 1.2 or 1.3 by aws-lc-rs, trusting the system's roots and those in `extra_pem`.
///
/// We make this ourselves because reqwest's own takes whichever cryptography the process has installed as its default,
/// and panics when another crate has chosen reqwest's `rustls-no-provider` and installed none. A config handed over ready-made depends on neither.
/// It is what reqwest would build otherwise: the same verifier, the same versions, no key log.
pub(crate) fn client_config(extra_pem: &[Vec<u8>]) -> Result<ClientConfig, TransportBuildError> {
    let mut roots = Vec::new();
    for pem in extra_pem {
        roots.extend(read_roots(pem)?);
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = verifier(roots, &provider).map_err(|_| {
        TransportBuildError::new(
            SETTING,
            "is not set and this system has no root certificates: install them (`ca-certificates`) or name a root",
        )
    })?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(|_| {
            TransportBuildError::new("tls_backend", "has neither TLS 1.2 nor TLS 1.3: build rustls with its defaults")
        })?;
    // "Dangerous" is rustls's word for any verifier but its own; this one is the platform's and leaves nothing out.
    let mut config = builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// The system's roots are read once a process: that takes tens of milliseconds, and every provider has a transport of its own.
fn verifier(extra: Vec<CertificateDer<'static>>, provider: &Arc<CryptoProvider>) -> Result<Arc<Verifier>, rustls::Error> {
    static SYSTEM: OnceLock<Arc<Verifier>> = OnceLock::new();
    if !extra.is_empty() {
        return Verifier::new_with_extra_roots(extra, Arc::clone(provider)).map(Arc::new);
    }
    if let Some(verifier) = SYSTEM.get() {
        return Ok(Arc::clone(verifier));
    }
    let verifier = Arc::new(Verifier::new(Arc::clone(provider))?);
    Ok(Arc::clone(SYSTEM.get_or_init(|| verifier)))
}

fn read_roots(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TransportBuildError> {
    let roots = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| TransportBuildError::new(SETTING, "is damaged PEM text: give the certificate file as it was issued"))?;
    if roots.is_empty() {
        return Err(TransportBuildError::new(
            SETTING,
            "holds no certificate: give PEM text with `-----BEGIN CERTIFICATE-----`, not DER and not a key",
        ));
    }
    let mut store = RootCertStore::empty();
    for root in &roots {
        store.add(root.clone()).map_err(|_| {
            TransportBuildError::new(SETTING, "holds something that is no certificate: give the root as it was issued")
        })?;
    }
    Ok(roots)
}
