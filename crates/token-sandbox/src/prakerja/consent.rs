//! The consent page: who may ask, who is logged in, what was asked, what the person answered.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{COOKIE, LOCATION, SET_COOKIE};
use http::{HeaderMap, HeaderValue, StatusCode, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde::Deserialize;

use crate::count::{Outcome, Route};
use crate::credentials::PrakerjaUser;
use crate::front::is_loopback;
use crate::jwt;
use crate::random;
use crate::settings::PrakerjaSettings;
use crate::state::{Shared, lock};
use crate::time::Time;

use super::token::Code;
use super::{CLIENT_ID_UNKNOWN, INPUT, LOGIN_URI, Prakerja, REDIRECT_URI, Refusal, SCOPE_UNKNOWN, USER_UNKNOWN, code_key, page};

/// The scopes that the page "Construct Oauth URL" lists.
const SCOPES: [&str; 4] = ["name", "email", "prakerjaid", "notelp"];

/// How long a page that was shown can be answered.
const TICKET_LIFETIME: Duration = Duration::from_secs(10 * 60);

/// How long a browser stays logged in at the sandbox's Prakerja.
const LOGIN_LIFETIME: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Says who is logged in. A browser keeps one jar for all ports of a host, so the name is not one that an application would take.
const LOGIN_COOKIE: &str = "sandbox-prakerja-login";

/// What JavaScript's `encodeURIComponent` leaves alone.
const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');

/// A checked request for consent.
#[derive(Clone)]
pub(super) struct Asked {
    pub(super) client_id: String,
    pub(super) client_name: String,
    pub(super) redirect_uri: String,
    pub(super) login_uri: String,
    pub(super) scopes: Vec<String>,
    pub(super) state: String,
}

/// A page that was shown and not answered.
pub(super) struct Shown {
    asked: Asked,
    /// The query that it was asked with, as it came.
    query: String,
    /// Who was asked for consent. `None`: the page asked for a login.
    user: Option<String>,
}

/// What the person answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Decision {
    Allow,
    Deny,
}

pub(super) async fn show(State(shared): State<Arc<Shared>>, headers: HeaderMap, RawQuery(query): RawQuery) -> Response {
    let now = shared.clock.now();
    let query = query.unwrap_or_default();
    let mut prakerja = lock(&shared.prakerja);
    let asked = match prakerja.check_consent(&query) {
        Ok(asked) => asked,
        Err(refusal) => return page::refused(refusal),
    };
    if prakerja.settings.consent_without_click {
        let user = prakerja.users.first().map(|user| user.id().to_owned()).unwrap_or_default();
        return redirect(prakerja.answer(now, &asked, Decision::Allow, &user), Decision::Allow);
    }
    let Ok(ticket) = random::hex::<32>() else {
        return page::refused(super::CANNOT_MINT);
    };
    let user = prakerja.logged_in(now, &headers);
    let response = match user {
        Some(user) => page::ask(&asked, &ticket, user),
        None => page::log_in(&asked, &ticket, &prakerja.users),
    };
    let user = user.map(|user| user.id().to_owned());
    prakerja.pending.insert(now, ticket, now.after(TICKET_LIFETIME), Shown { asked, query, user });
    response
}

/// Logs the browser in as the user who was chosen, or out when none was, and shows the page anew.
pub(super) async fn log_in(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    let now = shared.clock.now();
    let [ticket, user] = fields(&body, ["ticket", "user"]);
    let mut prakerja = lock(&shared.prakerja);
    let Some(shown) = prakerja.take(now, &ticket) else {
        return page::refused(INPUT);
    };
    if !user.is_empty() && !prakerja.users.iter().any(|known| known.id() == user) {
        return page::refused(USER_UNKNOWN);
    }
    if let Some(old) = login_of(&headers) {
        prakerja.logins.remove(old);
    }
    let attributes = format!("HttpOnly; SameSite=Lax; Path={}", Route::PrakerjaConsent.path());
    let cookie = if user.is_empty() {
        format!("{LOGIN_COOKIE}=; Max-Age=0; {attributes}")
    } else {
        // A new name at each login: one that was known before is worth nothing after it.
        let Ok(login) = random::hex::<32>() else {
            return page::refused(super::CANNOT_MINT);
        };
        let cookie = format!("{LOGIN_COOKIE}={login}; {attributes}");
        prakerja.logins.insert(now, login, now.after(LOGIN_LIFETIME), user);
        cookie
    };
    let back = format!("{}?{}", Route::PrakerjaConsent.path(), shown.query);
    let (Ok(back), Ok(cookie)) = (HeaderValue::try_from(back), HeaderValue::try_from(cookie)) else {
        return page::refused(INPUT);
    };
    let mut response = (StatusCode::SEE_OTHER, [(LOCATION, back), (SET_COOKIE, cookie)]).into_response();
    page::harden(&mut response);
    response.extensions_mut().insert(Outcome("ok"));
    response
}

