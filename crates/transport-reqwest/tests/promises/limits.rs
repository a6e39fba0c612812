//! Bounds of size and time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

use token_core::{Delivery, Resend, TransportErrorKind};
use transport_reqwest::ReqwestTransport;

use crate::server::{OK, Peer, Server, post, send, transport};

const SHORT: Duration = Duration::from_millis(150);
const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_body_may_be_as_long_as_the_limit_and_no_longer() {
    let limit = 1000;
    let transport = ReqwestTransport::builder().max_response_bytes(limit).build().unwrap();
    for length in [limit - 1, limit, limit + 1] {
        let body = "x".repeat(length);
        let framed = [
            format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}"),
            format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{length:x}\r\n{body}\r\n0\r\n\r\n"),
            format!("HTTP/1.1 200 OK\r\n\r\n{body}"),
        ];
        for answer in framed {
            let server = Server::closing_after(answer).await;
            match send(&transport, post(server.url("/"), Resend::OnlyIfNotSent)).await {
                Ok(answer) => assert!(length <= limit && answer.body() == body.as_bytes()),
                Err(error) => {
                    assert!(length > limit, "{error}");
                    assert_eq!((error.kind(), error.delivery()), (TransportErrorKind::TooLarge, Delivery::Answered));
                    assert!(error.to_string().contains("`max_response_bytes`"), "{error}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_large_body_under_a_large_limit_comes_whole() {
    let body = "0123456789".repeat(50_000);
    let answer = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    let server = Server::answering(answer).await;
    let transport = ReqwestTransport::builder().max_response_bytes(1 << 20).build().unwrap();
    let answer = send(&transport, post(server.url("/"), Resend::AfterRefusal)).await.unwrap();
    assert_eq!(answer.body(), body.as_bytes());
}

#[tokio::test]
async fn an_endless_body_is_cut_off_while_it_streams() {
    let sent = Arc::new(AtomicUsize::new(0));
    let ended = Arc::new(Notify::new());
    let (count, end) = (Arc::clone(&sent), Arc::clone(&ended));
    let server = Server::start(move |mut peer: Peer| {
        let (count, end) = (Arc::clone(&count), Arc::clone(&end));
        async move {
            peer.read_request().await;
            peer.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await;
            let chunk = format!("400\r\n{}\r\n", "x".repeat(1024));
            while peer.write(&chunk).await {
                count.fetch_add(1024, Ordering::SeqCst);
            }
            end.notify_one();
        }
    })
    .await;
    let error = send(&transport(), post(server.url("/"), Resend::AfterRefusal)).await.unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (TransportErrorKind::TooLarge, Delivery::Answered));
    tokio::time::timeout(Duration::from_secs(5), ended.notified()).await.expect("the connection is still open");
    // 64 KiB were read; the rest is what the system's buffers took.
    let sent = sent.load(Ordering::SeqCst);
    assert!((64 * 1024..16 << 20).contains(&sent), "{sent}");
}

#[tokio::test]
async fn an_announced_length_over_the_limit_is_refused_at_once() {
    for length in ["65537", "1000000000", "18446744073709551615"] {
        let server = Server::start(move |mut peer: Peer| async move {
            peer.read_request().await;
            peer.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n")).await;
            peer.hold().await;
        })
        .await;
        let error = send(&transport(), post(server.url("/"), Resend::AfterRefusal)).await.unwrap_err();
        // hyper itself calls the greatest number malformed.
        assert!(matches!(error.kind(), TransportErrorKind::TooLarge | TransportErrorKind::Protocol), "{length}: {error}");
        assert_ne!(error.delivery(), Delivery::NotSent);
    }
}

#[tokio::test]
async fn headers_have_a_limit_in_sum_and_in_number() {
    let headers = |count: usize, size: usize| {
        let lines: String = (0..count).map(|number| format!("x-{number}: {}\r\n", "v".repeat(size))).collect();
        format!("HTTP/1.1 200 OK\r\n{lines}Content-Length: 0\r\n\r\n")
    };
    let cases = [(15, 4096, true), (90, 100, true), (17, 4096, false), (1, 65_536, false), (2, 300_000, false), (101, 1, false)];
    for (count, size, fits) in cases {
        let server = Server::closing_after(headers(count, size)).await;
        let result = send(&transport(), post(server.url("/"), Resend::OnlyIfNotSent)).await;
        match result {
            Ok(answer) => assert!(fits && answer.headers().len() == count + 1, "{count} of {size}"),
            Err(error) => {
                assert!(!fits, "{count} of {size}: {error}");
                assert_eq!(
                    (error.kind(), error.delivery()),
                    (TransportErrorKind::TooLarge, Delivery::Answered),
                    "{count} of {size}: {error}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_connection_that_is_never_ready_times_out_as_not_sent() {
    // The connect timeout covers TLS; this server accepts and never says hello.
    let server = Server::start(|mut peer: Peer| async move { peer.hold().await }).await;
    let transport = ReqwestTransport::builder().connect_timeout(SHORT).total_timeout(LONG).build().unwrap();
    let url = format!("https://{}/", server.address).parse().unwrap();
    let error = send(&transport, post(url, Resend::OnlyIfNotSent)).await.unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (TransportErrorKind::TimedOut, Delivery::NotSent));
    assert!(error.to_string().contains("`connect_timeout`"), "{error}");
}

#[tokio::test]
async fn silence_after_the_request_times_out_as_unknown() {
    let server = Server::start(|mut peer: Peer| async move { peer.hold().await }).await;
    let transport = ReqwestTransport::builder().total_timeout(SHORT).build().unwrap();
    for resend in [Resend::AfterRefusal, Resend::OnlyIfNotSent] {
        let error = send(&transport, post(server.url("/"), resend)).await.unwrap_err();
        assert_eq!((error.kind(), error.delivery()), (TransportErrorKind::TimedOut, Delivery::Unknown));
        assert!(error.to_string().contains("`total_timeout`"), "{error}");
    }
    assert_eq!(server.seen.connections(), 2);
}

#[tokio::test]
async fn drops_of_an_answer_do_not_prolong_the_total_timeout() {
    let cases = [
        ("HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n", Delivery::Answered),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", Delivery::Answered),
        ("HTTP/1.1 200 OK\r\nx-endless: ", Delivery::Unknown),
    ];
    for (start, delivery) in cases {
        let server = Server::start(move |mut peer: Peer| async move {
            peer.read_request().await;
            peer.write(start).await;
            let mut tick = tokio::time::interval(Duration::from_millis(10));
            let drop = if start.contains("chunked") { "1\r\nx\r\n" } else { "x" };
            while peer.write(drop).await {
                tick.tick().await;
            }
        })
        .await;
        let transport = ReqwestTransport::builder().total_timeout(SHORT).build().unwrap();
        let error = send(&transport, post(server.url("/"), Resend::OnlyIfNotSent)).await.unwrap_err();
        assert_eq!((error.kind(), error.delivery()), (TransportErrorKind::TimedOut, delivery), "{start}: {error}");
    }
}

#[tokio::test]
async fn the_connection_of_a_refused_answer_is_not_used_again() {
    let server = Server::answering(format!("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n{}", "x".repeat(100_000))).await;
    let transport = transport();
    for expected in 1..=3 {
        send(&transport, post(server.url("/"), Resend::AfterRefusal)).await.unwrap_err();
        assert_eq!(server.seen.connections(), expected);
    }
    let healthy = Server::answering(OK).await;
    send(&transport, post(healthy.url("/"), Resend::AfterRefusal)).await.unwrap();
}
