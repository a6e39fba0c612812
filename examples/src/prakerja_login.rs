//! "Masuk dengan Prakerja" in a web application: `cargo run -p examples --example prakerja-login`.
//!
//! The handlers here are made to be copied. What each of them stands on has a file of its own:
//!
//! - [`WebLogin`] takes the browser to Prakerja and back;
//! - [`Sessions`] keeps each user's token fresh, and refreshes it without the user;
//! - `visitors.rs` knows which browser is whose: a random id in a cookie, its hash on the server;
//! - `same_site.rs` refuses what a page of another site sends, `page.rs` is the HTML, `problem.rs` what can go wrong, in words for a person.
//!
//! No token reaches the browser: it has the id of its visit, and while a login is under way a sealed cookie.

mod page;
mod problem;
mod same_site;
mod visitors;

use std::fmt;
use std::sync::Arc;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::header::{COOKIE, LOCATION, REFERRER_POLICY, SET_COOKIE};
use http::{HeaderMap, HeaderValue, StatusCode};

use provider_prakerja::{LoggedIn, Prakerja, Profile, ReturnPath, WebLogin, WebLoginError};
use token_core::{Clock, Error, Remedy, Sessions, Token};

use self::problem::Problem;
use self::visitors::{Visitor, Visitors};

/// What the application is made of.
pub struct Settings {
    /// Scheme, host and port under which browsers reach it, as `https://lp.example`.
    ///
    /// Prakerja's redirect URI is `/callback` there, its login URI `/masuk`. With `https`, cookies are `Secure` and have the prefix `__Host-`.
    pub origin: String,
    /// The client of Prakerja.
    pub prakerja: Prakerja,
    /// The login, of that client.
    pub web_login: WebLogin,
    /// The users' tokens.
    pub sessions: Sessions<Prakerja>,
    /// The clock, by which visits end.
    pub clock: Arc<dyn Clock>,
}

impl fmt::Debug for Settings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Settings").field("origin", &self.origin).field("prakerja", &self.prakerja).finish_non_exhaustive()
    }
}

struct App {
    settings: Settings,
    visitors: Visitors,
}

/// The application.
pub fn router(settings: Settings) -> Router {
    let visitors = Visitors::new(settings.origin.starts_with("https://"), Arc::clone(&settings.clock));
    let app = Arc::new(App { settings, visitors });
    Router::new()
        .route("/", get(home))
        .route("/mulai", get(begin_login))
        .route("/callback", get(callback))
        .route("/masuk", get(login_page))
        .route("/profil", get(profile))
        .route("/keluar", post(log_out))
        .fallback(async || Problem::NoSuchPage)
        .method_not_allowed_fallback(async || Problem::NoSuchPage)
        .layer(from_fn_with_state(Arc::clone(&app), same_site::check))
        .layer(map_response(page::harden))
        .with_state(app)
}

