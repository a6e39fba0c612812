//! What the programs in `examples/` share: calling a protected resource, and a browser small enough to read.

use http::header::{AUTHORIZATION, LOCATION};
use http::{HeaderMap, Method, Uri};
use zeroize::Zeroizing;

use token_core::{Resend, Token, TokenRequest, TokenResponse, Transport};

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

/// Opens `login_url`, agrees on the consent page, and gives the query with which the browser is sent back.
///
/// # Errors
///
/// The page is not there, or is not a consent page.
pub async fn agree_in_browser(transport: &dyn Transport, login_url: &str) -> Result<String, Failure> {
    let login: Uri = login_url.parse()?;
    let page = transport.send(TokenRequest::new(Method::GET, login.clone(), Resend::AfterRefusal)).await?;
    let html = String::from_utf8_lossy(page.body()).into_owned();
    let form = |name| between(&html, name).ok_or("this is no consent page");
    let action = form("action=\"")?;
    let body = form_urlencoded::Serializer::new(String::new())
        .append_pair("ticket", form("name=\"ticket\" value=\"")?)
        .append_pair("user", form("<option value=\"")?)
        .append_pair("decision", "allow")
        .finish();

    let mut url = login.into_parts();
    url.path_and_query = Some(action.parse()?);
    let decision = TokenRequest::new(Method::POST, Uri::from_parts(url)?, Resend::OnlyIfNotSent)
        .with_body("application/x-www-form-urlencoded", Zeroizing::new(body.into_bytes()));
    let answer = transport.send(decision).await?;
    let callback = location(&answer).ok_or("the consent page sent the browser nowhere")?;
    let (_, query) = callback.split_once('?').ok_or("the browser came back without a query")?;
    Ok(query.to_owned())
}

fn location(answer: &TokenResponse) -> Option<&str> {
    let headers: &HeaderMap = answer.headers();
    headers.get(LOCATION)?.to_str().ok()
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
