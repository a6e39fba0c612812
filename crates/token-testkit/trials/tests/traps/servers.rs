//! A server at the service's own address that is not the service.

use std::sync::Arc;
use std::time::Duration;

use token_core::ErrorKind;
use transport_reqwest::ReqwestTransport;

use crate::Tally;
use crate::certificates::{Authority, impostors, server_config};
use crate::listener::{Listener, Manner, answer};
use crate::naive::Naive;
use crate::users::{Outcome, User};

/// A `ServerHello` that chooses TLS 1.1 (RFC 4346 section 7.4.1.3), which no TLS library of today can be made to send.
fn hello_of_tls_1_1() -> Vec<u8> {
    let random = [7; 32];
    // No session, TLS_RSA_WITH_AES_128_CBC_SHA, no compression.
    let hello = [&[3, 2][..], &random, &[0, 0, 0x2f, 0]].concat();
    let length = u8::try_from(hello.len()).unwrap();
    [&[22, 3, 2, 0, length + 4, 2, 0, 0, length][..], &hello].concat()
}

fn manners(trusted: &Authority) -> Vec<(String, Manner)> {
    let mut manners = Vec::new();
    for (what, identity) in impostors(trusted) {
        for (name, version) in [("1.2", &rustls::version::TLS12), ("1.3", &rustls::version::TLS13)] {
            let config = Arc::new(identity.config(&[version]));
            manners.push((format!("a certificate {what}, TLS {name}"), Manner::Tls(config)));
        }
    }
    let mut http_2 = server_config(trusted);
    http_2.alpn_protocols = vec![b"h2".to_vec()];
    manners.push(("HTTP/2 alone".to_owned(), Manner::Tls(Arc::new(http_2))));
    let greetings = [
        ("plain HTTP", b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n".to_vec()),
        ("a plain redirect", b"HTTP/1.1 307 Moved\r\nlocation: http://127.0.0.1:9/\r\ncontent-length: 0\r\n\r\n".to_vec()),
        ("another protocol", b"SSH-2.0-OpenSSH\r\n".to_vec()),
        ("no common version of TLS", vec![21, 3, 1, 0, 2, 2, 70]),
        ("TLS 1.1 alone", hello_of_tls_1_1()),
        ("SSL 2", vec![0x80, 0x2e, 4, 0, 1, 0, 2]),
        ("bytes of no meaning", vec![0; 64]),
    ];
    manners.extend(greetings.map(|(name, bytes)| (name.to_owned(), Manner::Greeting(bytes))));
    // It would take the request if it came; but it speaks first of TLS.
    manners.push(("HTTP without TLS".to_owned(), Manner::Plain));
    manners
}

#[tokio::test]
async fn a_server_that_is_not_the_service_gets_no_secret() {
    let mut tally = Tally::default();
    let trusted = Authority::new();
    let ours = Arc::new(
        ReqwestTransport::builder()
            .root_certificate_pem(trusted.pem())
            // The one that waits for a line of HTTP never answers.
            .connect_timeout(Duration::from_millis(300))
            .build()
            .unwrap(),
    );
    for (name, manner) in manners(&trusted) {
        for user in User::ALL {
            let trap = Listener::start(manner.clone(), move |head| answer("200 OK", &[], &user.good(head))).await;
            let base_url = trap.url("https");
            let outcomes = user.ask(&base_url, Arc::clone(&ours) as _).await.unwrap();
            tally.expect_outcomes(&name, user, &outcomes, Outcome::Fails(ErrorKind::Transport));
            tally.note(trap.bytes().len());
            tally.expect(trap.connections() > 0, || format!("{name}, {user:?}: nobody came"));
            let leak = trap.leak(&user.finder());
            tally.expect(leak.is_none(), || format!("{name}, {user:?}: {leak:?} at the trap"));

            if matches!(manner, Manner::Tls(_)) {
                drop(user.ask(&base_url, Arc::new(Naive::new())).await);
                tally.caught += usize::from(trap.leak(&user.finder()).is_some());
            }
        }
    }
    assert!(tally.caught >= 20, "only {} of the traps catch anything", tally.caught);
    tally.end("servers", 25);
}
