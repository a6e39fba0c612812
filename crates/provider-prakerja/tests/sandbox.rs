//! The whole login over real HTTP, against the sandbox.
#![cfg(feature = "reqwest")]
#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Method, StatusCode, Uri};
use secrecy::ExposeSecret;

use provider_prakerja::{AuthorizationStyle, CallbackError, Prakerja, PrakerjaBuilder};
use token_core::{
    ApiAnswer, ApiBody, ApiRequest, AuthScheme, Authorize, Authorizer, Error, ErrorKind, Expiry, Remedy, Target, Token,
    TokenProvider,
};
use token_sandbox::{Route, Sandbox, Service};
use token_testkit::ManualClock;

struct World {
    sandbox: Sandbox,
    clock: Arc<ManualClock>,
}

impl World {
    async fn new() -> Self {
        let clock = Arc::new(ManualClock::new());
        let sandbox = Sandbox::builder().clock(Arc::clone(&clock) as _).start().await.unwrap();
        Self { sandbox, clock }
    }

    fn builder(&self) -> PrakerjaBuilder {
        let credentials = self.sandbox.prakerja_credentials();
        Prakerja::builder()
            .client_id(credentials.client_id())
            .client_name(credentials.client_name())
            .redirect_uri(credentials.redirect_uri())
            .login_uri(credentials.login_uri())
            .base_url(self.sandbox.prakerja_base_url())
            .consent_url(self.sandbox.prakerja_consent_url())
            .clock(Arc::clone(&self.clock) as _)
    }

    fn prakerja(&self) -> Prakerja {
        self.builder().build().unwrap()
    }

    async fn token(&self, prakerja: &Prakerja) -> Token {
        let login = prakerja.begin_login().unwrap();
        let callback = self.sandbox.approve_consent(&login.url).unwrap();
        prakerja.exchange(login.pending.callback(query(&callback)).unwrap()).await.unwrap()
    }
}

fn query(url: &str) -> &str {
    url.split_once('?').map_or("", |(_, query)| query)
}

fn secret(token: &Token) -> String {
    token.access_token().expose_secret().to_owned()
}

