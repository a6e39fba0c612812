//! A loopback server that does as each test says, and what the tests share.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{Method, Uri};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use zeroize::Zeroizing;

use token_core::{Resend, TokenRequest, TokenResponse, Transport, TransportError};
use transport_reqwest::ReqwestTransport;

pub(crate) const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";

pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// What a server saw. A request is kept as it came, head and body.
#[derive(Clone, Default)]
pub(crate) struct Seen {
    connections: Arc<AtomicUsize>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Seen {
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

/// One connection, on the server's side.
pub(crate) struct Peer {
    pub(crate) stream: Box<dyn Stream>,
    seen: Seen,
}

impl Peer {
    /// The next request, or `None` when the client has gone.
    pub(crate) async fn read_request(&mut self) -> Option<String> {
        let mut bytes = Vec::new();
        while !bytes.ends_with(b"\r\n\r\n") {
            bytes.push(self.stream.read_u8().await.ok()?);
        }
        let head = String::from_utf8(bytes.clone()).unwrap().to_ascii_lowercase();
        let length = head.split("content-length: ").nth(1).map_or(0, |rest| rest.split("\r\n").next().unwrap().parse().unwrap());
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).await.ok()?;
        bytes.extend(body);
        let request = String::from_utf8(bytes).unwrap();
        self.seen.requests.lock().unwrap().push(request.clone());
        Some(request)
    }

    /// `false` when the client has gone.
    pub(crate) async fn write(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).await.is_ok() && self.stream.flush().await.is_ok()
    }

    /// Reads until the client goes.
    pub(crate) async fn hold(&mut self) {
        while self.stream.read_u8().await.is_ok() {}
    }
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) seen: Seen,
}

impl Server {
    /// Runs `serve` for every connection.
    pub(crate) async fn start<F>(serve: impl Fn(Peer) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Seen::default();
        let shared = seen.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                shared.connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(Peer { stream: Box::new(stream), seen: shared.clone() }));
            }
        });
        Self { address, seen }
    }

    /// Gives every request the same answer and keeps the connection.
    pub(crate) async fn answering(answer: impl AsRef<[u8]> + Clone + Send + Sync + 'static) -> Self {
        Self::start(move |peer| answer_all(peer, answer.clone())).await
    }

    /// The same behind TLS.
    pub(crate) async fn answering_tls(config: ServerConfig, answer: &'static str) -> Self {
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Self::start(move |mut peer| {
            let acceptor = acceptor.clone();
            async move {
                // A client that refuses the certificate goes away here.
                let Ok(stream) = acceptor.accept(peer.stream).await else { return };
                peer.stream = Box::new(stream);
                answer_all(peer, answer).await;
            }
        })
        .await
    }

    /// Answers the first request of each connection with `answer` and closes.
    pub(crate) async fn closing_after(answer: impl AsRef<[u8]> + Clone + Send + Sync + 'static) -> Self {
        Self::start(move |mut peer| {
            let answer = answer.clone();
            async move {
                if peer.read_request().await.is_some() {
                    peer.write(answer).await;
                }
            }
        })
        .await
    }

    pub(crate) fn url(&self, path: &str) -> Uri {
        format!("http://{}{path}", self.address).parse().unwrap()
    }
}

pub(crate) async fn answer_all(mut peer: Peer, answer: impl AsRef<[u8]>) {
    while peer.read_request().await.is_some() {
        if !peer.write(answer.as_ref()).await {
            return;
        }
    }
}

pub(crate) fn transport() -> ReqwestTransport {
    ReqwestTransport::new().unwrap()
}

pub(crate) fn post(url: Uri, resend: Resend) -> TokenRequest {
    TokenRequest::new(Method::POST, url, resend).with_body("application/json", Zeroizing::new(b"{\"a\":1}".to_vec()))
}

/// Sends, and fails where that takes far longer than any timeout of these tests.
pub(crate) async fn send(transport: &ReqwestTransport, request: TokenRequest) -> Result<TokenResponse, TransportError> {
    tokio::time::timeout(Duration::from_secs(5), transport.send(request)).await.expect("the transport hangs")
}
