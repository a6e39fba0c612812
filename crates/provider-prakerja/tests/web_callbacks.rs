//! Hostile callbacks and cookies of a web login: each refused for its own reason, before a request is made.
#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use proptest::prelude::*;
use tokio::runtime::Builder;

use provider_prakerja::{Prakerja, ReturnPath, WebLogin, WebLoginError};
use token_core::{Error, Remedy, Seal, SealError, seal_context};
use token_testkit::ManualClock;

use crate::support::{Browser, Service, TestSeal, builder, prakerja, tokens};

const NAME: &str = "__Host-prakerja-login";

fn setup(answers: usize) -> (Arc<Service>, Arc<TestSeal>, Prakerja, WebLogin) {
    let service = Service::new(std::iter::repeat_n(tokens("token-test-only", Some("refresh-test-only")), answers));
    let (seal, prakerja) = (TestSeal::new(1), prakerja(&service, &Arc::new(ManualClock::new())));
    let logins = prakerja.web_login(Arc::clone(&seal) as _);
    (service, seal, prakerja, logins)
}

/// The error of what needs no runtime, as nothing is sent.
fn refused(logins: &WebLogin, cookies: &[HeaderValue], raw_query: Option<&str>) -> WebLoginError {
    Builder::new_current_thread().build().unwrap().block_on(logins.finish(cookies, raw_query)).unwrap_err()
}

/// What a table calls it: the variant, and that within.
fn name(error: &WebLoginError) -> String {
    match error {
        WebLoginError::Denied(denial) if denial.has_state() => format!("Denied {} for certain", denial.code()),
        WebLoginError::Denied(denial) => format!("Denied {}", denial.code()),
        error => format!("{error:?}"),
    }
}

