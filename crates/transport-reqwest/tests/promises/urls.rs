//! Where a request may go.

use http::Uri;

use token_core::{Delivery, Resend, TransportErrorKind};
use transport_reqwest::ReqwestTransport;

use crate::server::{OK, Server, post, send, transport};

#[tokio::test]
async fn plain_http_to_another_machine_is_refused_before_anything_is_sent() {
    let hosts = [
        "service.example",
        "10.0.0.1",
        "0.0.0.0",
        "128.0.0.1",
        "126.255.255.255",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "notlocalhost",
        "localhost.",
        "127.0.0.1.",
        "127.1",
        "0x7f.1",
        "0177.0.0.1",
        "2130706433",
        "xn--lcalhost-54a",
        "[::]",
        "[::2]",
        "[::ffff:10.0.0.1]",
        "[::ffff:127.0.0.1]",
        "[fe80::1]",
        "127.0.0.1@evil.example",
        "localhost:80@evil.example",
        "user@127.0.0.1",
        "user:password@localhost",
    ];
    let transport = transport();
    for host in hosts {
        for resend in [Resend::AfterRefusal, Resend::OnlyIfNotSent] {
            let url: Uri = format!("http://{host}/token").parse().unwrap();
            let error = send(&transport, post(url, resend)).await.unwrap_err();
            assert_eq!((error.kind(), error.delivery()), (TransportErrorKind::RefusedUrl, Delivery::NotSent), "{host}");
            assert!(!error.to_string().contains(host), "{error}");
        }
    }
}

#[tokio::test]
async fn user_info_is_refused_even_on_this_machine_and_by_https() {
    let server = Server::answering(OK).await;
    for scheme in ["http", "https"] {
        let url: Uri = format!("{scheme}://user:canary@{}/", server.address).parse().unwrap();
        let error = send(&transport(), post(url, Resend::AfterRefusal)).await.unwrap_err();
        assert_eq!((error.kind(), error.delivery()), (TransportErrorKind::RefusedUrl, Delivery::NotSent));
    }
    assert_eq!(server.seen.connections(), 0);
}

#[tokio::test]
async fn a_url_that_would_be_rewritten_is_refused() {
    let server = Server::answering(OK).await;
    for path in ["/a/../b", "/a/%2e%2E/b", "/./a", "/a/%2e"] {
        let error = send(&transport(), post(server.url(path), Resend::AfterRefusal)).await.unwrap_err();
        assert_eq!((error.kind(), error.delivery()), (TransportErrorKind::RefusedUrl, Delivery::NotSent), "{path}");
    }
    assert_eq!(server.seen.connections(), 0);
}

#[test]
fn bad_settings_are_named_with_the_fix_and_without_the_value() {
    let builder = ReqwestTransport::builder;
    let zero = std::time::Duration::ZERO;
    let cases = [
        (builder().connect_timeout(zero), "connect_timeout"),
        (builder().total_timeout(zero), "total_timeout"),
        (builder().max_response_bytes(0), "max_response_bytes"),
        (builder().user_agent("canary\r\nx: y"), "user_agent"),
        (builder().user_agent(""), "user_agent"),
        (builder().user_agent(" "), "user_agent"),
        (builder().proxy(""), "proxy"),
        (builder().proxy("canary"), "proxy"),
        (builder().proxy("user:canary@proxy.example:3128"), "proxy"),
        (builder().proxy("http://"), "proxy"),
        (builder().proxy("http://user:canary@proxy.example:99999"), "proxy"),
        (builder().proxy("socks5://user:canary@proxy.example"), "proxy"),
        (builder().proxy("http://user:canary@proxy.example/path"), "proxy"),
        (builder().proxy("http://proxy.example/?canary"), "proxy"),
        (builder().root_certificate_pem("canary"), "root_certificate_pem"),
        (builder().root_certificate_pem(""), "root_certificate_pem"),
        (
            builder().root_certificate_pem("-----BEGIN PRIVATE KEY-----\nY2FuYXJ5\n-----END PRIVATE KEY-----\n"),
            "root_certificate_pem",
        ),
        (
            builder().root_certificate_pem("-----BEGIN CERTIFICATE-----\nY2FuYXJ5\n-----END CERTIFICATE-----\n"),
            "root_certificate_pem",
        ),
        (builder().root_certificate_pem("-----BEGIN CERTIFICATE-----\nY2FuYXJ5"), "root_certificate_pem"),
        (builder().root_certificate_pem("-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"), "root_certificate_pem"),
    ];
    for (builder, setting) in cases {
        let shown = format!("{builder:?} {builder:#?}");
        assert!(setting == "user_agent" || !shown.contains("canary"), "{shown}");
        let error = builder.build().unwrap_err();
        assert_eq!(error.setting(), setting, "{error}");
        let shown = format!("{error} {error:?}");
        assert!(error.to_string().starts_with(&format!("`{setting}` ")) && shown.contains(": "), "{shown}");
        assert!(!shown.contains("canary"), "{shown}");
        assert!(std::error::Error::source(&error).is_none());
    }
}
