//! The login URL, and what a callback is refused for.
#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use proptest::prelude::*;

use provider_prakerja::{CallbackError, Prakerja, PrakerjaBuilder};
use token_core::{Clock, Error, ErrorKind, Remedy};
use token_testkit::ManualClock;

use crate::support::{Service, builder, code, prakerja, state, tokens};

fn service() -> (Arc<Service>, Arc<ManualClock>, Prakerja) {
    let (service, clock) = (Service::new([]), Arc::new(ManualClock::new()));
    let prakerja = prakerja(&service, &clock);
    (service, clock, prakerja)
}

#[test]
fn hostile_settings_are_written_as_encode_uri_component_writes_them() {
    let (service, clock, _) = service();
    let prakerja = builder(&service, &clock)
        .client_id("lp &=?#+%")
        .client_name("Rumah \"Ku\" & Rekan+é😀 (100%)!*'~")
        .login_uri("http://127.0.0.1:8080/masuk?ke=%2Fawal&x=1+1")
        .redirect_uri("https://lp.example/c'(all)!*~;v=1,2?tenant=7")
        .scope("name email")
        .build()
        .unwrap();
    let login = prakerja.begin_login().unwrap();
    // Computed with Node's encodeURIComponent.
    let expected = "https://oauth.prakerja.go.id/consent-sso?client_id=lp%20%26%3D%3F%23%2B%25&\
        client_name=Rumah%20%22Ku%22%20%26%20Rekan%2B%C3%A9%F0%9F%98%80%20(100%25)!*'~&\
        login_uri=http%3A%2F%2F127.0.0.1%3A8080%2Fmasuk%3Fke%3D%252Fawal%26x%3D1%2B1&\
        redirect_uri=https%3A%2F%2Flp.example%2Fc'(all)!*~%3Bv%3D1%2C2%3Ftenant%3D7&\
        scope=name%20email&state=";
    assert_eq!(login.url.strip_suffix(&state(&login.url)), Some(expected));
}

#[test]
fn every_login_has_a_state_of_its_own() {
    let (_, _, prakerja) = service();
    let (first, second) = (prakerja.begin_login().unwrap(), prakerja.begin_login().unwrap());
    assert_ne!(first.url, second.url);
    let crossed = format!("code=code-test-only&state={}", state(&second.url));
    assert_eq!(first.pending.callback(&crossed).unwrap_err(), CallbackError::WrongState);
    assert!(second.pending.callback(&crossed).is_ok());
}

#[test]
fn good_callbacks_are_taken() {
    let (_, _, prakerja) = service();
    let longest = "x".repeat(4_096);
    for query in [
        "code=code-test-only&state=STATE",
        "?code=code-test-only&state=STATE",
        "state=STATE&code=code-test-only",
        "&&code=code-test-only&&state=STATE&",
        "code=code-test-only&state=STATE&session_state=x&iss=https%3A%2F%2Fservice.example&empty=&bare",
        "tenant=7&tenant=8&code=code-test-only&state=STATE",
        "%63ode=code%2Dtest%2Donly&st%61te=STATE",
        "code=eyJhbGciOiJIUzI1NiJ9.e30.x_y-z~!*'()%26%3D%25%2B%22%5C&state=STATE",
        "code=a=b=&state=STATE",
        "error=&code=code-test-only&state=STATE",
        &format!("code={longest}&state=STATE"),
        &format!("code=c&state=STATE{}", "&x=1".repeat(30)),
    ] {
        let login = prakerja.begin_login().unwrap();
        let query = query.replace("STATE", &state(&login.url));
        assert!(login.pending.callback(&query).is_ok(), "{query}");
    }
}