/// `STATE` stands for that of the login, `OTHER` for that of another one. The last column says whether the login is used up by it.
fn hostile() -> Vec<(String, &'static str, bool)> {
    let oversized = "x".repeat(4_097);
    let mut cases: Vec<(String, &str, bool)> = [
        ("", "Denied ", false),
        ("?", "Denied ", false),
        ("&&&", "Denied ", false),
        ("session_state=x", "Denied ", false),
        ("code=", "Denied ", false),
        ("code=&state=&error=", "Denied ", false),
        ("Code=code-test-only", "Denied ", false),
        ("error=access_denied", "Denied access_denied", false),
        ("error=access_denied&error_description=Maaf", "Denied access_denied", false),
        ("error=%1B%5B31m%E2%80%AEx", "Denied [31mx", false),
        ("error=access_denied&state=STATE", "Denied access_denied for certain", true),
        ("error=STATE&state=STATE", "Denied [secret] for certain", true),
        ("error=server_error&error_description=STATE&state=STATE", "Denied server_error for certain", true),
        ("state=STATE", "Callback(MissingCode)", true),
        ("code=&state=STATE", "Callback(MissingCode)", true),
        ("code&state=STATE", "Callback(MissingCode)", true),
        ("Code=code-test-only&state=STATE", "Callback(MissingCode)", true),
        ("code%20=code-test-only&state=STATE", "Callback(MissingCode)", true),
        ("code[]=code-test-only&state=STATE", "Callback(MissingCode)", true),
        ("??code=code-test-only&state=STATE", "Callback(MissingCode)", true),
        ("https://lp.example/callback?code=code-test-only&state=STATE", "Callback(MissingCode)", true),
        ("code=code-test-only", "Callback(MissingState)", false),
        ("code=code-test-only&state=", "Callback(MissingState)", false),
        ("code=code-test-only&state", "Callback(MissingState)", false),
        ("code=code-test-only&State=STATE", "Callback(MissingState)", false),
        ("code=code-test-only&state[]=STATE", "Callback(MissingState)", false),
        ("code=code-test-only&amp;state=STATE", "Callback(MissingState)", false),
        ("code=code-test-only;state=STATE", "Callback(MissingState)", false),
        ("code=code-test-only&state=x", "OtherLogin", false),
        ("code=code-test-only&state=OTHER", "OtherLogin", false),
        ("error=access_denied&state=OTHER", "OtherLogin", false),
        ("state=OTHER", "OtherLogin", false),
        ("code=code-test-only&state=STATEx", "OtherLogin", false),
        ("code=code-test-only&state=xSTATE", "OtherLogin", false),
        ("code=code-test-only&state=STATE,STATE", "OtherLogin", false),
        ("code=code-test-only&state=%20STATE", "OtherLogin", false),
        ("code=code-test-only&state=STATE+", "OtherLogin", false),
        ("code=code-test-only&state=STATE%00", "OtherLogin", false),
        ("code=code-test-only&state=STATE%3D", "OtherLogin", false),
        ("code=code-test-only&state=SHORT", "OtherLogin", false),
        ("code=code-test-only&state=LOWER", "OtherLogin", false),
        ("code=code-test-only&state=null", "OtherLogin", false),
        ("code=one&error=access_denied&state=x", "OtherLogin", false),
        ("code=one&code=two&state=STATE", "Callback(Repeated(\"code\"))", false),
        ("code=one&code=one&state=STATE", "Callback(Repeated(\"code\"))", false),
        ("code=&code=one&state=STATE", "Callback(Repeated(\"code\"))", false),
        ("code=one&c%6Fde=two&state=STATE", "Callback(Repeated(\"code\"))", false),
        ("code=one&state=STATE&state=STATE", "Callback(Repeated(\"state\"))", false),
        ("code=one&state=OTHER&state=STATE", "Callback(Repeated(\"state\"))", false),
        ("code=one&state=STATE&state", "Callback(Repeated(\"state\"))", false),
        ("error=a&error=b&state=STATE", "Callback(Repeated(\"error\"))", false),
        ("error=a&error_description=b&error_description=c", "Callback(Repeated(\"error_description\"))", false),
        ("code=one&error=access_denied&state=STATE", "Callback(CodeAndError)", true),
        ("code=one&error=access_denied", "Callback(CodeAndError)", false),
        ("code=a%20b&state=STATE", "Callback(CodeCharacter)", true),
        ("code=a+b&state=STATE", "Callback(CodeCharacter)", true),
        ("code=a%0D%0AX-Client-Id%3A%20b&state=STATE", "Callback(CodeCharacter)", true),
        ("code=%00&state=STATE", "Callback(CodeCharacter)", true),
        ("code=%7F&state=STATE", "Callback(CodeCharacter)", true),
        ("code=%E6%97%A5&state=STATE", "Callback(CodeCharacter)", true),
        ("code=%E2%80%AEone&state=STATE", "Callback(CodeCharacter)", true),
        ("code=%&state=STATE", "Callback(Encoding)", false),
        ("code=%4&state=STATE", "Callback(Encoding)", false),
        ("code=%GG&state=STATE", "Callback(Encoding)", false),
        ("code=%FF&state=STATE", "Callback(Encoding)", false),
        ("code=%C0%80&state=STATE", "Callback(Encoding)", false),
        ("code=%ED%A0%80&state=STATE", "Callback(Encoding)", false),
        ("code=one&state=STATE&other=%", "Callback(Encoding)", false),
        ("code=one&state=STATE&%zz=1", "Callback(Encoding)", false),
        ("code=one two&state=STATE", "Callback(Encoding)", false),
        ("code=one\r\n&state=STATE", "Callback(Encoding)", false),
        ("code=one\0&state=STATE", "Callback(Encoding)", false),
        ("code=日本&state=STATE", "Callback(Encoding)", false),
        ("code=one&state=STATE#fragment", "Callback(Encoding)", false),
        ("\u{202e}", "Callback(Encoding)", false),
    ]
    .into_iter()
    .map(|(query, error, is_used)| (query.to_owned(), error, is_used))
    .collect();
    cases.extend([
        (format!("code={oversized}&state=STATE"), "Callback(TooLong(\"code\"))", false),
        (format!("code=one&state={oversized}"), "Callback(TooLong(\"state\"))", false),
        (format!("error={oversized}&state=STATE"), "Callback(TooLong(\"error\"))", false),
        (format!("error=a&error_description={oversized}"), "Callback(TooLong(\"error_description\"))", false),
        (format!("code=one&state=STATE&x={}", "x".repeat(8_192)), "Callback(TooLong(\"query\"))", false),
        (format!("code=one&state=STATE&x={}", "%".repeat(1_048_576)), "Callback(TooLong(\"query\"))", false),
        ("\0".repeat(1_048_576), "Callback(TooLong(\"query\"))", false),
        (format!("code=one&state=STATE{}", "&code=one".repeat(5_000)), "Callback(TooLong(\"query\"))", false),
        (format!("code=one&state=STATE{}", "&a".repeat(4_000)), "Callback(TooManyParameters)", false),
        (format!("code=one&state=STATE{}", "&x".repeat(31)), "Callback(TooManyParameters)", false),
        (format!("{}code=one&state=STATE", "state=STATE&".repeat(40)), "Callback(TooManyParameters)", false),
    ]);
    cases
}

