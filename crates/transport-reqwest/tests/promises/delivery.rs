//! How far a request got when no good answer came.

use http::{HeaderName, HeaderValue};
use tokio::io::AsyncReadExt;

use token_core::{Delivery, Resend, TransportErrorKind};
use transport_reqwest::ReqwestTransport;

use crate::server::{OK, Peer, Server, post, send, transport};

#[tokio::test]
async fn a_refused_connection_was_not_sent() {
    let closed = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    for resend in [Resend::AfterRefusal, Resend::OnlyIfNotSent] {
        let error = send(&transport(), post(format!("http://{closed}/").parse().unwrap(), resend)).await.unwrap_err();
        assert_eq!((error.kind(), error.delivery()), (TransportErrorKind::Connect, Delivery::NotSent));
        assert_eq!(error.to_string(), "connection refused; check the host and port of the base URL");
    }
}

#[tokio::test]
async fn an_unknown_host_was_not_sent() {
    // A label over 63 characters: the system's resolver gives up without asking the network.
    // As a proxy, because TLS would refuse it as a server before anyone looks it up.
    let label = "a".repeat(70);
    let transport = ReqwestTransport::builder().proxy(format!("http://{label}.invalid:3128")).build().unwrap();
    let url = "https://service.example/".parse().unwrap();
    let error = send(&transport, post(url, Resend::OnlyIfNotSent)).await.unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (TransportErrorKind::Connect, Delivery::NotSent));
    assert_eq!(error.to_string(), "the host name of the proxy was not found; check the host of `proxy`");

    let url = format!("https://{label}.invalid/").parse().unwrap();
    let error = send(&crate::server::transport(), post(url, Resend::OnlyIfNotSent)).await.unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (TransportErrorKind::Connect, Delivery::NotSent));
}

#[tokio::test]
async fn broken_answers_are_never_taken_for_not_sent() {
    use Delivery::{Answered, Unknown};
    use TransportErrorKind::{Interrupted, Protocol};
    let cases = [
        ("", Interrupted, Unknown),
        ("HTTP/1.1 200 OK\r\nContent-Le", Interrupted, Unknown),
        ("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", Interrupted, Answered),
        ("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"access_token\":", Interrupted, Answered),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", Interrupted, Answered),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n", Interrupted, Answered),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnot a size\r\nab", Protocol, Answered),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFFF\r\nab", Protocol, Answered),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc", Protocol, Unknown),
        ("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nabc", Protocol, Unknown),
        ("HTTP/1.1 999999 OK\r\n\r\n", Protocol, Unknown),
        ("SSH-2.0-OpenSSH\r\n\r\n", Protocol, Unknown),
        ("an old server's page without a head", Protocol, Unknown),
        ("\u{15}\u{3}\u{3}\u{0}\u{2}\u{2}\u{46}", Protocol, Unknown),
    ];
    for (answer, kind, delivery) in cases {
        for resend in [Resend::AfterRefusal, Resend::OnlyIfNotSent] {
            let server = Server::closing_after(answer).await;
            let error = send(&transport(), post(server.url("/"), resend)).await.unwrap_err();
            assert_eq!((error.kind(), error.delivery()), (kind, delivery), "{answer:?}: {error}");
            assert_eq!(server.seen.requests().len(), 1, "{answer:?}");
        }
    }
}

#[tokio::test]
async fn a_reset_connection_is_unknown() {
    let server = Server::start(|mut peer: Peer| async move {
        // Closing with bytes unread makes the system send a reset.
        let _ = peer.stream.read_u8().await;
    })
    .await;
    for resend in [Resend::AfterRefusal, Resend::OnlyIfNotSent] {
        let error = send(&transport(), post(server.url("/"), resend)).await.unwrap_err();
        assert_eq!((error.kind(), error.delivery()), (TransportErrorKind::Interrupted, Delivery::Unknown));
    }
    assert_eq!(server.seen.connections(), 2);
}

#[tokio::test]
async fn a_request_that_dies_on_a_kept_connection_is_not_sent_again() {
    let server = Server::start(|mut peer: Peer| async move {
        peer.read_request().await;
        peer.write(OK).await;
        // Reads the second one and goes away: the service may have acted on it.
        peer.read_request().await;
    })
    .await;
    let transport = transport();
    send(&transport, post(server.url("/first"), Resend::AfterRefusal)).await.unwrap();
    let error = send(&transport, post(server.url("/second"), Resend::AfterRefusal)).await.unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (TransportErrorKind::Interrupted, Delivery::Unknown));
    assert_eq!(server.seen.connections(), 1);
    assert_eq!(server.seen.requests().len(), 2);
    // A one-shot request does not go near such a connection.
    send(&transport, post(server.url("/third"), Resend::OnlyIfNotSent)).await.unwrap();
    assert_eq!((server.seen.connections(), server.seen.requests().len()), (2, 3));
}

#[tokio::test]
async fn a_connection_closed_before_reuse_delivers_nothing_twice() {
    // It promises to keep the connection and closes at once, so that each next request races with the end.
    let server = Server::closing_after(OK).await;
    let transport = transport();
    for resend in [Resend::AfterRefusal, Resend::OnlyIfNotSent] {
        for number in 0..50 {
            let number = HeaderValue::from(number);
            let request = post(server.url("/"), resend).with_header(HeaderName::from_static("x-number"), number.clone());
            let before = server.seen.requests().len();
            let result = send(&transport, request).await;
            let times = server.seen.requests().len() - before;
            match result {
                Ok(_) => assert_eq!(times, 1),
                Err(error) if error.delivery() == Delivery::NotSent => assert_eq!(times, 0, "{error}"),
                Err(error) => {
                    assert_eq!(resend, Resend::AfterRefusal, "{error}");
                    assert!(times <= 1, "{error}");
                }
            }
        }
    }
}

#[test]
fn a_kept_connection_does_not_outlive_its_runtime() {
    let runtime = || tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let serving = runtime();
    let server = serving.block_on(Server::answering(OK));
    let transport = transport();
    for expected in 1..=3 {
        // As when each test, or each command of a program, has a runtime of its own and all share one transport.
        runtime().block_on(send(&transport, post(server.url("/"), Resend::AfterRefusal))).unwrap();
        assert_eq!((server.seen.connections(), server.seen.requests().len()), (expected, expected));
    }
}
