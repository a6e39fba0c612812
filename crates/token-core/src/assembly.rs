//! What every provider's builder has in common: the transport, the clock, and the decorators around the provider.

use std::fmt;
use std::sync::Arc;

use crate::cache::{CachePolicy, TokenCache};
use crate::clock::{Clock, SystemClock};
use crate::provider::TokenProvider;
use crate::retry::{Retry, RetryPolicy};
use crate::settings::SettingsCheck;
use crate::transport::Transport;

/// The parts that a provider's builder puts together besides its own settings.
#[derive(Clone)]
pub struct Assembly {
    /// Sends the requests; `None` until one is set.
    pub transport: Option<Arc<dyn Transport>>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// How often to try again.
    pub retry: RetryPolicy,
    /// How long to keep a token.
    pub cache: CachePolicy,
}

impl Assembly {
    /// No transport, the machine's clock, the default policies.
    #[must_use]
    pub fn new(provider: &'static str) -> Self {
        Self {
            transport: None,
            clock: Arc::new(SystemClock),
            retry: RetryPolicy::default(),
            cache: CachePolicy { provider, ..CachePolicy::default() },
        }
    }

    /// The transport that was set, or the one that `default` makes; without either a fault is noted.
    pub fn transport_or<E: fmt::Display>(
        &self,
        check: &mut SettingsCheck,
        default: impl FnOnce() -> Option<Result<Arc<dyn Transport>, E>>,
    ) -> Option<Arc<dyn Transport>> {
        if let Some(transport) = &self.transport {
            return Some(Arc::clone(transport));
        }
        match default() {
            Some(Ok(transport)) => return Some(transport),
            Some(Err(error)) => check.fault("transport", "could not be made", error.to_string()),
            None => check.fault("transport", "is missing", "give one, or switch the provider's feature `reqwest` on"),
        }
        None
    }

    /// Wraps `provider`: tried again, then cached.
    #[must_use]
    pub fn cached<P: TokenProvider + 'static>(&self, provider: P) -> TokenCache<Retry<P>> {
        let retried = Retry::with_policy(provider, self.retry.clone(), Arc::clone(&self.clock));
        TokenCache::with_policy(retried, self.cache.clone(), Arc::clone(&self.clock))
    }
}

impl fmt::Debug for Assembly {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Assembly")
            .field("has_transport", &self.transport.is_some())
            .field("clock", &self.clock)
            .field("retry", &self.retry)
            .field("cache", &self.cache)
            .finish()
    }
}
