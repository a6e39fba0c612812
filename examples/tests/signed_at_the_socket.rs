//! Klikoo's signature over what is really sent: a thousand requests of random method, path, query and body are taken from the socket byte by byte, and OpenSSL signs them anew.
//!
//! Without the program the test says that it is skipped; where `CI` is set its absence is a failure.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, missing_docs, reason = "a test may panic")]

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::{Method, Request};
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use provider_klikoo::Klikoo;
use reqwest_middleware::ClientBuilder;
use token_core::{Clock as _, Error, Expiry, SystemClock, Token, TokenCache, TokenProvider};
use token_middleware::{TokenLayer, TokenMiddleware};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tower::{Layer as _, ServiceExt as _};

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const PREFIX: &str = "/klikoo-b2b";
const REQUESTS: usize = 1_000;

/// What came over the socket.
struct Taken {
    method: String,
    /// As the request line has it, query and all.
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Taken {
    /// The one header of this name.
    fn header(&self, name: &str) -> &str {
        let mut values = self.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value);
        let value = values.next().unwrap();
        assert!(values.next().is_none(), "two headers `{name}`");
        value
    }
}

/// Answers every request with 200 and keeps it.
async fn serve(mut socket: TcpStream, taken: Arc<Mutex<Vec<Taken>>>) {
    let mut buffer = Vec::new();
    loop {
        let head = loop {
            if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                break String::from_utf8(buffer.drain(..end + 4).collect()).unwrap();
            }
            if socket.read_buf(&mut buffer).await.unwrap() == 0 {
                return;
            }
        };
        let mut lines = head.lines();
        let mut line = lines.next().unwrap().split(' ');
        let (method, target) = (line.next().unwrap().to_owned(), line.next().unwrap().to_owned());
        let headers: Vec<(String, String)> =
            lines.filter_map(|line| line.split_once(": ")).map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        assert!(!headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("transfer-encoding")), "{head}");
        let length = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
        let length = length.map_or(0, |(_, length)| length.parse().unwrap());
        while buffer.len() < length {
            assert_ne!(socket.read_buf(&mut buffer).await.unwrap(), 0, "the body broke off");
        }
        let body = buffer.drain(..length).collect();
        taken.lock().unwrap().push(Taken { method, target, headers, body });
        socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
    }
}

/// Numbers that look random, the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from((self.0 >> 33) % sides as u64).unwrap()
    }

    fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.roll(all.len())]
    }

    fn text(&mut self, parts: &[&str], longest: usize) -> String {
        (0..self.roll(longest + 1)).map(|_| *self.pick(parts)).collect()
    }

    /// Below the prefix: ordinary segments and empty ones, percent-encoded slashes, dots, blanks and letters, in both cases of hexadecimal.
    fn path(&mut self) -> String {
        let parts = [
            "v1",
            "open-api",
            "a",
            "Z",
            "%2F",
            "%2f",
            "%20",
            "%C3%A9",
            "%e2%82%ac",
            "~",
            "-",
            "_",
            ".x",
            "...",
            "@",
            ":",
            "!",
            "$",
            "&",
            "'",
            "(",
            ")",
            "*",
            "+",
            ",",
            ";",
            "=",
            "/",
        ];
        format!("/{}", self.text(&parts, 12))
    }

    fn query(&mut self) -> String {
        let parts = ["a=1", "&", "b=%2F", "=", "?", "/", "%20", "+", "x", ":"];
        let text = self.text(&parts, 6);
        if self.roll(2) == 0 { String::new() } else { format!("?{text}") }
    }

    /// Half of them JSON, the others any bytes; some of them none.
    fn body(&mut self) -> Vec<u8> {
        match self.roll(4) {
            0 => Vec::new(),
            1 | 2 => format!("{{\"b\": \"{}\",\n\t\"a\":{}}}", self.text(&["é", "<", "\\u0026", " ", "x"], 20), self.roll(1_000))
                .into(),
            _ => (0..self.roll(2_000)).map(|_| u8::try_from(self.roll(256)).unwrap()).collect(),
        }
    }
}

/// Gives one token, for ever.
struct Fixed;

