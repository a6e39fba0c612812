//! What all listeners have in common: `Host`, `Date`, limits, and their end.

use std::time::Duration;

use reqwest::Method;
use token_sandbox::{Sandbox, SandboxErrorKind, Service};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::{builder, client};

fn bases(sandbox: &Sandbox) -> [String; 4] {
    let control = sandbox.control_url().rsplit_once('/').unwrap().0;
    [sandbox.prakerja_base_url(), sandbox.sehatmu_base_url(), sandbox.klikoo_base_url(), control].map(str::to_owned)
}

fn port(base: &str) -> u16 {
    base.split(':').nth(2).unwrap().split('/').next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_foreign_host_is_refused_and_not_counted() {
    let sandbox = Sandbox::start().await.unwrap();
    for base in bases(&sandbox) {
        let port = port(&base);
        for host in [format!("rebound.example:{port}"), "127.0.0.1:1".to_owned(), "127.0.0.1".to_owned()] {
            let response = client().get(&base).header("Host", &host).send().await.unwrap();
            assert_eq!(response.status(), 421, "{base} {host}");
        }
        let response = client().get(&base).header("Host", format!("localhost:{port}")).send().await.unwrap();
        assert_eq!(response.status(), 404, "{base}");
    }
    let url = format!("{}/oauth/token", sandbox.sehatmu_base_url());
    client().post(url).header("Host", "rebound.example").send().await.unwrap();
    assert_eq!(sandbox.requests().total(), 0);
}

#[tokio::test]
async fn every_answer_has_the_sandboxs_date() {
    let (builder, clock) = builder();
    let sandbox = builder.start().await.unwrap();
    clock.advance(Duration::from_secs(60));
    sandbox.advance_clock(5);
    for base in bases(&sandbox) {
        for (path, host) in [("/oauth/me", None), ("/nothing", None), ("/", Some("rebound.example"))] {
            let mut request = client().get(format!("{base}{path}"));
            if let Some(host) = host {
                request = request.header("Host", host);
            }
            let response = request.send().await.unwrap();
            let dates: Vec<_> = response.headers().get_all("date").iter().collect();
            assert_eq!(dates, ["Mon, 23 Nov 2026 00:01:05 GMT"], "{base}{path}");
        }
    }
}

#[tokio::test]
async fn unknown_paths_wrong_methods_and_long_bodies_are_refused() {
    let sandbox = Sandbox::start().await.unwrap();
    let prakerja = sandbox.prakerja_base_url();
    let klikoo = sandbox.klikoo_base_url();
    let sehatmu = sandbox.sehatmu_base_url();
    let root = klikoo.trim_end_matches("/klikoo-b2b");
    let cases = [
        (Method::GET, format!("{prakerja}/nothing"), 404),
        (Method::GET, format!("{prakerja}/api/v1/oauth/token"), 405),
        (Method::DELETE, format!("{prakerja}/consent-sso"), 405),
        (Method::GET, format!("{klikoo}/nothing"), 404),
        (Method::POST, format!("{root}/v1/open-api/access-token"), 404),
        (Method::GET, format!("{klikoo}/v1/open-api/access-token"), 405),
        (Method::GET, format!("{sehatmu}/nothing"), 404),
        (Method::POST, format!("{sehatmu}/oauth/me"), 405),
    ];
    for (method, url, status) in cases {
        let response = client().request(method.clone(), &url).send().await.unwrap();
        assert_eq!(response.status(), status, "{method} {url}");
        assert_eq!(response.headers().contains_key("allow"), status == 405, "{method} {url}");
    }
    let not_found = client().get(format!("{sehatmu}/nothing")).send().await.unwrap().text().await.unwrap();
    assert!(not_found.contains("OperationOutcome") && not_found.contains("not-found"), "{not_found}");
    assert_eq!(sandbox.requests().total(), 0);

    let full = "a".repeat(64 * 1024);
    for url in
        [format!("{prakerja}/api/v1/oauth/token"), format!("{klikoo}/v1/open-api/access-token"), format!("{sehatmu}/oauth/token")]
    {
        assert_eq!(client().post(&url).body(full.clone()).send().await.unwrap().status(), 400, "{url}");
        assert_eq!(client().post(&url).body(format!("{full}a")).send().await.unwrap().status(), 413, "{url}");
    }
}

/// A connection that was used once and stays open.
async fn open(port: u16) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let request = format!("GET /oauth/me HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 401");
    stream
}