pub(super) async fn decide(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    let now = shared.clock.now();
    let [ticket, decision] = fields(&body, ["ticket", "decision"]);
    let decision = match decision.as_str() {
        "allow" => Decision::Allow,
        "deny" => Decision::Deny,
        _ => return page::refused(INPUT),
    };
    let mut prakerja = lock(&shared.prakerja);
    let Some(shown) = prakerja.take(now, &ticket) else {
        return page::refused(INPUT);
    };
    // The answer is that of the person who was asked, and only while they are logged in.
    let user = prakerja.logged_in(now, &headers).map(|user| user.id().to_owned());
    let Some(user) = user.filter(|user| shown.user.as_ref() == Some(user)) else {
        return page::refused(USER_UNKNOWN);
    };
    redirect(prakerja.answer(now, &shown.asked, decision, &user), decision)
}

/// Answers the consent page of `query` for `user` (or the first one) and gives the address to which the browser is sent.
pub(crate) fn decide_without_click(
    shared: &Shared,
    query: &str,
    decision: Decision,
    user: Option<&str>,
) -> Result<String, Refusal> {
    let now = shared.clock.now();
    let mut prakerja = lock(&shared.prakerja);
    let asked = prakerja.check_consent(query)?;
    let user = match user {
        Some(user) => user.to_owned(),
        None => prakerja.users.first().ok_or(USER_UNKNOWN)?.id().to_owned(),
    };
    prakerja.answer(now, &asked, decision, &user)
}

impl Prakerja {
    /// Checks the six parameters. A request that fails is never redirected: where it would lead is not to be trusted.
    fn check_consent(&self, query: &str) -> Result<Asked, Refusal> {
        let parameters = Parameters::read(query, self.settings.plus_is_space)?;
        let asked = Asked {
            client_id: parameters.one("client_id")?,
            client_name: parameters.one("client_name")?,
            redirect_uri: parameters.one("redirect_uri")?,
            login_uri: parameters.one("login_uri")?,
            scopes: scopes(&parameters.one("scope")?)?,
            state: parameters.one("state")?,
        };
        let client = self.client(&asked.client_id).ok_or(CLIENT_ID_UNKNOWN)?;
        if client.client_name() != asked.client_name {
            return Err(INPUT);
        }
        check_addresses(&self.settings, &asked.redirect_uri, &asked.login_uri)?;
        Ok(asked)
    }

    /// The page with this ticket. Taken out before anything else is looked at: a ticket is good for one answer.
    fn take(&mut self, now: Time, ticket: &str) -> Option<Shown> {
        self.pending.remove(ticket).filter(|(ends, _)| now < *ends).map(|(_, shown)| shown)
    }

    /// Who is logged in with this browser.
    fn logged_in(&self, now: Time, headers: &HeaderMap) -> Option<&PrakerjaUser> {
        let (ends, id) = self.logins.get(login_of(headers)?)?;
        self.users.iter().find(|user| now < ends && user.id() == id)
    }

