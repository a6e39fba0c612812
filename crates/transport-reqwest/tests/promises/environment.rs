//! What the environment says about proxies is not heard; what our own setting says is.
//!
//! A program cannot change its own environment in safe Rust, so these tests run this very binary again with another one.

use std::process::{Command, Output};
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;

use token_core::{Delivery, Resend, Transport, TransportErrorKind};
use transport_reqwest::ReqwestTransport;

use crate::server::{OK, Peer, Server, answer_all, post, send, transport};
use crate::tls::{Authority, server_config};

const TARGET: &str = "TRANSPORT_TEST_TARGET";

/// Runs one test of this binary with the given environment.
async fn run_child(test: &'static str, variables: Vec<(&'static str, String)>) -> Output {
    let child = move || {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test, "--nocapture", "--test-threads=1"])
            .env_remove("NO_PROXY")
            .env_remove("no_proxy")
            .envs(variables)
            .output()
            .unwrap()
    };
    let output = tokio::task::spawn_blocking(child).await.unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}{}", String::from_utf8_lossy(&output.stderr));
    output
}

fn proxy_variables(proxy: &Server, target: &Server) -> Vec<(&'static str, String)> {
    let proxy = format!("http://{}", proxy.address);
    let names = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
    let mut variables: Vec<_> = names.into_iter().map(|name| (name, proxy.clone())).collect();
    variables.push((TARGET, target.url("/").to_string()));
    variables
}

#[tokio::test]
async fn proxies_of_the_environment_are_ignored() {
    let proxy = Server::answering(OK).await;
    let target = Server::answering(OK).await;
    run_child("environment::child_sends_by_our_transport", proxy_variables(&proxy, &target)).await;
    assert_eq!(proxy.seen.connections(), 0);
    assert_eq!(target.seen.requests().len(), 2);
    // So that this is no test of an environment that nobody reads.
    run_child("environment::child_sends_by_plain_reqwest", proxy_variables(&proxy, &target)).await;
    assert_eq!(proxy.seen.connections(), 1);
    assert_eq!(target.seen.requests().len(), 2);
}

#[tokio::test]
async fn child_sends_by_our_transport() {
    let Ok(target) = std::env::var(TARGET) else { return };
    for resend in [Resend::AfterRefusal, Resend::OnlyIfNotSent] {
        transport().send(post(target.parse().unwrap(), resend)).await.unwrap();
    }
}

#[tokio::test]
async fn child_sends_by_plain_reqwest() {
    let Ok(target) = std::env::var(TARGET) else { return };
    reqwest::get(target).await.unwrap();
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_system_without_roots_is_an_error_that_says_so() {
    let nowhere = || "/nonexistent/certificates".to_owned();
    let variables = vec![("SSL_CERT_FILE", nowhere()), ("SSL_CERT_DIR", nowhere()), (TARGET, "none".to_owned())];
    run_child("environment::child_finds_no_roots", variables).await;
}

#[test]
fn child_finds_no_roots() {
    if std::env::var(TARGET).is_err() {
        return;
    }
    let error = ReqwestTransport::new().unwrap_err();
    assert_eq!(error.setting(), "root_certificate_pem");
    ReqwestTransport::builder().root_certificate_pem(Authority::new().pem()).build().unwrap();
}

#[tokio::test]
async fn the_cryptography_that_the_process_installed_is_not_used() {
    run_child("environment::child_installs_other_cryptography", vec![(TARGET, "none".to_owned())]).await;
}

#[tokio::test]
async fn child_installs_other_cryptography() {
    if std::env::var(TARGET).is_err() {
        return;
    }
    // One that can do nothing stands for one that is not wanted.
    let useless = rustls::crypto::CryptoProvider { cipher_suites: Vec::new(), ..rustls::crypto::aws_lc_rs::default_provider() };
    useless.install_default().unwrap();
    // Where another backend is switched on too, reqwest would take that one.
    assert!(reqwest::Client::builder().tls_backend_rustls().build().is_err());
    let authority = Authority::new();
    let server = Server::answering_tls(server_config(&authority, "127.0.0.1", rustls::DEFAULT_VERSIONS), OK).await;
    let transport = ReqwestTransport::builder().root_certificate_pem(authority.pem()).build().unwrap();
    let url = format!("https://{}/", server.address).parse().unwrap();
    send(&transport, post(url, Resend::AfterRefusal)).await.unwrap();
}

#[tokio::test]
async fn our_own_proxy_carries_https_and_gets_its_password() {
    let authority = Authority::new();
    let acceptor = TlsAcceptor::from(Arc::new(server_config(&authority, "service.example", rustls::DEFAULT_VERSIONS)));
    let proxy = Server::start(move |mut peer: Peer| {
        let acceptor = acceptor.clone();
        async move {
            peer.read_request().await;
            peer.write("HTTP/1.1 200 Connected\r\n\r\n").await;
            peer.stream = Box::new(acceptor.accept(peer.stream).await.unwrap());
            answer_all(peer, OK).await;
        }
    })
    .await;
    let transport = ReqwestTransport::builder()
        .root_certificate_pem(authority.pem())
        .proxy(format!("http://user:pass%40word@{}", proxy.address))
        .build()
        .unwrap();
    let url = "https://service.example/token?code=canary".parse().unwrap();
    send(&transport, post(url, Resend::OnlyIfNotSent)).await.unwrap();

    let seen = proxy.seen.requests();
    assert!(seen[0].starts_with("CONNECT service.example:443 HTTP/1.1\r\n"), "{seen:?}");
    assert!(seen[0].to_ascii_lowercase().contains("proxy-authorization: basic dxnlcjpwyxnzqhdvcmq=\r\n"), "{seen:?}");
    assert!(!seen[0].contains("canary"), "{seen:?}");
    assert!(
        seen[1].starts_with("POST /token?code=canary HTTP/1.1\r\n") && !seen[1].to_ascii_lowercase().contains("proxy"),
        "{seen:?}"
    );
}

#[tokio::test]
async fn a_request_to_this_machine_never_takes_the_proxy() {
    let proxy = Server::answering(OK).await;
    let target = Server::answering(OK).await;
    let authority = Authority::new();
    let secure = Server::answering_tls(server_config(&authority, "127.0.0.1", rustls::DEFAULT_VERSIONS), OK).await;
    let transport = ReqwestTransport::builder()
        .root_certificate_pem(authority.pem())
        .proxy(format!("http://{}", proxy.address))
        .build()
        .unwrap();
    let urls = [
        target.url("/"),
        format!("http://localhost:{}/", target.address.port()).parse().unwrap(),
        format!("https://{}/", secure.address).parse().unwrap(),
    ];
    for url in urls {
        send(&transport, post(url, Resend::AfterRefusal)).await.unwrap();
    }
    assert_eq!(proxy.seen.connections(), 0);
}

#[tokio::test]
async fn a_proxy_that_refuses_means_not_sent() {
    let answers =
        ["HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 502 Bad Gateway\r\n\r\n", ""];
    for answer in answers {
        let proxy = Server::closing_after(answer).await;
        let transport = ReqwestTransport::builder().proxy(format!("http://user:canary@{}", proxy.address)).build().unwrap();
        let url = "https://service.example/token".parse().unwrap();
        let error = send(&transport, post(url, Resend::OnlyIfNotSent)).await.unwrap_err();
        assert_eq!((error.kind(), error.delivery()), (TransportErrorKind::Connect, Delivery::NotSent), "{answer}: {error}");
        assert!(error.to_string().contains("`proxy`") && !error.to_string().contains("canary"), "{error}");
    }
}