#[tokio::test]
async fn hostile_callbacks_are_each_refused_for_their_own_reason() {
    let cases = hostile();
    assert!(cases.len() >= 80, "{}", cases.len());
    let (service, _, _, logins) = setup(cases.len());
    let mut finished = 0;
    for (query, expected, is_used) in cases {
        let (browser, other) = (Browser::begin(&logins, "/kelas"), Browser::begin(&logins, "/"));
        let swapped: String = browser.state.chars().map(swap_case).collect();
        let query = query
            .replace("STATE", &browser.state)
            .replace("OTHER", &other.state)
            .replace("LOWER", &swapped)
            .replace("SHORT", browser.state.get(1..).unwrap());
        let what = query.get(..80).unwrap_or(&query);
        let found = logins.finish([&browser.cookie], Some(&query)).await.unwrap_err();
        assert_eq!(name(&found), expected, "{what}");
        assert_eq!(service.requests(), finished, "refused unsent: {what}");
        let error = Error::from(found.clone());
        assert_eq!(error.remedy(), Remedy::LogInAgain, "{what}");
        assert_eq!(error.find_source().map(name), Some(name(&found)), "{what}");
        assert!(!format!("{error} {error:?} {found}").contains(&browser.state), "{what}");

        // What may be forged must not end the login that the user is about to make.
        assert!(is_used || !found.ends_login(), "{what}");
        match browser.finish(&logins).await {
            Ok(login) => {
                assert!(!is_used, "{what}");
                assert_eq!(login.return_to.as_str(), "/kelas");
                finished += 1;
            }
            Err(error) => assert!(is_used && matches!(error, WebLoginError::Replayed), "{what}: {error}"),
        }
    }
    assert_eq!(service.requests(), finished);
}

/// A state of 43 characters without a letter comes once in 10^34.
fn swap_case(letter: char) -> char {
    if letter.is_ascii_lowercase() { letter.to_ascii_uppercase() } else { letter.to_ascii_lowercase() }
}

#[tokio::test]
async fn without_its_cookie_no_callback_is_taken() {
    let (service, seal, _, logins) = setup(0);
    let browser = Browser::begin(&logins, "/");
    let value = browser.value();
    for cookies in [
        vec![],
        vec![String::new()],
        vec!["session=x; lang=id".to_owned()],
        vec![format!("prakerja-login={value}")],
        vec![format!("__host-prakerja-login={value}")],
        vec![format!("__Secure-prakerja-login={value}")],
        vec![format!("{NAME}x={value}")],
        vec![format!("x={NAME}={value}")],
        vec![NAME.to_owned()],
        vec![format!("{NAME};={value}")],
        vec![format!("{NAME},={value}")],
        vec![(0..1_000).map(|number| format!("c{number}={value}; ")).collect()],
        vec!["x".repeat(1_048_576)],
        vec![";".repeat(1_048_576)],
        vec!["=".repeat(1_048_576)],
        vec!["a=b".to_owned(); 1_000],
    ] {
        let cookies: Vec<_> = cookies.into_iter().map(|text| HeaderValue::try_from(text).unwrap()).collect();
        for query in [None, Some(""), Some("?"), Some(browser.callback().as_str()), Some("error=access_denied")] {
            let error = logins.finish(&cookies, query).await.unwrap_err();
            assert!(matches!(error, WebLoginError::NotPending) && !error.ends_login(), "{query:?}: {error}");
        }
    }
    assert_eq!((service.requests(), seal.opened()), (0, 0));
}

#[tokio::test]
async fn the_cookie_is_found_among_any_others() {
    let (service, _, _, logins) = setup(4);
    let many: String = (0..1_000).map(|number| format!("c{number}=x; ")).collect();
    let [first, second, third, fourth] = std::array::from_fn(|_| Browser::begin(&logins, "/"));
    let text = |browser: &Browser| browser.cookie.to_str().unwrap().to_owned();
    for (browser, cookies) in [
        (&first, vec![format!("a=b; {}; c=d", text(&first))]),
        (&second, vec![format!("{many}{}", text(&second))]),
        (&third, vec!["a=b".to_owned(), text(&third), "c=d".to_owned()]),
        (&fourth, vec![format!("x={}; {}", "x".repeat(1_048_576), text(&fourth))]),
    ] {
        let mut headers = HeaderMap::new();
        for cookie in cookies {
            headers.append(COOKIE, HeaderValue::try_from(cookie).unwrap());
        }
        assert!(logins.finish(headers.get_all(COOKIE), Some(&format!("?{}", browser.callback()))).await.is_ok());
    }
    assert_eq!(service.requests(), 4);
}