/// What a browser does with a login URL: logs in there, answers the page, and is sent elsewhere. Gives where to.
async fn browse(url: &str, decision: &str) -> String {
    let browser = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap();
    let action = url.split_once('?').unwrap().0;
    let form = async |cookie: &str, field: &str| {
        let page = browser.get(url).header("cookie", cookie).send().await.unwrap();
        assert_eq!(page.status(), 200);
        let page = page.text().await.unwrap();
        let value = |before: &str| page.split_once(before).unwrap().1.split_once('"').unwrap().0.to_owned();
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("ticket", &value("name=\"ticket\" value=\""));
        if field == "user" {
            form.append_pair(field, &value("name=\"user\" value=\""))
        } else {
            form.append_pair(field, decision)
        };
        form.finish()
    };
    let send = async |to: &str, cookie: &str, form: String| {
        let request = browser.post(to).header("cookie", cookie).header("content-type", "application/x-www-form-urlencoded");
        let answer = request.body(form).send().await.unwrap();
        assert_eq!(answer.status(), 303);
        answer
    };
    let answer = send(&format!("{action}/login"), "", form("", "user").await).await;
    let cookie = answer.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let answer = send(action, &cookie, form(&cookie, "decision").await).await;
    answer.headers()["location"].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_user_logs_in_is_refreshed_and_known() {
    let world = World::new().await;
    let prakerja = world.prakerja();
    let credentials = world.sandbox.prakerja_credentials();

    let login = prakerja.begin_login().unwrap();
    let callback = browse(&login.url, "allow").await;
    assert!(callback.starts_with(credentials.redirect_uri()), "{callback}");
    let code = login.pending.callback(query(&callback)).unwrap();
    let token = prakerja.exchange(code).await.unwrap();
    // The service's end is in whole seconds and `Date` is read at the later end of its second.
    assert_eq!(token.expiry(), Expiry::After(Duration::from_secs(3_599)));
    assert_eq!(token.scopes(), ["name", "email", "prakerjaid", "notelp"]);

    let user = world.sandbox.prakerja_users().first().unwrap();
    let profile = prakerja.profile(&token).await.unwrap();
    assert_eq!(
        [profile.name(), profile.email(), profile.phone_number(), profile.no_prakerja(), profile.user_id()],
        [user.name(), user.email(), user.phone_number(), user.prakerja_id(), user.id()].map(Some)
    );

    let tokens = prakerja.user(token.clone()).build();
    assert_eq!(secret(&tokens.token().await.unwrap()), secret(&token));
    assert_eq!(world.sandbox.requests().prakerja_refresh, 0);

    world.clock.advance(Duration::from_secs(3_600));
    let error = prakerja.profile(&token).await.unwrap_err();
    assert_eq!((error.code(), error.remedy()), (Some("ERROAUTH4051"), Remedy::Refresh));
    let fresh = tokens.token().await.unwrap();
    assert_ne!(secret(&fresh), secret(&token));
    assert_eq!(prakerja.profile(&fresh).await.unwrap().name(), Some(user.name()));
    let rotated = fresh.refresh_token().unwrap().expose_secret();
    assert_ne!(rotated, token.refresh_token().unwrap().expose_secret());

    // A second refresh goes by the rotated token, or the service would end the login.
    world.clock.advance(Duration::from_secs(3_600));
    tokens.token().await.unwrap();
    assert_eq!(world.sandbox.outcomes(Route::PrakerjaRefresh), [("ok", 2)].into());

    // The first refresh token is dead.
    let error = prakerja.user(token).build_uncached();
    let error = TokenProvider::token(&error).await.unwrap_err();
    assert_eq!((error.code(), error.remedy()), (Some("ERROAUTH4043"), Remedy::LogInAgain));
}

#[tokio::test]
async fn a_user_who_says_no_has_no_code() {
    let world = World::new().await;
    let prakerja = world.prakerja();
    let login = prakerja.begin_login().unwrap();
    let back = browse(&login.url, "deny").await;
    assert_eq!(back, world.sandbox.prakerja_credentials().login_uri());
    assert_eq!(login.pending.callback(query(&back)).unwrap_err(), CallbackError::MissingCode);

    world.sandbox.configure_prakerja(|settings| settings.state_on_denial = true);
    let login = prakerja.begin_login().unwrap();
    let back = world.sandbox.deny_consent(&login.url).unwrap();
    let error = Error::from(login.pending.callback(query(&back)).unwrap_err());
    assert_eq!((error.kind(), error.code()), (ErrorKind::AccessDenied, Some("access_denied")));
    assert_eq!(world.sandbox.requests().prakerja_token, 0);
}

#[tokio::test]
async fn a_callback_without_state_is_refused_before_any_request() {
    let world = World::new().await;
    world.sandbox.configure_prakerja(|settings| settings.state_on_callback = false);
    let login = world.prakerja().begin_login().unwrap();
    let callback = world.sandbox.approve_consent(&login.url).unwrap();
    assert_eq!(login.pending.callback(query(&callback)).unwrap_err(), CallbackError::MissingState);
    assert_eq!(world.sandbox.requests().total(), 0);
}

#[tokio::test]
async fn a_login_of_eleven_minutes_ago_makes_no_request() {
    let world = World::new().await;
    let login = world.prakerja().begin_login().unwrap();
    world.clock.advance(Duration::from_secs(660));
    let callback = world.sandbox.approve_consent(&login.url).unwrap();
    assert_eq!(login.pending.callback(query(&callback)).unwrap_err(), CallbackError::Expired);
    assert_eq!(world.sandbox.requests().total(), 0);
}

#[tokio::test]
async fn a_code_is_good_once_and_for_a_minute() {
    let world = World::new().await;
    let prakerja = world.prakerja();

    // A code cannot be used twice here, so another program does it first.
    let login = prakerja.begin_login().unwrap();
    let callback = world.sandbox.approve_consent(&login.url).unwrap();
    let code = query(&callback).split('&').find_map(|pair| pair.strip_prefix("code=")).unwrap();
    let thief = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = thief
        .post(format!("{}/api/v1/oauth/token", world.sandbox.prakerja_base_url()))
        .header("x-client-id", world.sandbox.prakerja_credentials().client_id())
        .body(format!("{{\"code\":\"{code}\"}}"))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    let error = prakerja.exchange(login.pending.callback(query(&callback)).unwrap()).await.unwrap_err();
    assert_eq!((error.code(), error.remedy()), (Some("ERROAUTH4031"), Remedy::LogInAgain));

    // Of two logins, the newest has the code.
    let (older, newer) = (prakerja.begin_login().unwrap(), prakerja.begin_login().unwrap());
    let callbacks = [world.sandbox.approve_consent(&older.url).unwrap(), world.sandbox.approve_consent(&newer.url).unwrap()];
    let error = prakerja.exchange(older.pending.callback(query(&callbacks[0])).unwrap()).await.unwrap_err();
    assert_eq!((error.code(), error.remedy()), (Some("ERROAUTH4032"), Remedy::LogInAgain));
    assert!(prakerja.exchange(newer.pending.callback(query(&callbacks[1])).unwrap()).await.is_ok());

    let login = prakerja.begin_login().unwrap();
    let callback = world.sandbox.approve_consent(&login.url).unwrap();
    world.clock.advance(Duration::from_secs(60));
    let error = prakerja.exchange(login.pending.callback(query(&callback)).unwrap()).await.unwrap_err();
    assert_eq!((error.code(), error.kind()), (Some("ERROAUTH4052"), ErrorKind::LoginRequired));
    assert_eq!(world.sandbox.requests().prakerja_token, 5);
}

#[tokio::test]
async fn a_login_that_the_service_ended_is_told_once_and_then_without_a_request() {
    let world = World::new().await;
    let prakerja = world.prakerja();
    let tokens = prakerja.user(world.token(&prakerja).await).build();
    world.sandbox.revoke_all(Service::Prakerja);
    for hour in 1..5 {
        world.clock.advance(Duration::from_secs(3_600));
        let error = tokens.token().await.unwrap_err();
        assert_eq!((error.kind(), error.remedy()), (ErrorKind::LoginRequired, Remedy::LogInAgain), "{hour}");
        assert_eq!(world.sandbox.requests().prakerja_refresh, 1, "{hour}");
    }
}

#[tokio::test]
async fn a_refresh_token_that_is_not_rotated_goes_on() {
    let world = World::new().await;
    world.sandbox.configure_prakerja(|settings| settings.refresh_token_on_refresh = false);
    let prakerja = world.prakerja();
    let first = world.token(&prakerja).await;
    let tokens = prakerja.user(first.clone()).build();
    for _ in 0..3 {
        world.clock.advance(Duration::from_secs(3_600));
        let token = tokens.token().await.unwrap();
        assert_eq!(token.refresh_token().unwrap().expose_secret(), first.refresh_token().unwrap().expose_secret());
    }
    assert_eq!(world.sandbox.outcomes(Route::PrakerjaRefresh), [("ok", 3)].into());
}

#[tokio::test]
async fn the_other_refresh_path_is_a_setting() {
    let world = World::new().await;
    world.sandbox.configure_prakerja(|settings| settings.refresh_on_token_path = true);
    let prakerja = world.builder().refresh_path("/api/v1/oauth/token").build().unwrap();
    let tokens = prakerja.user(world.token(&prakerja).await).build();
    world.clock.advance(Duration::from_secs(3_600));
    tokens.token().await.unwrap();
    assert_eq!((world.sandbox.requests().prakerja_token, world.sandbox.requests().prakerja_refresh), (2, 0));

    // Where the service does not take it there, the refresh token is kept for when the setting is right.
    world.sandbox.configure_prakerja(|settings| settings.refresh_on_token_path = false);
    world.clock.advance(Duration::from_secs(3_600));
    let error = tokens.token().await.unwrap_err();
    assert_eq!((error.code(), error.remedy()), (Some("ERROAUTH4042"), Remedy::FixConfiguration));
    world.sandbox.configure_prakerja(|settings| settings.refresh_on_token_path = true);
    world.clock.advance(Duration::from_secs(60));
    assert!(tokens.token().await.is_ok());
}

#[tokio::test]
async fn a_kept_refresh_token_brings_the_user_back() {
    let world = World::new().await;
    let prakerja = world.prakerja();
    let kept = world.token(&prakerja).await.refresh_token().unwrap().clone();
    let tokens = prakerja.user_from_refresh_token(kept).build();
    let token = tokens.token().await.unwrap();
    assert!(prakerja.profile(&token).await.is_ok());
    assert_eq!(world.sandbox.requests().prakerja_refresh, 1);
}

#[tokio::test]
async fn a_profile_holds_what_the_scope_covers_in_either_style() {
    let world = World::new().await;
    let prakerja = world.builder().scope("name").authorization_style(AuthorizationStyle::Bearer).build().unwrap();
    let token = world.token(&prakerja).await;
    let profile = prakerja.profile(&token).await.unwrap();
    assert!(profile.name().is_some() && profile.email().is_none() && profile.phone_number().is_none());

    world.sandbox.configure_prakerja(|settings| settings.refuse_tokens = true);
    let error = prakerja.profile(&token).await.unwrap_err();
    assert_eq!((error.kind(), error.remedy()), (ErrorKind::TokenRefused, Remedy::Refresh));
}

#[tokio::test]
async fn the_signed_call_gives_a_login_too() {
    let world = World::new().await;
    let credentials = world.sandbox.prakerja_credentials();
    let prakerja = world.builder().sign_key(credentials.sign_key()).client_code(credentials.client_code()).build().unwrap();
    let login = prakerja.generate_login_url_unverified().await.unwrap();
    let callback = browse(&login.url, "allow").await;
    assert!(prakerja.exchange(login.pending.callback(query(&callback)).unwrap()).await.is_ok());

    let error = world.prakerja().generate_login_url_unverified().await.unwrap_err();
    assert_eq!(error.remedy(), Remedy::FixConfiguration);
    assert!(error.to_string().contains("`sign_key`"), "{error}");
    let wrong = world.builder().sign_key("key-test-only").client_code(credentials.client_code()).build().unwrap();
    let error = wrong.generate_login_url_unverified().await.unwrap_err();
    assert_eq!((error.code(), error.kind()), (Some("ERROAUTH4038"), ErrorKind::ClientRefused));
    let elsewhere = world
        .builder()
        .sign_key(credentials.sign_key())
        .client_code(credentials.client_code())
        .consent_url("https://oauth.service.example/consent-sso")
        .build()
        .unwrap();
    assert_eq!(elsewhere.generate_login_url_unverified().await.unwrap_err().kind(), ErrorKind::InvalidResponse);
}

#[tokio::test]
async fn a_wrong_clock_is_told_with_how_wrong_it_is() {
    let world = World::new().await;
    let credentials = world.sandbox.prakerja_credentials();
    let prakerja = world.builder().sign_key(credentials.sign_key()).client_code(credentials.client_code()).build().unwrap();
    for (seconds, code, message) in [
        (-90, "ERROAUTH4035", "prakerja: this machine's clock is 90 s ahead of the service's (code `ERROAUTH4035`, HTTP 400)"),
        (690, "ERROAUTH4036", "prakerja: this machine's clock is 600 s behind the service's (code `ERROAUTH4036`, HTTP 400)"),
    ] {
        world.sandbox.advance_clock(seconds);
        let error = prakerja.generate_login_url_unverified().await.unwrap_err();
        assert_eq!((error.kind(), error.remedy(), error.code()), (ErrorKind::ClockSkew, Remedy::CorrectClock, Some(code)));
        assert_eq!(error.to_string(), format!("{message}; correct this machine's clock"));
    }
}

#[tokio::test]
async fn an_unknown_client_is_a_setting_to_correct() {
    let world = World::new().await;
    let known = world.prakerja();
    let unknown = world.builder().client_id("lp-unknown").build().unwrap();
    let login = unknown.begin_login().unwrap();
    // The consent page shows such a login to nobody.
    assert_eq!(world.sandbox.approve_consent(&login.url).unwrap_err().code(), Some("ERROAUTH4029"));

    // So its callback is put together: its own state, and a code that the service made for the client that it knows.
    let other = known.begin_login().unwrap();
    let callback = world.sandbox.approve_consent(&other.url).unwrap();
    let code = query(&callback).split('&').find(|pair| pair.starts_with("code=")).unwrap();
    let (_, state) = login.url.rsplit_once("&state=").unwrap();
    let code = login.pending.callback(&format!("{code}&state={state}")).unwrap();
    let error = unknown.exchange(code).await.unwrap_err();
    assert_eq!((error.code(), error.kind()), (Some("ERROAUTH4029"), ErrorKind::ClientRefused));
    assert_eq!(error.remedy(), Remedy::FixConfiguration);

    // Nor is a login refreshed under that id; it goes on under its own.
    let kept = world.token(&known).await.refresh_token().unwrap().clone();
    let error = unknown.user_from_refresh_token(kept.clone()).build().token().await.unwrap_err();
    assert_eq!((error.code(), error.remedy()), (Some("ERROAUTH4029"), Remedy::FixConfiguration));
    assert!(known.user_from_refresh_token(kept).build().token().await.is_ok());
}

#[tokio::test]
async fn a_code_of_another_client_is_not_sent() {
    let (world, elsewhere) = (World::new().await, World::new().await);
    let login = world.prakerja().begin_login().unwrap();
    let callback = world.sandbox.approve_consent(&login.url).unwrap();
    let code = login.pending.callback(query(&callback)).unwrap();
    let error = elsewhere.prakerja().exchange(code).await.unwrap_err();
    assert_eq!((error.kind(), error.remedy()), (ErrorKind::Configuration, Remedy::FixRequest));
    assert_eq!((world.sandbox.requests().total(), elsewhere.sandbox.requests().total()), (0, 0));
}

#[tokio::test]
async fn when_nobody_listens_an_exchange_asks_for_a_new_login() {
    let world = World::new().await;
    let prakerja = world.prakerja();
    let login = prakerja.begin_login().unwrap();
    let callback = world.sandbox.approve_consent(&login.url).unwrap();
    world.sandbox.shutdown().await;
    let error = prakerja.exchange(login.pending.callback(query(&callback)).unwrap()).await.unwrap_err();
    assert_eq!((error.kind(), error.remedy()), (ErrorKind::Transport, Remedy::LogInAgain));
}

/// One call as a layer of an HTTP client makes it: the status, and whether the token in it was refused. A refused token is given back.
async fn call<P: TokenProvider + 'static, S: AuthScheme>(
    authorizer: &Authorizer<P, S>,
    method: Method,
    url: &str,
    body: &'static str,
) -> (StatusCode, bool) {
    let uri: Uri = url.parse().unwrap();
    let request = ApiRequest::new(&method, Target::of_uri(&uri).unwrap(), ApiBody::Bytes(body.as_bytes()));
    let mut headers = HeaderMap::new();
    let token = authorizer.authorize(&request, &mut headers).await.unwrap();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = client.request(method, url).headers(headers).body(body).send().await.unwrap();
    let (status, headers) = (answer.status(), answer.headers().clone());
    let body = answer.bytes().await.unwrap();
    let body: &[u8] = if authorizer.rules().wants_body_of(status) { &body } else { b"" };
    let is_refused = authorizer.is_refused(&ApiAnswer::new(status, &headers, body));
    if let Some(token) = token.filter(|_| is_refused) {
        authorizer.invalidate(&token);
    }
    (status, is_refused)
}

