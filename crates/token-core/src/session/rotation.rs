//! One user's refresh tokens, each stored before what it brought is given out.
//!
//! A refresh of generation n is noted in the store, sent, its answer stored as generation n + 1, and served, in this order.
//! So a process that ends at any point leaves the newest refresh token that reached it, or a note that an answer may be lost.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, oneshot};

use super::grant::{Realm, RefreshGrant, Refreshed};
use super::record::Record;
use super::store::{Expected, Lease, SessionKey, SessionStore, StoreError, Version};
use crate::cache::{CacheEvent, CachePolicy, caught, within};
use crate::clock::Clock;
use crate::error::{Error, ErrorKind, Remedy};
use crate::provider::TokenProvider;
use crate::random;
use crate::retry::doubled;
use crate::token::Token;
use crate::transport::{Delivery, Resend};

/// How long one refresh waits for another of the same user: longer than any transport should take for one.
const LONGEST_WAIT: Duration = Duration::from_secs(45);

/// How often what is stored may change under a refresh before it gives up.
const ROUNDS: u32 = 8;

/// A token that was stored is given out if it is usable for so long.
const WORTH_SERVING: Duration = Duration::from_secs(1);

/// The pauses between tries to store an answer: the first, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(30));

/// What all sessions of a set share.
pub(super) struct Common<G> {
    pub(super) grant: G,
    pub(super) realm: Arc<Realm>,
    pub(super) store: Arc<dyn SessionStore>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) policy: Arc<CachePolicy>,
    /// Tells the records that this set wrote from those of others.
    writer: u128,
    /// A permit for each refresh that may be under way at once.
    pub(super) in_flight: Semaphore,
    /// The sessions with something that the store has not taken yet. They are kept whatever the set drops.
    unwritten: Mutex<HashMap<Arc<str>, Arc<Inner<G>>>>,
    is_closed: AtomicBool,
}

impl<G> Common<G> {
    pub(super) fn new(
        grant: G,
        realm: Realm,
        store: Arc<dyn SessionStore>,
        clock: Arc<dyn Clock>,
        policy: CachePolicy,
        in_flight: usize,
    ) -> Self {
        Self {
            grant,
            realm: Arc::new(realm),
            store,
            clock,
            policy: Arc::new(policy),
            writer: random::id(),
            in_flight: Semaphore::new(in_flight.clamp(1, Semaphore::MAX_PERMITS)),
            unwritten: Mutex::default(),
            is_closed: AtomicBool::new(false),
        }
    }

    pub(super) fn key(&self, user: &Arc<str>) -> SessionKey {
        SessionKey::new(Arc::clone(&self.realm), Arc::clone(user))
    }

    fn unwritten(&self) -> MutexGuard<'_, HashMap<Arc<str>, Arc<Inner<G>>>> {
        // Nothing that can panic is called while it is locked.
        self.unwritten.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn unwritten_of(&self, user: &str) -> Option<Rotation<G>> {
        self.unwritten().get(user).cloned().map(Rotation)
    }

    pub(super) fn all_unwritten(&self) -> Vec<Rotation<G>> {
        self.unwritten().values().cloned().map(Rotation).collect()
    }

    pub(super) fn close(&self) {
        self.is_closed.store(true, Ordering::SeqCst);
    }

    /// Each of these holds this in turn, so that neither would ever be dropped. A task that tries to write goes on.
    pub(super) fn forget_unwritten(&self) {
        let forgotten = std::mem::take(&mut *self.unwritten());
        drop(forgotten);
    }
}

/// Gives a new token of one user each time, by a refresh token that is kept in a store.
pub(super) struct Rotation<G>(Arc<Inner<G>>);

struct Inner<G> {
    common: Arc<Common<G>>,
    user: Arc<str>,
    /// Locked by a refresh from its begin to its end.
    kept: tokio::sync::Mutex<Kept>,
    /// The fingerprint of the token that was given out last: who asks again wants another one. 0: none.
    given: AtomicU64,
    /// The fingerprint of the token that an API refused last. 0: none.
    refused: AtomicU64,
    is_over: AtomicBool,
    /// Whether a task tries to write what is not stored.
    is_tried: AtomicBool,
    /// Why something is not stored yet.
    store_error: Mutex<Option<Error>>,
}

