//! A server on loopback that says what a test tells it to.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::answer::{Answer, Manner};

/// From one byte of a dripping answer to the next: well below every time-out of the checks.
const DRIP: Duration = Duration::from_millis(50);

/// A server on 127.0.0.1, on a port of its own, that reads whole requests, keeps them, and answers by script.
///
/// Each connection carries one request. Its tasks end when it is dropped.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// use token_testkit::{Answer, ScriptedServer};
/// use tokio::io::{AsyncReadExt, AsyncWriteExt};
///
/// let server = ScriptedServer::answering(Answer::text(418, "no coffee")).await?;
/// let mut client = tokio::net::TcpStream::connect(server.address()).await?;
/// client.write_all(b"POST /brew HTTP/1.1\r\ncontent-length: 2\r\n\r\nhi").await?;
/// let mut answer = String::new();
/// client.read_to_string(&mut answer).await?;
///
/// assert!(answer.starts_with("HTTP/1.1 418 "));
/// assert_eq!(server.requests()[0].body(), b"hi");
/// # std::io::Result::Ok(())
/// # }).unwrap();
/// ```
pub struct ScriptedServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

struct Shared {
    script: Box<dyn Fn(&RecordedRequest) -> Answer + Send + Sync>,
    requests: Mutex<Vec<RecordedRequest>>,
    connections: AtomicUsize,
}

impl ScriptedServer {
    /// Starts a server that asks `script` for each answer.
    ///
    /// # Errors
    ///
    /// No port can be had.
    pub async fn start(script: impl Fn(&RecordedRequest) -> Answer + Send + Sync + 'static) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared { script: Box::new(script), requests: Mutex::default(), connections: AtomicUsize::new(0) });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self { address, shared, accepting })
    }

    /// Starts a server that gives every request the same answer.
    ///
    /// # Errors
    ///
    /// No port can be had.
    pub async fn answering(answer: Answer) -> io::Result<Self> {
        Self::start(move |_| answer.clone()).await
    }

