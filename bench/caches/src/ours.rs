//! Our own cache, around a provider of ours and around one that asks nobody.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use async_trait::async_trait;
use http::HeaderValue;
use provider_sehatmu::{SehatMu, SehatMuBuilder};
use secrecy::ExposeSecret;
use token_core::{
    CacheEvent, CachePolicy, Clock, Error, Expiry, Moment, Observer, Retry, SystemClock, Token, TokenCache, TokenProvider,
    Transport,
};
use transport_reqwest::ReqwestTransport;

use crate::subject::{CLIENT_ID, CLIENT_SECRET, Subject, TOKEN_BYTES, shown};

/// The name of the subject that most targets are about.
pub(crate) const OURS: &str = "TokenCache token()";

/// The name of the subject that the target of `window` is about.
pub(crate) const ALWAYS_DUE: &str = "TokenCache token(), each token due at once";

type Shared = Arc<dyn Transport>;

fn transport() -> Result<Shared, String> {
    Ok(Arc::new(ReqwestTransport::new().map_err(shown)?))
}

fn builder(transport: &Shared, base: &str) -> SehatMuBuilder {
    SehatMu::builder().base_url(base).client_id(CLIENT_ID).client_secret(CLIENT_SECRET).transport(Arc::clone(transport))
}

fn provider(transport: &Shared, base: &str) -> Result<SehatMu, String> {
    builder(transport, base).build_uncached().map_err(shown)
}

fn length(token: &Token) -> usize {
    token.access_token().expose_secret().len()
}

fn header_length(header: HeaderValue) -> usize {
    std::hint::black_box(header).len()
}

/// The token and the header that is kept beside it.
const TOKEN_AND_HEADER: usize = 2 * TOKEN_BYTES + "Bearer ".len();

/// What SehatMu adds to the base URL.
const PATH: &str = "/oauth/token?grant_type=client_credentials";

fn strings(base: &str) -> usize {
    TOKEN_AND_HEADER + CLIENT_ID.len() + CLIENT_SECRET.len() + base.len() + PATH.len()
}

/// Declares a subject that is a cache around SehatMu: its name, its type, how it is made of a provider, and what a call does.
macro_rules! ours {
    ($(#[$doc:meta])* $type:ident, $name:expr, $inner:ty, $provider:ident => $make:expr, $self:ident => $get:expr) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub(crate) struct $type($inner);

        impl Subject for $type {
            const NAME: &'static str = $name;
            type Client = Shared;

            async fn client() -> Result<Shared, String> {
                transport()
            }

            async fn cold(transport: &Shared, base: &str) -> Result<Self, String> {
                let $provider = provider(transport, base)?;
                Ok(Self($make))
            }

            async fn get(&$self) -> Result<usize, String> {
                $get
            }

            fn strings(base: &str) -> Result<usize, &'static str> {
                Ok(strings(base))
            }
        }
    };
}

ours!(
    /// As a program asks that knows its provider.
    Cached, OURS, TokenCache<SehatMu>, provider => TokenCache::new(provider),
    self => self.0.token().await.map(|token| length(&token)).map_err(shown)
);
ours!(
    /// The call that never waits.
    TryToken, "TokenCache try_token()", TokenCache<SehatMu>, provider => TokenCache::new(provider),
    self => match self.0.try_token() {
        Some(token) => Ok(length(&token)),
        // For the first call alone.
        None => self.0.token().await.map(|token| length(&token)).map_err(shown),
    }
);
ours!(
    /// The header that a request carries.
    Authorization, "TokenCache authorization()", TokenCache<SehatMu>, provider => TokenCache::new(provider),
    self => self.0.authorization().await.map(header_length).map_err(shown)
);
ours!(
    /// The same by the call that never waits.
    TryAuthorization, "TokenCache try_authorization()", TokenCache<SehatMu>, provider => TokenCache::new(provider),
    self => match self.0.try_authorization() {
        Some(header) => Ok(header_length(header)),
        None => self.0.authorization().await.map(header_length).map_err(shown),
    }
);
ours!(
    /// As a program asks that holds any provider.
    Dyn, "TokenCache through dyn TokenProvider", Arc<dyn TokenProvider>, provider => Arc::new(TokenCache::new(provider)),
    self => self.0.token().await.map(|token| length(&token)).map_err(shown)
);
ours!(
    /// Somebody listens to every call.
    Observed, "TokenCache token(), with an observer that counts", TokenCache<SehatMu>,
    provider => {
        let mut policy = CachePolicy::default();
        policy.observer = Some(Arc::new(Counting::default()));
        TokenCache::with_policy(provider, policy, Arc::new(SystemClock))
    },
    self => self.0.token().await.map(|token| length(&token)).map_err(shown)
);
ours!(
    /// Every token is due for a refresh as soon as it is there, so every call is one within the window.
    AlwaysDue, ALWAYS_DUE, TokenCache<SehatMu>,
    provider => {
        let mut policy = CachePolicy::default();
        (policy.refresh_after, policy.refresh_jitter) = (0.0, 0.0);
        TokenCache::with_policy(provider, policy, Arc::new(SystemClock))
    },
    self => self.0.token().await.map(|token| length(&token)).map_err(shown)
);

