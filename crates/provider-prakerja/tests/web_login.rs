//! The login of a web application that keeps nothing between its two handlers.
#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use async_trait::async_trait;
use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use secrecy::ExposeSecret;
use zeroize::Zeroizing;

use provider_prakerja::{CallbackError, Prakerja, PrakerjaErrorCode, ReturnPath, WebLogin, WebLoginError};
use token_core::{Clock, Delivery, Error, ErrorKind, Language, Moment, Remedy, Seal, SealError};
use token_testkit::ManualClock;

use crate::support::{Answer, Browser, Service, TestSeal, builder, prakerja, refused, state, tokens};

fn good() -> Answer {
    tokens("token-test-only", Some("refresh-test-only"))
}

/// A server of the application: they share the key, and the service.
fn server(service: &Arc<Service>, clock: &Arc<ManualClock>) -> WebLogin {
    prakerja(service, clock).web_login(TestSeal::new(1))
}

fn setup(answers: impl IntoIterator<Item = Answer>) -> (Arc<Service>, Arc<ManualClock>, WebLogin) {
    let (service, clock) = (Service::new(answers), Arc::new(ManualClock::new()));
    let logins = server(&service, &clock);
    (service, clock, logins)
}

#[tokio::test]
async fn a_browser_logs_in_and_goes_where_it_wanted() {
    let (service, clock, logins) = setup([good()]);
    let start = logins.begin("/kelas/7?tab=jadwal").unwrap();
    assert!(start.url.starts_with("https://oauth.prakerja.go.id/consent-sso?client_id=lp-test-only&"));
    let cookie = start.set_cookie.to_str().unwrap();
    let (pair, attributes) = cookie.split_once("; ").unwrap();
    assert_eq!(attributes, "Secure; HttpOnly; SameSite=Lax; Path=/; Max-Age=600");
    assert!(pair.starts_with("__Host-prakerja-login="), "{pair}");
    assert!(start.set_cookie.is_sensitive());

    let mut headers = HeaderMap::new();
    headers.insert(COOKIE, HeaderValue::try_from(pair).unwrap());
    let query = format!("code=code-test-only&state={}", state(&start.url));
    // Another process of the same application answers the callback.
    let login = server(&service, &clock).finish(headers.get_all(COOKIE), Some(&query)).await.unwrap();
    assert_eq!(login.return_to, ReturnPath::parse("/kelas/7?tab=jadwal").unwrap());
    assert_eq!(login.token.access_token().expose_secret(), "token-test-only");
    assert_eq!(login.token.refresh_token().unwrap().expose_secret(), "refresh-test-only");
    assert_eq!(service.spent(), ["code-test-only"]);
    assert_eq!(logins.clear_cookie(), "__Host-prakerja-login=; Secure; HttpOnly; SameSite=Lax; Path=/; Max-Age=0");
}

#[tokio::test]
async fn without_tls_on_this_machine_the_cookie_is_a_plain_one() {
    let (service, clock) = (Service::new([good()]), Arc::new(ManualClock::new()));
    let at = |redirect_uri: &str| builder(&service, &clock).redirect_uri(redirect_uri).build().unwrap();
    let logins = at("http://127.0.0.1:8080/callback").web_login(TestSeal::new(1));
    let start = logins.begin("/").unwrap();
    let (pair, attributes) = start.set_cookie.to_str().unwrap().split_once("; ").unwrap();
    assert_eq!(attributes, "HttpOnly; SameSite=Lax; Path=/; Max-Age=600");
    assert!(pair.starts_with("prakerja-login="), "{pair}");
    assert_eq!(logins.clear_cookie(), "prakerja-login=; HttpOnly; SameSite=Lax; Path=/; Max-Age=0");
    let query = format!("code=code-test-only&state={}", state(&start.url));
    assert!(logins.finish([&HeaderValue::try_from(pair).unwrap()], Some(&query)).await.is_ok());

    // Over the network a cookie without TLS would be anyone's.
    let error = at("http://lp.example/callback").web_login(TestSeal::new(1)).begin("/").unwrap_err();
    assert_eq!((error.kind(), error.remedy()), (ErrorKind::Configuration, Remedy::FixConfiguration));
    assert!(error.to_string().contains("`redirect_uri` is plain `http`"), "{error}");
}