#[test]
fn of_two_cookies_neither_is_believed() {
    let (service, seal, _, logins) = setup(0);
    let (browser, other) = (Browser::begin(&logins, "/"), Browser::begin(&logins, "/"));
    let text = |browser: &Browser| browser.cookie.to_str().unwrap().to_owned();
    let header = |text: String| HeaderValue::try_from(text).unwrap();
    for cookies in [
        vec![browser.cookie.clone(), browser.cookie.clone()],
        vec![browser.cookie.clone(), other.cookie.clone()],
        vec![other.cookie.clone(), browser.cookie.clone()],
        vec![header(format!("{}; {}", text(&browser), text(&other)))],
        vec![header(format!("{}; {NAME}=", text(&browser)))],
        vec![header(format!("{NAME}=x;{}", text(&browser)))],
        vec![browser.cookie.clone(); 1_000],
    ] {
        let error = refused(&logins, &cookies, Some(&browser.callback()));
        assert!(matches!(error, WebLoginError::Ambiguous), "{error}");
    }
    assert_eq!((service.requests(), seal.opened()), (0, 0));
}

#[test]
fn no_altered_cookie_opens() {
    let (service, seal, _, logins) = setup(0);
    let browser = Browser::begin(&logins, "/kelas");
    let unreadable = |value: &[u8]| {
        let cookie = HeaderValue::from_bytes(&[NAME.as_bytes(), b"=", value].concat());
        // What is no header value never comes this far.
        let Ok(cookie) = cookie else { return };
        let error = refused(&logins, &[cookie], Some(&browser.callback()));
        let shown = String::from_utf8_lossy(value);
        assert!(matches!(error, WebLoginError::Unreadable(_)) && error.ends_login(), "{shown}: {error}");
    };
    // Each bit of the text, and each bit of what it stands for.
    let value = browser.value().as_bytes();
    for bit in 0..value.len() * 8 {
        let mut altered = value.to_vec();
        altered[bit / 8] ^= 1 << (bit % 8);
        // A separator would end the value: then it is cut, which comes next; white space at an end is not part of it.
        if ![b';', b' ', b'\t'].contains(&altered[bit / 8]) {
            unreadable(&altered);
        }
    }
    let sealed = BASE64_URL_SAFE_NO_PAD.decode(value).unwrap();
    for bit in 0..sealed.len() * 8 {
        let mut altered = sealed.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        unreadable(BASE64_URL_SAFE_NO_PAD.encode(altered).as_bytes());
    }
    for length in 0..value.len() {
        unreadable(&value[..length]);
        unreadable(&value[length + 1..]);
    }
    for around in
        ["=VALUE", "VALUE=", "VALUE==", "\"VALUE\"", "VALUEA", "VALUE.", "VALUEVALUE", "%56ALUE", "VALUE,VALUE", "v1.VALUE"]
    {
        unreadable(around.replace("VALUE", browser.value()).as_bytes());
    }
    assert_eq!(service.requests(), 0);

    // What is too long for any login is not even decoded.
    let opened = seal.opened();
    unreadable(&[b'A'; 4_097]);
    unreadable(&vec![b'A'; 1_048_576]);
    assert_eq!(seal.opened(), opened);
}

