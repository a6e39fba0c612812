//! The service: one that mints in this process, and one that is counted and takes its time, whichever it is.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use token_core::{Clock, Error, ErrorKind, Realm, RefreshGrant, Refreshed, Remedy, SystemClock};

use crate::users;

/// Rotates, and answers at once.
pub(crate) struct Mint(pub(crate) Arc<dyn Clock>);

#[async_trait]
impl RefreshGrant for Mint {
    fn realm(&self) -> Realm {
        Realm::new("bench").with("base_url", "https://login.example").with("client_id", "client-test-only")
    }

    async fn refresh(&self, refresh_token: &SecretString) -> Refreshed {
        let asked_at = self.0.now();
        let token = users::read(refresh_token.expose_secret())
            .and_then(|(user, refreshes)| users::token(user, refreshes + 1, asked_at).ok());
        let refresh_token = token.as_ref().and_then(|token| token.refresh_token().cloned());
        let outcome = token.ok_or_else(|| Error::new("bench", ErrorKind::LoginRequired, Remedy::LogInAgain));
        Refreshed { refresh_token, outcome }
    }
}

/// What a service saw.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// How often each refresh token came, by the token.
    tokens: Mutex<HashMap<String, u32>>,
    under_way: AtomicUsize,
    most: AtomicUsize,
}

impl Seen {
    /// Requests, refresh tokens that came more than once, and the most requests that were under way at once.
    pub(crate) fn figures(&self) -> (f64, f64, f64) {
        let tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        let requests: u32 = tokens.values().sum();
        let twice = tokens.values().filter(|times| **times > 1).count();
        (f64::from(requests), twice as f64, self.most.load(Ordering::SeqCst) as f64)
    }
}

/// Another service, counted, with a latency in front of it.
pub(crate) struct Slow<G> {
    pub(crate) service: G,
    pub(crate) latency: Duration,
    pub(crate) seen: Arc<Seen>,
}

#[async_trait]
impl<G: RefreshGrant> RefreshGrant for Slow<G> {
    fn realm(&self) -> Realm {
        self.service.realm()
    }

    async fn refresh(&self, refresh_token: &SecretString) -> Refreshed {
        let seen = &self.seen;
        let under_way = seen.under_way.fetch_add(1, Ordering::SeqCst) + 1;
        seen.most.fetch_max(under_way, Ordering::SeqCst);
        let token = refresh_token.expose_secret().to_owned();
        *seen.tokens.lock().unwrap_or_else(PoisonError::into_inner).entry(token).or_default() += 1;
        SystemClock.sleep(self.latency).await;
        let refreshed = self.service.refresh(refresh_token).await;
        seen.under_way.fetch_sub(1, Ordering::SeqCst);
        refreshed
    }

    fn may_have_spent(&self, error: &Error) -> bool {
        self.service.may_have_spent(error)
    }
}