#[test]
fn hostile_callbacks_are_each_refused_for_their_own_reason() {
    use CallbackError::{
        CodeAndError, CodeCharacter, Encoding, MissingCode, MissingState, Repeated, TooLong, TooManyParameters, WrongState,
    };
    let (service, _, prakerja) = service();
    let oversized = "x".repeat(4_097);
    let cases: Vec<(String, CallbackError)> = [
        ("", MissingCode),
        ("?", MissingCode),
        ("&&&", MissingCode),
        ("state=STATE", MissingCode),
        ("code=&state=STATE", MissingCode),
        ("code&state=STATE", MissingCode),
        ("Code=code-test-only&state=STATE", MissingCode),
        ("code%20=code-test-only&state=STATE", MissingCode),
        ("??code=code-test-only&state=STATE", MissingCode),
        ("https://lp.example/callback?code=code-test-only&state=STATE", MissingCode),
        ("code=code-test-only", MissingState),
        ("code=code-test-only&state=", MissingState),
        ("code=code-test-only&state", MissingState),
        ("code=code-test-only&State=STATE", MissingState),
        ("code=code-test-only&amp;state=STATE", MissingState),
        ("code=code-test-only;state=STATE", MissingState),
        ("code=code-test-only&state=x", WrongState),
        ("code=code-test-only&state=STATEx", WrongState),
        ("code=code-test-only&state=xSTATE", WrongState),
        ("code=code-test-only&state=%20STATE", WrongState),
        ("code=code-test-only&state=STATE+", WrongState),
        ("code=code-test-only&state=STATE%00", WrongState),
        ("code=code-test-only&state=LOWER", WrongState),
        ("code=code-test-only&state=SHORT", WrongState),
        ("error=access_denied&state=x", WrongState),
        ("code=one&error=access_denied&state=x", WrongState),
        ("state=x", WrongState),
        ("code=one&code=two&state=STATE", Repeated("code")),
        ("code=one&code=one&state=STATE", Repeated("code")),
        ("code=&code=one&state=STATE", Repeated("code")),
        ("code=one&c%6Fde=two&state=STATE", Repeated("code")),
        ("code=one&state=STATE&state=STATE", Repeated("state")),
        ("code=one&state=x&state=STATE", Repeated("state")),
        ("code=one&state=STATE&state", Repeated("state")),
        ("error=a&error=b", Repeated("error")),
        ("error=a&error_description=b&error_description=c", Repeated("error_description")),
        ("code=one&error=access_denied&state=STATE", CodeAndError),
        ("code=one&error=access_denied", CodeAndError),
        ("code=a%20b&state=STATE", CodeCharacter),
        ("code=a+b&state=STATE", CodeCharacter),
        ("code=a%0D%0AX-Client-Id%3A%20b&state=STATE", CodeCharacter),
        ("code=%00&state=STATE", CodeCharacter),
        ("code=%7F&state=STATE", CodeCharacter),
        ("code=%E6%97%A5&state=STATE", CodeCharacter),
        ("code=%E2%80%AEone&state=STATE", CodeCharacter),
        ("code=%&state=STATE", Encoding),
        ("code=%4&state=STATE", Encoding),
        ("code=%GG&state=STATE", Encoding),
        ("code=%FF&state=STATE", Encoding),
        ("code=%C0%80&state=STATE", Encoding),
        ("code=one&state=STATE&other=%", Encoding),
        ("code=one&state=STATE&%zz=1", Encoding),
        ("code=one two&state=STATE", Encoding),
        ("code=one\r\n&state=STATE", Encoding),
        ("code=one\0&state=STATE", Encoding),
        ("code=日本&state=STATE", Encoding),
        ("code=one&state=STATE#fragment", Encoding),
    ]
    .into_iter()
    .map(|(query, fault)| (query.to_owned(), fault))
    .chain([
        (format!("code={oversized}&state=STATE"), TooLong("code")),
        (format!("code=one&state={oversized}"), TooLong("state")),
        (format!("error={oversized}"), TooLong("error")),
        (format!("error=a&error_description={oversized}"), TooLong("error_description")),
        (format!("code=one&state=STATE&x={}", "x".repeat(8_192)), TooLong("query")),
        (format!("code=one&state=STATE{}", "&x".repeat(31)), TooManyParameters),
        ("a&".repeat(4_096), TooManyParameters),
    ])
    .collect();
    assert!(cases.len() >= 40);
    for (query, fault) in cases {
        let login = prakerja.begin_login().unwrap();
        let state = state(&login.url);
        let query = query
            .replace("STATE", &state)
            .replace("LOWER", &swapped_case(&state))
            .replace("SHORT", state.get(..state.len() - 1).unwrap());
        let found = login.pending.callback(&query).unwrap_err();
        assert_eq!(found, fault, "{query}");
        let error = Error::from(found);
        assert_eq!((error.kind(), error.remedy()), (ErrorKind::InvalidResponse, Remedy::LogInAgain), "{query}");
        assert!(error.find_source::<CallbackError>() == Some(&fault));
        assert!(!format!("{error} {error:?}").contains(&state), "{query}");
    }
    assert_eq!(service.requests(), 0);
}

