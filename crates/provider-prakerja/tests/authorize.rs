//! Requests with a user's token, and signed ones.
#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};

use provider_prakerja::{
    AuthorizationStyle, DEFAULT_BASE_URL, INTEGRATION_BASE_URL, Prakerja, PrakerjaBuilder, PrakerjaErrorCode, PrakerjaUser,
};
use token_core::{
    ApiAnswer, ApiBody, ApiRequest, Authorize, AuthorizeFault, Authorizer, Clock, Error, ErrorKind, Expiry, Moment, Remedy,
    Retry, Target, Token, TokenCache,
};
use token_testkit::ManualClock;

use crate::support::{Service, builder};

const COMMIT: &str = "https://api.prakerja.go.id/api/v1/integration/payment/redeem-code/commit";
const BODY: &[u8] = br#"{"redeem_code":"code"}"#;

/// The documented example with its signature, and what the same text gives with a token in it (by the formula alone).
const SIGNATURE: &str = "943c20a8e36b6243f576404b00fffdc86411ce1f";
const SIGNATURE_BARE: &str = "0c72c4b2945670f92622bf1ff195f361d1fa5325";
const SIGNATURE_BEARER: &str = "7f16383a17d085d23f733cd83e97153c92ddac10";

/// The page's own placeholders at the time of its example, with `change`.
fn documented(change: impl FnOnce(PrakerjaBuilder) -> PrakerjaBuilder) -> Prakerja {
    let clock = Arc::new(ManualClock::new());
    clock.set_wall(SystemTime::UNIX_EPOCH + Duration::from_millis(1_516_239_022_999));
    let builder = builder(&Service::new([]), &clock).client_code("myclient_code").sign_key("my_sign_key");
    change(builder).build().unwrap()
}

fn token(clock: &dyn Clock) -> Token {
    Token::bearer("token-test-only", Expiry::After(Duration::from_secs(3_600)), clock.now()).build().unwrap()
}

fn user(prakerja: &Prakerja) -> TokenCache<Retry<PrakerjaUser>> {
    let clock = ManualClock::new();
    clock.set_wall(SystemTime::UNIX_EPOCH + Duration::from_secs(1_516_239_022));
    prakerja.user(token(&clock)).build()
}

/// What a request gets, or why it gets nothing.
async fn headers<A: Authorize>(authorizer: &A, method: Method, url: &str, body: ApiBody<'_>) -> Result<HeaderMap, Error> {
    let url: Uri = url.parse().unwrap();
    let request = ApiRequest::new(&method, Target::of_uri(&url).unwrap(), body);
    let mut headers = HeaderMap::new();
    authorizer.check(&request, &headers)?;
    let token = authorizer.token(None).await?;
    authorizer.attach(&request, token.as_ref(), &mut headers)?;
    Ok(headers)
}

fn shown(headers: &HeaderMap) -> Vec<(&str, &str)> {
    let mut shown: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
    shown.sort_unstable();
    shown
}

fn fault(error: &Error) -> &AuthorizeFault {
    assert_eq!((error.provider(), error.kind()), ("prakerja", ErrorKind::Unauthorizable));
    error.find_source().unwrap()
}

#[tokio::test]
async fn a_users_request_has_the_client_id_and_the_token_in_the_style_that_is_set() {
    for (style, authorization) in
        [(AuthorizationStyle::Bare, "token-test-only"), (AuthorizationStyle::Bearer, "Bearer token-test-only")]
    {
        let prakerja = documented(|builder| builder.authorization_style(style));
        let authorizer = prakerja.authorizer(user(&prakerja)).build().unwrap();
        let url = "https://api-proxy.prakerja.go.id/api/v1/resource/user_profile";
        let headers = headers(&authorizer, Method::GET, url, ApiBody::Stream).await.unwrap();
        assert_eq!(shown(&headers), [("authorization", authorization), ("x-client-id", "lp-test-only")]);
        assert!(headers["authorization"].is_sensitive());
    }
}

#[tokio::test]
async fn the_documented_request_is_signed_as_documented() {
    let authorizer = documented(|builder| builder).integration_authorizer().unwrap().build().unwrap();
    let signed = headers(&authorizer, Method::POST, COMMIT, ApiBody::Bytes(BODY)).await.unwrap();
    let wanted = [("client_code", "myclient_code"), ("signature", SIGNATURE), ("timestamp", "1516239022")];
    assert_eq!(shown(&signed), wanted);
    assert!(signed["signature"].is_sensitive());
    // A query is no part of the path.
    let queried = headers(&authorizer, Method::POST, &format!("{COMMIT}?a=b"), ApiBody::Bytes(BODY)).await.unwrap();
    assert_eq!(shown(&queried), wanted);

    let get = headers(&authorizer, Method::GET, "https://api.prakerja.go.id/api/v1/oauth/authorize", ApiBody::Bytes(b"")).await;
    assert_eq!(get.unwrap()["signature"], "96edb72191ebf35e5a19920a866cb083ba9ed36d");
}

