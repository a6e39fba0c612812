//! Prakerja's login from its beginning to the profile, by hand and by cookie.

use std::sync::Arc;

use zeroize::Zeroizing;

use provider_prakerja::{AuthorizationStyle, Login, Prakerja, PrakerjaBuilder};
use token_core::{Token, TokenProvider as _, Transport};
use token_store::{AeadSeal, SealKey};
use token_testkit::ManualClock;

use crate::support::{
    ACCESS_TOKEN, CODE, Canned, Freed, NEXT_ACCESS_TOKEN, NEXT_REFRESH_TOKEN, REFRESH_TOKEN, SIGN_KEY, header, joined, keep,
    turn, watch_async,
};

/// Puts the secrets into an answer.
pub(crate) fn put(text: &str) -> &'static str {
    let text = text.replace("NEXT_TOKEN", NEXT_ACCESS_TOKEN).replace("NEXT_REFRESH", NEXT_REFRESH_TOKEN);
    keep(&text.replace("TOKEN", ACCESS_TOKEN).replace("REFRESH", REFRESH_TOKEN).replace("CODE", CODE).replace("KEY", SIGN_KEY))
}

pub(crate) const GOOD: &str = r#"{"message":"no error","success":true,"errorCode":"0","data":{"access_token":"TOKEN","expires_in":"3600","refresh_token":"REFRESH","scope":"name","token_type":"Bearer"}}"#;
pub(crate) const NEXT: &str = r#"{"message":"no error","success":true,"errorCode":"0","data":{"access_token":"NEXT_TOKEN","expires_in":"3600","refresh_token":"NEXT_REFRESH","scope":"name","token_type":"Bearer"}}"#;

pub(crate) fn prakerja(transport: Arc<dyn Transport>, clock: &Arc<ManualClock>) -> PrakerjaBuilder {
    Prakerja::builder()
        .client_id("lp-test-only")
        .client_name("Lembaga Contoh")
        .redirect_uri("https://lp.example/callback")
        .login_uri("https://lp.example/login")
        .sign_key(SIGN_KEY)
        .transport(transport)
        .clock(Arc::clone(clock) as _)
}

pub(crate) fn expect_none(what: &str, freed: &Freed) {
    freed.expect_none(
        what,
        [
            ("the access token", ACCESS_TOKEN),
            ("the next access token", NEXT_ACCESS_TOKEN),
            ("the refresh token", REFRESH_TOKEN),
            ("the next refresh token", NEXT_REFRESH_TOKEN),
            ("the code", CODE),
            ("the sign key", SIGN_KEY),
        ],
    );
}

/// The `state` of a URL, kept, with which the test wipes the URL.
fn state(url: String) -> &'static str {
    let url = Zeroizing::new(url);
    keep(url.rsplit_once("state=").unwrap().1)
}

async fn logged_in(prakerja: &Prakerja) -> (Token, &'static str) {
    let Login { url, pending } = prakerja.begin_login().unwrap();
    let state = state(url);
    let query = joined(&["code=", CODE, "&state=", state]);
    (prakerja.exchange(pending.callback(&query).unwrap()).await.unwrap(), state)
}

#[test]
fn a_login_by_hand_leaves_nothing_behind() {
    let _turn = turn();
    let clock = Arc::new(ManualClock::sleeping_moves_time());
    let profile = r#"{"success":true,"errorCode":"0","data":{"user_id":"id","name":"nama-Xw5vK8pNt2QhLx6Wb3Ms-test-only"}}"#;
    let answers = [(200, put(GOOD)), (200, keep(profile)), (200, keep(profile)), (200, put(NEXT)), (200, put(NEXT))];
    let (state, freed) = watch_async(async || {
        let client = prakerja(Canned::new(&answers), &clock).build().unwrap();
        let (token, state) = logged_in(&client).await;
        drop(client.profile(&token).await.unwrap().clone());
        let bearer = prakerja(Canned::new(&answers[1..]), &clock).authorization_style(AuthorizationStyle::Bearer);
        drop(bearer.build().unwrap().profile(&token).await.unwrap());
        let user = client.user(token).build_uncached();
        drop((user.token().await, user.token().await, user.token().await));
        drop(client.user_from_refresh_token(REFRESH_TOKEN).build().token().await.unwrap());
        state
    });
    expect_none("a login", &freed);
    freed.expect_none("a login", [("the state", state), ("the name", "nama-Xw5vK8pNt2QhLx6Wb3Ms-test-only")]);
}

#[test]
fn a_login_by_cookie_leaves_nothing_behind() {
    let _turn = turn();
    let clock = Arc::new(ManualClock::sleeping_moves_time());
    let good = put(GOOD);
    let ((state, cookie), freed) = watch_async(async || {
        let client = prakerja(Canned::new(&[(200, good)]), &clock).build().unwrap();
        let logins = client.web_login(Arc::new(AeadSeal::new(SealKey::new(1, [7; 32]).unwrap())));
        let start = logins.begin("/kelas").unwrap();
        let cookie = keep(start.set_cookie.to_str().unwrap().split(';').next().unwrap());
        let state = state(start.url);
        drop(start.set_cookie);
        let query = joined(&["code=", CODE, "&state=", state]);
        let sent = header(joined(&["a=b; ", cookie]));
        let login = logins.finish([&sent], Some(&query)).await.unwrap();
        drop((format!("{login:?}"), login));
        // It was used.
        assert!(logins.finish([&sent], Some(&query)).await.is_err());
        assert!(logins.finish([&sent], Some(&joined(&["state=", state, "&error=", state]))).await.is_err());
        (state, cookie.split_once('=').unwrap().1)
    });
    expect_none("a login by cookie", &freed);
    freed.expect_none("a login by cookie", [("the state", state), ("the cookie", cookie)]);
}