/// A state of 43 characters without a letter comes once in 10^34.
fn swapped_case(text: &str) -> String {
    text.chars()
        .map(|letter| if letter.is_ascii_lowercase() { letter.to_ascii_uppercase() } else { letter.to_ascii_lowercase() })
        .collect()
}

#[test]
fn a_denial_is_told_from_a_forgery() {
    let (service, _, prakerja) = service();
    let cases = [
        ("error=access_denied&state=STATE", "access_denied", None),
        ("error=access_denied", "access_denied", None),
        ("error=access_denied&code=", "access_denied", None),
        ("error=server_error&error_description=Maaf%2C+coba+lagi&state=STATE", "server_error", Some("Maaf, coba lagi")),
        ("error=a%0Ab%E2%80%AEc&error_description=%1B%5B31m", "abc", Some("[31m")),
        ("error=STATE&error_description=your+state+was+STATE&state=STATE", "[secret]", Some("your state was [secret]")),
    ];
    for (query, code, message) in cases {
        let login = prakerja.begin_login().unwrap();
        let query = query.replace("STATE", &state(&login.url));
        let error = Error::from(login.pending.callback(&query).unwrap_err());
        assert_eq!((error.kind(), error.remedy()), (ErrorKind::AccessDenied, Remedy::LogInAgain), "{query}");
        assert_eq!((error.code(), error.service_message()), (Some(code), message), "{query}");
        assert!(
            matches!(error.find_source(), Some(CallbackError::Denied(denial)) if denial.code() == code && denial.message() == message)
        );
    }
    // Nothing is left of it when it is cleaned.
    let error = Error::from(prakerja.begin_login().unwrap().pending.callback("error=%00").unwrap_err());
    assert_eq!(error.to_string(), "prakerja: the login was denied; log the user in again");
    assert_eq!(service.requests(), 0);
}

#[test]
fn a_login_lives_ten_minutes_by_the_clock_that_went_further() {
    type Move = fn(&ManualClock);
    let cases: [(&str, Move, Option<CallbackError>); 9] = [
        ("at once", |_| {}, None),
        ("ten minutes", |clock| clock.advance(Duration::from_secs(600)), None),
        ("a moment more", |clock| clock.advance(Duration::from_millis(600_001)), Some(CallbackError::Expired)),
        ("the machine slept", |clock| clock.sleep_machine(Duration::from_secs(601)), Some(CallbackError::Expired)),
        ("a day", |clock| clock.advance(Duration::from_secs(86_400)), Some(CallbackError::Expired)),
        // A wall clock that was set back says nothing; the monotonic clock tells the age.
        ("a wall clock that was set back", |clock| clock.set_wall(UNIX_EPOCH), None),
        (
            "set back after ten minutes",
            |clock| {
                clock.advance(Duration::from_secs(600));
                clock.set_wall(UNIX_EPOCH);
            },
            None,
        ),
        (
            "a little after ten minutes and more",
            |clock| {
                let began = clock.now().wall();
                clock.advance(Duration::from_secs(601));
                clock.set_wall(began - Duration::from_secs(1));
            },
            Some(CallbackError::Expired),
        ),
        (
            "set back after a day",
            |clock| {
                clock.advance(Duration::from_secs(86_400));
                clock.set_wall(UNIX_EPOCH);
            },
            Some(CallbackError::Expired),
        ),
    ];
    for (what, change, fault) in cases {
        let (service, clock, prakerja) = service();
        let login = prakerja.begin_login().unwrap();
        let query = format!("code=code-test-only&state={}", state(&login.url));
        change(&clock);
        let found = login.pending.callback(&query).err();
        assert_eq!(found, fault, "{what}");
        if let Some(found) = found {
            assert_eq!(Error::from(found).kind(), ErrorKind::LoginRequired, "{what}");
        }
        assert_eq!(service.requests(), 0);
    }
}

