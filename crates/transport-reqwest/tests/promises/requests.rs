//! What goes out and what comes back.

use http::{HeaderName, HeaderValue, Method, StatusCode};

use token_core::{Resend, TokenRequest};

use crate::server::{OK, Peer, Server, post, send, transport};

#[tokio::test]
async fn a_request_arrives_as_it_was_made() {
    let server = Server::answering(OK).await;
    let request = post(server.url("/prefix/a%2Fb/%7Euser?code=x%20y%2B&empty="), Resend::OnlyIfNotSent)
        .with_header(HeaderName::from_static("x-client-id"), HeaderValue::from_static("client"));
    send(&transport(), request).await.unwrap();

    let seen = server.seen.requests().remove(0);
    let (head, body) = seen.split_once("\r\n\r\n").unwrap();
    let mut lines = head.split("\r\n");
    assert_eq!(lines.next(), Some("POST /prefix/a%2Fb/%7Euser?code=x%20y%2B&empty= HTTP/1.1"));
    let mut headers: Vec<_> = lines.collect();
    headers.sort_unstable();
    let host = format!("host: {}", server.address);
    let user_agent = concat!("user-agent: transport-reqwest/", env!("CARGO_PKG_VERSION"));
    // Above all no `accept-encoding`, `cookie`, `referer`, `connection` or `expect`.
    let wanted =
        ["accept: */*", "content-length: 7", "content-type: application/json", host.as_str(), user_agent, "x-client-id: client"];
    assert_eq!(headers, wanted);
    assert_eq!(body, "{\"a\":1}");
}

#[tokio::test]
async fn user_agent_and_accept_can_be_set() {
    let server = Server::answering(OK).await;
    let transport = transport_reqwest::ReqwestTransport::builder().user_agent("my-service/1.0").build().unwrap();
    let request = TokenRequest::new(Method::GET, server.url("/"), Resend::AfterRefusal)
        .with_header(http::header::ACCEPT, HeaderValue::from_static("application/json"));
    send(&transport, request).await.unwrap();
    let seen = server.seen.requests().remove(0);
    assert!(seen.contains("user-agent: my-service/1.0\r\n"), "{seen}");
    assert!(seen.contains("accept: application/json\r\n") && !seen.contains("*/*"), "{seen}");
}

#[tokio::test]
async fn a_request_without_a_body_says_so_where_one_is_usual() {
    let server = Server::answering(OK).await;
    send(&transport(), TokenRequest::new(Method::POST, server.url("/"), Resend::AfterRefusal)).await.unwrap();
    send(&transport(), TokenRequest::new(Method::GET, server.url("/"), Resend::AfterRefusal)).await.unwrap();
    let seen = server.seen.requests();
    assert!(seen[0].contains("content-length: 0\r\n"), "{seen:?}");
    assert!(!seen[1].contains("content-length"), "{seen:?}");
}

#[tokio::test]
async fn localhost_is_this_machine() {
    let server = Server::answering(OK).await;
    let port = server.address.port();
    for host in ["localhost", "LocalHost"] {
        let url = format!("http://{host}:{port}/").parse().unwrap();
        send(&transport(), post(url, Resend::OnlyIfNotSent)).await.unwrap();
    }
    assert!(server.seen.requests().iter().all(|seen| seen.contains(&format!("host: localhost:{port}\r\n"))));
}

#[tokio::test]
async fn an_answer_of_any_status_is_ok() {
    for status in [200, 201, 204, 304, 400, 401, 403, 404, 418, 429, 500, 502, 503, 599] {
        let body = if matches!(status, 204 | 304) { "" } else { "Content-Length: 4\r\n\r\nbody" };
        let server = Server::answering(format!(
            "HTTP/1.1 {status} Text\r\nX-Trace: 7\r\n{body}{}",
            if body.is_empty() { "\r\n" } else { "" }
        ))
        .await;
        let answer = send(&transport(), post(server.url("/"), Resend::AfterRefusal)).await.unwrap();
        assert_eq!(answer.status(), StatusCode::from_u16(status).unwrap());
        assert_eq!(answer.headers()["x-trace"], "7");
        assert_eq!(answer.body(), if body.is_empty() { "" } else { "body" }.as_bytes());
    }
}