    /// The address to which the browser goes next.
    fn answer(&mut self, now: Time, asked: &Asked, decision: Decision, user_id: &str) -> Result<String, Refusal> {
        if decision == Decision::Deny {
            let mut parameters = Vec::new();
            if self.settings.state_on_denial {
                parameters.push(("error", "access_denied"));
                parameters.push(("state", asked.state.as_str()));
            }
            return Ok(with_parameters(&asked.login_uri, &parameters));
        }
        let user = self.users.iter().find(|user| user.id() == user_id).ok_or(USER_UNKNOWN)?;
        let user_id = user.id().to_owned();
        let id = random::uuid()?;
        let ends = Time::from_seconds(now.seconds()).after(self.settings.code_lifetime);
        let code = jwt::sign(
            &self.key,
            &serde_json::json!({
                "client_id": asked.client_id,
                "exp": ends.seconds(),
                "jti": id,
                "sub": user_id,
                "typ": "code",
            }),
        );
        let mut parameters = vec![("code", code.as_str())];
        if self.settings.state_on_callback {
            parameters.push(("state", asked.state.as_str()));
        }
        let location = with_parameters(&asked.redirect_uri, &parameters);
        // One code for each user and client: the newest login wins.
        let key = code_key(&user_id, &asked.client_id);
        self.codes.insert(now, key, ends, Code { id, scopes: asked.scopes.clone() });
        Ok(location)
    }
}

/// The login that the browser's cookie names.
fn login_of(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    cookies.flat_map(|value| value.split(';')).find_map(|cookie| cookie.trim().strip_prefix(LOGIN_COOKIE)?.strip_prefix('='))
}

/// The fields of a form with these names, the last of each; empty where there is none.
fn fields<const N: usize>(body: &[u8], names: [&str; N]) -> [String; N] {
    names.map(|name| {
        let values = form_urlencoded::parse(body).filter(|(key, _)| key == name);
        values.last().map(|(_, value)| value.into_owned()).unwrap_or_default()
    })
}

/// Query parameters, decoded once.
pub(super) struct Parameters(Vec<(String, String)>);

impl Parameters {
    pub(super) fn read(query: &str, plus_is_space: bool) -> Result<Self, Refusal> {
        let decode = |text: &str| {
            let text = if plus_is_space { text.replace('+', " ") } else { text.to_owned() };
            percent_decode_str(&text).decode_utf8().map(std::borrow::Cow::into_owned).map_err(|_| INPUT)
        };
        let pairs = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decode(name)?, decode(value)?))
        });
        Ok(Self(pairs.collect::<Result<_, Refusal>>()?))
    }

    /// A parameter that is there once and not empty. All six are required.
    pub(super) fn one(&self, name: &str) -> Result<String, Refusal> {
        let mut values = self.0.iter().filter(|(key, _)| key == name);
        match (values.next(), values.next()) {
            (Some((_, value)), None) if !value.is_empty() => Ok(value.clone()),
            _ => Err(INPUT),
        }
    }
}

/// Names between spaces or commas: the pages do not say which.
pub(super) fn scopes(text: &str) -> Result<Vec<String>, Refusal> {
    let scopes: Vec<String> = text.split([' ', ',']).filter(|scope| !scope.is_empty()).map(str::to_owned).collect();
    if scopes.is_empty() || scopes.iter().any(|scope| !SCOPES.contains(&scope.as_str())) {
        return Err(SCOPE_UNKNOWN);
    }
    Ok(scopes)
}

pub(super) fn check_addresses(settings: &PrakerjaSettings, redirect_uri: &str, login_uri: &str) -> Result<(), Refusal> {
    if !is_registered(&settings.redirect_uris, redirect_uri) {
        return Err(REDIRECT_URI);
    }
    if !is_registered(&settings.login_uris, login_uri) {
        return Err(LOGIN_URI);
    }
    Ok(())
}

/// Whether a code or a refused user can be sent there at all.
pub(crate) fn is_address(address: &str) -> bool {
    authority(address).is_some()
}

fn is_registered(registered: &[String], address: &str) -> bool {
    let Some(authority) = authority(address) else {
        return false;
    };
    if registered.is_empty() { is_loopback(authority.host()) } else { registered.iter().any(|known| known == address) }
}

