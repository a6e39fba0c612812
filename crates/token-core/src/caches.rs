//! A cache for each of many credentials, and no more of them than fit.

use std::borrow::Borrow;
use std::fmt;
use std::hash::Hash;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use http::HeaderValue;
use quick_cache::sync::Cache;
use quick_cache::{DefaultHashBuilder, Lifecycle, OptionsBuilder, UnitWeighter};

use crate::cache::{CacheState, Tie, TokenCache};
use crate::error::{Error, ErrorKind, Remedy};
use crate::provider::TokenProvider;
use crate::token::Token;

/// A [`TokenCache`] for each of many credentials, as of tenants or outlets, and no more of them than fit. For the feature `caches`.
///
/// A key's cache is made at its first call, once, however many ask for it. What a `TokenCache` promises holds for each key, and no key is given another's token.
///
/// When a new key comes and the set is full, a cache that was not asked for lately is dropped, with its token and its provider; the next call for its key makes a new one and asks the service.
///
/// - A cache in use is not dropped: one of which somebody has a handle or waits for a token, or whose request is under way. So there are never two requests at once for one key, and no answer is lost.
/// - A cache that must not ask its service yet, as after refused credentials, is kept even if the set is full, until there are twice as many as fit. Only beyond that do holds give way: a key that is dropped early may ask its service before the hold is over.
/// - The next new key brings the set back to its capacity, as far as there are caches that may be dropped. More than twice the capacity are kept only while they are in use.
/// - How many failures a key has seen in a row is forgotten with its cache, so pauses begin small again.
/// - A provider is forgotten too: what it must not lose, as a refresh token that took the place of another, has to be where `make` finds it. With a capacity for all keys nothing is ever dropped.
///
/// `K` is compared as a whole and never printed. A clone is another handle to the same set.
///
/// ```
/// use token_core::{Error, TokenCache, TokenCaches, TokenProvider};
/// # use async_trait::async_trait;
/// # use std::time::Duration;
/// # use token_core::{Clock, Expiry, SystemClock, Token};
/// # struct Outlet(String);
/// # impl Outlet {
/// #     fn of(outlet: &str) -> Result<Self, Error> {
/// #         Ok(Self(format!("token-of-{outlet}")))
/// #     }
/// # }
/// # #[async_trait]
/// # impl TokenProvider for Outlet {
/// #     async fn token(&self) -> Result<Token, Error> {
/// #         Ok(Token::bearer(self.0.as_str(), Expiry::After(Duration::from_secs(900)), SystemClock.now()).build().unwrap())
/// #     }
/// #     fn invalidate(&self, _rejected: &Token) {}
/// # }
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// // `Outlet` is a provider with the credentials of one outlet. What a provider's `build()` gives is a `TokenCache` already.
/// let tokens = TokenCaches::new(1_000, |outlet: &String| Ok(TokenCache::new(Outlet::of(outlet)?)));
///
/// let token = tokens.token("jakarta-7").await?;
/// assert_eq!(token.authorization(), "Bearer token-of-jakarta-7");
/// // Refused by the API? Then the next call asks for a new one.
/// tokens.invalidate("jakarta-7", &token);
/// assert_eq!(tokens.token("medan-2").await?.authorization(), "Bearer token-of-medan-2");
///
/// tokens.close().await;
/// # Ok::<(), Error>(())
/// # }).unwrap();
/// ```
pub struct TokenCaches<K, P> {
    shared: Arc<Shared<K, P>>,
}

type Make<K, P> = dyn Fn(&K) -> Result<TokenCache<P>, Error> + Send + Sync;

struct Shared<K, P> {
    kept: Cache<K, TokenCache<P>, UnitWeighter, DefaultHashBuilder, Eviction>,
    eviction: Eviction,
    is_closed: AtomicBool,
    make: Box<Make<K, P>>,
}

/// The name of a set in its own errors.
const NAME: &str = "token-caches";

