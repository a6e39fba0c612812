//! The types of `token-core`, one by one, and what is not wiped, which must be found.

use std::time::{Duration, SystemTime};

use http::header::AUTHORIZATION;
use http::{HeaderMap, Method, StatusCode, Uri};
use zeroize::Zeroizing;

use token_core::json::Value;
use token_core::{
    Asked, Error, Expiry, ExpiryFormat, Moment, Reply, Resend, Seal as _, Token, TokenFault, TokenRequest, TokenResponse,
};
use token_store::{AeadSeal, SealKey};

use crate::support::{ACCESS_TOKEN, CLIENT_SECRET, REFRESH_TOKEN, joined, keep, turn, watch};

fn moment() -> Moment {
    Moment::new(SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_392_000), Duration::from_secs(1_000))
}

const TOKENS: [(&str, &str); 2] = [("the access token", ACCESS_TOKEN), ("the refresh token", REFRESH_TOKEN)];

#[test]
fn what_is_not_wiped_is_found() {
    let _turn = turn();
    let plants: [(&str, fn()); 5] = [
        ("a plain text", || drop(ACCESS_TOKEN.to_owned())),
        ("a text that grew", || {
            let mut text = Zeroizing::new(ACCESS_TOKEN.to_owned());
            text.reserve(1_000);
        }),
        ("a text that shrank", || {
            let mut text = String::with_capacity(1_000);
            text.push_str(ACCESS_TOKEN);
            drop(secrecy::SecretString::from(text));
        }),
        ("half of it", || drop(ACCESS_TOKEN[..ACCESS_TOKEN.len() / 2].to_owned())),
        ("a header", || drop(http::HeaderValue::from_static(ACCESS_TOKEN).as_bytes().to_vec())),
    ];
    for (what, plant) in plants {
        let ((), freed) = watch(plant);
        assert!(!freed.hits(ACCESS_TOKEN.as_bytes()).is_empty(), "{what}");
        assert!(freed.hits(CLIENT_SECRET.as_bytes()).is_empty(), "{what}");
    }
    let faults = watch(|| drop(ACCESS_TOKEN.to_owned())).1.faults(TOKENS);
    assert_eq!(faults.len(), 1, "{faults:?}");
    // What a failing test prints is no find for the next one.
    let ((), freed) = watch(|| drop(faults));
    assert!(freed.hits(ACCESS_TOKEN.as_bytes()).is_empty());
    let caught = std::panic::catch_unwind(|| watch(|| drop(ACCESS_TOKEN.to_owned())).1.expect_none("planted", TOKENS));
    assert!(caught.is_err());
}

#[test]
fn tokens_are_wiped() {
    let _turn = turn();
    let ((), freed) = watch(|| {
        let token = Token::bearer(ACCESS_TOKEN, Expiry::Unknown, moment())
            .refresh_token(Some(REFRESH_TOKEN.into()))
            .scope("name email")
            .build()
            .unwrap();
        let clone = token.clone();
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, token.authorization().clone());
        drop(token);
        drop((format!("{clone:?} {headers:?}"), headers.clone(), headers));
        drop(clone);
    });
    freed.expect_none("a token", TOKENS);
}

#[test]
fn a_token_that_is_refused_is_wiped() {
    let _turn = turn();
    let ((), freed) = watch(|| {
        let bad = joined(&[ACCESS_TOKEN, "\n"]);
        let build = |access: &str, refresh: &str| {
            Token::bearer(access, Expiry::Unknown, moment()).refresh_token(Some(refresh.into())).build().unwrap_err()
        };
        assert_eq!(build(&bad, REFRESH_TOKEN), TokenFault::Character);
        assert_eq!(build(REFRESH_TOKEN, &bad), TokenFault::Character);
        assert!(token_core::check_token_type(ACCESS_TOKEN, &["Bearer"]).unwrap_err().to_string().contains("(37 bytes)"));
    });
    freed.expect_none("a refused token", TOKENS);
}

#[test]
fn requests_and_answers_are_wiped() {
    let _turn = turn();
    let ((), freed) = watch(|| {
        let body = || Zeroizing::new(CLIENT_SECRET.as_bytes().to_vec());
        let request = || {
            TokenRequest::new(Method::POST, Uri::from_static("https://service.example/token"), Resend::AfterRefusal)
                .with_body("text/plain", body())
        };
        drop(request());
        drop(request().clone());
        drop(request().with_body("text/plain", Zeroizing::default()));
        drop(request().take_body());
        drop(format!("{:?}", request()));
        let response = TokenResponse::new(StatusCode::OK, HeaderMap::new(), body());
        drop((response.clone(), format!("{response:?}")));
    });
    freed.expect_none("a request", [("the client secret", CLIENT_SECRET)]);
}

