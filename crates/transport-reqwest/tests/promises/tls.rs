//! Certificates and versions. All of them are made here, at test time.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, SupportedProtocolVersion};

use token_core::{Delivery, Resend, TransportErrorKind};
use transport_reqwest::ReqwestTransport;

use crate::server::{OK, Peer, Server, post, send, transport};

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

/// A server whose certificate is for `name`.
pub(crate) fn server_config(authority: &Authority, name: &str, versions: &[&'static SupportedProtocolVersion]) -> ServerConfig {
    config_with(authority, &CertificateParams::new(vec![name.to_owned()]).unwrap(), versions)
}

fn config_with(
    authority: &Authority,
    params: &CertificateParams,
    versions: &[&'static SupportedProtocolVersion],
) -> ServerConfig {
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, &authority.0).unwrap();
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    ServerConfig::builder_with_provider(provider.into())
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
        .unwrap()
}

fn trusting(authority: &Authority) -> ReqwestTransport {
    ReqwestTransport::builder().root_certificate_pem(authority.pem()).build().unwrap()
}

fn https(server: &Server, host: &str) -> http::Uri {
    format!("https://{host}:{}/token", server.address.port()).parse().unwrap()
}

#[tokio::test]
async fn a_root_of_ones_own_is_trusted_with_tls_1_2_and_1_3() {
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        for host in ["127.0.0.1", "localhost"] {
            let authority = Authority::new();
            let server = Server::answering_tls(server_config(&authority, host, &[version]), OK).await;
            for resend in [Resend::AfterRefusal, Resend::OnlyIfNotSent] {
                let answer = send(&trusting(&authority), post(https(&server, host), resend)).await.unwrap();
                assert_eq!(answer.body(), b"{}");
            }
        }
    }
}

#[tokio::test]
async fn roots_add_up() {
    let authorities = [Authority::new(), Authority::new(), Authority::new()];
    let transport = ReqwestTransport::builder()
        .root_certificate_pem(authorities[0].pem())
        .root_certificate_pem(format!("{}{}", authorities[1].pem(), authorities[2].pem()))
        .build()
        .unwrap();
    for authority in &authorities {
        let server = Server::answering_tls(server_config(authority, "127.0.0.1", rustls::DEFAULT_VERSIONS), OK).await;
        send(&transport, post(https(&server, "127.0.0.1"), Resend::AfterRefusal)).await.unwrap();
    }
}

#[tokio::test]
async fn bad_certificates_are_refused_and_nothing_is_sent() {
    let params = || CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let mut expired = params();
    expired.not_before = date_time_ymd(2019, 1, 1);
    expired.not_after = date_time_ymd(2020, 1, 1);
    let mut early = params();
    early.not_before = date_time_ymd(2999, 1, 1);
    early.not_after = date_time_ymd(3000, 1, 1);
    let other_name = CertificateParams::new(vec!["service.example".to_owned()]).unwrap();

    let (trusted, strange) = (Authority::new(), Authority::new());
    let cases = [
        (&strange, params(), "is not trusted: add its root with `root_certificate_pem`"),
        (&trusted, expired, "has expired"),
        (&trusted, early, "is not valid yet"),
        (&trusted, other_name, "is for another host"),
    ];
    for (authority, params, text) in cases {
        for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
            let server = Server::answering_tls(config_with(authority, &params, &[version]), OK).await;
            let error = send(&trusting(&trusted), post(https(&server, "127.0.0.1"), Resend::AfterRefusal)).await.unwrap_err();
            assert_eq!((error.kind(), error.delivery()), (TransportErrorKind::Certificate, Delivery::NotSent), "{error}");
            assert!(error.to_string().contains(text), "{error}");
            assert_eq!(server.seen.requests().len(), 0);
        }
    }
}

#[tokio::test]
async fn an_own_root_is_not_trusted_unless_named() {
    let server = Server::answering_tls(server_config(&Authority::new(), "127.0.0.1", rustls::DEFAULT_VERSIONS), OK).await;
    let error = send(&transport(), post(https(&server, "127.0.0.1"), Resend::AfterRefusal)).await.unwrap_err();
    assert_eq!(error.kind(), TransportErrorKind::Certificate);
}

#[tokio::test]
async fn http_2_is_neither_offered_nor_spoken() {
    let authority = Authority::new();
    let mut config = server_config(&authority, "127.0.0.1", rustls::DEFAULT_VERSIONS);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let server = Server::answering_tls(config.clone(), OK).await;
    send(&trusting(&authority), post(https(&server, "127.0.0.1"), Resend::AfterRefusal)).await.unwrap();
    assert!(server.seen.requests()[0].starts_with("POST /token HTTP/1.1\r\n"));

    config.alpn_protocols = vec![b"h2".to_vec()];
    let server = Server::answering_tls(config, OK).await;
    let error = send(&trusting(&authority), post(https(&server, "127.0.0.1"), Resend::AfterRefusal)).await.unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (TransportErrorKind::Protocol, Delivery::NotSent));
}

#[tokio::test]
async fn a_server_that_does_not_speak_tls_is_named_as_such() {
    let answers =
        ["HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", "SSH-2.0-OpenSSH\r\n", "\u{15}\u{3}\u{3}\u{0}\u{2}\u{2}\u{46}"];
    for answer in answers {
        let server = Server::start(move |mut peer: Peer| async move {
            peer.write(answer).await;
            peer.hold().await;
        })
        .await;
        let error = send(&transport(), post(https(&server, "127.0.0.1"), Resend::AfterRefusal)).await.unwrap_err();
        assert_eq!((error.kind(), error.delivery()), (TransportErrorKind::Protocol, Delivery::NotSent), "{error}");
        assert!(error.to_string().contains("TLS"), "{error}");
    }
    // Gone without a word.
    let server = Server::start(|_: Peer| async {}).await;
    let error = send(&transport(), post(https(&server, "127.0.0.1"), Resend::AfterRefusal)).await.unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (TransportErrorKind::Connect, Delivery::NotSent), "{error}");
}

#[tokio::test]
async fn a_connection_over_tls_is_kept_too() {
    let authority = Authority::new();
    let server = Server::answering_tls(server_config(&authority, "127.0.0.1", rustls::DEFAULT_VERSIONS), OK).await;
    let transport = trusting(&authority);
    for _ in 0..3 {
        send(&transport, post(https(&server, "127.0.0.1"), Resend::AfterRefusal)).await.unwrap();
    }
    assert_eq!(server.seen.connections(), 1);
}