#[derive(Default)]
struct Kept {
    /// As it is in the store, as far as this process knows, but for what is not written.
    record: Option<Record>,
    unwritten: Unwritten,
    /// Held for as long as the answer to a refresh is in this process alone: another one would send the refresh token that it took the place of.
    lease: Option<Box<dyn Lease>>,
}

impl Kept {
    fn login(&self) -> Option<u128> {
        self.record.as_ref().map(|record| record.login.id)
    }
}

/// What is in memory and not in the store.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Unwritten {
    /// A login of which the store knows nothing.
    Login,
    #[default]
    Nothing,
    /// The answer to a refresh of which the store knows that it began.
    Refresh,
}

/// Whether a refresh came to an end.
enum Round {
    /// What is stored was changed meanwhile.
    Again,
    Ended(Result<Token, Error>),
}

impl<G: RefreshGrant + 'static> Rotation<G> {
    pub(super) fn new(common: &Arc<Common<G>>, user: &Arc<str>) -> Self {
        if let Some(unwritten) = common.unwritten_of(user) {
            // A cache that begins has none, whatever was given to the one before.
            unwritten.0.given.store(0, Ordering::Relaxed);
            return unwritten;
        }
        Self(Arc::new(Inner {
            common: Arc::clone(common),
            user: Arc::clone(user),
            kept: tokio::sync::Mutex::default(),
            given: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            is_over: AtomicBool::new(false),
            is_tried: AtomicBool::new(false),
            store_error: Mutex::default(),
        }))
    }

    pub(super) fn user(&self) -> &str {
        &self.0.user
    }

    /// Why something is in memory alone.
    pub(super) fn store_error(&self) -> Option<Error> {
        self.0.store_error().clone()
    }

    /// Begins a login with its first token, in place of whatever the user had. Where the store does not take it, it is kept here until it does.
    pub(super) async fn begin(&self, token: Token) {
        let inner = &self.0;
        let common = &inner.common;
        let fingerprint = token.fingerprint();
        let record = Record::of_login(token, &common.clock.now());
        match common.store.put(&inner.key(), &record.encode(common.writer), Expected::Anything).await {
            Ok(_version) => {
                // A refresh under way finds the login in the store, and so does every later one.
                if let Ok(mut kept) = inner.kept.try_lock() {
                    kept.record = Some(record);
                    inner.all_written(&mut kept);
                }
            }
            Err(error) => {
                let mut kept = inner.kept.lock().await;
                *kept = Kept { record: Some(record), unwritten: Unwritten::Login, lease: None };
                inner.not_written(error);
            }
        }
        inner.given.store(fingerprint, Ordering::Relaxed);
    }

    /// Ends the session here; what is under way writes and serves nothing more.
    pub(super) fn end(&self) {
        self.0.is_over.store(true, Ordering::SeqCst);
        self.0.common.unwritten().remove(&self.0.user);
    }

    /// Returns when nothing is under way that could still be written, and nothing is kept: a lease would be in the way of the next login.
    pub(super) async fn settled(&self) {
        *self.0.kept.lock().await = Kept::default();
    }

    /// Tries once more to write what the store has not taken.
    pub(super) async fn flush(&self) -> Result<(), Error> {
        let mut kept = self.0.kept().await?;
        if kept.unwritten == Unwritten::Nothing {
            return Ok(());
        }
        match self.0.read(&mut kept).await {
            // That nobody is logged in any more is known from the store too.
            Err(error) if kept.unwritten != Unwritten::Nothing => Err(error),
            _ => Ok(()),
        }
    }
}

impl<G> Inner<G> {
    fn key(&self) -> SessionKey {
        self.common.key(&self.user)
    }

