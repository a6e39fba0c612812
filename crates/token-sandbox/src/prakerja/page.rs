//! The pages that a person sees. Every value that came from outside is escaped.

use aws_lc_rs::digest;
use axum::response::{Html, IntoResponse, Response};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS};
use http::{HeaderValue, StatusCode};

use crate::count::{Outcome, Route};
use crate::credentials::PrakerjaUser;

use super::Refusal;
use super::consent::{Asked, origin};

const STYLE: &str = "\
body{font-family:system-ui,sans-serif;line-height:1.5;margin:0;background:#f4f5f7;color:#1c1e21}\
main{max-width:28rem;margin:4rem auto;padding:2rem;background:#fff;border:1px solid #d5d9df;border-radius:.5rem}\
h1{font-size:1.3rem;margin-top:0}\
select,button{font:inherit;padding:.5rem 1rem}\
button{border:1px solid #0a5c9e;border-radius:.3rem;background:#0a5c9e;color:#fff;margin-right:.5rem}\
button[value=deny]{background:#fff;color:#0a5c9e}\
.note{font-size:.9rem;color:#5a626d;border-top:1px solid #d5d9df;margin-top:2rem;padding-top:1rem}";

/// The page that asks.
pub(super) fn ask(asked: &Asked, ticket: &str, users: &[PrakerjaUser]) -> Response {
    let client = escape(&asked.client_name);
    let scopes: String = asked.scopes.iter().map(|scope| format!("<li>{}</li>", escape(label(scope)))).collect();
    let users: String =
        users.iter().map(|user| format!("<option value=\"{}\">{}</option>", escape(user.id()), escape(user.name()))).collect();
    let body = format!(
        "<h1>Izinkan {client} masuk dengan akun Anda?</h1>\
         <p>{client} meminta data berikut:</p><ul>{scopes}</ul>\
         <form method=\"post\" action=\"{action}\">\
         <input type=\"hidden\" name=\"ticket\" value=\"{ticket}\">\
         <p><label>Masuk sebagai <select name=\"user\">{users}</select></label></p>\
         <p><button type=\"submit\" name=\"decision\" value=\"allow\">Izinkan</button>\
         <button type=\"submit\" name=\"decision\" value=\"deny\">Tolak</button></p>\
         </form>\
         <p>Setelah diizinkan, peramban kembali ke {redirect}.</p>",
        action = Route::PrakerjaDecision.path(),
        ticket = escape(ticket),
        redirect = escape(&asked.redirect_uri),
    );
    let mut response = document("Persetujuan", &body).into_response();
    harden(&mut response);
    // A browser holds the form's redirect to the same list, so both places where it may lead are on it.
    let mut targets: Vec<String> =
        [&asked.redirect_uri, &asked.login_uri].into_iter().filter_map(|address| origin(address)).collect();
    targets.dedup();
    set_policy(&mut response, &format!("'self' {}", targets.join(" ")));
    response.extensions_mut().insert(Outcome("ok"));
    response
}

/// The page that says why nothing is asked. The browser is sent nowhere.
pub(super) fn refused(refusal: Refusal) -> Response {
    let body =
        format!("<h1>Permintaan ditolak</h1><p>{}</p><p><code>{}</code></p>", escape(refusal.message), escape(refusal.code),);
    let mut response = (StatusCode::BAD_REQUEST, document("Permintaan ditolak", &body)).into_response();
    harden(&mut response);
    response.extensions_mut().insert(Outcome(refusal.code));
    response
}

/// Nothing is stored, framed, sniffed or told to the next site.
pub(super) fn harden(response: &mut Response) {
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    set_policy(response, "'none'");
}

fn set_policy(response: &mut Response, form_action: &str) {
    let style = BASE64_STANDARD.encode(digest::digest(&digest::SHA256, STYLE.as_bytes()));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{style}'; form-action {form_action}; frame-ancestors 'none'; base-uri 'none'"
    );
    if let Ok(policy) = HeaderValue::try_from(policy) {
        response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    }
}

fn document(title: &str, body: &str) -> Html<String> {
    Html(format!(
        "<!doctype html><html lang=\"id\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <title>{title} – kotak pasir</title><style>{STYLE}</style></head>\
         <body><main>{body}<p class=\"note\">Ini kotak pasir untuk uji coba di komputer Anda sendiri, bukan layanan Prakerja. Orang dan datanya rekaan.</p></main></body></html>"
    ))
}

fn label(scope: &str) -> &str {
    match scope {
        "name" => "nama",
        "email" => "alamat surel",
        "prakerjaid" => "nomor Prakerja",
        "notelp" => "nomor telepon",
        other => other,
    }
}

fn escape(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut escaped, character| {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
        escaped
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_means_something_in_html_is_escaped() {
        assert_eq!(escape("<a href='x'>\"&\"</a>"), "&lt;a href=&#39;x&#39;&gt;&quot;&amp;&quot;&lt;/a&gt;");
    }
}
