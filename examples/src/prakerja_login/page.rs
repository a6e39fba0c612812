//! The pages. No script, nothing from elsewhere, and every value that came from outside is escaped.

use std::time::SystemTime;

use aws_lc_rs::digest;
use axum::response::{Html, Response};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS};
use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};

use provider_prakerja::Profile;
use token_core::Token;

const STYLE: &str = "\
*{box-sizing:border-box}\
body{font-family:system-ui,sans-serif;line-height:1.55;margin:0;padding:1rem;background:#f3f6f4;color:#1b2620}\
main{max-width:30rem;margin:2rem auto;padding:1.75rem;background:#fff;border:1px solid #d4ded8;border-radius:.75rem}\
.place{margin:0 0 1.25rem;font-size:.85rem;font-weight:600;letter-spacing:.02em;color:#17694a}\
h1{font-size:1.5rem;line-height:1.25;margin:0 0 .75rem}\
p{margin:.75rem 0}\
dl{margin:1.25rem 0;padding:.9rem 1rem;background:#f3f6f4;border-radius:.5rem}\
dt{font-size:.85rem;color:#53645b}\
dd{margin:0 0 .6rem;font-weight:600;overflow-wrap:anywhere}\
dd:last-child{margin:0}\
form{margin:0}\
p+.button{margin-top:1.25rem}\
.button,button{font:inherit;font-weight:600;display:block;width:100%;margin:.6rem 0 0;padding:.7rem 1rem;border:1px solid #17694a;border-radius:.5rem;background:#fff;color:#17694a;text-align:center;text-decoration:none;cursor:pointer}\
.button:hover,button:hover{background:#eff7f3}\
.button:focus-visible,button:focus-visible{outline:3px solid #86c9ac;outline-offset:2px}\
.main{background:#17694a;color:#fff}\
.main:hover{background:#10533a}\
.note{font-size:.85rem;color:#53645b}\
@media(max-width:32rem){body{padding:.5rem}main{margin:0 auto;padding:1.25rem}}";

const MONTHS: [&str; 12] =
    ["Januari", "Februari", "Maret", "April", "Mei", "Juni", "Juli", "Agustus", "September", "Oktober", "November", "Desember"];

const LOG_OUT: &str = "<form method=\"post\" action=\"/keluar\"><button type=\"submit\">Keluar</button></form>";

/// For who is not logged in. `return_to` is where the login leads back to.
pub(super) fn welcome(return_to: &str) -> Html<String> {
    let body = format!(
        "<h1>Selamat datang</h1>\
         <p>Masuk dengan akun Prakerja Anda untuk melanjutkan pelatihan. Anda akan diarahkan ke Prakerja, lalu kembali ke sini.</p>\
         {}\
         <p class=\"note\">Kata sandi Anda hanya diketik di Prakerja, tidak pernah di sini.</p>",
        log_in_button(return_to, "Masuk dengan Prakerja"),
    );
    document("Masuk", &body)
}

/// For who is logged in.
pub(super) fn home(name: &str, token: &Token) -> Html<String> {
    let body = format!(
        "<h1>Halo, {name}</h1>\
         <p>Anda masuk dengan akun Prakerja.</p>\
         <dl>{until}</dl>\
         <a class=\"button main\" href=\"/profil\">Ambil profil dari Prakerja</a>{LOG_OUT}\
         <p class=\"note\">Token akses diperbarui dengan sendirinya; Anda tidak perlu masuk lagi.</p>",
        name = escape(name),
        until = row("Token akses berlaku sampai", &until(token.expires_at())),
    );
    document("Beranda", &body)
}

/// What the protected resource answered.
pub(super) fn profile(profile: &Profile, token: &Token) -> Html<String> {
    let rows: String = [
        ("Nama", profile.name()),
        ("Alamat surel", profile.email()),
        ("Nomor telepon", profile.phone_number()),
        ("Nomor Prakerja", profile.no_prakerja()),
    ]
    .into_iter()
    .map(|(label, value)| row(label, value.unwrap_or("tidak diberikan")))
    .collect();
    let body = format!(
        "<h1>Profil Anda</h1>\
         <p>Baru saja diambil dari Prakerja.</p>\
         <dl>{rows}{until}</dl>\
         <a class=\"button main\" href=\"/profil\">Ambil lagi</a><a class=\"button\" href=\"/\">Kembali ke beranda</a>{LOG_OUT}",
        until = row("Token akses berlaku sampai", &until(token.expires_at())),
    );
    document("Profil", &body)
}

