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
*{box-sizing:border-box}\
body{font-family:system-ui,sans-serif;line-height:1.5;margin:0;padding:1rem;background:#eef1f5;color:#1c2430}\
main{max-width:27rem;margin:2rem auto;padding:1.75rem;background:#fff;border:1px solid #d3d9e2;border-radius:.75rem}\
.place{margin:0 0 1.25rem;font-size:.85rem;font-weight:600;letter-spacing:.02em;color:#0a5c9e}\
h1{font-size:1.35rem;line-height:1.3;margin:0 0 .75rem}\
p,ul{margin:.75rem 0}\
ul{padding-left:1.25rem}\
address{font-style:normal;padding:.6rem .9rem;background:#f4f6f9;border-radius:.5rem}\
address span,button span{display:block;font-size:.85rem;font-weight:400;color:#566273;overflow-wrap:anywhere}\
button{font:inherit;font-weight:600;display:block;width:100%;margin:.6rem 0 0;padding:.7rem 1rem;border:1px solid #0a5c9e;border-radius:.5rem;background:#fff;color:#0a5c9e;cursor:pointer}\
button:hover{background:#f0f6fb}\
button:focus-visible{outline:3px solid #7db8e8;outline-offset:2px}\
button[value=allow]{background:#0a5c9e;color:#fff}\
button[value=allow]:hover{background:#084a80}\
button[name=user]{text-align:left;color:#1c2430;border-color:#b6c0cd}\
button.quiet{border:0;padding:.4rem;font-weight:400;text-align:center;color:#0a5c9e}\
code{overflow-wrap:anywhere}\
.note{font-size:.85rem;color:#566273;border-top:1px solid #d3d9e2;margin:1.5rem 0 0;padding-top:1rem}\
.note+.note{border:0;margin:0;padding-top:.5rem}\
@media(max-width:32rem){body{padding:.5rem}main{margin:0 auto;padding:1.25rem}}";

/// The page that asks who is there.
pub(super) fn log_in(asked: &Asked, ticket: &str, users: &[PrakerjaUser]) -> Response {
    let users: String = users
        .iter()
        .map(|user| {
            let [id, name, email] = [user.id(), user.name(), user.email()].map(escape);
            format!("<button type=\"submit\" name=\"user\" value=\"{id}\">{name}<span>{email}</span></button>")
        })
        .collect();
    let body = format!(
        "<h1>Masuk ke Prakerja</h1>\
         <p>Untuk melanjutkan ke {client}, pilih akun Anda:</p>\
         <form method=\"post\" action=\"{action}\">\
         <input type=\"hidden\" name=\"ticket\" value=\"{ticket}\">{users}</form>",
        client = escape(&asked.client_name),
        action = Route::PrakerjaLogin.path(),
        ticket = escape(ticket),
    );
    let mut response = document("Masuk", &body).into_response();
    harden(&mut response);
    set_policy(&mut response, "'self'");
    response.extensions_mut().insert(Outcome("ok"));
    response
}

/// The page that asks for consent.
pub(super) fn ask(asked: &Asked, ticket: &str, user: &PrakerjaUser) -> Response {
    let client = escape(&asked.client_name);
    let scopes: String = asked.scopes.iter().map(|scope| format!("<li>{}</li>", escape(label(scope)))).collect();
    let body = format!(
        "<h1>Izinkan {client} masuk dengan akun Anda?</h1>\
         <address>{name}<span>{email}</span></address>\
         <p>{client} akan menerima data berikut:</p><ul>{scopes}</ul>\
         <form method=\"post\" action=\"{action}\">\
         <input type=\"hidden\" name=\"ticket\" value=\"{ticket}\">\
         <button type=\"submit\" name=\"decision\" value=\"allow\">Izinkan</button>\
         <button type=\"submit\" name=\"decision\" value=\"deny\">Tolak</button>\
         <button type=\"submit\" class=\"quiet\" formaction=\"{switch}\">Ganti akun</button>\
         </form>\
         <p class=\"note\">Setelah diizinkan, peramban kembali ke <code>{redirect}</code>.</p>",
        name = escape(user.name()),
        email = escape(user.email()),
        action = Route::PrakerjaDecision.path(),
        switch = Route::PrakerjaLogin.path(),
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
         <body><main><p class=\"place\">Prakerja (kotak pasir)</p>{body}<p class=\"note\">Ini kotak pasir untuk uji coba di komputer Anda sendiri, bukan layanan Prakerja. Orang dan datanya rekaan.</p></main></body></html>"
    ))
}

fn label(scope: &str) -> &str {
    match scope {
        "name" => "nama lengkap",
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
