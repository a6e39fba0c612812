//! Status, headers, bytes → token, profile, URL or error. No I/O.

use http::Uri;
use secrecy::SecretString;
use zeroize::Zeroizing;

use token_core::json::{FieldError, Object};
use token_core::{Error, Expiry, ExpiryFormat, Reply, Token, check_token_type, parse_absolute};

use crate::error::{Call, refusal};
use crate::profile::Profile;

/// Reads the answer to an exchange.
pub(crate) fn exchanged(reply: &Reply<'_>) -> Result<Token, Error> {
    let answer = read(reply, Call::Exchange)?;
    token(reply, &answer, None)
}

/// Reads the answer to a refresh by `kept`, which stays in force when the answer names no other.
///
/// The new refresh token comes beside the result: it counts whatever else in the answer is bad, as the one before may be dead.
pub(crate) fn refreshed(reply: &Reply<'_>, kept: &SecretString) -> (Option<SecretString>, Result<Token, Error>) {
    match read(reply, Call::Refresh) {
        Ok(answer) => (new_refresh_token(reply, &answer), token(reply, &answer, Some(kept))),
        Err(error) => (None, Err(error)),
    }
}

/// The refresh token of a success, if it is one that can be sent.
fn new_refresh_token(reply: &Reply<'_>, answer: &Object) -> Option<SecretString> {
    let token = optional(answer.object("data").ok()?, "refresh_token").ok()??;
    // The core knows what a token may hold, and asks the same of both kinds.
    let token = Token::bearer(SecretString::from(token.as_str()), Expiry::Unknown, reply.asked_at()).build().ok()?;
    Some(token.access_token().clone())
}

fn token(reply: &Reply<'_>, answer: &Object, kept: Option<&SecretString>) -> Result<Token, Error> {
    let data = data(reply, answer)?;
    let access_token = data.text("access_token").map_err(|fault| reply.invalid(fault))?;
    if let Some(token_type) = data.optional_text("token_type").map_err(|fault| reply.invalid(fault))? {
        check_token_type(token_type, &["Bearer"]).map_err(|fault| reply.invalid(fault))?;
    }
    let refresh_token = optional(data, "refresh_token").map_err(|fault| reply.invalid(fault))?;
    let refresh_token = refresh_token.map(|token| SecretString::from(token.as_str())).or_else(|| kept.cloned());
    let scope = data.optional_text("scope").ok().flatten().unwrap_or_default();
    // "Timestamp in seconds" by the page, yet called `expires_in`, and no real value is public: so by its size.
    let expiry = reply.expiry(ExpiryFormat::ByMagnitude, data.get("expires_in"));
    let mut builder = Token::bearer(SecretString::from(access_token), expiry, reply.asked_at())
        .clock_offset(reply.clock_offset())
        .scope(scope)
        .refresh_token(refresh_token);
    if let Some(text) = expiry_text(data) {
        builder = builder.expiry_as_received(&text);
    }
    builder.build().map_err(|fault| reply.invalid(fault))
}

/// Reads the answer to a profile call.
pub(crate) fn profile(reply: &Reply<'_>) -> Result<Profile, Error> {
    let answer = read(reply, Call::Profile)?;
    let data = data(reply, &answer)?;
    let field = |name| optional(data, name).map_err(|fault| reply.invalid(fault));
    Ok(Profile {
        dp_user_id: field("dp_user_id")?,
        email: field("email")?,
        name: field("name")?,
        no_prakerja: field("no_prakerja")?,
        phone_number: field("phone_number")?,
        user_id: field("user_id")?,
    })
}

/// Reads the login URL in the answer to the generate-URL call. It must lead to where `consent_url` is.
pub(crate) fn login_url(reply: &Reply<'_>, consent_url: &str) -> Result<String, Error> {
    let answer = read(reply, Call::Authorize)?;
    let url = data(reply, &answer)?.text("redirect_url").map_err(|fault| reply.invalid(fault))?;
    let leads_there = match (parse_absolute(url), parse_absolute(consent_url)) {
        // The setting is https or loopback, so what has its origin is too.
        (Ok(url), Ok(consent)) => origin(&url) == origin(&consent),
        _ => false,
    };
    if leads_there { Ok(url.to_owned()) } else { Err(reply.invalid(Elsewhere)) }
}