    fn store_error(&self) -> MutexGuard<'_, Option<Error>> {
        // Nothing that can panic is called while it is locked.
        self.store_error.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn provider(&self) -> &'static str {
        self.common.realm.provider()
    }

    fn logged_out(&self) -> Error {
        // It is asked of the store alone, and a login may come any moment through another process.
        self.login_over("nobody is logged in under this name: the login is over, or there was none").with_hold(Duration::ZERO)
    }

    fn login_over(&self, message: &'static str) -> Error {
        Error::new(self.provider(), ErrorKind::LoginRequired, Remedy::LogInAgain).with_message(message)
    }

    /// What `kept` has is in the store, or worth nothing.
    fn all_written(&self, kept: &mut Kept) {
        if kept.unwritten == Unwritten::Nothing {
            return;
        }
        kept.unwritten = Unwritten::Nothing;
        kept.lease = None;
        self.common.unwritten().remove(&self.user);
        *self.store_error() = None;
        self.common.policy.announce(&CacheEvent::Stored);
    }
}

impl<G: RefreshGrant + 'static> Inner<G> {
    async fn kept(&self) -> Result<tokio::sync::MutexGuard<'_, Kept>, Error> {
        // Most calls meet no other and set no timer.
        if let Ok(kept) = self.kept.try_lock() {
            return Ok(kept);
        }
        within(self.kept.lock(), caught(self.common.clock.sleep(LONGEST_WAIT))).await.ok_or_else(|| {
            Error::new(self.provider(), ErrorKind::Internal, Remedy::Retry)
                .with_message("the refresh before this one has not ended in time: the runtime that runs it may stand still")
        })
    }

    /// `given` is what whoever asks has already, and `gone` ends when nobody waits any more.
    async fn token(self: &Arc<Self>, given: u64, gone: oneshot::Receiver<()>) -> Result<Token, Error> {
        let common = &self.common;
        let mut kept = self.kept().await?;
        if kept.unwritten != Unwritten::Nothing {
            self.keep_trying();
        }
        let read = self.read(&mut kept).await;
        // What is not stored yet is newer than what is, so it is given whether or not the store can be reached.
        let is_known = read.is_ok() || kept.unwritten != Unwritten::Nothing && !self.is_over.load(Ordering::SeqCst);
        if let Some(token) = self.worth_serving(&kept, given).filter(|_| is_known) {
            return Ok(token);
        }
        read?;
        let login = kept.login();
        // Before the lease, of which others have to be quit soon. Whoever waited too long is gone, and needs no refresh.
        let gone = async {
            let _ = gone.await;
            Ok(())
        };
        let _permit = within(common.in_flight.acquire(), gone).await.ok_or_else(|| {
            Error::new(self.provider(), ErrorKind::Internal, Remedy::Retry).with_message("too many refreshes are under way")
        })?;
        let lease = match kept.lease.take() {
            Some(lease) => lease,
            None => match common.store.lease(&self.key(), LONGEST_WAIT).await {
                Ok(lease) => lease,
                Err(error) => {
                    // Whoever has it may be done by now.
                    self.read(&mut kept).await?;
                    return self.worth_serving(&kept, given).ok_or_else(|| error.into_error(self.provider()));
                }
            },
        };
        let outcome = self.refreshed(&mut kept, login, given).await;
        if kept.unwritten == Unwritten::Refresh {
            kept.lease = Some(lease);
        }
        outcome
    }

    /// Refreshes, unless the store has something newer. `login` is the one of which a token is wanted.
    async fn refreshed(self: &Arc<Self>, kept: &mut Kept, login: Option<u128>, given: u64) -> Result<Token, Error> {
        for _ in 0..ROUNDS {
            let version = self.read(kept).await?;
            // Whoever asked before a login has nothing of it.
            let given = if kept.login() == login { given } else { 0 };
            if let Some(token) = self.worth_serving(kept, given) {
                return Ok(token);
            }
            if let Round::Ended(outcome) = self.refresh(kept, version).await {
                return outcome;
            }
        }
        Err(StoreError::Conflict.into_error(self.provider()))
    }

    /// Brings `kept` up to the store, and the store up to what it has not taken yet. Gives the version of what is stored now.
    async fn read(&self, kept: &mut Kept) -> Result<Version, Error> {
        let store = &self.common.store;
        let key = self.key();
        for _ in 0..ROUNDS {
            let stored = store.get(&key).await.map_err(|error| error.into_error(self.provider()))?;
            if self.is_over.load(Ordering::SeqCst) {
                return Err(self.logged_out());
            }
            let Some(stored) = stored else {
                match &kept.record {
                    Some(login) if kept.unwritten == Unwritten::Login => {
                        if let Some(version) = self.write(&key, login, Expected::Nothing).await? {
                            self.all_written(kept);
                            return Ok(version);
                        }
                        continue;
                    }
                    // A logout, here or in another process.
                    _ => {
                        kept.record = None;
                        self.all_written(kept);
                        return Err(self.logged_out());
                    }
                }
            };
            let record = Record::decode(&stored.value, self.common.writer, &self.common.clock.now()).map_err(|why| {
                StoreError::CannotUnseal { what: "a user's session".to_owned(), why: why.into() }.into_error(self.provider())
            })?;
            let is_newer = |ours: &&Record| match kept.unwritten {
                Unwritten::Nothing => false,
                Unwritten::Login => record.login.id != ours.login.id && record.login.began <= ours.login.began,
                Unwritten::Refresh => record.login.id == ours.login.id && record.generation < ours.generation,
            };
            if let Some(ours) = kept.record.as_ref().filter(is_newer) {
                if let Some(version) = self.write(&key, ours, Expected::Version(stored.version)).await? {
                    self.all_written(kept);
                    return Ok(version);
                }
                continue;
            }
            match &mut kept.record {
                // What this process has knows its time by both clocks.
                Some(ours) if ours.is_of_same_answer(&record) => ours.doubts = record.doubts,
                ours => *ours = Some(record),
            }
            self.all_written(kept);
            return Ok(stored.version);
        }
        Err(StoreError::Conflict.into_error(self.provider()))
    }

    /// `None` if something else was there.
    async fn write(&self, key: &SessionKey, record: &Record, expected: Expected) -> Result<Option<Version>, Error> {
        match self.common.store.put(key, &record.encode(self.common.writer), expected).await {
            Ok(version) => Ok(Some(version)),
            Err(StoreError::Conflict) => Ok(None),
            Err(error) => Err(error.into_error(self.provider())),
        }
    }

    /// The token that is kept, if whoever asks does not have it and it is of use.
    fn worth_serving(&self, kept: &Kept, given: u64) -> Option<Token> {
        let token = kept.record.as_ref()?.token.as_ref()?;
        let is_known = [given, self.refused.load(Ordering::Relaxed)].contains(&token.fingerprint());
        (!is_known && self.is_usable(token)).then(|| token.clone())
    }

    fn is_usable(&self, token: &Token) -> bool {
        self.common.policy.usable_left(token, &self.common.clock.now()) >= WORTH_SERVING
    }

    /// Notes the refresh, sends it and stores what it brought. `version` is that of the record in `kept`.
    async fn refresh(self: &Arc<Self>, kept: &mut Kept, version: Version) -> Round {
        let common = &self.common;
        let key = self.key();
        let Some(record) = &kept.record else { return Round::Again };
        let Some(refresh_token) = record.refresh_token().cloned() else {
            return Round::Ended(
                Err(self.login_over("the login came without a refresh token, so it ends with its access token")),
            );
        };
        let is_good = |token: &Token| self.refused.load(Ordering::Relaxed) != token.fingerprint() && self.is_usable(token);
        if record.doubts > 0 && record.token.as_ref().is_some_and(is_good) {
            // To send it again may end the login, and with it the token that is still good.
            let error = Error::new(self.provider(), ErrorKind::Internal, Remedy::Retry)
                .with_message("the answer to the last refresh is lost, so the next one waits until the token is over");
            return Round::Ended(Err(error.with_delivery(Resend::OnlyIfNotSent, Delivery::Unknown)));
        }
        let doubts = record.doubts.saturating_add(1);
        let before = record.with_doubts(doubts);
        let noted = match self.write(&key, &before, Expected::Version(version)).await {
            Ok(Some(version)) => version,
            Ok(None) => return Round::Again,
            // A refresh that the store does not know of is not sent: if its answer were lost, nobody could tell.
            Err(error) => return Round::Ended(Err(error)),
        };
        kept.record = Some(before.clone());

        let Refreshed { refresh_token: rotated, outcome } = common.grant.refresh(&refresh_token).await;
        match outcome {
            Ok(token) => {
                let next = before.next(Some(token.clone()), rotated);
                if self.store_answer(kept, next, noted).await { Round::Ended(Ok(token)) } else { Round::Again }
            }
            Err(error) if rotated.is_some() => {
                // The old one may be dead, so this one is kept whatever else is wrong.
                let next = before.next(None, rotated);
                if self.store_answer(kept, next, noted).await { Round::Ended(Err(error)) } else { Round::Again }
            }
            Err(error) => self.after_failure(kept, &before, noted, error).await,
        }
    }

    /// Stores what a refresh brought, or keeps it until the store takes it. `false` if the session is another one by now, or over.
    async fn store_answer(self: &Arc<Self>, kept: &mut Kept, next: Record, noted: Version) -> bool {
        let key = self.key();
        let value = next.encode(self.common.writer);
        let mut expected = noted;
        let mut rounds = 0..ROUNDS;
        let error = loop {
            if rounds.next().is_none() {
                break StoreError::Conflict;
            }
            match self.common.store.put(&key, &value, Expected::Version(expected)).await {
                Ok(_version) => {
                    kept.record = Some(next);
                    return true;
                }
                Err(StoreError::Conflict) => {}
                Err(error) => break error,
            }
            // Another process noted a refresh too, the user logged in anew or logged out, or the write before went through although it failed.
            match self.common.store.get(&key).await {
                Ok(Some(stored)) => match Record::decode(&stored.value, self.common.writer, &self.common.clock.now()) {
                    Ok(other) if other.login.id == next.login.id && other.generation < next.generation => {
                        expected = stored.version;
                    }
                    _ => return false,
                },
                Ok(None) => return false,
                Err(error) => break error,
            }
        };
        if self.is_over.load(Ordering::SeqCst) {
            return false;
        }
        kept.record = Some(next);
        kept.unwritten = Unwritten::Refresh;
        self.not_written(error);
        true
    }

    async fn after_failure(&self, kept: &mut Kept, before: &Record, noted: Version, error: Error) -> Round {
        let key = self.key();
        let may_have_spent = self.common.grant.may_have_spent(&error);
        let verdict = if error.remedy() == Remedy::LogInAgain {
            Some(if before.doubts > 1 { self.refused_after_doubt(error.clone()) } else { error.clone() })
        } else if may_have_spent && before.doubts > 1 {
            Some(self.refused_after_doubt(error.clone()))
        } else {
            None
        };
        if let Some(verdict) = verdict {
            return match self.common.store.delete(&key, Expected::Version(noted)).await {
                // Someone else knows better.
                Err(StoreError::Conflict) => Round::Again,
                // What stays is refused by the service the next time too.
                Ok(()) | Err(_) => {
                    kept.record = None;
                    Round::Ended(Err(verdict))
                }
            };
        }
        if !may_have_spent && !error.is_in_doubt() {
            // The refresh token is as good as before. If that cannot be noted, the next refresh waits until the token is over.
            let cleared = before.with_doubts(before.doubts.saturating_sub(1));
            if let Ok(Some(_)) = self.write(&key, &cleared, Expected::Version(noted)).await {
                kept.record = Some(cleared);
            }
        }
        Round::Ended(Err(error))
    }

    /// The service refuses a refresh token that was sent before without a word of what came of it.
    fn refused_after_doubt(&self, error: Error) -> Error {
        let mut verdict = self.login_over(
            "the answer to an earlier refresh was lost, and the service does not take the refresh token that was left",
        );
        if let Some(code) = error.code() {
            verdict = verdict.with_code(code);
        }
        if let Some(status) = error.http_status() {
            verdict = verdict.with_http_status(status);
        }
        verdict.with_source(error)
    }

    /// Keeps what `kept` has whatever the set of sessions drops, and has a task try again until the store takes it.
    fn not_written(self: &Arc<Self>, error: StoreError) {
        if self.is_over.load(Ordering::SeqCst) {
            return;
        }
        let error = error.into_error(self.provider());
        *self.store_error() = Some(error.clone());
        let before = self.common.unwritten().insert(Arc::clone(&self.user), Arc::clone(self));
        drop(before);
        self.common.policy.announce(&CacheEvent::NotStored { error });
        self.keep_trying();
    }

    /// One task at a time. If its runtime ends, the next call begins another one.
    fn keep_trying(self: &Arc<Self>) {
        if let Ok(runtime) = Handle::try_current()
            && !self.is_tried.swap(true, Ordering::SeqCst)
        {
            drop(runtime.spawn(Trying(Arc::clone(self)).write_until_taken()));
        }
    }
}