#[derive(Debug, Default)]
struct Counting(AtomicU64);

impl Observer for Counting {
    fn event(&self, _: &'static str, _: &CacheEvent) {
        self.0.fetch_add(1, Relaxed);
    }
}

/// What the cache's own clock adds to the floor.
#[derive(Clone)]
pub(crate) struct Clocked(Arc<arc_swap::ArcSwap<Moment>>);

impl Subject for Clocked {
    const NAME: &'static str = "floor: load_full() + SystemClock.coarse()";
    type Client = ();

    async fn client() -> Result<(), String> {
        Ok(())
    }

    async fn cold((): &(), _: &str) -> Result<Self, String> {
        Ok(Self(Arc::new(arc_swap::ArcSwap::from_pointee(SystemClock.now()))))
    }

    async fn get(&self) -> Result<usize, String> {
        let (held, now) = (self.0.load_full(), SystemClock.coarse());
        let is_later = now.wall() >= held.wall() || now.monotonic() >= held.monotonic();
        Ok(std::hint::black_box(is_later).into())
    }

    fn strings(_: &str) -> Result<usize, &'static str> {
        Err("it is a floor")
    }
}

/// What users get: the provider's own `build()`, which tries again after a passing fault.
#[derive(Clone)]
pub(crate) struct Built(TokenCache<Retry<SehatMu>>);

impl Subject for Built {
    const NAME: &'static str = "TokenCache by SehatMu's build(), with its retries";
    type Client = Shared;

    async fn client() -> Result<Shared, String> {
        transport()
    }

    async fn cold(transport: &Shared, base: &str) -> Result<Self, String> {
        builder(transport, base).build().map(Self).map_err(shown)
    }

    async fn get(&self) -> Result<usize, String> {
        self.0.token().await.map(|token| length(&token)).map_err(shown)
    }

    fn strings(base: &str) -> Result<usize, &'static str> {
        Ok(strings(base))
    }
}

/// A provider without size and without a service: what is left is the cache.
pub(crate) struct Ready;

#[async_trait]
impl TokenProvider for Ready {
    async fn token(&self) -> Result<Token, Error> {
        let lifetime = Expiry::After(Duration::from_secs(3_600));
        Token::bearer("x".repeat(TOKEN_BYTES), lifetime, SystemClock.now())
            .build()
            .map_err(|_| Error::new("bench", token_core::ErrorKind::Internal, token_core::Remedy::ContactService))
    }

    fn invalidate(&self, _: &Token) {}
}

#[derive(Clone)]
pub(crate) struct Bare(TokenCache<Ready>);

impl Subject for Bare {
    const NAME: &'static str = "TokenCache, of a provider without size";
    type Client = ();

    async fn client() -> Result<(), String> {
        Ok(())
    }

    async fn cold((): &(), _: &str) -> Result<Self, String> {
        Ok(Self(TokenCache::new(Ready)))
    }

    async fn get(&self) -> Result<usize, String> {
        self.0.token().await.map(|token| length(&token)).map_err(shown)
    }

    fn strings(_: &str) -> Result<usize, &'static str> {
        Ok(TOKEN_AND_HEADER)
    }
}
