//! Nothing that is printed holds a secret or a query.

use std::collections::HashSet;
use std::error::Error;
use std::time::Duration;

use http::header::AUTHORIZATION;
use http::{HeaderValue, Method, Uri};
use zeroize::Zeroizing;

use token_core::{Resend, TokenRequest, TransportErrorKind};
use transport_reqwest::ReqwestTransport;

use crate::server::{Peer, Server, send, transport};
use crate::tls::{Authority, server_config};

/// A request with a canary wherever a secret may be.
fn request(url: &str) -> TokenRequest {
    let url: Uri = format!("{url}/token?code=canary-query").parse().unwrap();
    TokenRequest::new(Method::POST, url, Resend::OnlyIfNotSent)
        .with_header(AUTHORIZATION, HeaderValue::from_static("Basic canary-header"))
        .with_body("application/json", Zeroizing::new(b"canary-body".to_vec()))
}

#[tokio::test]
async fn no_error_of_any_kind_shows_a_secret() {
    let short = ReqwestTransport::builder().total_timeout(Duration::from_millis(100)).build().unwrap();
    let proxied = ReqwestTransport::builder().proxy("http://user:canary-password@127.0.0.1:1").build().unwrap();
    let closing = Server::closing_after("").await;
    let garbage = Server::closing_after("canary-answer\r\n\r\n").await;
    let large = Server::answering("HTTP/1.1 200 canary-reason\r\nX: canary\r\nContent-Length: 99999999\r\n\r\ncanary").await;
    let torn = Server::closing_after("HTTP/1.1 200 canary\r\nContent-Length: 100\r\n\r\ncanary").await;
    let silent = Server::start(|mut peer: Peer| async move { peer.hold().await }).await;
    let rude = Server::start(|mut peer: Peer| async move {
        peer.write("canary-answer\r\n\r\n").await;
        peer.hold().await;
    })
    .await;
    let strange = Server::answering_tls(server_config(&Authority::new(), "canary.example", rustls::DEFAULT_VERSIONS), "").await;

    let attempts = [
        (&transport(), "http://127.0.0.1:1".to_owned()),
        (&proxied, "https://canary-host.example".to_owned()),
        (&transport(), "http://service.example".to_owned()),
        (&transport(), "http://canary-user:canary@127.0.0.1".to_owned()),
        (&transport(), format!("http://{}", closing.address)),
        (&transport(), format!("http://{}", garbage.address)),
        (&transport(), format!("http://{}", large.address)),
        (&transport(), format!("http://{}", torn.address)),
        (&short, format!("http://{}", silent.address)),
        (&transport(), format!("https://{}", strange.address)),
        (&transport(), format!("https://{}", rude.address)),
    ];
    let mut kinds = HashSet::new();
    for (transport, url) in attempts {
        let error = send(transport, request(&url)).await.unwrap_err();
        let shown = format!("{error} {error:?} {error:#?}");
        assert!(!shown.contains("canary") && !shown.contains('?') && !shown.contains("token"), "{shown}");
        assert!(error.source().is_none());
        let text = error.to_string();
        assert!(text.starts_with(|first: char| first.is_lowercase()) || text.starts_with("the URL"), "{text}");
        assert!(text.contains([';', ':', ' ']) && !text.ends_with('.'), "{text}");
        kinds.insert(error.kind());
    }
    let all = [
        TransportErrorKind::Certificate,
        TransportErrorKind::Connect,
        TransportErrorKind::Interrupted,
        TransportErrorKind::Protocol,
        TransportErrorKind::RefusedUrl,
        TransportErrorKind::TooLarge,
        TransportErrorKind::TimedOut,
    ];
    assert_eq!(kinds, HashSet::from(all));
}

#[tokio::test]
async fn what_is_sent_and_read_is_not_shown() {
    let server = Server::answering("HTTP/1.1 200 OK\r\nX-Token: canary\r\nContent-Length: 6\r\n\r\ncanary").await;
    let builder = ReqwestTransport::builder().proxy("http://canary-user:canary-password@proxy.example:3128");
    let transport = builder.clone().build().unwrap();
    let sent = request(&format!("http://{}", server.address));
    let answer = send(&transport, sent.clone()).await.unwrap();
    let shown = format!("{builder:?} {builder:#?} {transport:?} {transport:#?} {sent:?} {sent:#?} {answer:?} {answer:#?}");
    assert!(!shown.contains("canary"), "{shown}");
}
