//! The login of a web application over real HTTP, against the sandbox.
#![cfg(feature = "reqwest")]
#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use provider_prakerja::{LoggedIn, Prakerja, WebLogin, WebLoginError};
use token_sandbox::Sandbox;
use token_testkit::ManualClock;

use crate::support::{Browser, TestSeal};

struct World {
    sandbox: Sandbox,
    clock: Arc<ManualClock>,
    prakerja: Prakerja,
    logins: WebLogin,
}

impl World {
    async fn new() -> Self {
        let clock = Arc::new(ManualClock::new());
        let sandbox = Sandbox::builder().clock(Arc::clone(&clock) as _).start().await.unwrap();
        let credentials = sandbox.prakerja_credentials();
        let prakerja = Prakerja::builder()
            .client_id(credentials.client_id())
            .client_name(credentials.client_name())
            .redirect_uri(credentials.redirect_uri())
            .login_uri(credentials.login_uri())
            .base_url(sandbox.prakerja_base_url())
            .consent_url(sandbox.prakerja_consent_url())
            .clock(Arc::clone(&clock) as _)
            .build()
            .unwrap();
        let logins = prakerja.web_login(TestSeal::new(1));
        Self { sandbox, clock, prakerja, logins }
    }

    fn begin(&self) -> Browser {
        Browser::begin(&self.logins, "/kelas")
    }

    /// Where the browser comes back to after a yes.
    fn allow(&self, browser: &Browser) -> String {
        self.sandbox.approve_consent(&browser.url).unwrap()
    }

    /// What the application makes of the browser that comes back.
    async fn finish(&self, browser: &Browser, back: &str) -> Result<LoggedIn, WebLoginError> {
        self.logins.finish([&browser.cookie], back.split_once('?').map(|(_, query)| query)).await
    }

    fn exchanges(&self) -> usize {
        usize::try_from(self.sandbox.requests().prakerja_token).unwrap()
    }
}

#[tokio::test]
async fn a_browser_is_logged_in_once() {
    let world = World::new().await;
    let browser = world.begin();
    let back = world.allow(&browser);
    let login = world.finish(&browser, &back).await.unwrap();
    assert_eq!(login.return_to.as_str(), "/kelas");
    assert!(world.prakerja.profile(&login.token).await.unwrap().name().is_some());
    assert!(matches!(world.finish(&browser, &back).await.unwrap_err(), WebLoginError::Replayed));
    assert_eq!(world.exchanges(), 1);
}

#[tokio::test]
async fn a_user_who_says_no_is_told_so() {
    let world = World::new().await;
    let browser = world.begin();
    let back = world.sandbox.deny_consent(&browser.url).unwrap();
    assert_eq!(back, world.sandbox.prakerja_credentials().login_uri(), "without a word");
    let error = world.finish(&browser, &back).await.unwrap_err();
    assert!(matches!(error, WebLoginError::Denied(_)), "{error}");

    world.sandbox.configure_prakerja(|settings| settings.state_on_denial = true);
    let browser = world.begin();
    let back = world.sandbox.deny_consent(&browser.url).unwrap();
    let error = world.finish(&browser, &back).await.unwrap_err();
    assert!(matches!(&error, WebLoginError::Denied(denial) if denial.code() == "access_denied" && denial.has_state()), "{error}");
    assert_eq!(world.exchanges(), 0);
}

#[tokio::test]
async fn a_code_that_is_over_or_replaced_is_told_apart() {
    let world = World::new().await;
    let browser = world.begin();
    let back = world.allow(&browser);
    world.clock.advance(Duration::from_secs(60));
    let error = world.finish(&browser, &back).await.unwrap_err();
    assert!(matches!(error, WebLoginError::CodeExpired(_)), "{error}");

    // The same user logs in in another browser.
    let (older, newer) = (world.begin(), world.begin());
    let (older_back, newer_back) = (world.allow(&older), world.allow(&newer));
    let error = world.finish(&older, &older_back).await.unwrap_err();
    assert!(matches!(error, WebLoginError::CodeUsed(_)), "{error}");
    assert!(world.finish(&newer, &newer_back).await.is_ok());
    assert_eq!(world.exchanges(), 3);
}

#[tokio::test]
async fn two_tabs_and_a_lost_cookie_make_no_request() {
    let world = World::new().await;
    let (first, second) = (world.begin(), world.begin());
    let (first_back, second_back) = (world.allow(&first), world.allow(&second));
    let error = world.finish(&second, &first_back).await.unwrap_err();
    assert!(matches!(error, WebLoginError::OtherLogin), "{error}");
    let query = second_back.split_once('?').map(|(_, query)| query);
    let error = world.logins.finish([], query).await.unwrap_err();
    assert!(matches!(error, WebLoginError::NotPending), "{error}");
    assert_eq!(world.exchanges(), 0);
    assert!(world.finish(&second, &second_back).await.is_ok());
}

#[tokio::test]
async fn a_service_that_sends_no_state_logs_nobody_in() {
    let world = World::new().await;
    world.sandbox.configure_prakerja(|settings| settings.state_on_callback = false);
    let browser = world.begin();
    let back = world.allow(&browser);
    let error = world.finish(&browser, &back).await.unwrap_err();
    assert!(matches!(error, WebLoginError::Callback(_)), "{error}");
    assert_eq!(world.exchanges(), 0);
}