/// A task that tries to write what is not stored, until it ends in whatever way.
struct Trying<G>(Arc<Inner<G>>);

impl<G> Drop for Trying<G> {
    fn drop(&mut self) {
        self.0.is_tried.store(false, Ordering::SeqCst);
    }
}

impl<G: RefreshGrant + 'static> Trying<G> {
    async fn write_until_taken(self) {
        let this = &self.0;
        for tried in 0_u32.. {
            let pause = doubled(PAUSES.0, tried).min(PAUSES.1).mul_f64(0.5 + 0.5 * random::unit());
            if caught(this.common.clock.sleep(pause)).await.is_err() || this.common.is_closed.load(Ordering::SeqCst) {
                return;
            }
            let mut kept = this.kept.lock().await;
            if this.is_over.load(Ordering::SeqCst) {
                // With the lease, which would be in the way of the next login.
                *kept = Kept::default();
            }
            if kept.unwritten == Unwritten::Nothing {
                // While it is locked: whatever is not written after this begins a task of its own.
                this.is_tried.store(false, Ordering::SeqCst);
                return;
            }
            if let Err(error) = this.read(&mut kept).await {
                *this.store_error() = (kept.unwritten != Unwritten::Nothing).then_some(error);
            }
        }
    }
}

#[async_trait]
impl<G: RefreshGrant + 'static> TokenProvider for Rotation<G> {
    async fn token(&self) -> Result<Token, Error> {
        let inner = &self.0;
        let runtime = Handle::try_current().map_err(|_| {
            Error::new(inner.provider(), ErrorKind::Internal, Remedy::FixProgram)
                .with_message("no Tokio runtime runs here, and a refresh needs one")
        })?;
        let (task, given) = (Arc::clone(inner), inner.given.load(Ordering::Relaxed));
        // Dropped with this future, when nobody waits any more.
        let (_waiting, gone) = oneshot::channel();
        // A task of its own: a refresh that is cut short would lose the new refresh token while the old one is spent.
        let outcome = runtime.spawn(async move { task.token(given, gone).await }).await.unwrap_or_else(|lost| {
            let message = if lost.is_panic() {
                "the refresh, the session store or the clock panicked"
            } else {
                "the runtime that ran the refresh ended"
            };
            let error = Error::new(inner.provider(), ErrorKind::Internal, Remedy::Retry).with_message(message);
            // The refresh may have been sent by then.
            Err(error.with_delivery(Resend::OnlyIfNotSent, Delivery::Unknown))
        });
        if let Ok(token) = &outcome {
            // Here and not in the task: an answer that comes too late is given to nobody. Nor in place of the token of a login that came meanwhile.
            let _ = inner.given.compare_exchange(given, token.fingerprint(), Ordering::Relaxed, Ordering::Relaxed);
        }
        outcome
    }

    fn invalidate(&self, rejected: &Token) {
        self.0.refused.store(rejected.fingerprint(), Ordering::Relaxed);
    }
}