#[tokio::test]
async fn bodies_come_whole_however_they_are_framed() {
    let cases = [
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", ""),
        ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", "abc"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\n\r\n", "abc"),
        ("HTTP/1.1 200 OK\r\n\r\nuntil the end", "until the end"),
        ("HTTP/1.0 200 OK\r\n\r\nold", "old"),
        ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", "abc"),
    ];
    for (answer, body) in cases {
        let server = Server::closing_after(answer).await;
        let got = send(&transport(), post(server.url("/"), Resend::OnlyIfNotSent)).await.unwrap();
        assert_eq!(got.body(), body.as_bytes(), "{answer}");
    }
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_its_target_hears_nothing() {
    for status in [301, 302, 303, 307, 308] {
        let target = Server::answering(OK).await;
        let location = target.url("/elsewhere");
        let answer = format!("HTTP/1.1 {status} Moved\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n");
        let server = Server::answering(answer).await;
        for method in [Method::GET, Method::POST] {
            let request = TokenRequest::new(method, server.url("/"), Resend::AfterRefusal);
            let answer = send(&transport(), request).await.unwrap();
            assert_eq!(answer.status().as_u16(), status);
            assert_eq!(answer.headers()["location"], location.to_string());
        }
        assert_eq!(target.seen.connections(), 0, "{status}");
        assert_eq!(server.seen.requests().len(), 2, "{status}");
    }
}

#[tokio::test]
async fn an_encoded_body_is_left_as_it_is() {
    for encoding in ["gzip", "br", "deflate", "zstd"] {
        // No body of that encoding, so that unpacking it would be an error.
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Encoding: {encoding}\r\nContent-Length: 6\r\n\r\npacked");
        let server = Server::answering(answer).await;
        let answer = send(&transport(), post(server.url("/"), Resend::AfterRefusal)).await.unwrap();
        assert_eq!(answer.body(), b"packed", "{encoding}");
        assert_eq!(answer.headers()["content-encoding"], encoding);
        assert!(!server.seen.requests()[0].contains("accept-encoding"));
    }
}

#[tokio::test]
async fn cookies_are_not_kept() {
    let server = Server::answering("HTTP/1.1 200 OK\r\nSet-Cookie: session=1; Path=/\r\nContent-Length: 0\r\n\r\n").await;
    let transport = transport();
    for resend in [Resend::AfterRefusal, Resend::AfterRefusal, Resend::OnlyIfNotSent] {
        let answer = send(&transport, post(server.url("/"), resend)).await.unwrap();
        assert_eq!(answer.headers()["set-cookie"], "session=1; Path=/");
    }
    assert!(server.seen.requests().iter().all(|seen| !seen.contains("cookie:")));
}

#[tokio::test]
async fn a_connection_is_kept_unless_the_request_must_not_be_sent_twice() {
    let server = Server::answering(OK).await;
    let transport = transport();
    for _ in 0..5 {
        send(&transport.clone(), post(server.url("/"), Resend::AfterRefusal)).await.unwrap();
    }
    assert_eq!(server.seen.connections(), 1);
    for _ in 0..3 {
        send(&transport, post(server.url("/"), Resend::OnlyIfNotSent)).await.unwrap();
    }
    assert_eq!(server.seen.connections(), 4);
}

#[tokio::test]
async fn no_failing_status_is_tried_again() {
    for status in [408, 425, 429, 500, 502, 503, 504] {
        let server = Server::answering(format!("HTTP/1.1 {status} Text\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n")).await;
        send(&transport(), TokenRequest::new(Method::GET, server.url("/"), Resend::AfterRefusal)).await.unwrap();
        assert_eq!(server.seen.requests().len(), 1, "{status}");
    }
}

#[tokio::test]
async fn an_upgrade_that_nobody_asked_for_does_no_harm() {
    let server = Server::start(|mut peer: Peer| async move {
        peer.read_request().await;
        peer.write("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n").await;
        peer.hold().await;
    })
    .await;
    let result = send(&transport(), post(server.url("/"), Resend::OnlyIfNotSent)).await;
    assert!(result.is_err() || result.is_ok_and(|answer| answer.body().is_empty()));
    assert_eq!(server.seen.requests().len(), 1);
}
