//! What a session asks of this provider.
#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use provider_prakerja::{Prakerja, PrakerjaBuilder, PrakerjaErrorCode};
use token_core::{Delivery, ErrorKind, Realm, RefreshGrant, Refreshed, Remedy};
use token_testkit::ManualClock;

use crate::support::{Answer, Service, builder, prakerja, refused, tokens};

fn realm(change: impl FnOnce(PrakerjaBuilder) -> PrakerjaBuilder) -> Realm {
    change(builder(&Service::new([]), &Arc::new(ManualClock::new()))).build().unwrap().realm()
}

async fn refresh(answer: Answer) -> (Prakerja, Refreshed) {
    let service = Service::new([answer]);
    let prakerja = prakerja(&service, &Arc::new(ManualClock::new()));
    let grant: Arc<dyn RefreshGrant> = Arc::new(prakerja.clone());
    let refreshed = grant.refresh(&SecretString::from("refresh-one")).await;
    assert_eq!(service.spent(), ["refresh-one"], "sent once");
    (prakerja, refreshed)
}

#[test]
fn a_realm_is_one_client_at_one_base_url() {
    let own = realm(|builder| builder);
    assert_eq!(own.provider(), "prakerja");
    assert_eq!(own, realm(|builder| builder.base_url("https://API-proxy.prakerja.go.id/")));
    assert_eq!(own, realm(|builder| builder.redirect_uri("https://lp.example/other").client_name("Lembaga Lain")));
    assert_ne!(own, realm(|builder| builder.client_id("lp-other")));
    assert_ne!(own, realm(|builder| builder.base_url("https://service.example")));
    assert_ne!(own, realm(|builder| builder.base_url("https://api-proxy.prakerja.go.id/gate")));
}

#[tokio::test]
async fn a_grant_hands_out_the_new_refresh_token_beside_the_answer() {
    let secret = |refreshed: &Refreshed| refreshed.refresh_token.as_ref().map(|token| token.expose_secret().to_owned());

    let (_, refreshed) = refresh(tokens("token-one", Some("refresh-two"))).await;
    assert_eq!(secret(&refreshed).as_deref(), Some("refresh-two"));
    assert_eq!(refreshed.outcome.unwrap().access_token().expose_secret(), "token-one");

    let (_, refreshed) = refresh(tokens("token-one", None)).await;
    assert_eq!(secret(&refreshed), None);
    assert!(refreshed.outcome.is_ok());

    let torn = json!({"success": true, "data": {"refresh_token": "refresh-two", "access_token": 7}});
    let (_, refreshed) = refresh(Answer::Json(200, torn)).await;
    assert_eq!(secret(&refreshed).as_deref(), Some("refresh-two"), "the old one may be dead");
    assert_eq!(refreshed.outcome.unwrap_err().kind(), ErrorKind::InvalidResponse);
}

#[tokio::test]
async fn a_refresh_that_ended_the_login_is_told_from_one_that_may_have() {
    let cases = [
        (refused("ERROAUTH4043"), Remedy::LogInAgain, false, false),
        (refused("ERROAUTH4049"), Remedy::Retry, true, false),
        (refused("ERROAUTH4029"), Remedy::FixConfiguration, false, false),
        (Answer::Lost(Delivery::Unknown), Remedy::Retry, false, true),
        (Answer::Lost(Delivery::NotSent), Remedy::Retry, false, false),
    ];
    for (answer, remedy, may_have_spent, in_doubt) in cases {
        let what = format!("{answer:?}");
        let (prakerja, refreshed) = refresh(answer).await;
        let error = refreshed.outcome.unwrap_err();
        assert!(refreshed.refresh_token.is_none(), "{what}");
        assert_eq!(error.remedy(), remedy, "{what}");
        assert_eq!(prakerja.may_have_spent(&error), may_have_spent, "{what}");
        assert_eq!(error.is_in_doubt(), in_doubt, "{what}");
    }
    assert_eq!(PrakerjaErrorCode::CreateJwtToken.code(), "ERROAUTH4049");
}
