//! Who is trusted, and by which cryptography.

use std::sync::Arc;

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
    let verifier = Verifier::new_with_extra_roots(roots, Arc::clone(&provider)).map_err(|_| {
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
    let mut config = builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
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