#[tokio::test]
async fn a_token_that_goes_along_is_signed_as_it_is_sent() {
    for (style, authorization, signature) in [
        (AuthorizationStyle::Bare, "token-test-only", SIGNATURE_BARE),
        (AuthorizationStyle::Bearer, "Bearer token-test-only", SIGNATURE_BEARER),
    ] {
        let prakerja = documented(|builder| builder.authorization_style(style));
        let authorizer = prakerja.integration_authorizer_with(user(&prakerja)).unwrap().build().unwrap();
        let headers = headers(&authorizer, Method::POST, COMMIT, ApiBody::Bytes(BODY)).await.unwrap();
        let wanted = [
            ("authorization", authorization),
            ("client_code", "myclient_code"),
            ("signature", signature),
            ("timestamp", "1516239022"),
        ];
        assert_eq!(shown(&headers), wanted);
        assert!(headers["authorization"].is_sensitive() && headers["signature"].is_sensitive());
    }
}

#[tokio::test]
async fn the_client_code_is_the_client_id_unless_it_is_set() {
    let prakerja = builder(&Service::new([]), &Arc::new(ManualClock::new())).sign_key("my_sign_key").build().unwrap();
    let authorizer = prakerja.integration_authorizer().unwrap().build().unwrap();
    let headers = headers(&authorizer, Method::POST, COMMIT, ApiBody::Bytes(BODY)).await.unwrap();
    assert_eq!(headers["client_code"], "lp-test-only");
}

#[tokio::test]
async fn the_signed_path_is_the_one_below_the_base_url() {
    let prakerja = documented(|builder| builder.base_url("https://service.example/gate"));
    let authorizer = prakerja.integration_authorizer().unwrap().build().unwrap();
    let ask = async |path: &str, body| {
        let url = format!("https://service.example{path}");
        headers(&authorizer, Method::POST, &url, body).await.map(|headers| headers["signature"].clone())
    };
    let commit = "/gate/api/v1/integration/payment/redeem-code/commit";
    assert_eq!(ask(commit, ApiBody::Bytes(BODY)).await.unwrap(), SIGNATURE);
    for (path, body, wanted) in [
        ("/gate2/api/v1/x", ApiBody::Bytes(BODY), AuthorizeFault::OutsideBase),
        ("/api/v1/x", ApiBody::Bytes(BODY), AuthorizeFault::OutsideBase),
        ("/gate/api/../x", ApiBody::Bytes(BODY), AuthorizeFault::DotSegment),
        ("/gate/%2e%2e/x", ApiBody::Bytes(BODY), AuthorizeFault::DotSegment),
    ] {
        assert_eq!(fault(&ask(path, body).await.unwrap_err()), &wanted, "{path}");
    }
}

#[tokio::test]
async fn the_body_must_be_at_hand_for_a_signature_alone() {
    let prakerja = documented(|builder| builder);
    let signed = prakerja.integration_authorizer().unwrap().longest_body(BODY.len() - 1).build().unwrap();
    for (body, wanted) in [
        (ApiBody::Stream, AuthorizeFault::BodyUnread),
        (ApiBody::Bytes(BODY), AuthorizeFault::BodyTooLong { limit: BODY.len() - 1 }),
    ] {
        assert_eq!(fault(&headers(&signed, Method::POST, COMMIT, body).await.unwrap_err()), &wanted);
    }
    let login = prakerja.authorizer(user(&prakerja)).build().unwrap();
    assert!(signed.rules().covers_body() && !login.rules().covers_body());
}

