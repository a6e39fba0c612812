//! For which origins an authoriser is made, and that no other gets a token.

use std::sync::Arc;

use http::{HeaderMap, Method, Uri};
use proptest::prelude::*;
use url::Url;

use token_core::{BaseUrl, Bearer, Error, ErrorKind, Expiry, Origin, Target};

use crate::world::{API, Service, at_once, authorize, bearer, numbered};

fn builder() -> token_core::AuthorizerBuilder<Arc<Service>, token_core::BearerScheme> {
    Bearer::of(Service::new(&Arc::default(), numbered))
}

#[test]
fn what_is_no_origin_is_refused_by_name() {
    let cases = [
        ("https://api.example/v1", "has a path"),
        ("https://api.example/?canary", "has a query"),
        ("https://api.example?canary", "has a query"),
        ("https://api.example/#canary", "has a fragment"),
        ("https://canary:canary@api.example", "has a user name or password"),
        ("http://api.example", "is plain `http` to another machine"),
        ("http://127.0.0.1.api.example", "is plain `http` to another machine"),
        ("ftp://api.example", "does not begin with `https://`"),
        ("api.example", "does not begin with `https://`"),
        ("https://", "is not a URL"),
        ("https://api.example:", "is not a URL"),
        ("https://api.example:99999", "is not a URL"),
        ("https://api.example:+443", "is not a URL"),
        ("https://*.api.example", ""),
        ("", "is missing"),
    ];
    for (origin, found) in cases {
        match builder().origin(origin).build() {
            Ok(authorizer) => assert!(found.is_empty(), "{origin}: {authorizer:?}"),
            Err(error) => {
                let faults: Vec<_> = error.faults().iter().map(|fault| (fault.setting(), fault.found())).collect();
                assert_eq!(faults.len(), 1, "{origin}: one fault is one");
                assert!(
                    !found.is_empty() && faults.iter().all(|fault| fault.0 == "origin" && fault.1.starts_with(found)),
                    "{origin}: {faults:?}"
                );
                assert!(!error.to_string().contains("canary"), "{origin}: {error}");
            }
        }
    }
}

#[test]
fn an_authoriser_for_no_origin_is_not_built() {
    let error = builder().build().unwrap_err();
    assert_eq!(
        error.to_string(),
        "bearer settings: `origin` is missing: name the origins that the token is for, as `https://service.example`"
    );
    assert_eq!(Error::from(error).kind(), ErrorKind::Configuration);
}

#[test]
fn all_faults_are_told_at_once() {
    let all = builder().origin(API).origin("http://api.example").origin("https://api.example/v1").origin("https://other.example");
    let error = all.build().unwrap_err();
    assert_eq!(
        error.to_string(),
        "bearer settings: `origin` is plain `http` to another machine, for which `https` is needed: write it as `https://service.example`; \
         `origin` has a path: leave the path out: a token is for a whole origin"
    );
}

#[test]
fn an_origin_can_be_given_as_it_is() {
    let base = BaseUrl::parse("https://api.example:8443/with/a/path").unwrap();
    let authorizer = builder().allow(Origin::of(&base)).origin("http://[::1]:80").build().unwrap();
    let origins: Vec<_> = authorizer.origins().iter().map(Origin::to_string).collect();
    assert_eq!(origins, ["https://api.example:8443", "http://[::1]"]);
    assert_eq!(authorizer.clone().origins(), authorizer.origins());
    assert!(authorizer.tokens().is_some());
}

/// Part of a URL, and whether it is as the allowed origin has it.
fn part(good: &'static [&'static str], bad: &'static [&'static str]) -> impl Strategy<Value = (&'static str, bool)> {
    let good = prop::sample::select(good).prop_map(|part| (part, true));
    let bad = prop::sample::select(bad).prop_map(|part| (part, false));
    prop_oneof![3 => good, 1 => bad]
}

/// A URL near the allowed origin, and whether it is of it.
fn near() -> impl Strategy<Value = (String, bool)> {
    let scheme = part(
        &["https://", "HTTPS://", "hTTps://"],
        &["http://", "https:/", "https:", "//", "", "ws://", "wss://", "https:\\\\", "https+x://"],
    );
    let user_info =
        part(&[""], &["@", "x@", "x:y@", ":@", "api.example@", "api.example:443@", "evil.example\\@", "%40", "x%40y@"]);
    let host = part(
        &["api.example", "API.EXAMPLE", "Api.exAmple"],
        &[
            "",
            "api.example.",
            ".api.example",
            "api..example",
            "a.api.example",
            "api.example.evil.example",
            "api-example",
            "apiexample",
            "api.exampl",
            "pi.example",
            "api.example@evil.example",
            "evil.example/api.example",
            "api.example\\.evil.example",
            "api.ex%61mple",
            "api%2Eexample",
            "[api.example]",
            "аpi.example",
            "api.example%00",
            "api.example,evil.example",
            "xn--pi-7kc.example",
            "127.0.0.1",
            "[::1]",
            "api.example;evil.example",
            "*",
        ],
    );
    let port = part(
        &["", ":443", ":0443"],
        &[
            ":",
            ":0",
            ":80",
            ":444",
            ":4430",
            ":44",
            ":65979",
            ":443:443",
            ":-443",
            ":+443",
            ":443.",
            ":https",
            ":4 43",
            ":443@evil.example",
        ],
    );
    let rest = prop::sample::select(
        &[
            "",
            "/",
            "/v1",
            "//evil.example/",
            "/@evil.example",
            "/\\evil.example",
            "?x",
            "?@evil.example",
            "/..//",
            "/https://evil.example",
        ][..],
    );
    (scheme, user_info, host, port, rest).prop_map(|(scheme, user_info, host, port, rest)| {
        let text = [scheme.0, user_info.0, host.0, port.0, rest].concat();
        (text, scheme.1 && user_info.1 && host.1 && port.1)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// By the parts of which the URL is made, and by the parser of browsers and reqwest, which knows nothing of ours.
    #[test]
    fn no_url_of_another_origin_gets_a_token((text, is_allowed) in near()) {
        let clock = Arc::default();
        let tokens = Service::new(&clock, |_| Ok(("token-test-only", Expiry::Unknown)));
        let authorizer = bearer(&clock, tokens).build().unwrap();
        let gets = |uri: &Uri| {
            let mut headers = HeaderMap::new();
            let outcome = at_once(authorize(&authorizer, &Method::GET, &uri.to_string(), &mut headers)).expect("nobody waits");
            assert_eq!(outcome.is_ok(), headers.contains_key("authorization"));
            outcome.is_ok()
        };
        if let Ok(uri) = text.parse::<Uri>() {
            let is_given = gets(&uri);
            prop_assert!(is_given == is_allowed, "{}", text);
            if is_given {
                let url: Url = text.parse().unwrap();
                prop_assert_eq!(url.origin().ascii_serialization(), API);
                prop_assert!(url.username().is_empty() && url.password().is_none());
            }
        }
        if let Ok(url) = text.parse::<Url>() && let Some(host) = url.host_str() {
            let target = Target::new(url.scheme(), host, url.port(), url.path(), url.query());
            let is_given = target.is_ok_and(|target| {
                let request = token_core::ApiRequest::new(&Method::GET, target, token_core::ApiBody::Stream);
                token_core::Authorize::check(&authorizer, &request, &HeaderMap::new()).is_ok()
            });
            prop_assert_eq!(is_given, url.origin().ascii_serialization() == API, "{}", text);
        }
    }
}
