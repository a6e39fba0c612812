//! Prakerja's consent page, as a browser meets it and without one.

use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Response, StatusCode};
use serde_json::json;

use token_sandbox::{Route, Sandbox, SandboxErrorKind};

use crate::{builder, client, parameters};

/// The parts of a login URL that tests change. The others are right.
#[derive(Clone, Copy)]
pub(crate) struct Login<'a> {
    pub(crate) scope: &'a str,
    pub(crate) state: &'a str,
    pub(crate) redirect_uri: &'a str,
    pub(crate) login_uri: &'a str,
}

impl Default for Login<'_> {
    fn default() -> Self {
        Self {
            scope: "name email",
            state: "state-1",
            redirect_uri: "http://127.0.0.1:8080/callback",
            login_uri: "http://127.0.0.1:8080/login",
        }
    }
}

pub(crate) fn login_url(sandbox: &Sandbox, login: Login<'_>) -> String {
    let credentials = sandbox.prakerja_credentials();
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("client_id", credentials.client_id())
        .append_pair("client_name", credentials.client_name())
        .append_pair("login_uri", login.login_uri)
        .append_pair("redirect_uri", login.redirect_uri)
        .append_pair("scope", login.scope)
        .append_pair("state", login.state)
        .finish()
        .replace('+', "%20");
    format!("{}?{query}", sandbox.prakerja_consent_url())
}

/// What the browser gets: status, headers, text. `cookie` may be empty.
async fn open(url: &str, cookie: &str) -> (StatusCode, HeaderMap, String) {
    let response = client().get(url).header("cookie", cookie).send().await.unwrap();
    (response.status(), response.headers().clone(), response.text().await.unwrap())
}

async fn ticket(url: &str, cookie: &str) -> String {
    let (_, _, page) = open(url, cookie).await;
    between(&page, "name=\"ticket\" value=\"", "\"").to_owned()
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    text.split_once(start).and_then(|(_, rest)| rest.split_once(end)).map(|(found, _)| found).unwrap()
}

/// Presses the button of a user on the login page, or "Ganti akun" where `user` is empty.
async fn choose(sandbox: &Sandbox, ticket: &str, user: &str, cookie: &str) -> Response {
    let url = format!("{}/login", sandbox.prakerja_consent_url());
    client().post(url).header("cookie", cookie).form(&[("ticket", ticket), ("user", user)]).send().await.unwrap()
}

/// Logs in as the first user on the way to the page of `url`. Gives the browser's cookie.
async fn log_in(sandbox: &Sandbox, url: &str) -> String {
    let response = choose(sandbox, &ticket(url, "").await, sandbox.prakerja_users()[0].id(), "").await;
    assert_eq!(response.status(), 303);
    cookie(&response)
}

/// The cookie that an answer sets, as the browser sends it back.
fn cookie(response: &Response) -> String {
    let cookie = response.headers()["set-cookie"].to_str().unwrap();
    cookie.split(';').next().unwrap().to_owned()
}

async fn press(sandbox: &Sandbox, ticket: &str, decision: &str, cookie: &str) -> Response {
    let form = [("ticket", ticket), ("decision", decision)];
    client().post(sandbox.prakerja_consent_url()).header("cookie", cookie).form(&form).send().await.unwrap()
}

fn location(response: &Response) -> &str {
    response.headers()["location"].to_str().unwrap()
}