    /// Starts a server that gives these answers in turn and the last one ever after; 500 if there is none.
    ///
    /// # Errors
    ///
    /// No port can be had.
    pub async fn in_turn(answers: impl IntoIterator<Item = Answer>) -> io::Result<Self> {
        let answers: Vec<_> = answers.into_iter().collect();
        let next = AtomicUsize::new(0);
        Self::start(move |_| {
            let answer = answers.get(next.fetch_add(1, Ordering::Relaxed)).or(answers.last());
            answer.cloned().unwrap_or_else(|| Answer::text(500, "nothing scripted"))
        })
        .await
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:` and the port.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The requests so far, each as soon as it was read whole.
    #[must_use]
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.shared.requests().clone()
    }

    /// How many connections were opened to it, with a request or without.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Relaxed)
    }
}

impl Drop for ScriptedServer {
    fn drop(&mut self) {
        // The connections are tasks of a set that the accepting task owns, so they end with it.
        self.accepting.abort();
    }
}

impl fmt::Debug for ScriptedServer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ScriptedServer")
            .field("address", &self.address)
            .field("requests", &self.shared.requests().len())
            .finish_non_exhaustive()
    }
}

impl Shared {
    fn requests(&self) -> MutexGuard<'_, Vec<RecordedRequest>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that a [`ScriptedServer`] got. `Debug` shows method, path and sizes.
#[derive(Clone)]
pub struct RecordedRequest {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl RecordedRequest {
    /// The method.
    #[must_use]
    pub fn method(&self) -> &str {
        &self.method
    }

    /// Path and query as they came.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The path as it came.
    #[must_use]
    pub fn path(&self) -> &str {
        self.target.split_once('?').map_or(&self.target, |(path, _)| path)
    }

    /// The query as it came; `None` without a question mark.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.target.split_once('?').map(|(_, query)| query)
    }

    /// The headers in their order.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The first header of this name, in any case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The body; with its framing if it came in chunks.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The body as text.
    #[must_use]
    pub fn body_text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    fn parse_head(head: &[u8]) -> Option<Self> {
        let head = String::from_utf8_lossy(head);
        let mut lines = head.split("\r\n");
        let mut first = lines.next()?.split(' ');
        let (method, target) = (first.next()?.to_owned(), first.next()?.to_owned());
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()))
            .collect();
        Some(Self { method, target, headers, body: Vec::new() })
    }

    /// Whether the body is all there.
    fn is_whole(&self) -> bool {
        if self.header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
            return self.body.ends_with(b"0\r\n\r\n");
        }
        let length = self.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        self.body.len() >= length
    }
}

impl fmt::Debug for RecordedRequest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("RecordedRequest")
            .field("method", &self.method)
            .field("path", &self.path())
            .field("headers", &self.headers.len())
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        shared.connections.fetch_add(1, Ordering::Relaxed);
        let shared = Arc::clone(&shared);
        // A client that goes away early is what many tests are about, so that error is nobody's concern.
        connections.spawn(async move { drop(serve(stream, &shared).await) });
    }
}

async fn serve(mut stream: TcpStream, shared: &Shared) -> io::Result<()> {
    let Some(request) = read_request(&mut stream).await? else { return Ok(()) };
    let answer = (shared.script)(&request);
    shared.requests().push(request);
    match &answer.manner {
        Manner::Announcing(_) | Manner::Whole => {
            stream.write_all(&[&answer.head(), answer.body_bytes()].concat()).await?;
        }
        Manner::Chunked => {
            stream.write_all(&[&answer.head(), &*answer.chunk(), b"0\r\n\r\n"].concat()).await?;
        }
        Manner::CutOff => stream.write_all(&[&answer.head(), answer.first_half()].concat()).await?,
        Manner::Dripping => {
            stream.write_all(&answer.head()).await?;
            // Tokio's own clock, so that a test on a paused one does not wait.
            let mut pace = tokio::time::interval(DRIP);
            for drip in answer.drips() {
                pace.tick().await;
                stream.write_all(&drip).await?;
            }
        }
        Manner::Endless => {
            stream.write_all(&answer.head()).await?;
            let chunk = answer.chunk();
            loop {
                stream.write_all(&chunk).await?;
            }
        }
        Manner::HangUp => {}
        Manner::Raw(bytes) => stream.write_all(bytes).await?,
        Manner::Silence => until_closed(&mut stream).await?,
        Manner::Stalling => {
            stream.write_all(&[&answer.head(), answer.first_half()].concat()).await?;
            until_closed(&mut stream).await?;
        }
    }
    stream.shutdown().await
}

/// Reads one request, or `None` if the client left before it was whole or sent something else.
async fn read_request(stream: &mut TcpStream) -> io::Result<Option<RecordedRequest>> {
    /// More than any token request has, so that a mistake ends.
    const LONGEST_REQUEST: usize = 4 * 1024 * 1024;

    let mut bytes = Vec::new();
    let mut request: Option<RecordedRequest> = None;
    loop {
        if request.as_ref().is_some_and(RecordedRequest::is_whole) {
            return Ok(request);
        }
        let mut part = [0; 8_192];
        let count = stream.read(&mut part).await?;
        let part = part.get(..count).unwrap_or_default();
        if part.is_empty() || bytes.len() > LONGEST_REQUEST {
            return Ok(None);
        }
        match &mut request {
            Some(request) => request.body.extend_from_slice(part),
            None => {
                bytes.extend_from_slice(part);
                let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
                let (head, rest) = bytes.split_at_checked(end).unwrap_or_default();
                let Some(mut begun) = RecordedRequest::parse_head(head) else { return Ok(None) };
                begun.body = rest.get(4..).unwrap_or_default().to_vec();
                request = Some(begun);
            }
        }
    }
}

async fn until_closed(stream: &mut TcpStream) -> io::Result<()> {
    let mut part = [0; 512];
    while stream.read(&mut part).await? > 0 {}
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn exchange(server: &ScriptedServer, request: &str) -> Vec<u8> {
        let mut client = TcpStream::connect(server.address()).await.unwrap();
        client.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.unwrap();
        answer
    }

    const REQUEST: &str = "POST /a/b?c=d%2Fe HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody";

    #[tokio::test]
    async fn requests_are_recorded_and_answered_in_turn() {
        let server = ScriptedServer::in_turn([Answer::json(200, "{}").header("x-a", "1"), Answer::new(204)]).await.unwrap();
        let first = exchange(&server, REQUEST).await;
        assert_eq!(
            String::from_utf8(first).unwrap(),
            "HTTP/1.1 200 Scripted\r\ncontent-type: application/json\r\nx-a: 1\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}"
        );
        for _ in 0..2 {
            assert!(exchange(&server, REQUEST).await.starts_with(b"HTTP/1.1 204 "));
        }
        let requests = server.requests();
        assert_eq!((requests.len(), server.connections()), (3, 3));
        let request = &requests[0];
        assert_eq!((request.method(), request.path(), request.query()), ("POST", "/a/b", Some("c=d%2Fe")));
        assert_eq!((request.header("HOST"), request.body_text().as_str()), (Some("x"), "body"));
        assert!(!format!("{request:?}").contains("d%2Fe"));
    }

    #[tokio::test]
    async fn every_manner_is_as_it_says() {
        let ends_with = |bytes: Vec<u8>, end: &str| assert!(bytes.ends_with(end.as_bytes()), "{bytes:?}");
        for (answer, end) in [
            (Answer::text(200, "abcd").cut_off(), "content-length: 4\r\nconnection: close\r\n\r\nab"),
            (Answer::text(200, "abcd").announcing(99), "content-length: 99\r\nconnection: close\r\n\r\nabcd"),
            (Answer::text(200, "abcd").chunked(), "\r\n\r\n4\r\nabcd\r\n0\r\n\r\n"),
            (Answer::raw("?"), "?"),
            (Answer::hang_up(), ""),
            (Answer::redirect(302, "/x"), "location: /x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"),
        ] {
            let server = ScriptedServer::answering(answer).await.unwrap();
            ends_with(exchange(&server, REQUEST).await, end);
        }
    }

    /// On a clock that leaps whenever nothing else is to be done.
    #[tokio::test(start_paused = true)]
    async fn a_dripping_answer_comes_byte_by_byte_and_goes_on() {
        let server = ScriptedServer::answering(Answer::text(200, "ab").dripping()).await.unwrap();
        let mut client = TcpStream::connect(server.address()).await.unwrap();
        client.write_all(REQUEST.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(client.read_u8().await.unwrap());
        }
        let mut drips = [0; 24];
        client.read_exact(&mut drips).await.unwrap();
        assert_eq!(&drips, b"1\r\na\r\n1\r\nb\r\n1\r\na\r\n1\r\nb\r\n");
    }

    #[tokio::test]
    async fn silence_stalling_and_endless_answers_end_with_the_server() {
        for answer in [Answer::silence(), Answer::text(200, "abcd").stalling(), Answer::text(200, "x".repeat(999)).endless()] {
            let endless = matches!(answer.manner, Manner::Endless);
            let server = ScriptedServer::answering(answer).await.unwrap();
            let mut client = TcpStream::connect(server.address()).await.unwrap();
            client.write_all(REQUEST.as_bytes()).await.unwrap();
            while server.requests().is_empty() {
                tokio::task::yield_now().await;
            }
            if endless {
                let mut much = vec![0; 500_000];
                client.read_exact(&mut much).await.unwrap();
            }
            drop(server);
            let mut rest = Vec::new();
            let end = tokio::time::timeout(Duration::from_secs(30), client.read_to_end(&mut rest)).await;
            assert!(end.is_ok(), "the connection is still open");
        }
    }
}
