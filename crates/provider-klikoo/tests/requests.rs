//! Requests with a token: what is added to them, over what the signature is, and which requests are refused.

#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may panic")]

mod support {
    pub(crate) mod canned;
    pub(crate) mod keys;
}

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use aws_lc_rs::digest::{self, SHA256, SHA512};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use jiff::Timestamp;
use proptest::prelude::*;

use provider_klikoo::{Klikoo, KlikooBuilder, KlikooErrorCode, KlikooScheme, TimestampPrecision, canonical_json};
use token_core::{
    ApiAnswer, ApiBody, ApiRequest, Authorize as _, AuthorizeFault, Authorizer, Clock, Error, ErrorKind, Expiry, Moment, Remedy,
    Target, Token, TokenProvider,
};
use token_testkit::ManualClock;

use support::canned::Canned;
use support::keys::RSA;

const SECRET: &str = "secret-test-only";
const TOKEN: &str = "token-test-only";
const BALANCE: &str = "https://service.example/klikoo-b2b/v1/open-api/balance";

/// Gives the same token each time.
struct Fixed(Token);

impl Fixed {
    fn new(token: &str) -> Self {
        Self(Token::bearer(token, Expiry::Unknown, Moment::new(SystemTime::UNIX_EPOCH, Duration::ZERO)).build().unwrap())
    }
}

impl TokenProvider for Fixed {
    fn token<'this, 'future>(&'this self) -> Pin<Box<dyn Future<Output = Result<Token, Error>> + Send + 'future>>
    where
        'this: 'future,
        Self: 'future,
    {
        Box::pin(async { Ok(self.0.clone()) })
    }

    fn invalidate(&self, _rejected: &Token) {}
}

/// Counts its readings. It stands at the documented sample's time.
#[derive(Debug, Default)]
struct Counting(AtomicU32);

#[async_trait]
impl Clock for Counting {
    fn now(&self) -> Moment {
        self.0.fetch_add(1, Ordering::SeqCst);
        Moment::new(at("2022-03-21T03:11:40.007Z"), Duration::from_secs(1))
    }