#[test]
fn a_seal_of_anything_else_is_no_login() {
    let (service, seal, prakerja, logins) = setup(0);
    let browser = Browser::begin(&logins, "/");
    let refuse = |logins: &WebLogin, value: &str, reason: SealError| {
        let cookie = HeaderValue::try_from(format!("{NAME}={value}")).unwrap();
        match refused(logins, &[cookie], Some(&browser.callback())) {
            WebLoginError::Unreadable(error) => assert_eq!(error, reason),
            error => panic!("{error}"),
        }
    };
    // Another client's, another program's.
    let clock = Arc::new(ManualClock::new());
    let again = |change: fn(provider_prakerja::PrakerjaBuilder) -> provider_prakerja::PrakerjaBuilder| {
        change(builder(&service, &clock)).build().unwrap()
    };
    refuse(&again(|b| b.client_id("lp-other")).web_login(seal.clone()), browser.value(), SealError::Forged);
    refuse(&again(|b| b.base_url("https://service.example")).web_login(seal.clone()), browser.value(), SealError::Forged);
    refuse(&again(|b| b.redirect_uri("https://lp.example/other")).web_login(seal.clone()), browser.value(), SealError::Forged);
    refuse(&prakerja.web_login(TestSeal::new(2)), browser.value(), SealError::Forged);
    // Where two settings meet does not matter.
    let moved = again(|b| b.client_id("lp-test-onlyhttps://lp.example").redirect_uri("https://lp.example/callback"));
    refuse(&moved.web_login(seal.clone()), browser.value(), SealError::Forged);

    // The same contents, sealed for another use: a store's row, a login that was not in a cookie.
    let opened = BASE64_URL_SAFE_NO_PAD.decode(browser.value()).unwrap();
    let context = seal_context(&[
        b"prakerja",
        b"pending login 1",
        b"cookie",
        b"",
        b"https://api-proxy.prakerja.go.id",
        b"lp-test-only",
        b"https://lp.example/callback",
    ]);
    let plain = seal.open(&context, &opened).expect("the context is as documented");
    for context in [&b""[..], b"session", &seal_context(&[b"session", b"prakerja"]), &seal_context(&[&context])] {
        refuse(&logins, &BASE64_URL_SAFE_NO_PAD.encode(seal.seal(context, &plain).unwrap()), SealError::Forged);
    }
    for purpose in ["", "cookie", "session-one"] {
        let sealed = prakerja.begin_login().unwrap().pending.seal(&*seal, purpose).unwrap();
        refuse(&logins, &sealed, SealError::Forged);
        let error = prakerja.open_login(&*seal, purpose, browser.value()).unwrap_err();
        assert!(matches!(error, WebLoginError::Unreadable(SealError::Forged)), "{error}");
    }
    // The right context around something else.
    for plain in [&b""[..], b"{}", &[0; 59], &[0xff; 80], &plain[..plain.len() - 1]] {
        refuse(&logins, &BASE64_URL_SAFE_NO_PAD.encode(seal.seal(&context, plain).unwrap()), SealError::Malformed);
    }
    assert_eq!(service.requests(), 0);
}

proptest! {
    #[test]
    fn any_query_is_refused_with_an_error(
        text in ".{0,300}",
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        query in "[?]?((code|state|error|[a-z_]{0,6})[=&%+;#0-9A-Fa-f]{0,5}){0,40}",
    ) {
        let (service, _, _, logins) = setup(0);
        let browser = Browser::begin(&logins, "/");
        let encoded: String = bytes.iter().map(|byte| format!("%{byte:02X}")).collect();
        for query in [&text, &query, &String::from_utf8_lossy(&bytes).into_owned(), &encoded, &format!("code={encoded}&state={encoded}")] {
            let error = refused(&logins, std::slice::from_ref(&browser.cookie), Some(query));
            prop_assert!(matches!(error, WebLoginError::Callback(_) | WebLoginError::Denied(_) | WebLoginError::OtherLogin), "{:?}", error);
            prop_assert!(!error.ends_login());
        }
        prop_assert_eq!(service.requests(), 0);
    }

    #[test]
    fn any_cookie_is_refused_with_an_error(before in prop::collection::vec(32_u8.., 0..60), value in prop::collection::vec(32_u8.., 0..200)) {
        let (service, _, _, logins) = setup(0);
        let printable = |bytes: Vec<u8>| bytes.into_iter().filter(|&byte| byte != 127).collect::<Vec<_>>();
        let cookie = [printable(before), b"; ".to_vec(), NAME.as_bytes().to_vec(), b"=".to_vec(), printable(value)].concat();
        let error = refused(&logins, &[HeaderValue::from_bytes(&cookie).unwrap()], Some("code=code-test-only&state=x"));
        prop_assert!(matches!(error, WebLoginError::Unreadable(_)), "{:?}", error);
        prop_assert_eq!(service.requests(), 0);
    }

    #[test]
    fn any_return_path_comes_back_as_it_went(path in "/([a-z0-9._~-]{1,8}(%20|%E6%97%A5)?/){0,60}([?]([a-z]=[0-9]&?){0,9})?") {
        prop_assume!(ReturnPath::parse(&path).is_ok());
        let (_, _, _, logins) = setup(1);
        let browser = Browser::begin(&logins, &path);
        prop_assert!(browser.cookie.len() < 2_000);
        let runtime = Builder::new_current_thread().build().unwrap();
        let login = runtime.block_on(browser.finish(&logins)).unwrap();
        prop_assert_eq!(login.return_to.as_str(), path);
    }
}
