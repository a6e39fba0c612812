//! A listener on loopback that keeps every byte that comes to it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};

use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use token_testkit::SecretFinder;

type Script = Arc<dyn Fn(&str) -> Vec<u8> + Send + Sync>;

/// It ends, with all its connections, when it is dropped.
pub(crate) struct Listener {
    pub(crate) address: SocketAddr,
    seen: Arc<Seen>,
    accepting: JoinHandle<()>,
}

/// What came to it: as it was on the wire, and again as it was inside TLS.
#[derive(Default)]
struct Seen {
    connections: AtomicUsize,
    bytes: Mutex<Vec<u8>>,
}

/// How it begins to speak.
#[derive(Clone)]
pub(crate) enum Manner {
    /// After a request.
    Plain,
    /// The same inside TLS.
    Tls(Arc<ServerConfig>),
    /// With these bytes, and never again.
    Greeting(Vec<u8>),
}

impl Listener {
    /// Answers the one request of each connection by `script`, which is given its head.
    pub(crate) async fn start(manner: Manner, script: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((IpAddr::V4(Ipv4Addr::LOCALHOST), 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Seen::default());
        let accepting = tokio::spawn(accept(listener, manner, Arc::new(script), Arc::clone(&seen)));
        Self { address, seen, accepting }
    }

    pub(crate) fn url(&self, scheme: &str) -> String {
        format!("{scheme}://{}", self.address)
    }

    pub(crate) fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.seen.bytes.lock().unwrap().clone()
    }

    /// Which secret came, if one did, in any spelling.
    pub(crate) fn leak(&self, finder: &SecretFinder) -> Option<String> {
        finder.find(&String::from_utf8_lossy(&self.bytes())).map(|leak| leak.to_string())
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// An HTTP answer that says of itself how long it is.
pub(crate) fn answer(status: &str, headers: &[(&str, &str)], body: &str) -> Vec<u8> {
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let length = body.len();
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}").into_bytes()
}

async fn accept(listener: TcpListener, manner: Manner, script: Script, seen: Arc<Seen>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        seen.connections.fetch_add(1, Ordering::SeqCst);
        let stream = Recorded { stream, seen: Arc::clone(&seen) };
        let (manner, script, seen) = (manner.clone(), Arc::clone(&script), Arc::clone(&seen));
        // A client that goes away is what most of this is about.
        connections.spawn(async move { drop(serve(stream, manner, &script, seen).await) });
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: Recorded<S>,
    manner: Manner,
    script: &Script,
    seen: Arc<Seen>,
) -> io::Result<()> {
    match manner {
        Manner::Plain => talk(stream, script).await,
        Manner::Tls(config) => {
            let stream = TlsAcceptor::from(config).accept(stream).await?;
            talk(Recorded { stream, seen }, script).await
        }
        Manner::Greeting(bytes) => {
            stream.write_all(&bytes).await?;
            stream.read_to_end(&mut Vec::new()).await.map(drop)
        }
    }
}

async fn talk(mut stream: impl AsyncRead + AsyncWrite + Unpin, script: &Script) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok()).flatten()
    });
    stream.read_exact(&mut vec![0; length.unwrap_or(0)]).await?;
    stream.write_all(&script(&head)).await?;
    stream.shutdown().await?;
    // What comes after the answer counts too.
    stream.read_to_end(&mut Vec::new()).await.map(drop)
}

/// A stream of which every byte that is read is kept.
struct Recorded<S> {
    stream: S,
    seen: Arc<Seen>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Recorded<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        self.seen.bytes.lock().unwrap().extend_from_slice(buffer.filled().get(before..).unwrap_or_default());
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Recorded<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
