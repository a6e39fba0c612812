//! The consent page: who may ask, what was asked, what the person answered.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::LOCATION;
use http::{HeaderValue, StatusCode, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde::Deserialize;

use crate::count::Outcome;
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

/// What the person answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Decision {
    Allow,
    Deny,
}

pub(super) async fn show(State(shared): State<Arc<Shared>>, RawQuery(query): RawQuery) -> Response {
    let now = shared.clock.now();
    let mut prakerja = lock(&shared.prakerja);
    let asked = match prakerja.check_consent(query.as_deref().unwrap_or_default()) {
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
    let response = page::ask(&asked, &ticket, &prakerja.users);
    prakerja.pending.insert(now, ticket, now.after(TICKET_LIFETIME), asked);
    response
}

pub(super) async fn decide(State(shared): State<Arc<Shared>>, body: Bytes) -> Response {
    let now = shared.clock.now();
    let mut ticket = String::new();
    let mut user = String::new();
    let mut decision = None;
    for (name, value) in form_urlencoded::parse(&body) {
        match (name.as_ref(), value.as_ref()) {
            ("ticket", value) => value.clone_into(&mut ticket),
            ("user", value) => value.clone_into(&mut user),
            ("decision", "allow") => decision = Some(Decision::Allow),
            ("decision", "deny") => decision = Some(Decision::Deny),
            _ => {}
        }
    }
    let Some(decision) = decision else {
        return page::refused(INPUT);
    };
    let mut prakerja = lock(&shared.prakerja);
    // Taken out before anything else is looked at: a ticket is good for one answer.
    let Some((ends, asked)) = prakerja.pending.remove(&ticket) else {
        return page::refused(INPUT);
    };
    if now >= ends {
        return page::refused(INPUT);
    }
    redirect(prakerja.answer(now, &asked, decision, &user), decision)
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
