//! Refuses a request that changes something unless a page of this application sent it.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::ORIGIN;
use http::{HeaderMap, Method};

use super::App;
use super::problem::Problem;

/// The second line of defence: `SameSite=Lax` keeps the cookie from other sites already, but a site is also every other port and subdomain.
pub(super) async fn check(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let changes_nothing = matches!(*request.method(), Method::GET | Method::HEAD);
    if changes_nothing || is_from_own_page(request.headers(), &app.settings.origin) {
        return next.run(request).await;
    }
    Problem::ForeignPage.into_response()
}

/// A browser says from where a request comes: by `Sec-Fetch-Site`, and an older one by `Origin`. A page can set neither. One that says neither is refused.
fn is_from_own_page(headers: &HeaderMap, origin: &str) -> bool {
    match headers.get("sec-fetch-site") {
        Some(site) => site == "same-origin",
        None => headers.get(ORIGIN).is_some_and(|from| from == origin),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn only_what_the_browser_vouches_for_is_let_in() {
        let own = "https://lp.example";
        let cases = [
            (Some("same-origin"), Some(own), true),
            (Some("same-origin"), None, true),
            // As a page under `Referrer-Policy: no-referrer` sends it.
            (Some("same-origin"), Some("null"), true),
            (None, Some(own), true),
            (Some("same-site"), Some("https://other.lp.example"), false),
            (Some("cross-site"), Some("https://evil.example"), false),
            (Some("cross-site"), Some(own), false),
            (Some("none"), None, false),
            (Some(""), Some(own), false),
            (None, Some("null"), false),
            (None, Some("http://lp.example"), false),
            (None, Some("https://lp.example:8443"), false),
            (None, Some("https://lp.example.evil.example"), false),
            (None, None, false),
        ];
        for (site, origin, expected) in cases {
            let mut headers = HeaderMap::new();
            if let Some(site) = site {
                headers.insert("sec-fetch-site", HeaderValue::from_static(site));
            }
            if let Some(origin) = origin {
                headers.insert(ORIGIN, HeaderValue::from_static(origin));
            }
            assert_eq!(is_from_own_page(&headers, own), expected, "{site:?} {origin:?}");
        }
    }
}