/// The first page: who is logged in and until when the token is good, or the button.
async fn home(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Response, Response> {
    let Some(visitor) = app.visitors.find(&headers) else {
        return Ok(page::welcome("/").into_response());
    };
    let session = app.settings.sessions.get(&visitor.user_id).map_err(|error| app.failed(&headers, &error))?;
    let token = session.token().await.map_err(|error| app.failed(&headers, &error))?;
    Ok(page::home(&visitor.name, &token).into_response())
}

/// Sends the browser to Prakerja. A link and not a form: a policy for forms would have to name every host on the way of the login.
async fn begin_login(State(app): State<Arc<App>>, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    let return_to = page::parameter(query.as_deref(), "kembali").unwrap_or_default();
    let begun = app.settings.web_login.begin(ReturnPath::or_root(&return_to))?;
    Ok(redirect(&begun.url, [begun.set_cookie]))
}

/// Where Prakerja sends the browser back with a code.
async fn callback(State(app): State<Arc<App>>, headers: HeaderMap, RawQuery(query): RawQuery) -> Response {
    let outcome = app.settings.web_login.finish(headers.get_all(COOKIE), query.as_deref()).await;
    app.end_login(&headers, outcome).await
}

/// Prakerja's login URI, to which it sends a user who did not agree. What it adds to the address is not documented, and may be nothing.
async fn login_page(State(app): State<Arc<App>>, headers: HeaderMap, RawQuery(query): RawQuery) -> Response {
    if let Some(problem) = Problem::of_address(query.as_deref()) {
        return problem.into_response();
    }
    match app.settings.web_login.finish(headers.get_all(COOKIE), query.as_deref()).await {
        Err(WebLoginError::NotPending) => page::welcome("/").into_response(),
        outcome => app.end_login(&headers, outcome).await,
    }
}

/// Calls the protected resource, here the profile.
async fn profile(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Response, Response> {
    let Some(visitor) = app.visitors.find(&headers) else {
        return Ok((StatusCode::UNAUTHORIZED, page::welcome("/profil")).into_response());
    };
    let (profile, token) = ask_profile(&app, &visitor).await.map_err(|error| app.failed(&headers, &error))?;
    Ok(page::profile(&profile, &token).into_response())
}

/// Calls with a fresh token; once more with a new one if the service refuses it all the same.
async fn ask_profile(app: &App, visitor: &Visitor) -> Result<(Profile, Token), Error> {
    let session = app.settings.sessions.get(&visitor.user_id)?;
    let mut token = session.token().await?;
    let mut answer = app.settings.prakerja.profile(&token).await;
    if answer.as_ref().is_err_and(|error| error.remedy() == Remedy::Refresh) {
        session.invalidate(&token);
        token = session.token().await?;
        answer = app.settings.prakerja.profile(&token).await;
    }
    Ok((answer?, token))
}

/// Ends the visit, and then the user's session with its tokens.
async fn log_out(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    let visitor = app.visitors.find(&headers);
    let cookie = app.visitors.log_out(&headers);
    if let Some(visitor) = visitor
        && let Err(error) = app.settings.sessions.log_out(&visitor.user_id).await
    {
        tell(&error);
    }
    redirect("/", [cookie])
}

impl App {
    /// Whatever came of a login, the browser is sent on, and so the code leaves its address bar.
    async fn end_login(&self, headers: &HeaderMap, outcome: Result<LoggedIn, WebLoginError>) -> Response {
        let clear = self.settings.web_login.clear_cookie();
        match outcome {
            Ok(LoggedIn { token, return_to, .. }) => match self.log_in(headers, token).await {
                Ok(visit) => redirect(return_to.as_str(), [visit, clear]),
                Err(problem) => redirect(&problem.address(), [clear]),
            },
            Err(error) if error.ends_login() => redirect(&Problem::from(error).address(), [clear]),
            Err(error) => redirect(&Problem::from(error).address(), []),
        }
    }

    /// Asks who it is, keeps the token under the user's id, and gives the cookie of the visit.
    async fn log_in(&self, headers: &HeaderMap, token: Token) -> Result<HeaderValue, Problem> {
        let profile = self.settings.prakerja.profile(&token).await?;
        let user_id = profile.user_id().ok_or(Problem::Settings)?.to_owned();
        self.settings.sessions.log_in(&user_id, token).await?;
        let name = profile.name().unwrap_or("peserta").to_owned();
        self.visitors.log_in(headers, user_id, name).map_err(|_| Problem::OutOfService)
    }

    /// The page for an error. A user whose login is over is no visitor any more.
    fn failed(&self, headers: &HeaderMap, error: &Error) -> Response {
        let problem = Problem::of(error);
        if problem != Problem::SessionOver {
            return problem.into_response();
        }
        ([(SET_COOKIE, self.visitors.log_out(headers))], problem).into_response()
    }
}

/// 303: whatever the browser did here, it does a GET there. Nothing of this address, which may hold a code, is told to the next one.
fn redirect<const N: usize>(to: &str, cookies: [HeaderValue; N]) -> Response {
    let Ok(location) = HeaderValue::from_str(to) else {
        return Problem::Settings.into_response();
    };
    let headers = [(LOCATION, location), (REFERRER_POLICY, HeaderValue::from_static("no-referrer"))];
    let mut response = (StatusCode::SEE_OTHER, headers).into_response();
    for cookie in cookies {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}

/// For the person who runs the application. The text of an error holds no secret.
fn tell(error: &Error) {
    eprintln!("prakerja-login: {error}");
}
