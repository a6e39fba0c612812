//! A service in a `Transport`: it answers from a list, counts, and can be held.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use http::{HeaderMap, HeaderValue, StatusCode};
use provider_prakerja::{AuthorizationCode, LoggedIn, Prakerja, PrakerjaBuilder, WebLogin, WebLoginError};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use token_core::{Delivery, Seal, SealError, TokenRequest, TokenResponse, Transport, TransportError, TransportErrorKind};
use token_testkit::ManualClock;

/// What the service does with one request.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Json(u16, Value),
    Text(u16, &'static str),
    Lost(Delivery),
    Panic,
}

/// A success with these tokens; no refresh token where it is `None`.
pub(crate) fn tokens(access_token: &str, refresh_token: Option<&str>) -> Answer {
    let mut data = json!({"access_token": access_token, "expires_in": "3600", "scope": "name email", "token_type": "Bearer"});
    if let Some(refresh_token) = refresh_token {
        data["refresh_token"] = json!(refresh_token);
    }
    Answer::Json(200, json!({"message": "no error", "success": true, "errorCode": "0", "data": data}))
}

/// A refusal with this code.
pub(crate) fn refused(code: &str) -> Answer {
    Answer::Json(400, json!({"code": code, "message": "Unauthorized", "success": false}))
}

pub(crate) struct Service {
    answers: Mutex<VecDeque<Answer>>,
    bodies: Mutex<Vec<String>>,
    in_flight: AtomicUsize,
    most_in_flight: AtomicUsize,
    pub(crate) gate: Semaphore,
    pub(crate) arrived: Semaphore,
}

impl Service {
    pub(crate) fn new(answers: impl IntoIterator<Item = Answer>) -> Arc<Self> {
        Self::with_permits(answers, Semaphore::MAX_PERMITS)
    }

    /// Holds every request until a permit is added to `gate`.
    pub(crate) fn held(answers: impl IntoIterator<Item = Answer>) -> Arc<Self> {
        Self::with_permits(answers, 0)
    }

    fn with_permits(answers: impl IntoIterator<Item = Answer>, permits: usize) -> Arc<Self> {
        Arc::new(Self {
            answers: Mutex::new(answers.into_iter().collect()),
            bodies: Mutex::default(),
            in_flight: AtomicUsize::new(0),
            most_in_flight: AtomicUsize::new(0),
            gate: Semaphore::new(permits),
            arrived: Semaphore::new(0),
        })
    }

    pub(crate) fn requests(&self) -> usize {
        self.bodies.lock().unwrap().len()
    }

    /// The one field of each body, `code` or `token`.
    pub(crate) fn spent(&self) -> Vec<String> {
        self.bodies.lock().unwrap().iter().map(|body| field(body)).collect()
    }

    pub(crate) fn most_in_flight(&self) -> usize {
        self.most_in_flight.load(Ordering::SeqCst)
    }

    pub(crate) fn left(&self) -> usize {
        self.answers.lock().unwrap().len()
    }
}

fn field(body: &str) -> String {
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    body["code"].as_str().or(body["token"].as_str()).unwrap_or_default().to_owned()
}

#[async_trait]
impl Transport for Service {
    async fn send(&self, request: TokenRequest) -> Result<TokenResponse, TransportError> {
        self.bodies.lock().unwrap().push(String::from_utf8_lossy(request.body()).into_owned());
        let in_flight = self.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_in_flight.fetch_max(in_flight, Ordering::SeqCst);
        self.arrived.add_permits(1);
        self.gate.acquire().await.unwrap().forget();
        // So that two requests that could overlap do.
        tokio::task::yield_now().await;
        self.in_flight.fetch_sub(1, Ordering::SeqCst);
        let answer = self.answers.lock().unwrap().pop_front().unwrap_or(Answer::Text(500, "no more answers"));
        let respond = |status, body: String| {
            let body = Zeroizing::new(body.into_bytes());
            Ok(TokenResponse::new(StatusCode::from_u16(status).unwrap(), HeaderMap::new(), body))
        };
        match answer {
            Answer::Json(status, body) => respond(status, body.to_string()),
            Answer::Text(status, body) => respond(status, body.to_owned()),
            Answer::Lost(delivery) => Err(TransportError::new(TransportErrorKind::TimedOut, delivery, "no answer in time")),
            Answer::Panic => panic!("as told"),
        }
    }
}