/// The login URL of the service leads to another place than the settings say, and no user is sent there.
#[derive(Debug, thiserror::Error)]
#[error("field `redirect_url`: wanted an https URL with the origin of the setting `consent_url`, found another")]
struct Elsewhere;

fn origin(url: &Uri) -> Option<(String, String, u16)> {
    let scheme = url.scheme_str()?.to_ascii_lowercase();
    let port = url.port_u16().unwrap_or(if scheme == "https" { 443 } else { 80 });
    Some((scheme, url.host()?.to_ascii_lowercase(), port))
}

/// The answer as an object, if it is a success.
///
/// A success has `errorCode: "0"`, an error has `code`; it is an error when either is there and not `0`, when `success` is false, or by its status.
fn read(reply: &Reply<'_>, call: Call) -> Result<Object, Error> {
    let object = reply.object()?;
    let code = error_code(&object);
    if code.is_some() || object.bool("success") == Some(false) {
        let message = object.optional_text("message").ok().flatten();
        let code = code.as_deref().map(String::as_str).filter(|code| !code.is_empty());
        return Err(refusal(reply, call, code, message));
    }
    if !reply.status().is_success() {
        return Err(reply.unexpected());
    }
    Ok(object)
}

/// `code`, then `errorCode`. `0` is none.
pub(crate) fn error_code(object: &Object) -> Option<Zeroizing<String>> {
    ["code", "errorCode"].into_iter().find_map(|field| {
        object.get(field)?;
        // What is neither a text nor a number is no code, but it is no success either.
        let code = object.text_or_number(field).unwrap_or_default();
        (*code != "0").then_some(code)
    })
}

fn data<'o>(reply: &Reply<'_>, answer: &'o Object) -> Result<&'o Object, Error> {
    answer.object("data").map_err(|fault| reply.invalid(fault))
}

/// A text, or a number by its text. Absent, `null` and empty are one: nothing.
fn optional(data: &Object, field: &'static str) -> Result<Option<Zeroizing<String>>, FieldError> {
    if data.get(field).is_none() {
        return Ok(None);
    }
    data.text_or_number(field).map(|text| Some(text).filter(|text| !text.is_empty()))
}