/// A connection on which a handler waits for the rest of a body.
async fn half_sent(port: u16) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let head =
        format!("POST /oauth/token HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    // The server answers so when the handler begins to read.
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 100");
    stream.write_all(b"x").await.unwrap();
    stream
}

async fn assert_closed(mut stream: TcpStream) {
    let mut rest = Vec::new();
    // Closed or reset, either way it ends. The limit is for a failing test alone.
    let _ = timeout(Duration::from_secs(10), stream.read_to_end(&mut rest)).await.unwrap();
}

#[tokio::test]
async fn drop_and_shutdown_end_listeners_and_connections() {
    for wait in [true, false] {
        let sandbox = Sandbox::start().await.unwrap();
        let port = port(sandbox.sehatmu_base_url());
        let idle = open(port).await;
        let silent = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let half = half_sent(port).await;
        if wait {
            timeout(Duration::from_secs(10), sandbox.shutdown()).await.unwrap();
            assert!(TcpStream::connect(("127.0.0.1", port)).await.is_err());
        } else {
            drop(sandbox);
        }
        for stream in [idle, silent, half] {
            assert_closed(stream).await;
        }
    }
}

#[tokio::test]
async fn fixed_ports_follow_each_other_and_a_taken_one_is_an_error() {
    // Whether four in a row are free is the machine's affair: several places are tried.
    let mut started = None;
    for first in (20_000..60_000).step_by(997) {
        if let Ok(sandbox) = Sandbox::builder().port(first).start().await {
            started = Some((first, sandbox));
            break;
        }
    }
    let (first, sandbox) = started.unwrap();
    assert_eq!(bases(&sandbox).map(|base| port(&base)), [first, first + 1, first + 2, first + 3]);
    let error = Sandbox::builder().port(first).start().await.unwrap_err();
    assert_eq!(error.kind(), SandboxErrorKind::Bind);
    assert!(std::error::Error::source(&error).is_some());
    let error = Sandbox::builder().port(u16::MAX).start().await.unwrap_err();
    assert_eq!(error.kind(), SandboxErrorKind::Bind);
}

#[tokio::test]
async fn nothing_secret_is_in_the_handles_debug() {
    let sandbox = Sandbox::start().await.unwrap();
    let shown = format!("{sandbox:?}");
    let secret = sandbox.control_url().rsplit_once('/').unwrap().1;
    for secret in [
        secret,
        sandbox.prakerja_credentials().sign_key(),
        sandbox.sehatmu_credentials().client_secret(),
        sandbox.klikoo_credentials().client_secret(),
        "PRIVATE",
    ] {
        assert!(!shown.contains(secret), "{shown}");
    }
    assert!(shown.contains(sandbox.klikoo_base_url()), "{shown}");
}

#[tokio::test]
async fn a_token_is_taken_until_it_is_over_or_ended() {
    let (builder, clock) = builder();
    let sandbox = builder.start().await.unwrap();
    let credentials = sandbox.sehatmu_credentials();
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", credentials.client_id()),
        ("client_secret", credentials.client_secret()),
    ];
    let token = async || {
        let url = format!("{}/oauth/token", sandbox.sehatmu_base_url());
        let (status, body) = crate::json(client().post(url).form(&form).send().await.unwrap()).await;
        assert_eq!(status, 200, "{body}");
        body["accessToken"].as_str().unwrap().to_owned()
    };
    let first = token().await;
    assert!(sandbox.takes_token(Service::SehatMu, &first));
    for other in [Service::Klikoo, Service::Prakerja] {
        assert!(!sandbox.takes_token(other, &first));
    }
    clock.advance(Duration::from_secs(24 * 60 * 60 - 1));
    assert!(sandbox.takes_token(Service::SehatMu, &first));
    clock.advance(Duration::from_secs(1));
    assert!(!sandbox.takes_token(Service::SehatMu, &first));
    let second = token().await;
    sandbox.revoke_all(Service::SehatMu);
    assert!(!sandbox.takes_token(Service::SehatMu, &second));
}

#[tokio::test]
async fn two_sandboxes_share_no_credentials() {
    let (first, second) = (Sandbox::start().await.unwrap(), Sandbox::start().await.unwrap());
    assert_ne!(first.prakerja_credentials().client_id(), second.prakerja_credentials().client_id());
    assert_ne!(first.sehatmu_credentials().client_secret(), second.sehatmu_credentials().client_secret());
    assert_ne!(first.klikoo_private_key_pem(), second.klikoo_private_key_pem());
    assert_ne!(first.control_url().rsplit_once('/').unwrap().1, second.control_url().rsplit_once('/').unwrap().1);
}