    async fn sleep(&self, _duration: Duration) {}
}

fn at(utc: &str) -> SystemTime {
    utc.parse::<Timestamp>().unwrap().try_into().unwrap()
}

/// All that an authoriser needs: no private key, no transport.
fn builder() -> KlikooBuilder {
    Klikoo::builder()
        .base_url("https://service.example/klikoo-b2b")
        .client_id("3f9c8962-4c4b-4bb6-b3c1-8fc883519c02")
        .client_secret(SECRET)
        .clock(Arc::new(Counting::default()))
}

fn authorizer(builder: KlikooBuilder) -> Authorizer<Fixed, KlikooScheme> {
    builder.authorizer(Fixed::new(TOKEN)).unwrap().build().unwrap()
}

/// The headers that a request gets, if it gets any.
fn headers(
    authorizer: &Authorizer<Fixed, KlikooScheme>,
    method: &Method,
    url: &str,
    body: ApiBody<'_>,
) -> Result<HeaderMap, Error> {
    let uri: Uri = url.parse().unwrap();
    let request = ApiRequest::new(method, Target::of_uri(&uri).unwrap(), body);
    let mut headers = HeaderMap::new();
    authorizer.attach(&request, Some(&authorizer.tokens().unwrap().0), &mut headers).map(|()| headers)
}

/// The signature by the formula, with HMAC put together from its definition (RFC 2104 section 2).
fn signature(secret: &str, [method, path, token, time]: [&str; 4], body: &[u8]) -> String {
    let hash: String = digest::digest(&SHA256, body).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let text = format!("{method}:{path}:{token}:{hash}:{time}");
    let mut key = if secret.len() > 128 {
        digest::digest(&SHA512, secret.as_bytes()).as_ref().to_vec()
    } else {
        secret.as_bytes().to_vec()
    };
    key.resize(128, 0);
    let padded = |pad: u8, rest: &[u8]| {
        let bytes: Vec<u8> = key.iter().map(|byte| byte ^ pad).chain(rest.iter().copied()).collect();
        digest::digest(&SHA512, &bytes)
    };
    BASE64_STANDARD.encode(padded(0x5c, padded(0x36, text.as_bytes()).as_ref()))
}

fn fault(error: &Error) -> AuthorizeFault {
    assert_eq!((error.kind(), error.provider()), (ErrorKind::Unauthorizable, "klikoo"));
    error.find_source::<AuthorizeFault>().unwrap().clone()
}

#[test]
fn three_headers_are_added_by_one_reading_of_the_clock() {
    for (precision, time) in [
        (TimestampPrecision::Seconds, "2022-03-21T10:11:40+07:00"),
        (TimestampPrecision::Milliseconds, "2022-03-21T10:11:40.007+07:00"),
    ] {
        let clock = Arc::new(Counting::default());
        let authorizer = authorizer(builder().clock(clock.clone()).timestamp_precision(precision));
        let body = br#"{"bank_code":"000"}"#;
        let url = "https://service.example/klikoo-b2b/v1/open-api/account/inquiry?x=y";
        let headers = headers(&authorizer, &Method::POST, url, ApiBody::Bytes(body)).unwrap();
        assert_eq!(clock.0.load(Ordering::SeqCst), 1);

        let mut names: Vec<_> = headers.keys().map(|name| name.as_str()).collect();
        names.sort_unstable();
        assert_eq!(names, ["authorization", "open-api-signature", "open-api-timestamp"]);
        assert_eq!(headers["authorization"], format!("Bearer {TOKEN}"));
        assert_eq!(headers["open-api-timestamp"], time);
        let expected = signature(SECRET, ["POST", "/v1/open-api/account/inquiry", TOKEN, time], body);
        assert_eq!(headers["open-api-signature"], expected);
        assert!(headers["authorization"].is_sensitive() && headers["open-api-signature"].is_sensitive());
    }
}

#[test]
fn neither_secret_nor_token_nor_signature_is_shown() {
    let authorizer = authorizer(builder());
    let headers = headers(&authorizer, &Method::GET, BALANCE, ApiBody::Bytes(b"")).unwrap();
    let signature = headers["open-api-signature"].to_str().unwrap();
    let builder = builder().authorizer(Fixed::new(TOKEN)).unwrap();
    let shown = format!("{authorizer:?} {builder:?} {headers:?}");
    for secret in [SECRET, TOKEN, signature] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn the_path_is_signed_as_it_is_sent_without_the_base_urls_own() {
    let time = "2022-03-21T10:11:40+07:00";
    let with_prefix = "https://service.example/klikoo-b2b";
    let cases = [
        (with_prefix, "/v1/open-api/balance?page=1", "/v1/open-api/balance"),
        (with_prefix, "/a%2Fb/%c3%A9", "/a%2Fb/%c3%A9"),
        (with_prefix, "/a//b/", "/a//b/"),
        (with_prefix, "/a:b", "/a:b"),
        (with_prefix, "", "/"),
        (with_prefix, "/", "/"),
        (with_prefix, "?x", "/"),
        ("https://service.example", "/v1/open-api/balance", "/v1/open-api/balance"),
        ("https://service.example", "/klikoo-b2b/v1/open-api/balance", "/klikoo-b2b/v1/open-api/balance"),
        ("https://service.example/", "", "/"),
    ];
    for (base, rest, path) in cases {
        let authorizer = authorizer(builder().base_url(base));
        let url = format!("{}{rest}", base.trim_end_matches('/'));
        let headers = headers(&authorizer, &Method::GET, &url, ApiBody::Bytes(b"")).unwrap();
        assert_eq!(headers["open-api-signature"], signature(SECRET, ["GET", path, TOKEN, time], b""), "{url}");
    }
}

#[test]
fn the_method_is_signed_as_it_is_sent() {
    for method in [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::from_bytes(b"get").unwrap()] {
        let headers = headers(&authorizer(builder()), &method, BALANCE, ApiBody::Bytes(b"")).unwrap();
        let parts = [method.as_str(), "/v1/open-api/balance", TOKEN, "2022-03-21T10:11:40+07:00"];
        assert_eq!(headers["open-api-signature"], signature(SECRET, parts, b""));
    }
}

#[test]
fn a_request_that_cannot_be_signed_or_goes_elsewhere_is_an_error() {
    let authorizer = authorizer(builder());
    let paths = [
        ("https://service.example/v1/open-api/balance", AuthorizeFault::OutsideBase),
        ("https://service.example/klikoo-b2b2/v1", AuthorizeFault::OutsideBase),
        ("https://service.example", AuthorizeFault::OutsideBase),
        ("https://service.example/klikoo-b2b/../v1", AuthorizeFault::DotSegment),
        ("https://service.example/klikoo-b2b/%2E/v1", AuthorizeFault::DotSegment),
        ("https://other.example/klikoo-b2b/v1", AuthorizeFault::OtherOrigin { origin: "https://other.example".to_owned() }),
        (
            "https://service.example:8443/klikoo-b2b/v1",
            AuthorizeFault::OtherOrigin { origin: "https://service.example:8443".to_owned() },
        ),
    ];
    for (url, expected) in paths {
        let error = headers(&authorizer, &Method::GET, url, ApiBody::Bytes(b"")).unwrap_err();
        assert_eq!((fault(&error), error.remedy()), (expected, Remedy::FixRequest), "{url}");
    }

    let error = headers(&authorizer, &Method::POST, BALANCE, ApiBody::Stream).unwrap_err();
    assert_eq!(fault(&error), AuthorizeFault::BodyUnread);
    let short = builder().authorizer(Fixed::new(TOKEN)).unwrap().longest_body(4).build().unwrap();
    headers(&short, &Method::POST, BALANCE, ApiBody::Bytes(b"1234")).unwrap();
    let error = headers(&short, &Method::POST, BALANCE, ApiBody::Bytes(b"12345")).unwrap_err();
    assert_eq!(fault(&error), AuthorizeFault::BodyTooLong { limit: 4 });

    let clock = ManualClock::new();
    clock.set_wall(SystemTime::UNIX_EPOCH + Duration::from_secs(300_000_000_000));
    let beyond = self::authorizer(builder().clock(Arc::new(clock)));
    let error = headers(&beyond, &Method::GET, BALANCE, ApiBody::Bytes(b"")).unwrap_err();
    assert_eq!((fault(&error), error.remedy()), (AuthorizeFault::Clock, Remedy::CorrectClock));

    let uri = Uri::from_static(BALANCE);
    let request = ApiRequest::new(&Method::GET, Target::of_uri(&uri).unwrap(), ApiBody::Bytes(b""));
    for name in ["authorization", "open-api-timestamp", "open-api-signature"] {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_static("set-by-the-caller"));
        let error = authorizer.check(&request, &headers).unwrap_err();
        assert_eq!(fault(&error), AuthorizeFault::HeaderSet { name: name.parse().unwrap() });
    }
}

#[test]
fn a_token_is_refused_by_a_401_unless_its_code_says_something_else() {
    let authorizer = authorizer(builder());
    let reading = builder().authorizer(Fixed::new(TOKEN)).unwrap().read_codes(true).build().unwrap();
    let refused = |authorizer: &Authorizer<Fixed, KlikooScheme>, status: u16, body: &str| {
        let status = StatusCode::from_u16(status).unwrap();
        authorizer.is_refused(&ApiAnswer::new(status, &HeaderMap::new(), body.as_bytes()))
    };
    for code in KlikooErrorCode::ALL {
        let body = format!(r#"{{"response_code":"{}"}}"#, code.code().replace("xx", "03"));
        let of_token = matches!(code, KlikooErrorCode::TokenMismatch | KlikooErrorCode::TokenExpired);
        let status = code.http_status().unwrap();
        assert_eq!(refused(&authorizer, 401, &body), of_token, "{code:?}");
        assert_eq!(refused(&authorizer, status, &body), of_token, "{code:?}");
        assert_eq!(refused(&reading, status, &body), of_token, "{code:?}");
        assert!(!refused(&authorizer, 200, &body), "{code:?}");
        assert_eq!(refused(&reading, 200, &body), of_token, "{code:?}");
    }
    // What names no documented code is judged by its status alone.
    for body in ["", "<html>", r#"{"response_code":"4010100"}"#, r#"{"response_code":"401010001"}"#] {
        assert!(refused(&authorizer, 401, body) && !refused(&authorizer, 400, body), "{body}");
    }
    assert!(authorizer.rules().wants_body_of(StatusCode::UNAUTHORIZED) && !authorizer.rules().wants_body_of(StatusCode::OK));
}

#[tokio::test]
async fn the_short_way_gives_cache_and_authoriser_in_one() {
    let transport = Arc::new(Canned::default());
    let clock = Arc::new(ManualClock::new());
    let authorizer = builder().private_key(RSA.as_str()).transport(transport.clone()).clock(clock).build_authorizer().unwrap();
    let uri = Uri::from_static(BALANCE);
    let request = ApiRequest::new(&Method::GET, Target::of_uri(&uri).unwrap(), ApiBody::Bytes(b""));
    for _ in 0..2 {
        let mut headers = HeaderMap::new();
        let token = authorizer.authorize(&request, &mut headers).await.unwrap().unwrap();
        assert_eq!(headers["authorization"], token.authorization());
        let parts = ["GET", "/v1/open-api/balance", TOKEN, "2026-11-23T07:00:00+07:00"];
        assert_eq!(headers["open-api-signature"], signature(SECRET, parts, b""));
    }
    assert_eq!(transport.requests().len(), 1, "the second is from the cache");
    assert!(authorizer.tokens().unwrap().try_token().is_some());
    assert_eq!(authorizer.origins().iter().map(ToString::to_string).collect::<Vec<_>>(), ["https://service.example"]);
}

#[test]
fn wrong_settings_are_refused_with_all_their_names() {
    let wrong = || builder().base_url("http://service.example").client_id("canary").client_secret("canary ");
    let texts = [
        wrong().authorizer(Fixed::new(TOKEN)).unwrap_err().to_string(),
        wrong().transport(Arc::new(Canned::default())).build_authorizer().unwrap_err().to_string(),
    ];
    for text in &texts {
        for setting in ["base_url", "client_id", "client_secret"] {
            assert!(text.contains(setting), "{text}");
        }
        assert!(!text.contains("canary"), "{text}");
    }
    // The short way asks the service, so it needs the key.
    assert!(!texts[0].contains("private_key") && texts[1].contains("private_key"), "{texts:?}");
}

#[test]
fn a_sorted_body_is_signed_as_it_is_sent() {
    let body = canonical_json(br#"{"bank_code": "000", "account_number": true}"#).unwrap();
    let headers = headers(&authorizer(builder()), &Method::POST, BALANCE, ApiBody::Bytes(&body)).unwrap();
    let parts = ["POST", "/v1/open-api/balance", TOKEN, "2022-03-21T10:11:40+07:00"];
    let sent = br#"{"account_number":true,"bank_code":"000"}"#;
    assert_eq!(headers["open-api-signature"], signature(SECRET, parts, sent));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_sent_has_the_signature_of_the_formula(
        secret in "[!-~]{1,200}",
        token in "[A-Za-z0-9._~+/-]{1,300}",
        method in prop_oneof![Just("GET"), Just("POST"), Just("PUT"), Just("DELETE"), Just("M-SEARCH")],
        path in "(/[a-zA-Z0-9:@!$&'()*+,;=_~-]{1,9}(%[0-9A-Fa-f]{2}x)?){0,5}",
        query in "(\\?[a-z=&/?]{0,9})?",
        body in prop::collection::vec(any::<u8>(), 0..2_000),
        seconds in 0_u32..,
        in_milliseconds in any::<bool>(),
    ) {
        let precision = if in_milliseconds { TimestampPrecision::Milliseconds } else { TimestampPrecision::Seconds };
        let clock = ManualClock::new();
        clock.set_wall(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.into()));
        let authorizer = builder()
            .client_secret(secret.clone())
            .clock(Arc::new(clock))
            .timestamp_precision(precision)
            .authorizer(Fixed::new(&token))
            .unwrap()
            .build()
            .unwrap();
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let url = format!("https://service.example/klikoo-b2b{path}{query}");
        let headers = headers(&authorizer, &method, &url, ApiBody::Bytes(&body)).unwrap();

        // Jakarta's hour, written as if it were UTC's.
        let local = Timestamp::from_second(i64::from(seconds) + 7 * 3_600).unwrap();
        let fraction = if in_milliseconds { ".000" } else { "" };
        let time = local.to_string().replace('Z', &format!("{fraction}+07:00"));
        prop_assert_eq!(&headers["open-api-timestamp"], time.as_str());
        let signed_path = if path.is_empty() { "/" } else { path.as_str() };
        let expected = signature(&secret, [method.as_str(), signed_path, &token, &time], &body);
        prop_assert_eq!(&headers["open-api-signature"], expected.as_str());
    }
}