/// The expiry as it came, whatever it means.
fn expiry_text(data: &Object) -> Option<Zeroizing<String>> {
    data.get("expires_in")?;
    data.text_or_number("expires_in").ok()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use http::{HeaderMap, StatusCode};
    use secrecy::ExposeSecret;
    use serde_json::json;
    use token_core::{Asked, ErrorKind, Expiry, Moment, Remedy, TokenResponse};

    use super::*;
    use crate::PROVIDER;
    use crate::error::PrakerjaErrorCode;

    /// 2026-11-23T00:00:00Z
    const NOW: Duration = Duration::from_secs(1_795_392_000);

    fn reply(status: u16, body: &str) -> Reply<'static> {
        let body = Zeroizing::new(body.as_bytes().to_vec());
        let response = TokenResponse::new(StatusCode::from_u16(status).unwrap(), HeaderMap::new(), body);
        let at = Moment::new(SystemTime::UNIX_EPOCH + NOW, Duration::ZERO);
        Reply::new(response, Asked { provider: PROVIDER, at, secrets: &["canary-secret"] })
    }

    fn success(change: impl FnOnce(&mut serde_json::Value)) -> String {
        let mut body = json!({
            "message": "no error",
            "success": true,
            "errorCode": "0",
            "data": {
                "access_token": "token-test-only",
                "expires_in": "1795395600",
                "refresh_token": "refresh-test-only",
                "scope": "name email",
                "token_type": "Bearer",
            },
        });
        change(&mut body);
        body.to_string()
    }

    fn exchanged(body: &str) -> Result<Token, Error> {
        super::exchanged(&reply(200, body))
    }

    #[test]
    fn the_documented_answer_is_a_token() {
        let token = exchanged(&success(|_| {})).unwrap();
        assert_eq!(token.access_token().expose_secret(), "token-test-only");
        assert_eq!(token.refresh_token().map(ExposeSecret::expose_secret), Some("refresh-test-only"));
        assert_eq!(token.expiry(), Expiry::After(Duration::from_secs(3_600)));
        assert_eq!(token.expiry_as_received(), Some("1795395600"));
        assert_eq!(token.scopes(), ["name", "email"]);
    }

    #[test]
    fn what_the_page_leaves_open_is_taken_in_each_reading() {
        let hour = Expiry::After(Duration::from_secs(3_600));
        let cases = [
            ("Unix seconds as a number", "expires_in", json!(1_795_395_600), hour, Some("1795395600")),
            ("Unix milliseconds", "expires_in", json!("1795395600000"), hour, Some("1795395600000")),
            ("seconds from now", "expires_in", json!("3600"), hour, Some("3600")),
            ("the page's placeholder", "expires_in", json!("TIMESTAMP"), Expiry::Unknown, Some("TIMESTAMP")),
            ("no expiry", "expires_in", json!(null), Expiry::Unknown, None),
            ("an expiry of another kind", "expires_in", json!([1]), Expiry::Unknown, None),
            ("lower case", "token_type", json!("bearer"), hour, Some("1795395600")),
            ("no type", "token_type", json!(null), hour, Some("1795395600")),
            ("no scope", "scope", json!(null), hour, Some("1795395600")),
            ("a scope of another kind", "scope", json!(["name"]), hour, Some("1795395600")),
        ];
        for (what, field, value, expiry, as_received) in cases {
            let token = exchanged(&success(|body| body["data"][field] = value)).unwrap();
            assert_eq!((token.expiry(), token.expiry_as_received()), (expiry, as_received), "{what}");
        }
        for code in [json!("0"), json!(0), json!(null)] {
            assert!(exchanged(&success(|body| body["errorCode"] = code.clone())).is_ok(), "{code}");
            assert!(exchanged(&success(|body| body["code"] = code.clone())).is_ok(), "{code}");
        }
        assert!(exchanged(&success(|body| body["success"] = json!(null))).is_ok());
    }

    #[test]
    fn a_refresh_token_is_replaced_or_kept() {
        let kept = SecretString::from("refresh-kept");
        for (given, expected) in
            [(json!("refresh-new"), "refresh-new"), (json!(7), "7"), (json!(null), "refresh-kept"), (json!(""), "refresh-kept")]
        {
            let body = success(|body| body["data"]["refresh_token"] = given.clone());
            let (rotated, token) = refreshed(&reply(200, &body), &kept);
            assert_eq!(token.unwrap().refresh_token().map(ExposeSecret::expose_secret), Some(expected), "{given}");
            let rotated = rotated.as_ref().map_or("refresh-kept", ExposeSecret::expose_secret);
            assert_eq!(rotated, expected, "{given}");
        }
        let without = exchanged(&success(|body| body["data"]["refresh_token"] = json!(null))).unwrap();
        assert!(without.refresh_token().is_none());
    }

    #[test]
    fn a_new_refresh_token_counts_whatever_else_is_bad() {
        let kept = SecretString::from("refresh-kept");
        let data = |field: &str, value: serde_json::Value| success(|body| body["data"][field] = value);
        let top = |field: &str, value: serde_json::Value| success(|body| body[field] = value);
        let longest = "x".repeat(16_384);
        let cases = [
            ("another type", 200, data("token_type", json!("JWT")), Some("refresh-test-only")),
            ("a type of another kind", 200, data("token_type", json!(1)), Some("refresh-test-only")),
            ("no token", 200, data("access_token", json!(null)), Some("refresh-test-only")),
            ("an empty token", 200, data("access_token", json!("")), Some("refresh-test-only")),
            ("a token of another kind", 200, data("access_token", json!({"canary": 1})), Some("refresh-test-only")),
            ("a token that no header holds", 200, data("access_token", json!("canary\r\n")), Some("refresh-test-only")),
            ("a token over 16 KiB", 201, data("access_token", json!(format!("{longest}x"))), Some("refresh-test-only")),
            ("both bad", 200, success(|body| body["data"] = json!({"access_token": "", "refresh_token": "canary\u{e9}"})), None),
            ("the longest", 200, success(|body| body["data"] = json!({"refresh_token": longest})), Some(longest.as_str())),
            ("too long", 200, data("refresh_token", json!(format!("{longest}x"))), None),
            ("no visible ASCII", 200, data("refresh_token", json!("canary token")), None),
            ("of another kind", 200, data("refresh_token", json!(["canary"])), None),
            ("no data", 200, top("data", json!(null)), None),
            ("torn", 200, r#"{"data":{"refresh_token":"canary","access_token":"canary"#.to_owned(), None),
            // A refusal renews nothing, whatever stands in it.
            ("refused with 200", 200, top("success", json!(false)), None),
            ("a code with 200", 200, top("code", json!("ERRPLT00001")), None),
            ("a success that is no 2xx", 400, success(|_| {}), None),
            ("a success that is a 5xx", 503, success(|_| {}), None),
        ];
        for (what, status, body, expected) in cases {
            let (rotated, answer) = refreshed(&reply(status, &body), &kept);
            assert_eq!(rotated.as_ref().map(ExposeSecret::expose_secret), expected, "{what}");
            let error = answer.unwrap_err();
            assert!(!format!("{error} {error:?}").contains("canary"), "{what}: {error:?}");
        }
    }

    #[test]
    fn an_answer_without_a_good_token_is_an_error_that_quotes_nothing() {
        use ErrorKind::{Blocked, InvalidResponse, LoginRequired, RequestRefused, Server};
        let data = |field: &str, value: serde_json::Value| success(|body| body["data"][field] = value);
        let top = |field: &str, value: serde_json::Value| success(|body| body[field] = value);
        let cases = [
            ("no token", 200, data("access_token", json!(null)), InvalidResponse),
            ("an empty token", 200, data("access_token", json!("")), InvalidResponse),
            ("a token of another kind", 200, data("access_token", json!({"canary": 1})), InvalidResponse),
            ("a token that no header holds", 200, data("access_token", json!("canary\r\nX: y")), InvalidResponse),
            ("a refresh token of another kind", 200, data("refresh_token", json!(["canary"])), InvalidResponse),
            ("another type", 200, data("token_type", json!("mac")), InvalidResponse),
            ("a type of another kind", 200, data("token_type", json!(1)), InvalidResponse),
            ("no data", 200, top("data", json!(null)), InvalidResponse),
            ("data of another kind", 200, top("data", json!("canary")), InvalidResponse),
            ("refused with 200", 200, top("success", json!(false)), RequestRefused),
            ("a code with 200", 200, top("code", json!("ERROAUTH4031")), LoginRequired),
            ("a code in the other field", 200, top("errorCode", json!("ERROAUTH4031")), LoginRequired),
            ("a code as a number", 200, top("errorCode", json!(4031)), RequestRefused),
            ("a code of another kind", 200, top("code", json!(["canary"])), RequestRefused),
            ("an empty code", 200, top("errorCode", json!("")), RequestRefused),
            ("a success that is no 2xx", 400, success(|_| {}), Blocked),
            ("a success that is a 5xx", 503, success(|_| {}), Server),
            (
                "an unknown code",
                400,
                json!({"code": "ERRPLT00001", "message": "canary-secret", "success": false}).to_string(),
                RequestRefused,
            ),
            ("an unknown code with 503", 503, json!({"code": "ERRPLT00001", "success": false}).to_string(), Server),
            ("refused without a code", 400, json!({"message": "canary", "success": false}).to_string(), RequestRefused),
            ("another shape", 400, json!({"canary": 1}).to_string(), Blocked),
            ("a page", 200, "<html>canary</html>".to_owned(), Blocked),
            ("no JSON", 502, "canary".to_owned(), Server),
            ("torn", 200, r#"{"data":{"access_token":"canary"#.to_owned(), InvalidResponse),
            ("a doubled key", 200, r#"{"errorCode":"0","errorCode":"canary"}"#.to_owned(), InvalidResponse),
            ("an array", 200, "[]".to_owned(), InvalidResponse),
            ("nothing", 200, String::new(), InvalidResponse),
        ];
        for (what, status, body, kind) in cases {
            let error = super::exchanged(&reply(status, &body)).unwrap_err();
            assert_eq!((error.kind(), error.http_status()), (kind, Some(status)), "{what}: {error}");
            let shown = format!("{error} {error:?} {:?}", error.service_message());
            assert!(what == "refused without a code" || !shown.contains("canary"), "{what}: {shown}");
        }
    }

    #[test]
    fn a_code_is_kept_known_or_not_and_cleaned() {
        let long = format!("X\u{202e}{}", "y".repeat(5_000));
        for (code, kept) in
            [("ERROAUTH4043", "ERROAUTH4043"), ("ERRPLT00001", "ERRPLT00001"), (long.as_str(), &format!("X{}", "y".repeat(63)))]
        {
            let body = json!({"code": code, "message": "Unauthorized canary-secret", "success": false}).to_string();
            let error = refreshed(&reply(400, &body), &"refresh-kept".into()).1.unwrap_err();
            assert_eq!(error.code(), Some(kept));
            assert_eq!(error.find_source::<PrakerjaErrorCode>().map(PrakerjaErrorCode::code), Some(kept));
            assert_eq!(error.service_message(), Some("Unauthorized [secret]"));
            assert!(format!("{error:?}").len() < 600);
        }
    }

    #[test]
    fn a_profile_is_read_and_shows_nobody() {
        let body = json!({"success": true, "errorCode": "0", "data": {
            "dp_user_id": 7, "email": "canary@contoh.example", "name": "Siti canary", "no_prakerja": "", "user_id": "u-1", "more": {},
        }});
        let read = profile(&reply(200, &body.to_string())).unwrap();
        assert_eq!(
            [read.dp_user_id(), read.email(), read.name(), read.no_prakerja(), read.phone_number(), read.user_id()],
            [Some("7"), Some("canary@contoh.example"), Some("Siti canary"), None, None, Some("u-1")]
        );
        assert!(!format!("{read:?} {read:#?}").contains("canary"));
        for data in [json!(null), json!("canary"), json!({"name": {"canary": 1}})] {
            let body = json!({"success": true, "data": data}).to_string();
            let error = profile(&reply(200, &body)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidResponse);
            assert!(!format!("{error:?}").contains("canary"));
        }
        let error = profile(&reply(400, r#"{"code":"ERROAUTH4051","message":"Token expired","success":false}"#)).unwrap_err();
        assert_eq!((error.kind(), error.remedy()), (ErrorKind::TokenRefused, Remedy::Refresh));
        assert_eq!(
            error.to_string(),
            "prakerja: the service refuses the access token (code `ERROAUTH4051`, HTTP 400); refresh the token, or log the user in again"
        );
    }

    #[test]
    fn a_login_url_must_lead_to_the_consent_page() {
        let read = |url: &str, consent: &str| {
            let body = json!({"success": true, "errorCode": "0", "data": {"redirect_url": url}}).to_string();
            login_url(&reply(200, &body), consent)
        };
        let consent = "https://oauth.service.example/consent-sso";
        for url in
            ["https://oauth.service.example/x?state=1", "https://OAUTH.service.example:443/", "HTTPS://oauth.service.example"]
        {
            assert_eq!(read(url, consent).unwrap(), url);
        }
        assert!(read("http://127.0.0.1:8080/consent-sso?a=b", "http://127.0.0.1:8080/consent-sso").is_ok());
        for url in [
            "",
            "/consent-sso",
            "//oauth.service.example/",
            "http://oauth.service.example/",
            "https://oauth.service.example:8443/",
            "https://oauth.service.example.evil.example/canary",
            "https://oauth.service.example@evil.example/canary",
            "https://evil.example/https://oauth.service.example/canary",
            "https://oauth.service.example\\@evil.example/canary",
            "https://oauth.service.example/a b",
            "https://oauth.service.example/#canary",
            "javascript:canary",
            "http://127.0.0.1/canary",
        ] {
            let error = read(url, consent).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidResponse, "{url}");
            assert!(!format!("{error:?}").contains("canary"), "{url}");
        }
    }
}