#[test]
fn a_callback_that_is_refused_leaves_nothing_behind() {
    let _turn = turn();
    let clock = Arc::new(ManualClock::sleeping_moves_time());
    let (states, freed) = watch_async(async || {
        let client = prakerja(Canned::new(&[(500, "")]), &clock).build().unwrap();
        let seal = AeadSeal::new(SealKey::new(1, [7; 32]).unwrap());
        let mut states = Vec::new();
        for case in 0..8 {
            let Login { url, pending } = client.begin_login().unwrap();
            let state = state(url);
            states.push(state);
            if case == 7 {
                let sealed = pending.seal(&seal, "a session").unwrap();
                drop(client.open_login(&seal, "a session", &sealed).unwrap());
                assert!(client.open_login(&seal, "another", &sealed).is_err());
                continue;
            }
            let query = match case {
                0 => joined(&["code=", CODE, "+", CODE, "&state=", state]),
                1 => joined(&["code=", CODE, "%FF", "&state=", state]),
                2 => joined(&["code=", CODE, "&code=", CODE, "&state=", state]),
                3 => joined(&["code=", CODE]),
                4 => joined(&["error=", state, "&error_description=", state, "&state=", state]),
                5 => joined(&["code=", CODE, "&error=x&state=", state]),
                _ => joined(&["code=", CODE, "&state=", &state[1..], "x"]),
            };
            let error = pending.callback(&query).unwrap_err();
            drop(format!("{error:?} {error}"));
            drop(token_core::Error::from(error));
        }
        states
    });
    expect_none("refused callbacks", &freed);
    freed.expect_none("refused callbacks", states.into_iter().map(|state| ("a state", state)));
}

#[test]
fn answers_with_secrets_in_them_leave_nothing_behind() {
    let _turn = turn();
    let clock = Arc::new(ManualClock::sleeping_moves_time());
    let answers: Vec<_> = [
        (400, r#"{"code":"ERROAUTH4031","message":"CODE KEY","success":false}"#),
        (400, r#"{"code":"CODE","message":"Unauthorized","success":false}"#),
        (200, r#"{"success":true,"errorCode":"KEY","data":{"access_token":"TOKEN"}}"#),
        (200, r#"{"success":true,"data":{"access_token":"TOKEN","token_type":"TOKEN","refresh_token":"REFRESH"}}"#),
        (200, r#"{"success":true,"data":{"access_token":"TOKEN","refresh_token":"REFRESH REFRESH"}}"#),
        (200, r#"{"success":true,"data":{"access_token":["TOKEN"],"refresh_token":"NEXT_REFRESH"}}"#),
        (200, r#"{"success":true,"data":{"access_token":"TOKEN","refresh_token":"REFRESH"#),
        (200, r#"{"success":true,"data":{"expires_in":"TOKEN"}}"#),
        (502, "<html><title>CODE KEY</title>REFRESH</html>"),
    ]
    .into_iter()
    .map(|(status, text)| (status, put(text)))
    .collect();
    // Of a refresh, the request's own secret is the refresh token.
    let of_refresh: Vec<_> = answers.iter().map(|(status, text)| (*status, keep(&text.replace(CODE, REFRESH_TOKEN)))).collect();
    let ((), freed) = watch_async(async || {
        let client = prakerja(Canned::new(&answers), &clock).build().unwrap();
        for _ in &answers {
            let Login { url, pending } = client.begin_login().unwrap();
            let query = joined(&["code=", CODE, "&state=", state(url)]);
            let error = client.exchange(pending.callback(&query).unwrap()).await.unwrap_err();
            drop(format!("{error:?} {error}"));
        }
        let client = prakerja(Canned::new(&of_refresh), &clock).build().unwrap();
        for _ in &of_refresh {
            let user = client.user_from_refresh_token(REFRESH_TOKEN).build_uncached();
            let error = user.token().await.unwrap_err();
            drop(format!("{error:?} {error}"));
        }
    });
    expect_none("answers with secrets", &freed);
}

#[test]
fn the_signed_call_leaves_no_key_behind() {
    let _turn = turn();
    let clock = Arc::new(ManualClock::sleeping_moves_time());
    let answer =
        keep(r#"{"success":true,"errorCode":"0","data":{"redirect_url":"https://oauth.prakerja.go.id/consent-sso?state=x"}}"#);
    let refusal = put(r#"{"code":"KEY","message":"KEY"}"#);
    let ((), freed) = watch_async(async || {
        let client = prakerja(Canned::new(&[(200, answer), (400, refusal)]), &clock).build().unwrap();
        drop(client.generate_login_url_unverified().await.unwrap());
        drop(client.generate_login_url_unverified().await.unwrap_err());
    });
    expect_none("the signed call", &freed);
}