#[async_trait]
impl TokenProvider for Fixed {
    async fn token(&self) -> Result<Token, Error> {
        let token = Token::bearer("header.token-test-only.signature", Expiry::After(Duration::from_secs(900)), SystemClock.now());
        Ok(token.build().unwrap())
    }

    fn invalidate(&self, _rejected: &Token) {}
}

/// `openssl dgst` over all of the files, as one hexadecimal digest for each.
fn openssl(folder: &Path, arguments: &[&str], kind: &str) -> Vec<String> {
    let files: Vec<_> = (0..REQUESTS).map(|number| format!("{kind}-{number}")).collect();
    let output = Command::new("openssl").arg("dgst").args(arguments).arg("-r").args(files).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| line.split(' ').next().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn openssl_signs_what_came_over_the_socket_alike() {
    if Command::new("openssl").arg("version").output().is_err() {
        assert!(std::env::var_os("CI").is_none(), "openssl is not there");
        eprintln!("skipped: openssl is not there");
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}{PREFIX}", listener.local_addr().unwrap());
    let taken = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&taken);
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(serve(socket, Arc::clone(&kept)));
        }
    });

    let authorizer = Klikoo::builder()
        .base_url(&base)
        .client_id("3f9c8962-4c4b-4bb6-b3c1-8fc883519c02")
        .client_secret(SECRET)
        .authorizer(TokenCache::new(Fixed))
        .unwrap()
        .build()
        .unwrap();
    let (client, tokens) = TokenMiddleware::with_client(authorizer.clone(), reqwest::Client::builder().no_proxy()).unwrap();
    let reqwest = ClientBuilder::new(client).with(tokens).build();
    let tower = TokenLayer::new(authorizer).layer(Client::builder(TokioExecutor::new()).build_http());

    let methods = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::from_bytes(b"purge").unwrap()];
    let mut dice = Dice(0x2545_f491_4f6c_dd1d);
    let mut sent = Vec::new();
    for number in 0..REQUESTS {
        let (method, body) = (dice.pick(&methods).clone(), dice.body());
        let url = format!("{base}{}{}", dice.path(), dice.query());
        let status = if number % 2 == 0 {
            reqwest.request(method.clone(), &url).body(body.clone()).send().await.unwrap().status()
        } else {
            let request = Request::builder().method(method.clone()).uri(&url).body(Full::new(Bytes::from(body.clone()))).unwrap();
            tower.clone().oneshot(request).await.unwrap().status()
        };
        assert!(status.is_success(), "{method} {url}");
        sent.push((method, body));
    }

    let folder = tempfile::tempdir().unwrap();
    let taken = std::mem::take(&mut *taken.lock().unwrap());
    assert_eq!(taken.len(), REQUESTS);
    for (number, (taken, (method, body))) in taken.iter().zip(&sent).enumerate() {
        assert_eq!((taken.method.as_str(), &taken.body), (method.as_str(), body));
        fs::write(folder.path().join(format!("body-{number}")), &taken.body).unwrap();
    }
    let hashes = openssl(folder.path(), &["-sha256"], "body");
    for (number, (taken, hash)) in taken.iter().zip(&hashes).enumerate() {
        let path = taken.target.split('?').next().unwrap().strip_prefix(PREFIX).unwrap();
        let token = taken.header("authorization").strip_prefix("Bearer ").unwrap();
        let text = format!("{}:{path}:{token}:{hash}:{}", taken.method, taken.header("open-api-timestamp"));
        fs::write(folder.path().join(format!("text-{number}")), text).unwrap();
    }
    let signatures = openssl(folder.path(), &["-sha512", "-hmac", SECRET], "text");
    for (taken, signature) in taken.iter().zip(&signatures) {
        let header = BASE64_STANDARD.decode(taken.header("open-api-signature")).unwrap();
        let header: String = header.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(&header, signature, "{} {}", taken.method, taken.target);
    }
    let different = |of: fn(&Taken) -> &[u8]| taken.iter().map(of).collect::<std::collections::BTreeSet<_>>().len();
    let targets = different(|taken| taken.target.as_bytes());
    assert!(targets > 800 && different(|taken| &taken.body) > 600, "the requests are not random enough: {targets} URLs");
}