#[tokio::test]
async fn a_login_is_good_for_ten_minutes_by_the_wall_clock() {
    type Move = fn(&ManualClock);
    const MINUTE: Duration = Duration::from_secs(60);
    let cases: [(&str, Move, &str); 11] = [
        ("at once", |_| {}, "Ok"),
        ("just in time", |clock| clock.advance(10 * MINUTE - Duration::from_millis(1)), "Ok"),
        ("ten minutes", |clock| clock.advance(10 * MINUTE), "Expired"),
        ("a moment more", |clock| clock.advance(10 * MINUTE + Duration::from_millis(1)), "Expired"),
        ("a year", |clock| clock.advance(525_600 * MINUTE), "Expired"),
        ("the machine slept", |clock| clock.sleep_machine(11 * MINUTE), "Expired"),
        ("a server whose clock is a minute behind", |clock| clock.set_wall(clock.now().wall() - MINUTE), "Ok"),
        ("and a little more", |clock| clock.set_wall(clock.now().wall() - MINUTE - Duration::from_millis(1)), "FromTheFuture"),
        ("a day behind", |clock| clock.set_wall(clock.now().wall() - 1_440 * MINUTE), "FromTheFuture"),
        ("a clock that was never set", |clock| clock.set_wall(UNIX_EPOCH), "FromTheFuture"),
        ("a clock before 1970", |clock| clock.set_wall(UNIX_EPOCH - MINUTE), "FromTheFuture"),
    ];
    for (what, change, wanted) in cases {
        let (service, clock, logins) = setup([good()]);
        let browser = Browser::begin(&logins, "/");
        change(&clock);
        let found = browser.finish(&server(&service, &clock)).await;
        let found = found.err().map_or("Ok".to_owned(), |error| format!("{error:?}"));
        assert_eq!(found, wanted, "{what}");
        assert_eq!(service.requests(), usize::from(wanted == "Ok"), "{what}");
    }
}

/// A clock that counts its readings.
#[derive(Debug)]
struct Counting(Arc<ManualClock>, AtomicUsize);

#[async_trait]
impl Clock for Counting {
    fn now(&self) -> Moment {
        self.1.fetch_add(1, Ordering::SeqCst);
        self.0.now()
    }

    async fn sleep(&self, duration: Duration) {
        self.0.sleep(duration).await;
    }
}

