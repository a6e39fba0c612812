//! Status, headers, bytes → token or error. No I/O.

use secrecy::SecretString;

use token_core::json::Object;
use token_core::{Error, ExpiryFormat, Reply, Token, check_token_type};

use crate::code::ResponseCode;
use crate::error::refusal;

/// Reads the answer to a token request.
///
/// It is a success if the HTTP status, the status in the code and the token itself all say so. The message says nothing: the pages show three for success.
pub(crate) fn token(reply: &Reply<'_>) -> Result<Token, Error> {
    let object = reply.object()?;
    let is_success = reply.status().is_success();
    let text = match object.text_or_number("response_code") {
        Ok(text) => text,
        Err(fault) if is_success => return Err(reply.invalid(fault)),
        Err(_) => return Err(reply.unexpected()),
    };
    let with_code = |error: Error| error.with_code(&reply.scrub(&text));
    let code: ResponseCode = match text.parse() {
        Ok(code) => code,
        Err(fault) if is_success => return Err(with_code(reply.invalid(fault))),
        // Not the service's, or not in its own words: no verdict on the credentials.
        Err(_) => return Err(with_code(reply.unexpected())),
    };
    match code.http() {
        400.. => Err(refusal(reply, &code, object.optional_text("response_message").ok().flatten())),
        200..=299 if is_success => granted(reply, &object),
        // Status and code contradict each other, and neither names a case.
        _ => Err(with_code(reply.unexpected())),
    }
}