const ANSWER: &str = r#"{"access_token":"access-Qm7vX2kLs9RtYb4Hn6Jd-test-only","data":[{"refresh_token":"refresh-Bt5nJ9xQw2LzCk8Pv4Ys-test-only"}]}"#;

#[test]
fn json_is_wiped() {
    let _turn = turn();
    let ((), freed) = watch(|| {
        let value = Value::parse(ANSWER.as_bytes()).unwrap();
        let object = value.as_object().unwrap();
        drop((value.clone(), format!("{value:?}"), object.text_or_number("access_token").unwrap()));
        assert!(object.text("data").is_err());
        // What is torn, doubled or too deep is dropped half read.
        for cut in [ANSWER.len() - 1, ANSWER.len() - 10] {
            assert!(Value::parse(&ANSWER.as_bytes()[..cut]).is_err());
        }
        let doubled = joined(&["{\"a\":", ANSWER, ",\"a\":1}"]);
        assert!(Value::parse(doubled.as_bytes()).is_err());
    });
    freed.expect_none("JSON", TOKENS);
}

/// serde_json takes a text with an escape apart in a buffer of its own.
#[test]
fn what_the_json_reader_leaves_behind_is_counted() {
    let _turn = turn();
    let escaped = keep(&ANSWER.replace("-only\"", "-only\\/\""));
    let ((), freed) = watch(|| drop(Value::parse(escaped.as_bytes()).unwrap()));
    println!("JSON with an escape: the access token is left in blocks of these bytes: {:?}", freed.hits(ACCESS_TOKEN.as_bytes()));
}

/// An answer with a secret of the request in every place of which an error keeps something.
#[test]
fn what_a_service_repeats_is_wiped_where_it_is_taken_out() {
    let _turn = turn();
    const PAGE: &str = "<html><head><title>No client-secret-Gz4kV8pNt2QhLx6Wb3Ms-test-only here</title></head><body>client-secret-Gz4kV8pNt2QhLx6Wb3Ms-test-only</body></html>";
    const BROKEN: &[u8] = b"\xff\xfe\xff\xff<html>client-secret-Gz4kV8pNt2QhLx6Wb3Ms-test-only\xff\xff\xff\xff\xff\xff";
    let ((), freed) = watch(|| {
        let secrets = [CLIENT_SECRET];
        for (status, body) in [(200, PAGE.as_bytes()), (403, PAGE.as_bytes()), (502, BROKEN), (200, ANSWER.as_bytes())] {
            let response =
                TokenResponse::new(StatusCode::from_u16(status).unwrap(), HeaderMap::new(), Zeroizing::new(body.to_vec()));
            let reply = Reply::new(response, Asked { provider: "test", at: moment(), secrets: &secrets });
            let error: Error = reply.unexpected();
            assert!(!format!("{error:?} {error:#}").contains(CLIENT_SECRET));
            assert!(!reply.scrub(PAGE).contains(CLIENT_SECRET));
            drop(reply.object().map(|object| reply.expiry(ExpiryFormat::Rfc3339, object.get("access_token"))));
            let message = joined(&[CLIENT_SECRET, " is wrong; ", CLIENT_SECRET]);
            drop(error.with_service_message(&reply.scrub(&message)).with_code(&reply.scrub(&message)));
        }
    });
    freed.expect_none("an answer", TOKENS.into_iter().chain([("the client secret", CLIENT_SECRET)]));
}

#[test]
fn what_is_sealed_is_wiped() {
    let _turn = turn();
    let ((), freed) = watch(|| {
        let seal = AeadSeal::new(SealKey::new(1, [1; 32]).unwrap());
        let sealed = seal.seal(b"context", REFRESH_TOKEN.as_bytes()).unwrap();
        assert_eq!(seal.open(b"context", &sealed).unwrap().as_slice(), REFRESH_TOKEN.as_bytes());
        assert!(seal.open(b"another", &sealed).is_err());
    });
    freed.expect_none("what is sealed", TOKENS);
}
