//! Watching what is freed, and the secrets that are looked for.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};
use tokio::runtime::{Builder, Runtime};
use zeroize::Zeroizing;

use token_core::{TokenRequest, TokenResponse, Transport, TransportError};

use crate::ALLOCATOR;

// Constants, as a secret that the test itself frees would be found too. None has a character that is written otherwise in a form, a URL or JSON.
pub(crate) const ACCESS_TOKEN: &str = "access-Qm7vX2kLs9RtYb4Hn6Jd-test-only";
pub(crate) const NEXT_ACCESS_TOKEN: &str = "access-next-Kp3wZ8cVf5GuTe2Mx7Ra-test-only";
pub(crate) const REFRESH_TOKEN: &str = "refresh-Bt5nJ9xQw2LzCk8Pv4Ys-test-only";
pub(crate) const NEXT_REFRESH_TOKEN: &str = "refresh-next-Hd6mR3sFq7WbXj2Ny9Tc-test-only";
pub(crate) const CLIENT_SECRET: &str = "client-secret-Gz4kV8pNt2QhLx6Wb3Ms-test-only";
pub(crate) const SIGN_KEY: &str = "sign-key-Rf9cT5yJm3XvKn7Dz2Pq-test-only";
pub(crate) const CODE: &str = "code-Ls8bW4gHx6TnVq3Zk9Cr-test-only";

/// What was freed while something ran.
pub(crate) struct Freed(Vec<Vec<u8>>);

/// Each test takes its turn before it makes anything: what it frees would be found by another one.
pub(crate) fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs `work` and keeps what is freed meanwhile.
pub(crate) fn watch<T>(work: impl FnOnce() -> T) -> (T, Freed) {
    ALLOCATOR.begin();
    let result = work();
    (result, Freed(ALLOCATOR.take()))
}

/// The same for what needs a runtime, which ends before the search.
pub(crate) fn watch_async<T>(work: impl AsyncFnOnce() -> T) -> (T, Freed) {
    watch(|| runtime().block_on(work()))
}

pub(crate) fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

impl Freed {
    /// The sizes of the blocks with a part of `secret` in them.
    pub(crate) fn hits(&self, secret: &[u8]) -> Vec<usize> {
        let parts = parts(secret);
        let has = |block: &[u8]| parts.iter().any(|part| contains(block, part));
        self.0.iter().filter(|block| has(block)).map(Vec::len).collect()
    }

    /// Expects that none of these was left in a block.
    pub(crate) fn expect_none<S: AsRef<[u8]>>(&self, what: &str, secrets: impl IntoIterator<Item = (&'static str, S)>) {
        assert!(!self.0.is_empty(), "{what}: nothing was freed");
        let mut faults = self.faults(secrets);
        let count = faults.len();
        faults.sort_unstable();
        faults.dedup();
        faults.truncate(12);
        assert!(faults.is_empty(), "{what}: freed with a secret in it, {count} times:\n{}", faults.join("\n"));
    }

    /// A line for each block with a part of one of these in it.
    pub(crate) fn faults<S: AsRef<[u8]>>(&self, secrets: impl IntoIterator<Item = (&'static str, S)>) -> Vec<String> {
        let mut faults = Vec::new();
        for (name, secret) in secrets {
            let parts = parts(secret.as_ref());
            for block in &self.0 {
                if parts.iter().any(|part| contains(block, part)) {
                    faults.push(format!("{name} in {} bytes: {}", block.len(), spaced(block)));
                }
            }
        }
        faults
    }
}

/// The bytes with a space after each eight: the test runner frees what a test printed while the next one watches, which would find a secret in it.
fn spaced(block: &[u8]) -> String {
    block.chunks(PART / 2).map(|bytes| bytes.escape_ascii().to_string()).collect::<Vec<_>>().join(" ")
}

const PART: usize = 16;

/// The first, middle and last 16 bytes: a copy that was cut or half overwritten is one too.
fn parts(secret: &[u8]) -> Vec<&[u8]> {
    assert!(secret.len() >= PART);
    let last = secret.len() - PART;
    [0, last / 2, last].map(|start| &secret[start..start + PART]).to_vec()
}

fn contains(block: &[u8], part: &[u8]) -> bool {
    let mut rest = block;
    while let Some(start) = rest.iter().position(|byte| *byte == part[0]) {
        rest = &rest[start..];
        if rest.starts_with(part) {
            return true;
        }
        rest = &rest[1..];
    }
    false
}

/// Keeps a text for as long as the process runs, so that it is never freed.
pub(crate) fn keep(text: &str) -> &'static str {
    Box::leak(Box::from(text))
}

/// A text put together without a copy that is left behind.
pub(crate) fn joined(parts: &[&str]) -> Zeroizing<String> {
    Zeroizing::new(parts.concat())
}

/// A header whose bytes are wiped, as a server that receives one may not do.
pub(crate) fn header(text: Zeroizing<String>) -> HeaderValue {
    struct Owner(Zeroizing<String>);
    impl AsRef<[u8]> for Owner {
        fn as_ref(&self) -> &[u8] {
            self.0.as_bytes()
        }
    }
    HeaderValue::from_maybe_shared(Bytes::from_owner(Owner(text))).unwrap()
}

/// A transport that sends nothing and gives the answers in turn, the last one again and again.
pub(crate) struct Canned {
    answers: Vec<(u16, &'static str)>,
    given: Mutex<usize>,
}

impl Canned {
    pub(crate) fn new(answers: &[(u16, &'static str)]) -> Arc<Self> {
        Arc::new(Self { answers: answers.to_vec(), given: Mutex::new(0) })
    }
}

#[async_trait]
impl Transport for Canned {
    async fn send(&self, request: TokenRequest) -> Result<TokenResponse, TransportError> {
        drop(request);
        let mut given = self.given.lock().unwrap();
        let (status, body) = self.answers[(*given).min(self.answers.len() - 1)];
        *given += 1;
        let body = Zeroizing::new(body.as_bytes().to_vec());
        Ok(TokenResponse::new(StatusCode::from_u16(status).unwrap(), HeaderMap::new(), body))
    }
}