impl<K, P> TokenCaches<K, P>
where
    K: Hash + Eq + Clone,
    P: TokenProvider + 'static,
{
    /// Keeps the caches of `capacity` keys; none counts as one. `make` makes a key's cache, by [`TokenCache::new`] or a provider's `build()`.
    ///
    /// `make` runs on the thread of the caller and should be quick: others who ask for the same key wait for it without giving up their thread.
    /// For the same reason it must not ask this set for the key that it makes.
    #[must_use]
    pub fn new(capacity: usize, make: impl Fn(&K) -> Result<TokenCache<P>, Error> + Send + Sync + 'static) -> Self {
        let capacity = capacity.max(1);
        let eviction = Eviction { capacity, kept: Arc::default() };
        let most = u64::try_from(capacity).unwrap_or(u64::MAX);
        // With more than one shard the keys would have to spread evenly for all of the capacity to be of use.
        let options = OptionsBuilder::new().shards(1).estimated_items_capacity(capacity).weight_capacity(most).build();
        #[expect(clippy::expect_used, reason = "it fails only where the two that have no default are not set")]
        let options = options.expect("both are set");
        let kept = Cache::with_options(options, UnitWeighter, DefaultHashBuilder::default(), eviction.clone());
        Self { shared: Arc::new(Shared { kept, eviction, is_closed: AtomicBool::new(false), make: Box::new(make) }) }
    }

    /// The cache of `key`, made now if it is not there. It is not dropped from the set while somebody has it, so give it back soon.
    ///
    /// # Errors
    ///
    /// What the function that makes caches says; [`ErrorKind::Internal`] if it panics; [`ErrorKind::Closed`] after [`close`](Self::close), for a key without a cache.
    /// None of them is remembered: the next call makes the cache anew.
    pub fn get<Q>(&self, key: &Q) -> Result<TokenCache<P>, Error>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        self.get_by(key, || key.to_owned())
    }

    /// As [`get`](Self::get), where `owned` makes a key of `key`.
    pub(crate) fn get_by<Q>(&self, key: &Q, owned: impl Fn() -> K) -> Result<TokenCache<P>, Error>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let shared = &*self.shared;
        if let Some(cache) = shared.kept.get(key) {
            return Ok(cache);
        }
        let key = owned();
        let mut is_new = false;
        let cache = shared.kept.get_or_insert_with(&key, || {
            is_new = true;
            shared.made(&key)
        })?;
        // The set was closed after the look in `made`, and may have gone through its caches before this one was among them.
        if is_new && shared.is_closed.load(Ordering::SeqCst) {
            cache.stop();
        }
        Ok(cache)
    }

    /// Gives a usable token of `key`, as [`TokenCache::token`] does.
    ///
    /// # Errors
    ///
    /// As with [`get`](Self::get) and [`TokenCache::token`].
    pub async fn token<Q>(&self, key: &Q) -> Result<Token, Error>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        self.get(key)?.token().await
    }

    /// Gives a usable token of `key`, and waits no longer than `patience`, as [`TokenCache::token_within`] does.
    ///
    /// # Errors
    ///
    /// As with [`get`](Self::get) and [`TokenCache::token_within`].
    pub async fn token_within<Q>(&self, key: &Q, patience: Duration) -> Result<Token, Error>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        self.get(key)?.token_within(patience).await
    }

    /// Gives the token of `key` that is held, if it is usable, as [`TokenCache::try_token`] does: a request may begin behind it.
    /// `None` too if the key has no cache and none can be made.
    #[must_use]
    pub fn try_token<Q>(&self, key: &Q) -> Option<Token>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        self.get(key).ok()?.try_token()
    }

    /// Gives the value of an `Authorization` header of `key`, as [`TokenCache::authorization`] does.
    ///
    /// # Errors
    ///
    /// As with [`get`](Self::get) and [`TokenCache::authorization`].
    pub async fn authorization<Q>(&self, key: &Q) -> Result<HeaderValue, Error>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        self.get(key)?.authorization().await
    }

    /// Drops `rejected` if it is the token that is held for `key`, as [`TokenCache::invalidate`] does. A key without a cache holds none.
    pub fn invalidate<Q>(&self, key: &Q, rejected: &Token)
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        if let Some(cache) = self.shared.kept.peek(key) {
            cache.invalidate(rejected);
        }
    }

    /// How the cache of `key` stands now; `None` if there is none. Nothing is made, and the key counts as not asked for.
    #[must_use]
    pub fn state<Q>(&self, key: &Q) -> Option<CacheState>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.shared.kept.peek(key).map(|cache| cache.state())
    }

    /// Takes the cache of `key` out of the set, with its hold if it has one: for credentials that were changed, or that nobody needs any more.
    ///
    /// The next call for `key` makes a new one. Who has a handle of the old one may go on with it, so that there are two;
    /// [close](TokenCache::close) what this gives, and the old one begins no more requests.
    pub fn remove<Q>(&self, key: &Q) -> Option<TokenCache<P>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        // The other way to remove would also forget that a cache is being made.
        let (_key, cache) = self.shared.kept.remove_if(key, |_| true)?;
        self.shared.eviction.dropped();
        Some(cache)
    }

    /// Begins no more requests, for any key, and waits for those under way. A cache that was [removed](Self::remove) is not waited for.
    ///
    /// A usable token is still given out; who would need a new one gets [`ErrorKind::Closed`].
    pub async fn close(&self) {
        self.shared.is_closed.store(true, Ordering::SeqCst);
        let caches: Vec<_> = self.shared.kept.iter().map(|(_key, cache)| cache).collect();
        for cache in &caches {
            cache.stop();
        }
        // All at once, as each of them has a limit of its own.
        let mut open: Vec<Pin<Box<_>>> = caches.iter().map(|cache| Box::pin(cache.close())).collect();
        std::future::poll_fn(move |context| {
            open.retain_mut(|closing| closing.as_mut().poll(context).is_pending());
            if open.is_empty() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

impl<K, P> TokenCaches<K, P> {
    /// How many keys have a cache now.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.eviction.kept.load(Ordering::Relaxed)
    }

    /// Whether no key has a cache now.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// For how many keys there is room; at least one.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.shared.eviction.capacity
    }
}

impl<K, P> Shared<K, P> {
    /// A new cache, counted as kept.
    fn made(&self, key: &K) -> Result<TokenCache<P>, Error> {
        if self.is_closed.load(Ordering::SeqCst) {
            let message = "the set of caches was closed, and there is none for this key";
            return Err(Error::new(NAME, ErrorKind::Closed, Remedy::FixProgram).with_message(message));
        }
        // Nothing of ours is half done when it panics, and what it holds itself is for it to mend.
        let cache = catch_unwind(AssertUnwindSafe(|| (self.make)(key))).unwrap_or_else(|_panic| {
            let message = "the function that makes a key's cache panicked; its message went to the panic hook";
            Err(Error::new(NAME, ErrorKind::Internal, Remedy::FixProgram).with_message(message))
        })?;
        // Counted before it is kept, so that it takes part in whether there are too many.
        self.eviction.kept.fetch_add(1, Ordering::Relaxed);
        Ok(cache)
    }
}

/// Which caches the set may drop when it is full.
#[derive(Clone)]
struct Eviction {
    capacity: usize,
    /// How many caches there are.
    kept: Arc<AtomicUsize>,
}

impl Eviction {
    fn dropped(&self) {
        self.kept.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<K, P: TokenProvider + 'static> Lifecycle<K, TokenCache<P>> for Eviction {
    /// What was dropped from the set, until its lock is gone: with it a key and a provider go, and what they do then is not ours to know.
    type RequestState = Vec<(K, TokenCache<P>)>;

    /// Asked under the lock of the set, without which nobody gets a handle of a cache that nobody else has: what is idle now stays idle until it is dropped.
    fn is_pinned(&self, _key: &K, cache: &TokenCache<P>) -> bool {
        match cache.tie() {
            Tie::InUse => true,
            Tie::Holding => self.kept.load(Ordering::Relaxed) <= self.capacity.saturating_mul(2),
            Tie::None => false,
        }
    }

    fn on_evict(&self, dropped: &mut Self::RequestState, key: K, cache: TokenCache<P>) {
        self.dropped();
        dropped.push((key, cache));
    }
}

impl<K, P> Clone for TokenCaches<K, P> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<K, P> fmt::Debug for TokenCaches<K, P> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("TokenCaches")
            .field("len", &self.len())
            .field("capacity", &self.capacity())
            .field("is_closed", &self.shared.is_closed.load(Ordering::Relaxed))
            .finish_non_exhaustive()
    }
}