#[tokio::test]
async fn a_users_token_is_taken_in_both_styles_and_replaced_once_it_is_refused() {
    for style in [AuthorizationStyle::Bare, AuthorizationStyle::Bearer] {
        let world = World::new().await;
        let prakerja = world.builder().authorization_style(style).build().unwrap();
        let tokens = prakerja.user(world.token(&prakerja).await).build();
        let authorizer = prakerja.authorizer(tokens).read_codes(true).build().unwrap();
        let url = format!("{}/api/v1/resource/user_profile", world.sandbox.prakerja_base_url());
        let profile = async || call(&authorizer, Method::GET, &url, "").await;

        assert_eq!(profile().await, (StatusCode::OK, false));
        world.sandbox.configure_prakerja(|settings| settings.refuse_tokens = true);
        assert_eq!(profile().await, (StatusCode::BAD_REQUEST, true));
        world.sandbox.configure_prakerja(|settings| settings.refuse_tokens = false);
        assert_eq!(profile().await, (StatusCode::OK, false));
        assert_eq!(world.sandbox.requests().prakerja_refresh, 1, "{style:?}");
    }
}

#[tokio::test]
async fn a_signed_request_is_taken_with_and_without_a_token() {
    let world = World::new().await;
    let credentials = world.sandbox.prakerja_credentials();
    let builder = || world.builder().client_code(credentials.client_code()).sign_key(credentials.sign_key());
    let url = format!("{}/api/v1/integration/payment/redeem-code/commit", world.sandbox.prakerja_base_url());
    let body = r#"{"redeem_code": "code-test-only"}"#;

    let without = builder().build().unwrap().integration_authorizer().unwrap().read_codes(true).build().unwrap();
    assert_eq!(call(&without, Method::POST, &url, body).await, (StatusCode::OK, false));

    for style in [AuthorizationStyle::Bare, AuthorizationStyle::Bearer] {
        let prakerja = builder().authorization_style(style).build().unwrap();
        let tokens = prakerja.user(world.token(&prakerja).await).build();
        let with = prakerja.integration_authorizer_with(tokens).unwrap().read_codes(true).build().unwrap();
        assert_eq!(call(&with, Method::POST, &url, body).await, (StatusCode::OK, false), "{style:?}");
        world.sandbox.configure_prakerja(|settings| settings.refuse_tokens = true);
        assert_eq!(call(&with, Method::POST, &url, body).await, (StatusCode::BAD_REQUEST, true), "{style:?}");
        world.sandbox.configure_prakerja(|settings| settings.refuse_tokens = false);
        assert_eq!(call(&with, Method::POST, &url, body).await, (StatusCode::OK, false), "{style:?}");
    }

    let wrong = builder().sign_key("wrong-key-test-only").build().unwrap();
    let wrong = wrong.integration_authorizer().unwrap().read_codes(true).build().unwrap();
    assert_eq!(call(&wrong, Method::POST, &url, body).await, (StatusCode::BAD_REQUEST, false));
    assert_eq!(world.sandbox.outcomes(Route::PrakerjaRedeem)["ERROAUTH4038"], 1);
}
