//! SehatMu and Klikoo from their settings to their token or error, with a transport that wipes what it was given.

use std::sync::Arc;

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use http::{HeaderMap, Method, StatusCode, Uri};
use provider_klikoo::{Klikoo, RsaSigner};
use provider_sehatmu::SehatMu;
use token_core::{ApiAnswer, ApiBody, ApiRequest, Authorize as _, Target, TokenProvider as _};
use token_testkit::ManualClock;

use crate::support::{ACCESS_TOKEN, CLIENT_SECRET, Canned, Freed, keep, turn, watch_async};

/// Answers with `TOKEN` and `SECRET` put in: a success, and a secret in every place of which something is kept.
fn answers(texts: &[(u16, &'static str)]) -> Vec<(u16, &'static str)> {
    let put = |text: &str| keep(&text.replace("TOKEN", ACCESS_TOKEN).replace("SECRET", CLIENT_SECRET));
    texts.iter().map(|(status, text)| (*status, put(text))).collect()
}

fn expect_none(what: &str, freed: &Freed) {
    freed.expect_none(what, [("the access token", ACCESS_TOKEN), ("the client secret", CLIENT_SECRET)]);
}

#[test]
fn sehatmu_leaves_nothing_behind() {
    let _turn = turn();
    let answers = answers(&[
        (200, r#"{"accessToken":"TOKEN","accessTokenExpiresAt":"2026-11-24T00:00:00.000Z"}"#),
        (200, r#"{"access_token":"TOKEN","token_type":"BearerToken","expires_in":"3599","scope":"a b"}"#),
        (200, r#"{"access_token":"TOKEN","token_type":"TOKEN"}"#),
        (200, r#"{"access_token":["TOKEN"],"other":"SECRET"}"#),
        (200, r#"{"access_token":"TOKEN","access_token":"TOKEN"}"#),
        (200, r#"{"access_token":"TOKEN"#),
        (200, r#"["TOKEN","SECRET"]"#),
        (200, r#"{"accessToken":"TOKEN TOKEN"}"#),
        (400, r#"{"error":"invalid_client","error_description":"SECRET is wrong, SECRET"}"#),
        (400, r#"{"error":"SECRET","error_description":"no"}"#),
        (401, r#"{"ErrorCode":"SECRET","Error":"SECRET"}"#),
        (401, r#"{"fault":{"faultstring":"SECRET","detail":{"errorcode":"SECRET"}}}"#),
        (
            401,
            r#"{"resourceType":"OperationOutcome","issue":[{"severity":"SECRET","code":"SECRET","details":{"text":"SECRET"}}]}"#,
        ),
        (403, "<html><title>SECRET</title>SECRET</html>"),
        (502, "SECRET TOKEN"),
    ]);
    let ((), freed) = watch_async(async || {
        let builder = SehatMu::builder()
            .base_url("https://service.example")
            .client_id("id-test-only")
            .client_secret(CLIENT_SECRET)
            .clock(Arc::new(ManualClock::sleeping_moves_time()))
            .transport(Canned::new(&answers));
        let provider = builder.clone().build_uncached().unwrap();
        for _ in &answers {
            drop(provider.token().await.map_err(|error| format!("{error:#?} {error}")));
        }
        let cache = builder.transport(Canned::new(&answers[..1])).build().unwrap();
        let token = cache.token().await.unwrap();
        drop(cache.authorization().await.unwrap());
        cache.invalidate(&token);
        drop((cache.state(), token));
    });
    expect_none("SehatMu", &freed);
}

#[test]
fn klikoo_leaves_nothing_behind() {
    let _turn = turn();
    let answers = answers(&[
        (200, r#"{"response_code":"200012000","data":{"access_token":"TOKEN","token_type":"Bearer","expires_in":900}}"#),
        (200, r#"{"response_code":"200012000","data":{"access_token":"TOKEN","token_type":"TOKEN"}}"#),
        (200, r#"{"response_code":"TOKEN","data":{"access_token":"TOKEN","token_type":"TOKEN"}}"#),
        (200, r#"{"response_code":"200012000","data":{"access_token":"TOKEN"#),
        (401, r#"{"response_code":"401016570","response_message":"SECRET"}"#),
        (401, r#"{"response_code":"SECRET","response_message":"SECRET"}"#),
        (403, "<html><title>SECRET</title>SECRET</html>"),
        (503, "SECRET TOKEN"),
    ]);
    let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
    let pem =
        keep(&format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", BASE64_STANDARD.encode(der.as_ref())));
    let ((), freed) = watch_async(async || {
        let builder = Klikoo::builder()
            .base_url("https://service.example")
            .client_id("3f9c8962-4c4b-4bb6-b3c1-8fc883519c02")
            .client_secret(CLIENT_SECRET)
            .clock(Arc::new(ManualClock::sleeping_moves_time()))
            .transport(Canned::new(&answers));
        let provider = builder.clone().private_key(pem).build_uncached().unwrap();
        for _ in &answers {
            drop(provider.token().await.map_err(|error| format!("{error:#?} {error}")));
        }
        let cache = builder.clone().signer(Arc::new(RsaSigner::from_pem(pem).unwrap())).build().unwrap();
        drop((cache.token().await, cache));

        // A request that is signed, an answer to it, and one that is refused.
        let cache = builder.clone().private_key(pem).transport(Canned::new(&answers[..1])).build().unwrap();
        let authorizer = builder.authorizer(cache).unwrap().build().unwrap();
        let token = authorizer.tokens().unwrap().token().await.unwrap();
        for url in ["https://service.example/v1/x", "https://service.example/./x", "https://other.example/v1/x"] {
            let url: Uri = url.parse().unwrap();
            let request = ApiRequest::new(&Method::POST, Target::of_uri(&url).unwrap(), ApiBody::Bytes(b"{}"));
            let mut headers = HeaderMap::new();
            let outcome = authorizer.attach(&request, Some(&token), &mut headers);
            drop(format!("{authorizer:?} {headers:?} {outcome:#?}"));
        }
        for (_, text) in &answers {
            authorizer.is_refused(&ApiAnswer::new(StatusCode::UNAUTHORIZED, &HeaderMap::new(), text.as_bytes()));
        }
    });
    expect_none("Klikoo", &freed);
    freed.expect_none("Klikoo", [("the private key", &pem.as_bytes()[500..600])]);
}