#[test]
fn the_integration_apis_have_a_host_of_their_own_unless_the_settings_name_one() {
    let origins = |base_url: Option<&str>| {
        let prakerja = documented(|builder| match base_url {
            Some(base_url) => builder.base_url(base_url),
            None => builder,
        });
        let login = prakerja.authorizer(user(&prakerja)).build().unwrap();
        let signed = prakerja.integration_authorizer().unwrap().build().unwrap();
        let signed_with = prakerja.integration_authorizer_with(user(&prakerja)).unwrap().build().unwrap();
        assert_eq!(signed.origins(), signed_with.origins());
        [login.origins(), signed.origins()].map(|origins| origins.iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    for same in [None, Some(DEFAULT_BASE_URL), Some("https://API-proxy.prakerja.go.id:443/")] {
        assert_eq!(origins(same), [[DEFAULT_BASE_URL], [INTEGRATION_BASE_URL]], "{same:?}");
    }
    assert_eq!(origins(Some(INTEGRATION_BASE_URL)), [[INTEGRATION_BASE_URL], [INTEGRATION_BASE_URL]]);
    assert_eq!(origins(Some("http://127.0.0.1:8080/gate")), [["http://127.0.0.1:8080"], ["http://127.0.0.1:8080"]]);
    assert_eq!(origins(Some("https://api-proxy.prakerja.go.id/gate")), [[DEFAULT_BASE_URL], [DEFAULT_BASE_URL]]);
}

#[test]
fn without_a_sign_key_the_error_says_what_to_do() {
    let prakerja = builder(&Service::new([]), &Arc::new(ManualClock::new())).build().unwrap();
    for error in [
        prakerja.integration_authorizer().unwrap_err(),
        prakerja.integration_authorizer_with(user(&prakerja)).map(|_| ()).unwrap_err(),
    ] {
        assert_eq!(error.faults().iter().map(|fault| fault.setting()).collect::<Vec<_>>(), ["sign_key"]);
        let error = Error::from(error);
        assert_eq!((error.kind(), error.remedy()), (ErrorKind::Configuration, Remedy::FixConfiguration));
        assert!(error.to_string().contains("give the sign key that Prakerja issued"), "{error}");
    }
}

/// A header that the caller sets would go out beside ours, or in its place.
#[test]
fn a_header_that_the_authoriser_sets_is_none_of_the_callers() {
    let prakerja = documented(|builder| builder);
    let login: Box<dyn Authorize> = Box::new(prakerja.authorizer(user(&prakerja)).build().unwrap());
    let signed: Box<dyn Authorize> = Box::new(prakerja.integration_authorizer().unwrap().build().unwrap());
    for (authorizer, base, names) in [
        (login, DEFAULT_BASE_URL, &["authorization", "x-client-id"][..]),
        (signed, INTEGRATION_BASE_URL, &["authorization", "client_code", "signature", "timestamp"]),
    ] {
        let url: Uri = format!("{base}/api/v1/x").parse().unwrap();
        let request = ApiRequest::new(&Method::GET, Target::of_uri(&url).unwrap(), ApiBody::Bytes(b""));
        for name in names {
            let mut headers = HeaderMap::new();
            headers.insert(*name, HeaderValue::from_static("canary"));
            let error = authorizer.check(&request, &headers).unwrap_err();
            assert_eq!(fault(&error), &AuthorizeFault::HeaderSet { name: name.parse().unwrap() });
            assert!(!format!("{error:?}").contains("canary"));
        }
    }
}

/// Counts how often it is read.
#[derive(Debug)]
struct Counting {
    clock: ManualClock,
    readings: AtomicUsize,
}

#[async_trait]
impl Clock for Counting {
    fn now(&self) -> Moment {
        self.readings.fetch_add(1, Ordering::SeqCst);
        self.clock.now()
    }

    async fn sleep(&self, duration: Duration) {
        self.clock.sleep(duration).await;
    }
}

#[test]
fn one_reading_of_the_clock_makes_timestamp_and_signature() {
    let clock = Arc::new(Counting { clock: ManualClock::new(), readings: AtomicUsize::new(0) });
    let prakerja = documented(|builder| builder.clock(Arc::clone(&clock) as _));
    let token = token(&clock.clock);
    let authorizer = prakerja.integration_authorizer_with(user(&prakerja)).unwrap().build().unwrap();
    let url = Uri::from_static(COMMIT);
    let request = ApiRequest::new(&Method::POST, Target::of_uri(&url).unwrap(), ApiBody::Bytes(BODY));

    clock.readings.store(0, Ordering::SeqCst);
    let mut headers = HeaderMap::new();
    authorizer.attach(&request, Some(&token), &mut headers).unwrap();
    assert_eq!(clock.readings.load(Ordering::SeqCst), 1);
    assert_eq!(headers["timestamp"], "1795392000");

    clock.clock.set_wall(SystemTime::UNIX_EPOCH - Duration::from_secs(1));
    let error = authorizer.attach(&request, Some(&token), &mut HeaderMap::new()).unwrap_err();
    assert_eq!((fault(&error), error.remedy()), (&AuthorizeFault::Clock, Remedy::CorrectClock));
}

fn is_refused(authorizer: &dyn Authorize, status: u16, body: &str) -> bool {
    let status = StatusCode::from_u16(status).unwrap();
    let headers = HeaderMap::new();
    // As a layer does: it reads no body that the authoriser does not want.
    let body = if authorizer.rules().wants_body_of(status) { body.as_bytes() } else { b"" };
    authorizer.is_refused(&ApiAnswer::new(status, &headers, body))
}

#[test]
fn a_refused_token_is_told_by_its_code_where_that_is_asked_for() {
    let prakerja = documented(|builder| builder);
    let login = |read: bool| prakerja.authorizer(user(&prakerja)).read_codes(read).build().unwrap();
    let signed = |read: bool| prakerja.integration_authorizer_with(user(&prakerja)).unwrap().read_codes(read).build().unwrap();
    let pairs: [(Box<dyn Authorize>, Box<dyn Authorize>); 2] =
        [(Box::new(login(true)), Box::new(login(false))), (Box::new(signed(true)), Box::new(signed(false)))];
    for (reading, other) in pairs {
        for code in PrakerjaErrorCode::ALL {
            let body = format!(r#"{{"code":"{}","message":"Unauthorized","success":false}}"#, code.code());
            let wanted = matches!(code.code(), "ERROAUTH4048" | "ERROAUTH4051");
            assert_eq!(is_refused(&*reading, 400, &body), wanted, "{code:?}");
            assert_eq!(is_refused(&*reading, 401, &body), wanted, "{code:?}");
            // The body of a 401 is read whatever is set, no other is.
            assert_eq!(is_refused(&*other, 401, &body), wanted, "{code:?}");
            assert!(!is_refused(&*other, 400, &body), "{code:?}");
        }
        for (status, body, wanted) in [
            (400, r#"{"errorCode":"ERROAUTH4051","success":false}"#, true),
            (400, r#"{"code":"0","errorCode":"ERROAUTH4051"}"#, true),
            (200, r#"{"code":"ERROAUTH4051"}"#, true),
            (200, r#"{"success":true,"errorCode":"0","data":{"code":"ERROAUTH4051"}}"#, false),
            (400, r#"{"code":"ERRPLT00001","errorCode":"ERROAUTH4051"}"#, false),
            (400, r#"{"code":"erroauth4051"}"#, false),
            (400, r#"{"code":4051}"#, false),
            (400, r#"[{"code":"ERROAUTH4051"}]"#, false),
            (400, r#"{"code":"ERROAUTH4051","#, false),
            (400, "", false),
            (401, r#"{"code":"ERRPLT00001"}"#, true),
            (401, "", true),
        ] {
            assert_eq!(is_refused(&*reading, status, body), wanted, "{status} {body}");
        }
    }
}

#[test]
fn no_token_no_refusal() {
    let authorizer = documented(|builder| builder).integration_authorizer().unwrap().read_codes(true).build().unwrap();
    assert!(!is_refused(&authorizer, 400, r#"{"code":"ERROAUTH4051"}"#) && !is_refused(&authorizer, 401, ""));
    assert!(!authorizer.rules().may_resend(&Method::GET));
}

#[test]
fn debug_shows_no_secret() {
    let prakerja = documented(|builder| builder.sign_key("canary-key").client_code("canary-code"));
    let clock = ManualClock::new();
    let token = Token::bearer("canary-token", Expiry::Unknown, clock.now()).build().unwrap();
    let builder = prakerja.integration_authorizer_with(prakerja.user(token.clone()).build()).unwrap();
    let shown = format!("{builder:?} {:?}", prakerja.integration_authorizer().unwrap());
    let signed = builder.build().unwrap();
    let login: Authorizer<_, _> = prakerja.authorizer(prakerja.user(token.clone()).build()).build().unwrap();
    let url = Uri::from_static(COMMIT);
    let request = ApiRequest::new(&Method::POST, Target::of_uri(&url).unwrap(), ApiBody::Bytes(b"canary"));
    let mut headers = HeaderMap::new();
    signed.attach(&request, Some(&token), &mut headers).unwrap();
    let shown = format!("{shown} {signed:?} {signed:#?} {login:?} {request:?} {headers:?}");
    assert!(!shown.contains("canary"), "{shown}");
}