/// A builder with all that is needed and no default transport.
pub(crate) fn builder(service: &Arc<Service>, clock: &Arc<ManualClock>) -> PrakerjaBuilder {
    Prakerja::builder()
        .client_id("lp-test-only")
        .client_name("Lembaga Contoh & Rekan")
        .redirect_uri("https://lp.example/callback")
        .login_uri("https://lp.example/login")
        .transport(Arc::clone(service) as _)
        .clock(Arc::clone(clock) as _)
}

pub(crate) fn prakerja(service: &Arc<Service>, clock: &Arc<ManualClock>) -> Prakerja {
    builder(service, clock).build().unwrap()
}

/// The `state` in a login URL.
pub(crate) fn state(url: &str) -> String {
    url.rsplit_once("&state=").unwrap().1.to_owned()
}

/// A code as a callback brings it.
pub(crate) fn code(prakerja: &Prakerja) -> AuthorizationCode {
    let login = prakerja.begin_login().unwrap();
    let state = state(&login.url);
    login.pending.callback(&format!("code=code-test-only&state={state}")).unwrap()
}

/// A seal of AES-256-GCM under one key: nonce, ciphertext, tag. It counts what it is asked to open.
#[derive(Debug)]
pub(crate) struct TestSeal {
    key: RandomizedNonceKey,
    opened: AtomicUsize,
}

impl TestSeal {
    /// Two of one `key` are alike.
    pub(crate) fn new(key: u8) -> Arc<Self> {
        let key = RandomizedNonceKey::new(&AES_256_GCM, &[key; 32]).unwrap();
        Arc::new(Self { key, opened: AtomicUsize::new(0) })
    }

    pub(crate) fn opened(&self) -> usize {
        self.opened.load(Ordering::SeqCst)
    }
}

impl Seal for TestSeal {
    fn seal(&self, context: &[u8], plain: &[u8]) -> Result<Vec<u8>, SealError> {
        let mut sealed = plain.to_vec();
        let nonce = self.key.seal_in_place_append_tag(Aad::from(context), &mut sealed).unwrap();
        Ok([nonce.as_ref().as_slice(), &sealed].concat())
    }

    fn open(&self, context: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        self.opened.fetch_add(1, Ordering::SeqCst);
        let (nonce, sealed) = sealed.split_first_chunk::<12>().ok_or(SealError::Malformed)?;
        let mut sealed = sealed.to_vec();
        let plain = self.key.open_in_place(Nonce::from(nonce), Aad::from(context), &mut sealed).map_err(|_| SealError::Forged)?;
        Ok(Zeroizing::new(plain.to_vec()))
    }
}

/// A login as the browser has it: the cookie that it sends back, and the state in its URL.
pub(crate) struct Browser {
    pub(crate) cookie: HeaderValue,
    pub(crate) state: String,
    pub(crate) url: String,
}

impl Browser {
    pub(crate) fn begin(logins: &WebLogin, return_to: &str) -> Self {
        let start = logins.begin(return_to).unwrap();
        assert!(start.set_cookie.is_sensitive());
        let cookie = start.set_cookie.to_str().unwrap().split_once(';').unwrap().0;
        Self { cookie: HeaderValue::try_from(cookie).unwrap(), state: state(&start.url), url: start.url }
    }

    /// The good callback of this login.
    pub(crate) fn callback(&self) -> String {
        format!("code=code-test-only&state={}", self.state)
    }

    /// What stands after `=` in the cookie.
    pub(crate) fn value(&self) -> &str {
        self.cookie.to_str().unwrap().split_once('=').unwrap().1
    }

    pub(crate) async fn finish(&self, logins: &WebLogin) -> Result<LoggedIn, WebLoginError> {
        logins.finish([&self.cookie], Some(&self.callback())).await
    }
}