fn granted(reply: &Reply<'_>, object: &Object) -> Result<Token, Error> {
    let data = object.object("data").map_err(|fault| reply.invalid(fault))?;
    let access_token = data.text("access_token").map_err(|fault| reply.invalid(fault))?;
    if let Some(token_type) = data.optional_text("token_type").map_err(|fault| reply.invalid(fault))? {
        check_token_type(token_type, &["Bearer"]).map_err(|fault| reply.invalid(fault))?;
    }
    let expiry = reply.expiry(ExpiryFormat::SecondsFromNow, data.get("expires_in"));
    Token::bearer(SecretString::from(access_token), expiry, reply.asked_at())
        .clock_offset(reply.clock_offset())
        .build()
        .map_err(|fault| reply.invalid(fault))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use http::{HeaderMap, HeaderValue, StatusCode};
    use secrecy::ExposeSecret as _;
    use zeroize::Zeroizing;

    use token_core::{Asked, ErrorKind, Expiry, Moment, Remedy, TokenFault, TokenResponse, UnexpectedPage};

    use super::*;
    use crate::{KlikooErrorCode, PROVIDER, ResponseCodeError};

    /// 2026-11-23T00:00:00Z
    const NOW: Duration = Duration::from_secs(1_795_392_000);

    fn read_with(status: u16, date: Option<&'static str>, body: &str) -> Result<Token, Error> {
        let mut headers = HeaderMap::new();
        if let Some(date) = date {
            headers.insert("date", HeaderValue::from_static(date));
        }
        let response =
            TokenResponse::new(StatusCode::from_u16(status).unwrap(), headers, Zeroizing::new(body.as_bytes().to_vec()));
        let at = Moment::new(SystemTime::UNIX_EPOCH + NOW, Duration::ZERO);
        token(&Reply::new(response, Asked { provider: PROVIDER, at, secrets: &["canary-secret"] }))
    }

    fn read(status: u16, body: &str) -> Result<Token, Error> {
        read_with(status, None, body)
    }

    fn failure(status: u16, code: &str, message: &str) -> Error {
        read(status, &format!(r#"{{"response_code":"{code}","response_message":"{message}"}}"#)).unwrap_err()
    }

    #[test]
    fn a_token_is_read_whatever_the_message_and_the_length_of_the_code() {
        for (status, code, message) in [
            (200, "200012000", "Sukses"),
            (200, "2000100", "Success."),
            (200, "200002000", "gagal"),
            (201, "201012001", "Berhasil dibuat"),
        ] {
            for token_type in ["Bearer", "bearer", "BEARER"] {
                let token = read(
                    status,
                    &format!(
                        r#"{{"response_code":"{code}","response_message":"{message}","data":{{"access_token":"token-test-only","token_type":"{token_type}","expires_in":900}}}}"#
                    ),
                )
                .unwrap();
                assert_eq!(token.access_token().expose_secret(), "token-test-only");
                assert_eq!(token.expiry(), Expiry::After(Duration::from_secs(900)));
                assert!(token.refresh_token().is_none());
            }
        }
    }

    #[test]
    fn what_is_missing_or_odd_in_a_success_is_read_or_named() {
        let good = r#""response_code":"200012000","data":"#;
        let cases = [
            (format!(r#"{{{good}{{"access_token":"t","expires_in":"900"}}}}"#), Some(Expiry::After(Duration::from_secs(900)))),
            (format!(r#"{{{good}{{"access_token":"t"}}}}"#), Some(Expiry::Unknown)),
            (format!(r#"{{{good}{{"access_token":"t","expires_in":"soon"}}}}"#), Some(Expiry::Unknown)),
            (format!(r#"{{{good}{{"access_token":"t","expires_in":-1}}}}"#), Some(Expiry::After(Duration::ZERO))),
            (r#"{"response_code":200012000,"data":{"access_token":"t","token_type":null}}"#.to_owned(), Some(Expiry::Unknown)),
            (format!(r#"{{{good}{{"access_token":""}}}}"#), None),
            (format!(r#"{{{good}{{"access_token":null}}}}"#), None),
            (format!(r#"{{{good}{{"access_token":7}}}}"#), None),
            (format!(r#"{{{good}{{"access_token":"a b"}}}}"#), None),
            (format!(r#"{{{good}{{"access_token":"t","token_type":"MAC"}}}}"#), None),
            (format!(r#"{{{good}{{}}}}"#), None),
            (format!("{{{good}null}}"), None),
            (format!(r#"{{{good}"canary"}}"#), None),
            (r#"{"response_code":"200012000","access_token":"canary"}"#.to_owned(), None),
            (r#"{"data":{"access_token":"canary"}}"#.to_owned(), None),
            (r#"{"response_code":"OK","data":{"access_token":"canary"}}"#.to_owned(), None),
            (r#"{"response_code":["200012000"],"data":{"access_token":"canary"}}"#.to_owned(), None),
        ];
        for (body, expiry) in cases {
            let result = read(200, &body);
            assert_eq!(result.as_ref().ok().map(Token::expiry), expiry, "{body}");
            if let Err(error) = result {
                assert_eq!(error.kind(), ErrorKind::InvalidResponse, "{body}");
                assert!(!format!("{error} {error:?}").contains("canary"), "{error:?}");
            }
        }
        let error = read(200, r#"{"response_code":"200012000","data":{"access_token":"t","token_type":"MAC"}}"#).unwrap_err();
        assert_eq!(error.find_source(), Some(&TokenFault::Type("MAC".to_owned())));
        let error = read(200, r#"{"response_code":"nonsense","data":{"access_token":"t"}}"#).unwrap_err();
        assert_eq!(error.code(), Some("nonsense"));
        assert!(error.find_source::<ResponseCodeError>().is_some());
    }

    /// The table of the APIs Response Code page, written down a second time.
    const DOCUMENTED: &[(u16, &str, &str, ErrorKind, Remedy)] = {
        use ErrorKind::{AccessDenied, ClientRefused, ClockSkew, RequestRefused, Server, TokenRefused};
        use Remedy::{ContactService, CorrectClock, FixConfiguration, FixRequest, Refresh, Retry, Wait};
        &[
            (400, "6505", "Waktu tidak sesuai", ClockSkew, CorrectClock),
            (400, "6508", "Signature tidak sesuai", ClientRefused, FixConfiguration),
            (400, "6510", "Validasi Error", RequestRefused, FixConfiguration),
            (400, "6512", "Field tidak boleh kosong", RequestRefused, FixConfiguration),
            (400, "6525", "Produk tidak sesuai", RequestRefused, FixConfiguration),
            (400, "6568", "UUID tidak sesuai", ClientRefused, FixConfiguration),
            (400, "6569", "Grant type tidak sesuai", RequestRefused, FixConfiguration),
            (401, "6500", "Token tidak sesuai", TokenRefused, Refresh),
            (401, "6535", "Token kadaluarsa", TokenRefused, Refresh),
            (401, "6570", "Kredensial tidak sesuai", ClientRefused, FixConfiguration),
            (403, "6524", "Butuh verifikasi terlebih dahulu", AccessDenied, ContactService),
            (403, "6567", "User type bukan b2b", AccessDenied, ContactService),
            (403, "6571", "IP tidak ada di dalam whitelist", AccessDenied, FixConfiguration),
            (403, "6572", "User type bukan irs", AccessDenied, ContactService),
            (404, "6525", "Produk tidak sesuai", RequestRefused, FixConfiguration),
            (404, "7001", "Gagal ambil data user", RequestRefused, ContactService),
            (404, "7002", "No Customer tidak ditemukan", RequestRefused, FixRequest),
            (404, "7003", "Produk tidak ditemukan", RequestRefused, FixRequest),
            (404, "7005", "Transaksi tidak ditemukan", RequestRefused, FixRequest),
            (
                404,
                "7009",
                "Akun telah dinonaktifkan atau diblokir, silahkan hubungi customer support terkait.",
                AccessDenied,
                ContactService,
            ),
            (404, "7011", "No pelanggan salah, pastikan nomor yang diinput sesuai", RequestRefused, FixRequest),
            (404, "7012", "Angsuran terakhir, silahkan kunjungi kantor cabang", RequestRefused, FixRequest),
            (409, "6563", "ReferenceNo sudah digunakan, silahkan gunakan reference_no yang lain", RequestRefused, FixRequest),
            (500, "8504", "Gagal merubah data ke database", Server, Retry),
            (500, "8505", "Gagal mengambil data dari database", Server, Retry),
            (500, "8601", "Gagal masukan data ke redis", Server, Retry),
            (500, "9975", "Data user belum di set", RequestRefused, ContactService),
            (500, "9992", "Provider tidak diketahui", RequestRefused, ContactService),
            (500, "9999", "Harap hubungi admin", Server, Retry),
            (501, "9976", "Belum di implementasi", RequestRefused, FixConfiguration),
            (503, "9991", "Supplier sedang gangguan", Server, Wait),
            (
                503,
                "9998",
                "Jumlah pembayaran harus lebih besar dari jumlah minimum plus biaya admin (jika ada biaya admin)",
                RequestRefused,
                FixRequest,
            ),
        ]
    };

    #[test]
    fn every_documented_code_has_its_meaning() {
        assert_eq!(DOCUMENTED.len(), KlikooErrorCode::ALL.len());
        for (&(status, case, message, kind, remedy), meaning) in DOCUMENTED.iter().zip(KlikooErrorCode::ALL) {
            assert_eq!(meaning.http_status(), Some(status));
            assert_eq!((meaning.code(), meaning.message()), (format!("{status}xx{case}").as_str(), message));
            // The status of the answer may lie; what the code says stays.
            for (http, service) in [(status, "01"), (status, "03"), (200, "01"), (502, "00")] {
                let code = format!("{status}{service}{case}");
                let error = failure(http, &code, message);
                assert_eq!((error.kind(), error.remedy()), (kind, remedy), "HTTP {http}, {code}");
                assert_eq!((error.code(), error.http_status()), (Some(code.as_str()), Some(http)));
                assert_eq!(error.service_message(), Some(message));
                assert_eq!(error.find_source(), Some(meaning));
            }
        }
    }

    #[test]
    fn unknown_code_is_kept_and_judged_by_the_status_in_it() {
        let cases = [
            (401, "401010001", ErrorKind::ClientRefused, Remedy::FixConfiguration),
            (401, "4010170", ErrorKind::ClientRefused, Remedy::FixConfiguration),
            (401, "401016505", ErrorKind::ClientRefused, Remedy::FixConfiguration),
            (403, "403011234", ErrorKind::AccessDenied, Remedy::FixConfiguration),
            (400, "400011234", ErrorKind::RequestRefused, Remedy::ContactService),
            (404, "404016570", ErrorKind::RequestRefused, Remedy::ContactService),
            (422, "422011234", ErrorKind::RequestRefused, Remedy::ContactService),
            (429, "429010000", ErrorKind::RateLimited, Remedy::Wait),
            (429, "400010000", ErrorKind::RateLimited, Remedy::Wait),
            (500, "500011234", ErrorKind::Server, Remedy::Retry),
            (503, "5030198", ErrorKind::Server, Remedy::Retry),
            (200, "500011234", ErrorKind::Server, Remedy::Retry),
            (200, "401019876", ErrorKind::ClientRefused, Remedy::FixConfiguration),
        ];
        for (status, code, kind, remedy) in cases {
            let error = failure(status, code, "x");
            assert_eq!((error.kind(), error.remedy()), (kind, remedy), "HTTP {status}, {code}");
            assert_eq!(error.code(), Some(code));
            assert_eq!(error.find_source(), Some(&KlikooErrorCode::Unknown(code.to_owned())));
        }
    }

    #[test]
    fn failure_wins_where_status_and_code_disagree() {
        let with_token = |code: &str| {
            format!(r#"{{"response_code":"{code}","data":{{"access_token":"canary","token_type":"Bearer","expires_in":900}}}}"#)
        };
        let cases = [
            (401, "200012000", ErrorKind::Blocked),
            (400, "200012000", ErrorKind::Blocked),
            (429, "200012000", ErrorKind::RateLimited),
            (503, "200012000", ErrorKind::Server),
            (302, "200012000", ErrorKind::Configuration),
            (200, "302012000", ErrorKind::InvalidResponse),
            (200, "100012000", ErrorKind::InvalidResponse),
            (200, "401016570", ErrorKind::ClientRefused),
            (200, "500018601", ErrorKind::Server),
            (201, "400016508", ErrorKind::ClientRefused),
        ];
        for (status, code, kind) in cases {
            let error = read(status, &with_token(code)).unwrap_err();
            assert_eq!((error.kind(), error.code()), (kind, Some(code)), "HTTP {status}");
            assert!(!format!("{error} {error:?}").contains("canary"));
        }
    }

    #[test]
    fn what_the_service_did_not_say_is_no_verdict_on_the_credentials() {
        let cases = [
            (401, r#"{"message":"Unauthorized"}"#, ErrorKind::Blocked),
            (401, r#"{"response_code":"E401","response_message":"no"}"#, ErrorKind::Blocked),
            (401, r#"{"response_code":"40101657"}"#, ErrorKind::Blocked),
            (403, "<html><title>403 Forbidden</title>", ErrorKind::Blocked),
            (404, "404 page not found", ErrorKind::Configuration),
            (502, "<html>", ErrorKind::Server),
            (429, "", ErrorKind::RateLimited),
            (200, "<html>login</html>", ErrorKind::Blocked),
            (200, "", ErrorKind::InvalidResponse),
            (200, r#"{"response_code":"200012000","data":{"access_tok"#, ErrorKind::InvalidResponse),
            (200, r#"{"response_code":"200012000","response_code":"401016570"}"#, ErrorKind::InvalidResponse),
        ];
        for (status, body, kind) in cases {
            let error = read(status, body).unwrap_err();
            assert_eq!(error.kind(), kind, "HTTP {status}, {body}");
        }
        assert!(read(401, r#"{"response_code":"E401"}"#).unwrap_err().find_source::<UnexpectedPage>().is_some());
        assert_eq!(failure(401, "E401", "x").code(), Some("E401"));
    }

    #[test]
    fn a_refused_time_is_told_with_the_measured_offset() {
        let body = r#"{"response_code":"400016505","response_message":"Waktu tidak sesuai"}"#;
        let cases = [
            (Some("Mon, 23 Nov 2026 00:07:00 GMT"), "clock is 420 s behind the service's"),
            (Some("Sun, 22 Nov 2026 23:00:00 GMT"), "clock is 3600 s ahead of the service's"),
            (Some("Mon, 23 Nov 2026 00:00:01 GMT"), "agree within seconds"),
            (None, "or the service's"),
        ];
        for (date, words) in cases {
            let error = read_with(400, date, body).unwrap_err();
            assert_eq!((error.kind(), error.remedy()), (ErrorKind::ClockSkew, Remedy::CorrectClock));
            assert!(error.to_string().contains(words), "{error}");
        }
        assert!(failure(403, "403016571", "x").to_string().contains("whitelist"));
        assert!(failure(400, "400016508", "x").to_string().contains("public key"));
    }

    #[test]
    fn what_the_service_says_is_scrubbed_and_not_shown() {
        let error = failure(401, "401016570", "Kredensial canary-secret tidak sesuai");
        assert_eq!(error.service_message(), Some("Kredensial [secret] tidak sesuai"));
        assert!(!format!("{error} {error:?}").contains("Kredensial"));
        let error = failure(401, "canary-secret", "x");
        assert_eq!(error.code(), Some("[secret]"));
        assert!(!format!("{error} {error:?}").contains("canary"));
    }
}
