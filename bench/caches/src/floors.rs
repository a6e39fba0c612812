//! What a cached call cannot be faster than, by what it does.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use http::HeaderValue;
use tokio::sync::Semaphore;

use crate::subject::{Subject, TOKEN_BYTES, shown};

/// A token that no service gave.
pub(crate) struct Held {
    token: String,
    header: HeaderValue,
    until: Instant,
}

impl Held {
    fn new() -> Result<Self, String> {
        let token = "x".repeat(TOKEN_BYTES);
        let mut header = HeaderValue::try_from(format!("Bearer {token}")).map_err(shown)?;
        header.set_sensitive(true);
        Ok(Self { token, header, until: now() + Duration::from_secs(3_600) })
    }

    fn checked(&self) -> Result<usize, String> {
        if now() < self.until { Ok(self.token.len()) } else { Err("the token is over".to_owned()) }
    }
}

/// The clock that most caches read.
#[expect(clippy::disallowed_methods, reason = "reading it is what this floor measures")]
#[inline]
fn now() -> Instant {
    Instant::now()
}

type Swapped = Arc<ArcSwap<Held>>;

/// Declares a floor: its name, what it holds and how that is made, and what a call does.
macro_rules! floor {
    ($(#[$doc:meta])* $type:ident, $name:literal, $inner:ty = $make:expr, $self:ident => $get:expr) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub(crate) struct $type($inner);

        impl Subject for $type {
            const NAME: &'static str = $name;
            type Client = ();

            async fn client() -> Result<(), String> {
                Ok(())
            }

            async fn cold((): &(), _: &str) -> Result<Self, String> {
                Ok(Self($make))
            }

            async fn get(&$self) -> Result<usize, String> {
                $get
            }

            fn strings(_: &str) -> Result<usize, &'static str> {
                Err("it is a floor")
            }
        }
    };
}

floor!(
    /// The floor that ratios are told by.
    Floor, "floor: ArcSwap load_full()", Swapped = Arc::new(ArcSwap::from_pointee(Held::new()?)),
    self => Ok(self.0.load_full().token.len())
);
floor!(
    /// No count of references is touched, so nothing outlives the call.
    Guard, "floor: ArcSwap load(), a guard", Swapped = Arc::new(ArcSwap::from_pointee(Held::new()?)),
    self => Ok(self.0.load().token.len())
);
floor!(
    /// With the expiry test that a cache owes its callers.
    Clocked, "floor: load_full() + Instant::now()", Swapped = Arc::new(ArcSwap::from_pointee(Held::new()?)),
    self => self.0.load_full().checked()
);
floor!(
    /// The same behind a trait object.
    Boxed, "floor: the same in a boxed future", Swapped = Arc::new(ArcSwap::from_pointee(Held::new()?)),
    self => std::hint::black_box(boxed(&self.0)).await
);
floor!(
    /// The header, ready beforehand.
    Header, "floor: guard + Instant + clone of a header", Swapped = Arc::new(ArcSwap::from_pointee(Held::new()?)),
    self => {
        let held = self.0.load();
        held.checked()?;
        Ok(std::hint::black_box(held.header.clone()).len())
    }
);
floor!(
    /// What many write who write a cache by themselves.
    Locked, "floor: std RwLock read + Arc clone", Arc<RwLock<Arc<Held>>> = Arc::new(RwLock::new(Arc::new(Held::new()?))),
    self => {
        let held = Arc::clone(&*self.0.read().map_err(shown)?);
        Ok(std::hint::black_box(held).token.len())
    }
);
floor!(
    /// The same with an asynchronous lock and a copied text.
    Copied, "floor: tokio RwLock read + String clone",
    Arc<tokio::sync::RwLock<Held>> = Arc::new(tokio::sync::RwLock::new(Held::new()?)),
    self => {
        let token = self.0.read().await.token.clone();
        Ok(std::hint::black_box(token).len())
    }
);

fn boxed(held: &Swapped) -> Pin<Box<dyn Future<Output = Result<usize, String>> + Send + '_>> {
    Box::pin(async move { held.load_full().checked() })
}

/// One request and no cache: what the service and the way to it take.
#[derive(Clone)]
pub(crate) struct Request {
    client: reqwest::Client,
    url: String,
}

impl Subject for Request {
    const NAME: &'static str = "floor: one caller, no cache";
    type Client = reqwest::Client;

    async fn client() -> Result<reqwest::Client, String> {
        crate::fetch::client()
    }

    async fn cold(client: &reqwest::Client, base: &str) -> Result<Self, String> {
        Ok(Self { client: client.clone(), url: format!("{base}/token") })
    }

    async fn get(&self) -> Result<usize, String> {
        crate::fetch::token(&self.client, &self.url).await.map(|(token, _)| token.len())
    }

    fn strings(_: &str) -> Result<usize, &'static str> {
        Err("it is a floor")
    }
}

/// One request for all who come, and nothing to it but a semaphore of tokio's that wakes them: what it takes to wake so many tasks.
#[derive(Clone)]
pub(crate) struct Woken(Arc<Waiting>);

struct Waiting {
    request: Request,
    has_begun: AtomicBool,
    length: AtomicUsize,
    /// Has no permits; that it is closed wakes everyone.
    landed: Semaphore,
}

impl Subject for Woken {
    const NAME: &'static str = "floor: all wait for one request by a semaphore";
    type Client = reqwest::Client;

    async fn client() -> Result<reqwest::Client, String> {
        Request::client().await
    }

    async fn cold(client: &reqwest::Client, base: &str) -> Result<Self, String> {
        let request = Request::cold(client, base).await?;
        let (has_begun, length, landed) = (AtomicBool::new(false), AtomicUsize::new(0), Semaphore::new(0));
        Ok(Self(Arc::new(Waiting { request, has_begun, length, landed })))
    }

    async fn get(&self) -> Result<usize, String> {
        if !self.0.has_begun.swap(true, Ordering::Relaxed) {
            let waiting = Arc::clone(&self.0);
            tokio::spawn(async move {
                waiting.length.store(waiting.request.get().await.unwrap_or_default(), Ordering::Release);
                waiting.landed.close();
            });
        }
        let _closed = self.0.landed.acquire().await;
        match self.0.length.load(Ordering::Acquire) {
            0 => Err("the request failed".to_owned()),
            length => Ok(length),
        }
    }

    fn strings(_: &str) -> Result<usize, &'static str> {
        Err("it is a floor")
    }
}