#[tokio::test]
async fn the_page_asks_in_indonesian_and_is_hardened() {
    let sandbox = Sandbox::start().await.unwrap();
    let url = login_url(&sandbox, Login { scope: "name email prakerjaid notelp", ..Login::default() });
    let (status, headers, page) = open(&url, &log_in(&sandbox, &url).await).await;
    assert_eq!(status, 200);
    assert_eq!(headers["content-type"], "text/html; charset=utf-8");
    assert_eq!(headers["referrer-policy"], "no-referrer");
    assert_eq!(headers["cache-control"], "no-store");
    assert_eq!(headers["x-frame-options"], "DENY");
    let policy = headers["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    assert!(policy.contains("form-action 'self' http://127.0.0.1:8080;"), "{policy}");
    for part in ["lang=\"id\"", "Izinkan", "Tolak", "nomor telepon", "alamat surel", "Lembaga Contoh &amp; Rekan", "Siti Contoh"]
    {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(!page.contains("<script"), "{page}");
}

#[tokio::test]
async fn a_browser_that_is_not_logged_in_is_asked_who_it_is_and_remembered() {
    let (builder, clock) = builder();
    let sandbox = builder.start().await.unwrap();
    let url = login_url(&sandbox, Login::default());
    let (status, headers, page) = open(&url, "").await;
    assert_eq!(status, 200);
    assert!(headers["content-security-policy"].to_str().unwrap().contains("form-action 'self';"));
    for part in ["Masuk ke Prakerja", "Siti Contoh", "Budi Contoh", "Lembaga Contoh &amp; Rekan"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(!page.contains("Izinkan"), "{page}");

    let budi = sandbox.prakerja_users()[1].id();
    let response = choose(&sandbox, &ticket(&url, "").await, budi, "").await;
    assert_eq!(response.status(), 303);
    assert!(sandbox.prakerja_consent_url().starts_with(sandbox.prakerja_base_url()));
    assert_eq!(format!("{}{}", sandbox.prakerja_base_url(), location(&response)), url);
    let attributes = response.headers()["set-cookie"].to_str().unwrap().split_once("; ").unwrap().1;
    assert_eq!(attributes, "HttpOnly; SameSite=Lax; Path=/consent-sso");

    // Remembered: the next login asks for consent alone, until the cookie has had its time.
    let cookie = cookie(&response);
    for _ in 0..2 {
        let (_, _, page) = open(&url, &format!("other=1; {cookie}")).await;
        assert!(page.contains("Izinkan") && page.contains("Budi Contoh") && !page.contains("Siti"), "{page}");
    }
    let response = press(&sandbox, &ticket(&url, &cookie).await, "allow", &cookie).await;
    assert!(location(&response).contains("code="));
    clock.advance(Duration::from_secs(7 * 24 * 3_600));
    assert!(open(&url, &cookie).await.2.contains("Masuk ke Prakerja"));
    assert_eq!(sandbox.requests().prakerja_login, 1);
}

#[tokio::test]
async fn who_changes_the_account_is_logged_out_on_the_server() {
    let sandbox = Sandbox::start().await.unwrap();
    let url = login_url(&sandbox, Login::default());
    let cookie = log_in(&sandbox, &url).await;
    let old = ticket(&url, &cookie).await;
    let response = choose(&sandbox, &ticket(&url, &cookie).await, "", &cookie).await;
    assert_eq!(response.status(), 303);
    assert!(response.headers()["set-cookie"].to_str().unwrap().contains("=; Max-Age=0; "));
    assert!(open(&url, &cookie).await.2.contains("Masuk ke Prakerja"));
    // The page that still shows the old account decides nothing any more.
    assert_eq!(press(&sandbox, &old, "allow", &cookie).await.status(), 400);
    assert_eq!(choose(&sandbox, &ticket(&url, "").await, "nobody", "").await.status(), 400);
    assert_eq!(choose(&sandbox, "guessed", sandbox.prakerja_users()[0].id(), "").await.status(), 400);
}

#[tokio::test]
async fn nobody_answers_for_another_browser() {
    let sandbox = Sandbox::start().await.unwrap();
    let url = login_url(&sandbox, Login::default());
    let siti = log_in(&sandbox, &url).await;
    let response = choose(&sandbox, &ticket(&url, "").await, sandbox.prakerja_users()[1].id(), "").await;
    for other in [cookie(&response).as_str(), "", "sandbox-prakerja-login=guessed"] {
        assert_eq!(press(&sandbox, &ticket(&url, &siti).await, "allow", other).await.status(), 400);
    }
    // A page that asked for a login is no page that asked for consent.
    assert_eq!(press(&sandbox, &ticket(&url, "").await, "allow", &siti).await.status(), 400);
}

#[tokio::test]
async fn allow_leads_to_the_callback_with_code_and_state() {
    let sandbox = Sandbox::start().await.unwrap();
    let login = Login { state: "a b&c=ü", redirect_uri: "http://127.0.0.1:9/callback?tenant=7", ..Login::default() };
    let url = login_url(&sandbox, login);
    let cookie = log_in(&sandbox, &url).await;
    let response = press(&sandbox, &ticket(&url, &cookie).await, "allow", &cookie).await;
    assert_eq!(response.status(), 303);
    assert_eq!(response.headers()["referrer-policy"], "no-referrer");
    let location = location(&response);
    assert!(location.starts_with("http://127.0.0.1:9/callback?tenant=7&code="), "{location}");
    assert!(location.ends_with("&state=a%20b%26c%3D%C3%BC"), "{location}");
    let code = &parameters(location, "code")[0];
    let client_id = sandbox.prakerja_credentials().client_id();
    let answer = crate::prakerja::post(&sandbox, "/api/v1/oauth/token", Some(client_id), json!({"code": code}).to_string()).await;
    assert_eq!(answer.0, 200);
    let requests = sandbox.requests();
    assert_eq!((requests.prakerja_login, requests.prakerja_consent, requests.prakerja_decision), (1, 2, 1));
}

#[tokio::test]
async fn deny_leads_to_the_login_page_without_state_unless_mild() {
    let sandbox = Sandbox::start().await.unwrap();
    let url = login_url(&sandbox, Login::default());
    let cookie = log_in(&sandbox, &url).await;
    let response = press(&sandbox, &ticket(&url, &cookie).await, "deny", &cookie).await;
    assert_eq!((response.status().as_u16(), location(&response)), (303, "http://127.0.0.1:8080/login"));
    assert_eq!(sandbox.outcomes(Route::PrakerjaDecision)["denied"], 1);

    sandbox.configure_prakerja(|settings| settings.state_on_denial = true);
    let response = press(&sandbox, &ticket(&url, &cookie).await, "deny", &cookie).await;
    assert_eq!(location(&response), "http://127.0.0.1:8080/login?error=access_denied&state=state-1");
    assert_eq!(sandbox.deny_consent(&url).unwrap(), "http://127.0.0.1:8080/login?error=access_denied&state=state-1");
}

#[tokio::test]
async fn a_ticket_is_good_for_one_answer() {
    let sandbox = Sandbox::start().await.unwrap();
    let url = login_url(&sandbox, Login::default());
    let cookie = log_in(&sandbox, &url).await;
    let ticket = ticket(&url, &cookie).await;
    assert_eq!(press(&sandbox, &ticket, "allow", &cookie).await.status(), 303);
    for ticket in [ticket.as_str(), "", "guessed"] {
        let response = press(&sandbox, ticket, "allow", &cookie).await;
        assert_eq!(response.status(), 400);
        assert!(response.headers().get("location").is_none());
    }
}

#[tokio::test]
async fn a_ticket_ends_with_its_time_and_needs_an_answer() {
    let (builder, clock) = builder();
    let sandbox = builder.start().await.unwrap();
    let url = login_url(&sandbox, Login::default());
    let cookie = log_in(&sandbox, &url).await;
    let old = ticket(&url, &cookie).await;
    clock.advance(Duration::from_secs(600));
    assert_eq!(press(&sandbox, &old, "allow", &cookie).await.status(), 400);
    let new = ticket(&url, &cookie).await;
    assert_eq!(press(&sandbox, &new, "perhaps", &cookie).await.status(), 400);
    assert_eq!(press(&sandbox, &new, "allow", &cookie).await.status(), 303);
}

#[tokio::test]
async fn nothing_from_outside_becomes_markup() {
    let sandbox = Sandbox::start().await.unwrap();
    let login = Login { redirect_uri: "http://127.0.0.1/cb?x='&y=&amp;", ..Login::default() };
    let url = login_url(&sandbox, login);
    let (status, _, page) = open(&url, &log_in(&sandbox, &url).await).await;
    assert_eq!(status, 200);
    assert!(page.contains("http://127.0.0.1/cb?x=&#39;&amp;y=&amp;amp;<"), "{page}");

    // What is refused is not shown at all.
    let markup = "<script>alert(1)</script>";
    let right = login_url(&sandbox, Login::default());
    let cases = [
        login_url(&sandbox, Login { redirect_uri: &format!("http://127.0.0.1/cb?x={markup}"), ..Login::default() }),
        login_url(&sandbox, Login { scope: markup, ..Login::default() }),
        right.replace("client_name=", &format!("client_name={markup}")),
        right.replace("client_id=", &format!("client_id={markup}")),
    ];
    for url in cases {
        let (status, _, page) = open(&url, "").await;
        assert_eq!(status, 400, "{url}");
        assert!(!page.contains("alert"), "{page}");
    }
}

#[tokio::test]
async fn a_wrong_login_url_is_refused_with_a_page_and_never_redirected() {
    let sandbox = Sandbox::start().await.unwrap();
    let right = login_url(&sandbox, Login::default());
    let name = "client_name=Lembaga%20Contoh%20%26%20Rekan";
    let cases = [
        (right.replace("client_id=", "client_id=x"), "ERROAUTH4029"),
        (right.replace(name, "client_name=Other"), "ERROAUTH4044"),
        (right.replace(name, "client_name=Lembaga+Contoh+%26+Rekan"), "ERROAUTH4044"),
        (right.replace("scope=name", "scope=password"), "ERROAUTH4033"),
        (right.replace("state=state-1", "state="), "ERROAUTH4044"),
        (right.replace("&state=state-1", ""), "ERROAUTH4044"),
        (format!("{right}&state=another"), "ERROAUTH4044"),
        (format!("{right}&x=%ff"), "ERROAUTH4044"),
        (sandbox.prakerja_consent_url().to_owned(), "ERROAUTH4044"),
        (login_url(&sandbox, Login { redirect_uri: "https://lp.example/callback", ..Login::default() }), "ERROAUTH4045"),
        (login_url(&sandbox, Login { redirect_uri: "http://127.0.0.1/#x", ..Login::default() }), "ERROAUTH4045"),
        (login_url(&sandbox, Login { login_uri: "https://lp.example/login", ..Login::default() }), "ERROAUTH4046"),
    ];
    for (url, code) in cases {
        let (status, headers, page) = open(&url, "").await;
        assert_eq!(status, 400, "{url}");
        assert!(headers.get("location").is_none(), "{url}");
        assert!(page.contains(&format!("<code>{code}</code>")), "{url}: {page}");
    }
}

#[tokio::test]
async fn registered_addresses_are_the_only_ones_taken() {
    let sandbox = Sandbox::builder()
        .prakerja(|settings| {
            settings.redirect_uris = vec!["https://lp.example/callback".to_owned()];
            settings.login_uris = vec!["https://lp.example/login".to_owned()];
        })
        .start()
        .await
        .unwrap();
    let credentials = sandbox.prakerja_credentials();
    assert_eq!(
        (credentials.redirect_uri(), credentials.login_uri()),
        ("https://lp.example/callback", "https://lp.example/login")
    );
    let login = Login { redirect_uri: credentials.redirect_uri(), login_uri: credentials.login_uri(), ..Login::default() };
    assert!(sandbox.approve_consent(&login_url(&sandbox, login)).unwrap().starts_with("https://lp.example/callback?code="));
    let error = sandbox.approve_consent(&login_url(&sandbox, Login::default())).unwrap_err();
    assert_eq!((error.kind(), error.code()), (SandboxErrorKind::Consent, Some("ERROAUTH4045")));
}

#[tokio::test]
async fn consent_without_a_browser_is_for_this_sandbox_and_its_users() {
    let sandbox = Sandbox::start().await.unwrap();
    let url = login_url(&sandbox, Login::default());
    let error = sandbox.approve_consent("https://lp.example/consent-sso?x=y").unwrap_err();
    assert_eq!((error.kind(), error.code()), (SandboxErrorKind::Consent, None));
    assert_eq!(sandbox.approve_consent_as(&url, "nobody").unwrap_err().kind(), SandboxErrorKind::UnknownUser);
    assert_eq!(parameters(&sandbox.approve_consent(&url).unwrap(), "state"), ["state-1"]);
}

#[tokio::test]
async fn switches_of_the_callback() {
    let sandbox = Sandbox::builder().prakerja(|settings| settings.consent_without_click = true).start().await.unwrap();
    let url = login_url(&sandbox, Login::default());
    let response = client().get(&url).send().await.unwrap();
    assert_eq!(response.status(), 303);
    assert_eq!(parameters(location(&response), "state"), ["state-1"]);

    sandbox.configure_prakerja(|settings| settings.state_on_callback = false);
    let callback = sandbox.approve_consent(&url).unwrap();
    assert_eq!((parameters(&callback, "code").len(), parameters(&callback, "state").len()), (1, 0));

    sandbox.configure_prakerja(|settings| settings.plus_is_space = true);
    assert!(sandbox.approve_consent(&url.replace("%20", "+")).is_ok());
}