/// What went wrong and what to do.
pub(super) fn problem(title: &str, advice: &str, logging_in_helps: bool) -> Html<String> {
    let log_in = if logging_in_helps { log_in_button("/", "Masuk dengan Prakerja") } else { String::new() };
    let body =
        format!("<h1>{}</h1><p>{}</p>{log_in}<a class=\"button\" href=\"/\">Ke halaman utama</a>", escape(title), escape(advice));
    document(title, &body)
}

/// What every answer carries. Nothing is stored, framed, sniffed, or told to another site.
pub(super) async fn harden(mut response: Response) -> Response {
    let style = BASE64_STANDARD.encode(digest::digest(&digest::SHA256, STYLE.as_bytes()));
    let policy =
        format!("default-src 'none'; style-src 'sha256-{style}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'");
    let headers = response.headers_mut();
    if let Ok(policy) = HeaderValue::try_from(policy) {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    // Not `no-referrer`, under which a browser's own forms come with `Origin: null`. A redirect, which comes from an address with a code, has that one.
    headers.entry(REFERRER_POLICY).or_insert(HeaderValue::from_static("same-origin"));
    response
}

/// The first value of a query's parameter, decoded.
pub(super) fn parameter(query: Option<&str>, name: &str) -> Option<String> {
    let mut pairs = form_urlencoded::parse(query?.as_bytes());
    pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

fn log_in_button(return_to: &str, text: &str) -> String {
    let query = form_urlencoded::Serializer::new(String::new()).append_pair("kembali", return_to).finish();
    format!("<a class=\"button main\" href=\"/mulai?{}\">{text}</a>", escape(&query))
}

fn row(label: &str, value: &str) -> String {
    format!("<dt>{label}</dt><dd>{}</dd>", escape(value))
}

/// A time in western Indonesia, as people there write it.
fn until(end: Option<SystemTime>) -> String {
    let Some(end) = end.and_then(|end| Timestamp::try_from(end).ok()) else {
        return "tidak diketahui".to_owned();
    };
    let end = end.to_zoned_datetime(TimeZone::fixed(Offset::constant(7)));
    let month =
        usize::try_from(end.month()).ok().and_then(|month| MONTHS.get(month.checked_sub(1)?)).copied().unwrap_or_default();
    format!("{} {month} {} pukul {}", end.day(), end.year(), end.strftime("%H.%M.%S WIB"))
}

fn document(title: &str, body: &str) -> Html<String> {
    Html(format!(
        "<!doctype html><html lang=\"id\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <title>{} – Lembaga Contoh &amp; Rekan</title><style>{STYLE}</style></head>\
         <body><main><p class=\"place\">Lembaga Contoh &amp; Rekan</p>{body}</main></body></html>",
        escape(title)
    ))
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
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_name_is_no_markup_and_a_return_path_stays_one_parameter() {
        assert_eq!(escape("<a href='x'>\"&\"</a>"), "&lt;a href=&#39;x&#39;&gt;&quot;&amp;&quot;&lt;/a&gt;");
        let page = welcome("/profil?a=b&c=\"><script>").0;
        assert!(page.contains("href=\"/mulai?kembali=%2Fprofil%3Fa%3Db%26c%3D%22%3E%3Cscript%3E\""), "{page}");
    }

    #[test]
    fn a_time_is_written_for_western_indonesia() {
        let time = |seconds| until(Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)));
        assert_eq!(time(1_795_392_000), "23 November 2026 pukul 07.00.00 WIB");
        // The last second of a year there is still the old year in UTC.
        assert_eq!(time(1_798_736_399), "31 Desember 2026 pukul 23.59.59 WIB");
        assert_eq!(time(1_798_736_400), "1 Januari 2027 pukul 00.00.00 WIB");
        assert_eq!(until(None), "tidak diketahui");
    }
}