#[tokio::test]
async fn the_clock_is_read_once_for_each_half() {
    let (service, clock) = (Service::new([good()]), Arc::new(ManualClock::new()));
    let counting = Arc::new(Counting(Arc::clone(&clock), AtomicUsize::new(0)));
    let logins = builder(&service, &clock).clock(Arc::clone(&counting) as _).build().unwrap().web_login(TestSeal::new(1));
    let browser = Browser::begin(&logins, "/");
    assert_eq!(counting.1.swap(0, Ordering::SeqCst), 1);
    browser.finish(&logins).await.unwrap();
    assert_eq!(counting.1.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_callback_that_comes_again_is_answered_without_a_request() {
    let (service, clock) = (Service::new([good(), refused("ERROAUTH4031")]), Arc::new(ManualClock::new()));
    let client = prakerja(&service, &clock);
    let logins = client.web_login(TestSeal::new(1));
    let browser = Browser::begin(&logins, "/");
    browser.finish(&logins).await.unwrap();
    // The same, a clone, another handle of the same client; the same code, another, none.
    for again in [&logins, &logins.clone(), &client.web_login(TestSeal::new(1))] {
        for query in [browser.callback(), format!("code=other&state={}", browser.state), format!("state={}", browser.state)] {
            let error = again.finish([&browser.cookie], Some(&query)).await.unwrap_err();
            assert!(matches!(error, WebLoginError::Replayed) && error.ends_login(), "{error}");
        }
    }
    assert_eq!(service.requests(), 1);

    // A process that knows nothing of it asks, and the service knows.
    let error = browser.finish(&server(&service, &clock)).await.unwrap_err();
    assert!(matches!(error, WebLoginError::CodeUsed(_)), "{error}");
    assert_eq!(service.requests(), 2);

    // Once the login is over, there is nothing to remember.
    clock.advance(Duration::from_secs(600));
    assert!(matches!(browser.finish(&logins).await.unwrap_err(), WebLoginError::Expired));
}

#[tokio::test]
async fn a_login_is_used_up_before_its_answer_comes() {
    let (service, clock) = (Service::held([good()]), Arc::new(ManualClock::new()));
    let logins = server(&service, &clock);
    let browser = Browser::begin(&logins, "/");
    let finish = || {
        let (logins, cookie, query) = (logins.clone(), browser.cookie.clone(), browser.callback());
        tokio::spawn(async move { logins.finish([&cookie], Some(&query)).await })
    };
    let first = finish();
    service.arrived.acquire().await.unwrap().forget();
    // The user reloads the page while it hangs.
    let second = finish();
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(second.is_finished() && !first.is_finished());
    assert!(matches!(second.await.unwrap().unwrap_err(), WebLoginError::Replayed));
    service.gate.add_permits(1);
    assert!(first.await.unwrap().is_ok());
    assert_eq!(service.requests(), 1);
}

#[tokio::test]
async fn of_callbacks_that_come_at_once_one_is_sent() {
    let (service, _, logins) = setup([good(), good()]);
    let browser = Arc::new(Browser::begin(&logins, "/"));
    let tasks = (0..32).map(|_| {
        let (logins, browser) = (logins.clone(), Arc::clone(&browser));
        tokio::spawn(async move { browser.finish(&logins).await })
    });
    let mut passed = 0;
    for task in tasks.collect::<Vec<_>>() {
        match task.await.unwrap() {
            Ok(_) => passed += 1,
            Err(error) => assert!(matches!(error, WebLoginError::Replayed), "{error}"),
        }
    }
    assert_eq!((passed, service.requests()), (1, 1));
}

#[tokio::test]
async fn of_two_tabs_the_later_login_counts() {
    let (service, _, logins) = setup([good()]);
    let (first, second) = (Browser::begin(&logins, "/satu"), Browser::begin(&logins, "/dua"));
    // The second tab's cookie took the place of the first one's.
    let error = logins.finish([&second.cookie], Some(&first.callback())).await.unwrap_err();
    assert!(matches!(error, WebLoginError::OtherLogin) && !error.ends_login(), "{error}");
    assert!(error.meaning(Language::English).contains("another tab"));
    assert_eq!(service.requests(), 0);
    assert_eq!(second.finish(&logins).await.unwrap().return_to.as_str(), "/dua");
    let error = logins.finish([&second.cookie], Some(&first.callback())).await.unwrap_err();
    assert!(matches!(error, WebLoginError::OtherLogin), "{error}");
    assert_eq!(service.requests(), 1);
}

#[tokio::test]
async fn nobody_is_logged_in_as_someone_else_by_a_link() {
    let (service, _, logins) = setup([]);
    // The attacker's own callback, in the browser of a victim who did not begin a login, or began one.
    let (attacker, victim) = (Browser::begin(&logins, "/"), Browser::begin(&logins, "/"));
    let error = logins.finish([], Some(&attacker.callback())).await.unwrap_err();
    assert!(matches!(error, WebLoginError::NotPending), "{error}");
    let error = logins.finish([&victim.cookie], Some(&attacker.callback())).await.unwrap_err();
    assert!(matches!(error, WebLoginError::OtherLogin), "{error}");
    // The victim's code in the attacker's browser.
    let stolen = format!("code=stolen-test-only&state={}", victim.state);
    let error = logins.finish([&attacker.cookie], Some(&stolen)).await.unwrap_err();
    assert!(matches!(error, WebLoginError::OtherLogin), "{error}");
    assert_eq!(service.requests(), 0);
}

/// The limit that SECURITY.md names: nothing in a callback says for which login its code was made.
#[tokio::test]
async fn what_only_pkce_would_stop_is_not_stopped() {
    let (service, _, logins) = setup([good()]);
    let attacker = Browser::begin(&logins, "/");
    let injected = format!("code=stolen-test-only&state={}", attacker.state);
    assert!(logins.finish([&attacker.cookie], Some(&injected)).await.is_ok());
    assert_eq!(service.spent(), ["stolen-test-only"]);
}

#[tokio::test]
async fn a_denial_is_one_with_and_without_words() {
    let (service, _, logins) = setup([good()]);
    let browser = Browser::begin(&logins, "/");
    for query in [None, Some(""), Some("error=access_denied"), Some("?error=server_error&error_description=Maaf")] {
        let error = logins.finish([&browser.cookie], query).await.unwrap_err();
        assert!(matches!(&error, WebLoginError::Denied(denial) if !denial.has_state()) && !error.ends_login(), "{error}");
        let error = Error::from(error);
        assert_eq!((error.kind(), error.remedy()), (ErrorKind::AccessDenied, Remedy::LogInAgain));
    }
    // Anyone can send a browser to the login URI: the login goes on.
    assert!(browser.finish(&logins).await.is_ok());

    let browser = Browser::begin(&logins, "/");
    let query = format!("error=access_denied&error_description=Maaf&state={}", browser.state);
    let error = logins.finish([&browser.cookie], Some(&query)).await.unwrap_err();
    assert!(matches!(&error, WebLoginError::Denied(denial) if denial.has_state()) && error.ends_login(), "{error}");
    let error = Error::from(error);
    assert_eq!(error.to_string(), "prakerja: the login was denied (code `access_denied`); log the user in again");
    assert_eq!(error.service_message(), Some("Maaf"));
    assert!(matches!(browser.finish(&logins).await.unwrap_err(), WebLoginError::Replayed));
    assert_eq!(service.requests(), 1);
}

#[tokio::test]
async fn what_the_service_makes_of_the_code_has_its_own_error() {
    let cases = [
        (refused("ERROAUTH4052"), "CodeExpired", ErrorKind::LoginRequired, Remedy::LogInAgain),
        (refused("ERROAUTH4031"), "CodeUsed", ErrorKind::LoginRequired, Remedy::LogInAgain),
        (refused("ERROAUTH4032"), "CodeUsed", ErrorKind::LoginRequired, Remedy::LogInAgain),
        (refused("ERROAUTH4047"), "Client", ErrorKind::LoginRequired, Remedy::LogInAgain),
        (refused("ERROAUTH4029"), "Client", ErrorKind::ClientRefused, Remedy::FixConfiguration),
        (refused("ERROAUTH4049"), "Client", ErrorKind::Server, Remedy::LogInAgain),
        (refused("ERRPLT00001"), "Client", ErrorKind::RequestRefused, Remedy::ContactService),
        (Answer::Text(503, "busy"), "Client", ErrorKind::Server, Remedy::LogInAgain),
        (Answer::Text(200, "{}"), "Client", ErrorKind::InvalidResponse, Remedy::ContactService),
        (Answer::Lost(Delivery::Unknown), "Client", ErrorKind::Transport, Remedy::LogInAgain),
        (Answer::Lost(Delivery::NotSent), "Client", ErrorKind::Transport, Remedy::LogInAgain),
    ];
    for (answer, variant, kind, remedy) in cases {
        let what = format!("{answer:?}");
        let code = match &answer {
            Answer::Json(_, body) => body["code"].as_str().map(str::to_owned),
            _ => None,
        };
        let (service, _, logins) = setup([answer]);
        let browser = Browser::begin(&logins, "/");
        let found = browser.finish(&logins).await.unwrap_err();
        assert!(format!("{found:?}").starts_with(&format!("{variant}(")) && found.ends_login(), "{what}: {found:?}");
        let error = Error::from(found);
        assert_eq!((error.kind(), error.remedy(), error.code()), (kind, remedy, code.as_deref()), "{what}");
        assert_eq!(error.find_source().map(PrakerjaErrorCode::code), code.as_deref(), "{what}");
        assert_eq!(error.find_source::<WebLoginError>().is_some(), variant != "Client", "{what}");
        // Whatever came of it, the code may be spent.
        assert!(matches!(browser.finish(&logins).await.unwrap_err(), WebLoginError::Replayed), "{what}");
        assert_eq!(service.requests(), 1, "{what}");
    }
    let (_, _, logins) = setup([refused("ERROAUTH4052")]);
    let error = Error::from(Browser::begin(&logins, "/").finish(&logins).await.unwrap_err());
    assert_eq!(
        error.to_string(),
        "prakerja: the code of the login came too late (code `ERROAUTH4052`, HTTP 400); log the user in again"
    );
}

/// A seal that fails as told, or makes everything long.
#[derive(Debug)]
enum BadSeal {
    Broken,
    Long,
}

impl Seal for BadSeal {
    fn seal(&self, _: &[u8], _: &[u8]) -> Result<Vec<u8>, SealError> {
        match self {
            Self::Broken => Err(SealError::Unavailable),
            Self::Long => Ok(vec![0; 3_100]),
        }
    }

    fn open(&self, _: &[u8], _: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        Err(SealError::Unavailable)
    }
}

#[tokio::test]
async fn a_seal_that_fails_ends_no_login() {
    let (service, clock) = (Service::new([good()]), Arc::new(ManualClock::new()));
    let client = prakerja(&service, &clock);
    let error = client.web_login(Arc::new(BadSeal::Broken)).begin("/").unwrap_err();
    assert_eq!((error.kind(), error.remedy()), (ErrorKind::Internal, Remedy::Retry));
    assert_eq!(error.find_source(), Some(&SealError::Unavailable));
    let error = client.web_login(Arc::new(BadSeal::Long)).begin("/").unwrap_err();
    assert_eq!((error.kind(), error.remedy()), (ErrorKind::Internal, Remedy::FixProgram));

    let logins = client.web_login(TestSeal::new(1));
    let browser = Browser::begin(&logins, "/");
    let error = browser.finish(&client.web_login(Arc::new(BadSeal::Broken))).await.unwrap_err();
    assert!(matches!(error, WebLoginError::KeysUnavailable(_)) && !error.ends_login(), "{error}");
    let error = Error::from(error);
    assert_eq!((error.kind(), error.remedy()), (ErrorKind::Internal, Remedy::Retry));
    assert!(browser.finish(&logins).await.is_ok());
}

#[tokio::test]
async fn every_error_tells_the_user_what_to_do_in_two_languages() {
    let own = || Error::new("prakerja", ErrorKind::Transport, Remedy::LogInAgain);
    let (_, _, logins) = setup([]);
    let denied = logins.finish([&Browser::begin(&logins, "/").cookie], None).await.unwrap_err();
    let cases = [
        (WebLoginError::Ambiguous, ErrorKind::LoginRequired, Remedy::LogInAgain),
        (WebLoginError::Callback(CallbackError::MissingState), ErrorKind::InvalidResponse, Remedy::LogInAgain),
        (WebLoginError::Client(own()), ErrorKind::Transport, Remedy::LogInAgain),
        (WebLoginError::CodeExpired(own()), ErrorKind::Transport, Remedy::LogInAgain),
        (WebLoginError::CodeUsed(own()), ErrorKind::Transport, Remedy::LogInAgain),
        (denied, ErrorKind::AccessDenied, Remedy::LogInAgain),
        (WebLoginError::Expired, ErrorKind::LoginRequired, Remedy::LogInAgain),
        (WebLoginError::FromTheFuture, ErrorKind::ClockSkew, Remedy::CorrectClock),
        (WebLoginError::KeysUnavailable(SealError::Unavailable), ErrorKind::Internal, Remedy::Retry),
        (WebLoginError::NotPending, ErrorKind::LoginRequired, Remedy::LogInAgain),
        (WebLoginError::OtherLogin, ErrorKind::LoginRequired, Remedy::LogInAgain),
        (WebLoginError::Replayed, ErrorKind::LoginRequired, Remedy::LogInAgain),
        (WebLoginError::Unreadable(SealError::Forged), ErrorKind::LoginRequired, Remedy::LogInAgain),
    ];
    let mut texts = HashSet::new();
    for (fault, kind, remedy) in cases {
        for language in [Language::English, Language::Indonesian] {
            let text = fault.meaning(language);
            assert!(text.len() <= 120 && text.ends_with('.') && texts.insert(text), "{text}");
        }
        let error = Error::from(fault.clone());
        assert_eq!((error.kind(), error.remedy()), (kind, remedy), "{fault:?}");
        // One line, and the cause is told once.
        assert!(!error.to_string().contains('\n'));
        if !matches!(fault, WebLoginError::Client(_)) {
            assert_eq!(error.find_source::<WebLoginError>().map(ToString::to_string), Some(fault.to_string()));
        }
        if let WebLoginError::Callback(cause) = &fault {
            assert_eq!(error.find_source(), Some(cause));
        }
    }
    assert_eq!(texts.len(), 26);
}

#[tokio::test]
async fn nothing_shows_what_is_secret() {
    let (_, _, logins) = setup([good(), refused("ERROAUTH4031")]);
    let start = logins.begin("/kelas").unwrap();
    let (state, cookie) = (state(&start.url), start.set_cookie.to_str().unwrap().to_owned());
    let (pair, _) = cookie.split_once(';').unwrap();
    let query = format!("code=code-test-only&state={state}");
    let pair = HeaderValue::try_from(pair).unwrap();
    let login = logins.finish([&pair], Some(&query)).await.unwrap();
    let browser = Browser::begin(&logins, "/");
    let error = browser.finish(&logins).await.unwrap_err();
    let shown =
        format!("{start:?} {start:#?} {logins:?} {logins:#?} {login:?} {error:?} {error} {:?}", Error::from(error.clone()));
    for secret in
        [state.as_str(), cookie.get(22..60).unwrap(), "code-test-only", "token-test-only", "refresh-test-only", &browser.state]
    {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
    assert!(shown.contains("ReturnPath(/kelas)"), "{shown}");
}

#[test]
fn the_parts_can_cross_threads() {
    fn sent<T: Send>(_: &T) {}
    fn shared<T: Send + Sync + Clone + 'static>(_: &T) {}
    let (_, _, logins) = setup([]);
    shared(&logins);
    let headers = HeaderMap::new();
    // As a handler of a multi-threaded server needs it.
    sent(&logins.finish(headers.get_all(COOKIE), None));
}

#[tokio::test]
async fn a_login_is_kept_outside_without_a_cookie() {
    let (service, clock) = (Service::new([good(), good()]), Arc::new(ManualClock::new()));
    let (seal, client) = (TestSeal::new(1), prakerja(&service, &clock));
    let login = client.begin_login().unwrap();
    assert_eq!(login.pending.return_to().as_str(), "/");
    let sealed = login.pending.with_return_to(ReturnPath::parse("/kelas").unwrap()).seal(&*seal, "session-one").unwrap();
    assert!(sealed.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'));
    let query = format!("code=code-test-only&state={}", state(&login.url));

    let unreadable = |other: &Prakerja, seal: &TestSeal, purpose: &str, text: &str| {
        let error = other.open_login(seal, purpose, text).unwrap_err();
        assert!(matches!(error, WebLoginError::Unreadable(_)), "{error}");
    };
    unreadable(&client, &seal, "session-two", &sealed);
    unreadable(&client, &TestSeal::new(2), "session-one", &sealed);
    unreadable(&builder(&service, &clock).client_id("lp-other").build().unwrap(), &seal, "session-one", &sealed);
    for text in ["", "x", "日", sealed.get(1..).unwrap(), &format!("{sealed}="), &"x".repeat(1_000_000)] {
        unreadable(&client, &seal, "session-one", text);
    }

    // Another process, with the same settings.
    let other = prakerja(&service, &clock);
    let open = || other.open_login(&*seal, "session-one", &sealed);
    let pending = open().unwrap();
    assert_eq!(pending.return_to().as_str(), "/kelas");
    assert_eq!(pending.callback("code=code-test-only&state=x").unwrap_err(), CallbackError::WrongState);
    let code = open().unwrap().callback(&query).unwrap();
    assert!(other.exchange(code).await.is_ok());
    assert_eq!(open().unwrap().callback(&query).unwrap_err(), CallbackError::Replayed);
    let error = Error::from(CallbackError::Replayed);
    assert_eq!((error.kind(), error.remedy()), (ErrorKind::LoginRequired, Remedy::LogInAgain));

    // One that is opened goes on ageing, by both clocks.
    let login = client.begin_login().unwrap();
    let sealed = login.pending.seal(&*seal, "").unwrap();
    clock.advance(Duration::from_secs(300));
    let pending = client.open_login(&*seal, "", &sealed).unwrap();
    let wall = clock.now().wall();
    clock.advance(Duration::from_secs(301));
    clock.set_wall(wall);
    let query = format!("code=code-test-only&state={}", state(&login.url));
    assert_eq!(pending.callback(&query).unwrap_err(), CallbackError::Expired);
    assert_eq!(service.requests(), 1);
}

#[tokio::test]
async fn the_token_of_a_login_keeps_the_user_logged_in() {
    let service = Service::new([good(), tokens("token-two", Some("refresh-two"))]);
    let clock = Arc::new(ManualClock::new());
    let client = prakerja(&service, &clock);
    let logins = client.web_login(TestSeal::new(1));
    let login = Browser::begin(&logins, "/").finish(&logins).await.unwrap();
    let user = client.user(login.token).build();
    assert_eq!(user.token().await.unwrap().access_token().expose_secret(), "token-test-only");
    clock.advance(Duration::from_secs(3_600));
    assert_eq!(user.token().await.unwrap().access_token().expose_secret(), "token-two");
    assert_eq!(service.spent(), ["code-test-only", "refresh-test-only"]);
}