/// The authority of an absolute `http` or `https` address without user name and fragment that is safe to put into a header.
fn authority(address: &str) -> Option<http::uri::Authority> {
    // `Uri` drops a fragment without a word.
    if address.contains('#') || !address.bytes().all(|byte| byte.is_ascii_graphic()) {
        return None;
    }
    let uri: Uri = address.parse().ok()?;
    let authority = uri.authority()?;
    let is_web = matches!(uri.scheme_str(), Some("http" | "https"));
    let is_plain = authority.as_str().bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte));
    (is_web && is_plain).then(|| authority.clone())
}

/// Scheme and authority of a checked address, for the page's security policy.
pub(super) fn origin(address: &str) -> Option<String> {
    let scheme = if address.starts_with("https") { "https" } else { "http" };
    Some(format!("{scheme}://{}", authority(address)?))
}

/// Adds parameters and keeps a query that is there.
pub(super) fn with_parameters(address: &str, parameters: &[(&str, &str)]) -> String {
    let mut address = address.to_owned();
    for (name, value) in parameters {
        let separator = match address.split_once('?') {
            None => "?",
            Some((_, query)) if query.is_empty() || query.ends_with('&') => "",
            Some(_) => "&",
        };
        address.push_str(separator);
        address.push_str(name);
        address.push('=');
        address.extend(utf8_percent_encode(value, COMPONENT));
    }
    address
}

fn redirect(location: Result<String, Refusal>, decision: Decision) -> Response {
    let location = match location {
        Ok(location) => location,
        Err(refusal) => return page::refused(refusal),
    };
    let Ok(location) = HeaderValue::try_from(location) else {
        return page::refused(REDIRECT_URI);
    };
    // 303: whatever the browser did here, it does a GET there.
    let mut response = (StatusCode::SEE_OTHER, [(LOCATION, location)]).into_response();
    page::harden(&mut response);
    response.extensions_mut().insert(Outcome(if decision == Decision::Allow { "ok" } else { "denied" }));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_is_taken_when_nothing_is_registered() {
        let cases = [
            ("http://127.0.0.1/callback", true),
            ("http://127.0.0.1:8080/callback?a=b", true),
            ("https://localhost:1/", true),
            ("http://[::1]:80/x", true),
            ("http://lp.example/callback", false),
            ("http://127.0.0.1.lp.example/", false),
            ("http://user@127.0.0.1/", false),
            ("http://127.0.0.1/#part", false),
            ("http://127.0.0.1/a b", false),
            ("http://127.0.0.1/\r\nX: y", false),
            ("javascript:alert(1)", false),
            ("ftp://127.0.0.1/", false),
            ("/callback", false),
            ("", false),
        ];
        for (address, expected) in cases {
            assert_eq!(is_registered(&[], address), expected, "{address}");
        }
    }

    #[test]
    fn registered_addresses_are_compared_as_text() {
        let registered = ["https://lp.example/callback".to_owned()];
        assert!(is_registered(&registered, "https://lp.example/callback"));
        for address in ["https://lp.example/callback/", "https://lp.example/callback?x=1", "http://127.0.0.1/callback"] {
            assert!(!is_registered(&registered, address), "{address}");
        }
    }

    #[test]
    fn a_query_that_is_there_is_kept() {
        let cases = [
            ("http://127.0.0.1/cb", "http://127.0.0.1/cb?code=a%20b&state=%26"),
            ("http://127.0.0.1/cb?", "http://127.0.0.1/cb?code=a%20b&state=%26"),
            ("http://127.0.0.1/cb?tenant=7", "http://127.0.0.1/cb?tenant=7&code=a%20b&state=%26"),
            ("http://127.0.0.1/cb?tenant=7&", "http://127.0.0.1/cb?tenant=7&code=a%20b&state=%26"),
        ];
        for (address, expected) in cases {
            assert_eq!(with_parameters(address, &[("code", "a b"), ("state", "&")]), expected);
        }
    }

    #[test]
    fn a_plus_is_a_plus_unless_told_otherwise() {
        let strict = Parameters::read("a=x+y%20z", false).ok().and_then(|parameters| parameters.one("a").ok());
        let mild = Parameters::read("a=x+y%20z", true).ok().and_then(|parameters| parameters.one("a").ok());
        assert_eq!(strict.as_deref(), Some("x+y z"));
        assert_eq!(mild.as_deref(), Some("x y z"));
    }
}
