//! Certificates, all made at test time.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, SanType, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, SupportedProtocolVersion};

/// A root that signs for one test.
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
}

/// What a client should see that it is not: a chain, and the key of its first certificate.
pub(crate) struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: KeyPair,
}

impl Identity {
    fn signed(authority: &Authority, params: &CertificateParams) -> Self {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &authority.0).unwrap();
        Self { chain: vec![certificate.der().clone()], key }
    }

    pub(crate) fn config(&self, versions: &[&'static SupportedProtocolVersion]) -> ServerConfig {
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let key = PrivateKeyDer::Pkcs8(self.key.serialize_der().into());
        let builder = ServerConfig::builder_with_provider(provider.into()).with_protocol_versions(versions).unwrap();
        builder.with_no_client_auth().with_single_cert(self.chain.clone(), key).unwrap()
    }
}

/// A server that is what it should be, for 127.0.0.1.
pub(crate) fn server_config(authority: &Authority) -> ServerConfig {
    Identity::signed(authority, &params()).config(rustls::DEFAULT_VERSIONS)
}

/// Servers that are not: what is wrong with each, where `trusted` is the root that the client trusts.
pub(crate) fn impostors(trusted: &Authority) -> Vec<(&'static str, Identity)> {
    let changed = |change: fn(&mut CertificateParams)| {
        let mut params = params();
        change(&mut params);
        Identity::signed(trusted, &params)
    };
    let self_signed = || {
        let key = KeyPair::generate().unwrap();
        Identity { chain: vec![params().self_signed(&key).unwrap().der().clone()], key }
    };
    // One that may not sign signs another.
    let below_a_server = || {
        let server = CertifiedIssuer::signed_by(params(), KeyPair::generate().unwrap(), &trusted.0).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = params().signed_by(&key, &server).unwrap();
        Identity { chain: vec![certificate.der().clone(), server.der().clone()], key }
    };
    vec![
        ("self-signed", self_signed()),
        ("of a strange root", Identity::signed(&Authority::new(), &params())),
        ("signed by a server's certificate", below_a_server()),
        ("for another host", changed(|params| params.subject_alt_names = vec![dns("service.example")])),
        ("for the address as a name", changed(|params| params.subject_alt_names = vec![dns("127.0.0.1")])),
        ("for another address", changed(|params| params.subject_alt_names = vec![SanType::IpAddress([127, 0, 0, 2].into())])),
        (
            "with the host in its subject alone",
            changed(|params| {
                params.subject_alt_names = Vec::new();
                params.distinguished_name.push(DnType::CommonName, "127.0.0.1");
            }),
        ),
        (
            "expired",
            changed(|params| {
                params.not_before = date_time_ymd(2019, 1, 1);
                params.not_after = date_time_ymd(2020, 1, 1);
            }),
        ),
        ("not valid yet", changed(|params| params.not_before = date_time_ymd(2999, 1, 1))),
        ("for clients alone", changed(|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth])),
    ]
}

fn params() -> CertificateParams {
    CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap()
}

fn dns(name: &str) -> SanType {
    SanType::DnsName(name.to_owned().try_into().unwrap())
}
