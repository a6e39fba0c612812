//! Which requests get a token.

use std::error::Error as StdError;
use std::sync::Arc;

use http::{HeaderMap, Method, Uri};

use token_core::{ApiBody, ApiRequest, Authorize, AuthorizeFault, Bearer, Error, ErrorKind, Remedy, Target, TokenProvider};
use token_testkit::ManualClock;

use crate::world::{API, Service, authorize, bearer, fault, headers, numbered};

type Headers = &'static [(&'static str, &'static str)];

type Refused = (&'static str, Headers, AuthorizeFault);

const NO_HEADERS: Headers = &[];

fn other(origin: &str) -> AuthorizeFault {
    AuthorizeFault::OtherOrigin { origin: origin.to_owned() }
}

/// The URL with its method before it, headers, and why the request is refused.
fn refused() -> Vec<Refused> {
    let set = || AuthorizeFault::HeaderSet { name: http::header::AUTHORIZATION };
    let host = AuthorizeFault::HostDiffers;
    vec![
        ("GET http://api.example/canary?canary", NO_HEADERS, other("http://api.example")),
        ("GET http://api.example:443/canary?canary", NO_HEADERS, other("http://api.example:443")),
        ("GET https://api.example:444/canary?canary", NO_HEADERS, other("https://api.example:444")),
        ("GET https://api.example:80/canary?canary", NO_HEADERS, other("https://api.example:80")),
        ("GET https://api.example./canary?canary", NO_HEADERS, other("https://api.example.")),
        ("GET https://v2.api.example/canary?canary", NO_HEADERS, other("https://v2.api.example")),
        ("GET https://example/canary?canary", NO_HEADERS, other("https://example")),
        ("GET https://api.example.evil.example/canary?canary", NO_HEADERS, other("https://api.example.evil.example")),
        ("GET https://evil.example/canary?https://api.example", NO_HEADERS, other("https://evil.example")),
        ("GET http://127.0.0.1:8081/canary", NO_HEADERS, other("http://127.0.0.1:8081")),
        ("GET https://127.0.0.1:8080/canary", NO_HEADERS, other("https://127.0.0.1:8080")),
        ("GET http://localhost:8080/canary", NO_HEADERS, other("http://localhost:8080")),
        ("GET http://127.1:8080/canary", NO_HEADERS, other("http://127.1:8080")),
        ("GET https://[2001:db8::2]:8443/canary", NO_HEADERS, other("https://[2001:db8::2]:8443")),
        ("GET https://canary:canary@api.example/", NO_HEADERS, AuthorizeFault::UserInfo),
        ("GET https://canary@api.example/", NO_HEADERS, AuthorizeFault::UserInfo),
        ("GET https://@api.example/", NO_HEADERS, AuthorizeFault::UserInfo),
        ("GET https://api.example@evil.example/canary", NO_HEADERS, AuthorizeFault::UserInfo),
        ("GET /canary?canary", NO_HEADERS, AuthorizeFault::NoOrigin),
        ("GET api.example:443", NO_HEADERS, AuthorizeFault::NoOrigin),
        ("GET ftp://api.example/canary", NO_HEADERS, AuthorizeFault::NoOrigin),
        ("GET https://api.example:/canary", NO_HEADERS, AuthorizeFault::NoOrigin),
        ("GET https://api.example:65536/canary", NO_HEADERS, AuthorizeFault::NoOrigin),
        ("GET https://api.example:+443/canary", NO_HEADERS, AuthorizeFault::NoOrigin),
        ("OPTIONS *", NO_HEADERS, AuthorizeFault::NoOrigin),
        ("CONNECT api.example:443", NO_HEADERS, AuthorizeFault::NoOrigin),
        ("CONNECT https://api.example/canary", NO_HEADERS, AuthorizeFault::Connect),
        ("GET https://api.example/canary", &[("host", "canary.example")], host.clone()),
        ("GET https://api.example/canary", &[("host", "api.example.")], host.clone()),
        ("GET https://api.example/canary", &[("host", "api.example:80")], host.clone()),
        ("GET https://api.example/canary", &[("host", "api.example:+443")], host.clone()),
        ("GET https://api.example/canary", &[("host", "canary@api.example")], host.clone()),
        ("GET https://api.example/canary", &[("host", "")], host.clone()),
        ("GET https://api.example/canary", &[("host", "api.example"), ("host", "api.example")], host.clone()),
        ("GET https://api.example/canary", &[("host", "api.example"), ("host", "canary.example")], host),
        ("GET https://api.example/canary", &[("authorization", "Bearer canary")], set()),
        ("GET https://api.example/canary", &[("authorization", "")], set()),
        ("GET https://api.example/canary", &[("authorization", "Basic canary"), ("host", "api.example")], set()),
    ]
}

/// Everything that can be read of an error, down to its causes.
fn texts(error: &Error) -> String {
    let causes = std::iter::successors(error.source(), |&cause: &&(dyn StdError + 'static)| cause.source());
    causes.fold(format!("{error} {error:?}"), |texts, cause| format!("{texts} {cause} {cause:?}"))
}

fn allowed<P: TokenProvider + 'static>(clock: &Arc<ManualClock>, tokens: P) -> Bearer<P> {
    bearer(clock, tokens).origin("http://127.0.0.1:8080").origin("https://[2001:DB8::1]:8443/").build().unwrap()
}

fn method_and_url(text: &str) -> (Method, &str) {
    let (method, url) = text.split_once(' ').unwrap();
    (method.parse().unwrap(), url)
}

#[tokio::test]
async fn a_request_that_may_not_have_a_token_is_refused_and_nobody_is_asked_for_one() {
    let clock = Arc::default();
    let service = Service::new(&clock, numbered);
    let authorizer = allowed(&clock, Arc::clone(&service));
    for (request, pairs, expected) in refused() {
        let (method, url) = method_and_url(request);
        let before = headers(pairs);
        let mut after = before.clone();
        let error = authorize(&authorizer, &method, url, &mut after).await.unwrap_err();
        assert_eq!(fault(&error), Some(&expected), "{request} {pairs:?}");
        let (kind, remedy) = (ErrorKind::Unauthorizable, Remedy::FixRequest);
        assert_eq!((error.kind(), error.remedy(), error.provider()), (kind, remedy, "bearer"), "{request}");
        // What is wrong, and not the advice, which is the cause's.
        let (said, cause) = (error.to_string(), expected.to_string());
        let what =
            said.strip_prefix("bearer: the request was not sent: ").and_then(|said| said.strip_suffix("; correct the request"));
        assert!(what.is_some_and(|what| !what.is_empty() && cause.starts_with(what)), "{request}: {said}");
        assert!(!texts(&error).contains("canary"), "{request}: {error:?}");
        assert_eq!(after, before, "{request}: the headers are as they were");
    }
    assert_eq!(service.calls(), 0);
}

/// A layer that has a token already, as before it sends a request again, gets no further with it.
#[tokio::test]
async fn a_token_at_hand_is_not_attached_to_such_a_request_either() {
    let clock = Arc::default();
    let service = Service::new(&clock, numbered);
    let authorizer = allowed(&clock, Arc::clone(&service));
    let token = service.token().await.unwrap();
    let mut tried = 0;
    for (request, pairs, expected) in refused() {
        let (method, url) = method_and_url(request);
        let uri: Uri = url.parse().unwrap();
        let Ok(target) = Target::of_uri(&uri) else { continue };
        let before = headers(pairs);
        let mut after = before.clone();
        let request = ApiRequest::new(&method, target, ApiBody::Stream);
        assert_eq!(fault(&authorizer.check(&request, &before).unwrap_err()), Some(&expected), "{url}");
        assert_eq!(fault(&authorizer.attach(&request, Some(&token), &mut after).unwrap_err()), Some(&expected), "{url}");
        assert_eq!(after, before, "{url}");
        tried += 1;
    }
    assert!(tried > 20);
}

#[test]
fn a_fault_says_what_to_do() {
    let cases = [
        (AuthorizeFault::BodyTooLong { limit: 9 }, "its body is over 9 bytes: raise the authoriser's `longest_body`"),
        (AuthorizeFault::BodyUnread, "give it as bytes"),
        (AuthorizeFault::DotSegment, "write the path without"),
        (AuthorizeFault::HeaderSet { name: http::header::AUTHORIZATION }, "`authorization` is set already: leave it out"),
        (AuthorizeFault::HostDiffers, "leave the header out"),
        (AuthorizeFault::NoOrigin, "make it absolute"),
        (
            other("https://evil.example"),
            "goes to https://evil.example, which is none of the authoriser's origins: allow it by `AuthorizerBuilder::origin`",
        ),
        (AuthorizeFault::UserInfo, "take it out"),
    ];
    for (fault, says) in cases {
        assert!(fault.to_string().contains(says), "{fault}");
    }
}

#[tokio::test]
async fn a_request_to_an_allowed_origin_gets_the_header() {
    let clock = Arc::default();
    let service = Service::new(&clock, |_| Ok(("token-test-only", token_core::Expiry::Unknown)));
    let authorizer = allowed(&clock, Arc::clone(&service));
    let cases = [
        ("GET https://api.example", NO_HEADERS),
        ("POST https://api.example/v1/balance?of=me", NO_HEADERS),
        ("DELETE https://api.example:443/v1/@x//../y", NO_HEADERS),
        ("GET HTTPS://API.Example/", NO_HEADERS),
        ("GET https://api.example:0443/", NO_HEADERS),
        ("OPTIONS https://api.example/", &[("host", "api.example"), ("accept", "*/*")]),
        ("GET https://api.example/", &[("host", "API.EXAMPLE:443"), ("proxy-authorization", "Basic x")]),
        ("GET http://127.0.0.1:8080/", &[("host", "127.0.0.1:8080")]),
        ("GET https://[2001:db8::1]:8443/", NO_HEADERS),
        ("GET https://[2001:0db8:0:0:0:0:0:1]:8443/", NO_HEADERS),
    ];
    for (request, pairs) in cases {
        let (method, url) = method_and_url(request);
        let mut all = headers(pairs);
        let token = authorize(&authorizer, &method, url, &mut all).await.unwrap().expect("the token that is used");
        assert_eq!(token.authorization(), "Bearer token-test-only");
        let value = all.remove("authorization").unwrap();
        assert!(value == "Bearer token-test-only" && value.is_sensitive(), "{request}");
        assert_eq!(all, headers(pairs), "{request}: the other headers are as they were");
    }
    assert_eq!(service.calls(), cases.len());
}

#[tokio::test]
async fn a_request_of_a_provider_gets_nothing_without_a_token() {
    let clock = Arc::default();
    let authorizer = allowed(&clock, Service::new(&clock, numbered));
    let uri = Uri::from_static(API);
    let request = ApiRequest::new(&Method::GET, Target::of_uri(&uri).unwrap(), ApiBody::Bytes(b""));
    let mut headers = HeaderMap::new();
    let error = authorizer.attach(&request, None, &mut headers).unwrap_err();
    assert_eq!((error.kind(), error.remedy()), (ErrorKind::Internal, Remedy::FixProgram));
    assert!(headers.is_empty());
}

/// A layer below a redirect sees the request once more, on its way to wherever it was sent.
#[test]
fn a_request_goes_on_with_its_token_and_to_an_allowed_origin_alone() {
    let clock = Arc::default();
    let authorizer = allowed(&clock, Service::new(&clock, numbered));
    let with: Headers = &[("authorization", "Bearer token-test-only")];
    let cases: [(&str, Headers, Option<AuthorizeFault>); 9] = [
        ("https://api.example/elsewhere", with, None),
        ("http://127.0.0.1:8080/", with, None),
        ("https://evil.example/", with, Some(other("https://evil.example"))),
        ("http://api.example/", with, Some(other("http://api.example"))),
        ("https://user@api.example/", with, Some(AuthorizeFault::UserInfo)),
        ("https://api.example/", &[("authorization", "x"), ("host", "evil.example")], Some(AuthorizeFault::HostDiffers)),
        ("https://evil.example/", &[("host", "api.example")], Some(other("https://evil.example"))),
        ("https://api.example/back", NO_HEADERS, Some(AuthorizeFault::HeaderLost { name: http::header::AUTHORIZATION })),
        ("/relative", NO_HEADERS, Some(AuthorizeFault::NoOrigin)),
    ];
    for (url, pairs, expected) in cases {
        let uri: Uri = url.parse().unwrap();
        let outcome = authorizer.guard(Target::of_uri(&uri), &headers(pairs));
        assert_eq!(outcome.as_ref().err().and_then(fault), expected.as_ref(), "{url} {pairs:?}");
        assert_eq!(outcome.is_err(), expected.is_some(), "{url} {pairs:?}");
    }
}

#[tokio::test]
async fn nothing_that_is_shown_holds_a_token() {
    let clock = Arc::default();
    let service = Service::new(&clock, |_| Ok(("canary", token_core::Expiry::Unknown)));
    let authorizer = allowed(&clock, service.cached());
    let mut all = HeaderMap::new();
    authorize(&authorizer, &Method::GET, API, &mut all).await.unwrap();
    assert!(!format!("{authorizer:?} {all:?}").contains("canary"));
    let shown = format!("{authorizer:?}");
    assert!(shown.contains("api.example") && shown.contains("2001:db8::1"), "{shown}");
    let uri = Uri::from_static("https://api.example/canary?canary");
    let request = ApiRequest::new(&Method::GET, Target::of_uri(&uri).unwrap(), ApiBody::Bytes(b"canary"));
    assert!(!format!("{request:?}").contains("canary"));
}
