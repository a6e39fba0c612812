//! What the programs in `examples/` share: calling a protected resource, a browser small enough to read, and a web application to copy.

pub mod prakerja_login;

use http::header::{AUTHORIZATION, COOKIE, HeaderName, LOCATION, SET_COOKIE};
use http::{HeaderMap, HeaderValue, Method, Uri};
use zeroize::Zeroizing;

use token_core::{ApiBody, ApiRequest, Authorize, Resend, Target, Token, TokenRequest, TokenResponse, Transport};

/// What any step of an example may fail with.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Calls an API that wants a token, as `curl -H "Authorization: Bearer ..."` would.
///
/// # Errors
///
/// `url` is none, or no answer came.
pub async fn call_api(transport: &dyn Transport, url: &str, token: &Token) -> Result<u16, Failure> {
    let request = TokenRequest::new(Method::GET, url.parse()?, Resend::AfterRefusal)
        .with_header(AUTHORIZATION, token.authorization().clone());
    Ok(transport.send(request).await?.status().as_u16())
}

/// Calls an API with whatever its service wants in a request: a token, and for Klikoo a signature.
///
/// # Errors
///
/// `url` is none, or not below the service's base URL; there is no token; or no answer came.
pub async fn call_authorized(transport: &dyn Transport, url: &str, authorizer: &dyn Authorize) -> Result<u16, Failure> {
    let url: Uri = url.parse()?;
    let request = ApiRequest::new(&Method::GET, Target::of_uri(&url)?, ApiBody::Bytes(b""));
    let token = authorizer.token(None).await?;
    let mut headers = HeaderMap::new();
    authorizer.attach(&request, token.as_ref(), &mut headers)?;
    let request = TokenRequest::new(Method::GET, url.clone(), Resend::AfterRefusal);
    let request = headers.iter().fold(request, |request, (name, value)| request.with_header(name.clone(), value.clone()));
    Ok(transport.send(request).await?.status().as_u16())
}

/// Opens `login_url`, logs in as the first user whom the page offers, agrees, and gives the query with which the browser is sent back.
///
/// # Errors
///
/// The page is not there, or is not that of the sandbox.
pub async fn agree_in_browser(transport: &dyn Transport, login_url: &str) -> Result<String, Failure> {
    let login: Uri = login_url.parse()?;
    let mut cookie = HeaderValue::from_static("");
    let show = |cookie: &HeaderValue| {
        TokenRequest::new(Method::GET, login.clone(), Resend::AfterRefusal).with_header(COOKIE, cookie.clone())
    };
    let page = transport.send(show(&cookie)).await?;
    let chosen = transport.send(press(&login, &page, "user", &cookie)?).await?;
    cookie = header(&chosen, &SET_COOKIE).and_then(|cookie| cookie.split(';').next()).unwrap_or_default().parse()?;
    let page = transport.send(show(&cookie)).await?;
    let answer = transport.send(press(&login, &page, "decision", &cookie)?).await?;
    let callback = header(&answer, &LOCATION).ok_or("the consent page sent the browser nowhere")?;
    let (_, query) = callback.split_once('?').ok_or("the browser came back without a query")?;
    Ok(query.to_owned())
}

/// Sends the form of a page by its first button of this name.
fn press(page_url: &Uri, page: &TokenResponse, button: &str, cookie: &HeaderValue) -> Result<TokenRequest, Failure> {
    let html = String::from_utf8_lossy(page.body());
    let part = |start: &str| between(&html, start).ok_or("this is no page of the sandbox");
    let body = form_urlencoded::Serializer::new(String::new())
        .append_pair("ticket", part("name=\"ticket\" value=\"")?)
        .append_pair(button, part(&format!("name=\"{button}\" value=\""))?)
        .finish();
    let mut url = page_url.clone().into_parts();
    url.path_and_query = Some(part("action=\"")?.parse()?);
    let request = TokenRequest::new(Method::POST, Uri::from_parts(url)?, Resend::OnlyIfNotSent)
        .with_header(COOKIE, cookie.clone())
        .with_body("application/x-www-form-urlencoded", Zeroizing::new(body.into_bytes()));
    Ok(request)
}

fn header<'a>(answer: &'a TokenResponse, name: &HeaderName) -> Option<&'a str> {
    answer.headers().get(name)?.to_str().ok()
}

/// The text after `start`, up to the next quotation mark.
fn between<'t>(text: &'t str, start: &str) -> Option<&'t str> {
    text.split_once(start)?.1.split_once('"').map(|(value, _)| value)
}

/// The examples of the READMEs, so that they compile.
#[cfg(doctest)]
mod readme {
    #[doc = include_str!("../../README.md")]
    struct English;

    #[doc = include_str!("../../README.id.md")]
    struct Indonesian;
}
