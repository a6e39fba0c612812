//! A token server on loopback, as a child process, so that its work and its allocations stay out of the process that is measured.
//!
//! Everything that is measured has a site of its own: a first part of the path with its own latency, lifetime, status and counts. So no straggler of one run is counted in another, and several runs can go on at once.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bench_shared::Head;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket};

use crate::subject::TOKEN_BYTES;
use crate::time::pause;

/// How a site answers.
#[derive(Clone, Copy)]
pub(crate) struct Service {
    /// How long it takes.
    pub(crate) latency_ms: u64,
    /// How long its tokens live, in seconds.
    pub(crate) lifetime: u64,
    /// 200, or what goes wrong.
    pub(crate) status: u16,
    /// How many requests are answered so; all others get a token.
    pub(crate) failures: u64,
}

impl Default for Service {
    fn default() -> Self {
        Self { latency_ms: 50, lifetime: 3_600, status: 200, failures: u64::MAX }
    }
}

/// The child process. It ends when this is dropped, or when the program ends in any other way.
pub(crate) struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    pub(crate) fn start() -> Result<Self, String> {
        let trouble = |error: &dyn std::fmt::Display| format!("cannot start the token server: {error}");
        let program = std::env::current_exe().map_err(|error| trouble(&error))?;
        let mut command = Command::new(program);
        let mut child =
            command.arg("serve").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map_err(|error| trouble(&error))?;
        let mut line = String::new();
        let output = child.stdout.take().ok_or_else(|| trouble(&"it has no output"))?;
        BufReader::new(output).read_line(&mut line).map_err(|error| trouble(&error))?;
        let port: u16 = line.trim().parse().map_err(|error| trouble(&error))?;
        Ok(Self { child, address: SocketAddr::from(([127, 0, 0, 1], port)) })
    }

    /// Opens a site.
    pub(crate) fn site(&self, service: Service) -> Result<Site, String> {
        let Service { latency_ms, lifetime, status, failures } = service;
        let name =
            ask(self.address, &format!("/new?latency={latency_ms}&lifetime={lifetime}&status={status}&failures={failures}"))?;
        Ok(Site { base: format!("http://{}/{name}", self.address), address: self.address, name })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What one run asks for tokens.
pub(crate) struct Site {
    /// Its URL, to which any path can be added.
    pub(crate) base: String,
    address: SocketAddr,
    name: String,
}

impl Site {
    /// How many requests for a token came so far, and on how many connections.
    pub(crate) fn counts(&self) -> Result<(u64, u64), String> {
        let counts = ask(self.address, &format!("/{}/counts", self.name))?;
        let numbers =
            counts.split_once(' ').and_then(|(requests, connections)| Some((requests.parse().ok()?, connections.parse().ok()?)));
        numbers.ok_or_else(|| format!("the token server counts `{counts}`"))
    }
}

/// One question of ours to the server, without the help of a client that is measured.
fn ask(address: SocketAddr, target: &str) -> Result<String, String> {
    let answer = || {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        write!(stream, "GET {target} HTTP/1.1\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    let answer = answer().map_err(|error: std::io::Error| format!("the token server does not answer: {error}"))?;
    answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).ok_or_else(|| "the token server answers no HTTP".to_owned())
}

/// A site as the server knows it.
struct Counter {
    latency_ms: u64,
    lifetime: u64,
    status: u64,
    failures: u64,
    requests: AtomicU64,
    connections: AtomicU64,
}

#[derive(Default)]
struct Sites(Mutex<HashMap<String, Arc<Counter>>>);

impl Sites {
    fn open(&self, head: &Head) -> String {
        let mut sites = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let name = sites.len().to_string();
        let site = Counter {
            latency_ms: head.number("latency").unwrap_or(0),
            lifetime: head.number("lifetime").unwrap_or(3_600),
            status: head.number("status").unwrap_or(200),
            failures: head.number("failures").unwrap_or(u64::MAX),
            requests: 0.into(),
            connections: 0.into(),
        };
        sites.insert(name.clone(), Arc::new(site));
        name
    }

    fn find(&self, head: &Head) -> Option<Arc<Counter>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(head.site()).cloned()
    }
}

/// Is the server, until its standard input ends.
pub(crate) fn serve() -> Result<(), String> {
    std::thread::spawn(|| {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        std::process::exit(0);
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.and_then(|runtime| runtime.block_on(accept())).map_err(|error| format!("the token server: {error}"))
}

async fn accept() -> std::io::Result<()> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    // Some peers open a connection for each caller.
    let listener: TcpListener = socket.listen(65_535)?;
    println!("{}", listener.local_addr()?.port());
    let sites = Arc::new(Sites::default());
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let sites = Arc::clone(&sites);
                // A connection that breaks is the client's affair.
                tokio::spawn(async move { connection(stream, &sites).await.unwrap_or_default() });
            }
            // Too many open files, most likely; they pass.
            Err(_) => pause(Duration::from_millis(5)).await,
        }
    }
}

async fn connection(mut stream: tokio::net::TcpStream, sites: &Sites) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut is_counted = false;
    let mut bytes: Vec<u8> = Vec::with_capacity(4_096);
    loop {
        let head = match Head::read(&bytes) {
            Some(head) if head.bytes <= bytes.len() => head,
            _ if stream.read_buf(&mut bytes).await? == 0 => return Ok(()),
            _ => continue,
        };
        bytes.drain(..head.bytes);
        let is_ours = matches!(head.action(), "new" | "counts");
        let (status, body) = match (head.action(), sites.find(&head)) {
            ("new", _) => (200, sites.open(&head)),
            (_, None) => (404, String::new()),
            ("counts", Some(site)) => (200, format!("{} {}", site.requests.load(SeqCst), site.connections.load(SeqCst))),
            (_, Some(site)) => {
                site.connections.fetch_add(u64::from(!is_counted), SeqCst);
                is_counted = true;
                token(&site).await
            }
        };
        let (length, ending) = (body.len(), if is_ours { "connection: close\r\n" } else { "" });
        let answer =
            format!("HTTP/1.1 {status} Any\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n{ending}\r\n{body}");
        stream.write_all(answer.as_bytes()).await?;
        if is_ours {
            return Ok(());
        }
    }
}

/// The answer to a request for a token: one that every subject reads (RFC 6749 section 5).
async fn token(site: &Counter) -> (u64, String) {
    let number = site.requests.fetch_add(1, SeqCst) + 1;
    if site.latency_ms > 0 {
        pause(Duration::from_millis(site.latency_ms)).await;
    }
    let status = if number <= site.failures { site.status } else { 200 };
    let body = match status {
        200 => {
            // Each token is another one.
            let token = format!("{number:x<TOKEN_BYTES$}");
            format!(r#"{{"access_token":"{token}","token_type":"Bearer","expires_in":{}}}"#, site.lifetime)
        }
        401 => r#"{"error":"invalid_client","error_description":"no such client"}"#.to_owned(),
        _ => r#"{"error":"temporarily_unavailable","error_description":"try again"}"#.to_owned(),
    };
    (status, body)
}