#[tokio::test]
async fn the_code_of_the_callback_is_what_is_exchanged() {
    let (service, clock) = (Service::new([tokens("token-test-only", None)]), Arc::new(ManualClock::new()));
    let prakerja = prakerja(&service, &clock);
    let login = prakerja.begin_login().unwrap();
    let query = format!("?code=a%22%5C%2Fb%2B&state={}", state(&login.url));
    prakerja.exchange(login.pending.callback(&query).unwrap()).await.unwrap();
    assert_eq!(service.spent(), ["a\"\\/b+"]);
}

#[tokio::test]
async fn a_code_is_exchanged_by_the_client_that_began_its_login() {
    type Change = fn(PrakerjaBuilder) -> PrakerjaBuilder;
    let cases: [(&str, Change, bool); 8] = [
        ("built again of the same settings", |b| b, true),
        ("the same base URL in other letters", |b| b.base_url("https://API-proxy.prakerja.go.id/"), true),
        ("another name", |b| b.client_name("Lembaga Lain"), true),
        ("another path of the refresh", |b| b.refresh_path("/api/v1/oauth/token"), true),
        ("another client id", |b| b.client_id("lp-other"), false),
        ("another host", |b| b.base_url("https://service.example"), false),
        ("another path", |b| b.base_url("https://api-proxy.prakerja.go.id/gate"), false),
        ("another redirect URI", |b| b.redirect_uri("https://lp.example/other"), false),
    ];
    for (what, change, is_taken) in cases {
        let (service, clock) = (Service::new([tokens("token-test-only", None)]), Arc::new(ManualClock::new()));
        let other = change(builder(&service, &clock)).build().unwrap();
        let answer = other.exchange(code(&prakerja(&service, &clock))).await;
        assert_eq!(answer.is_ok(), is_taken, "{what}");
        assert_eq!(service.requests(), usize::from(is_taken), "{what}");
        if let Err(error) = answer {
            assert_eq!((error.kind(), error.remedy()), (ErrorKind::Configuration, Remedy::FixRequest), "{what}");
            assert_eq!(
                error.to_string(),
                "prakerja: the login of this code was begun by a client with another client id, base URL or redirect URI: \
                 exchange it with that one; correct the request"
            );
        }
    }
}

proptest! {
    #[test]
    fn no_callback_panics_or_passes_without_its_state(
        any in ".{0,200}",
        query in "[?]?([a-z_]{0,6}(code|state|error)?[=&%+;#0-9A-Fa-f]{0,5}){0,40}",
    ) {
        let (_, _, prakerja) = service();
        for text in [any, query] {
            prop_assert!(prakerja.begin_login().unwrap().pending.callback(&text).is_err());
        }
    }

    #[test]
    fn only_visible_ascii_is_a_code(code in ".{1,60}") {
        let (_, _, prakerja) = service();
        let login = prakerja.begin_login().unwrap();
        let encoded: String = code.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let callback = login.pending.callback(&format!("code={encoded}&state={}", state(&login.url)));
        prop_assert_eq!(callback.is_ok(), code.bytes().all(|byte| byte.is_ascii_graphic()));
    }
}
