//! No return path leads to another site.
#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::collections::HashSet;
use std::sync::Arc;

use percent_encoding::percent_decode_str;
use proptest::prelude::*;
use reqwest::Url;

use provider_prakerja::{ReturnPath, ReturnPathFault};
use token_core::{ErrorKind, Remedy};
use token_testkit::ManualClock;

use crate::support::{Service, TestSeal, prakerja};

/// Whether a browser that is told to go to `text` stays at the origin, as the URL standard resolves it.
fn stays(text: &str) -> bool {
    ["https://lp.example", "https://lp.example:8443/a/b?c#d", "http://127.0.0.1:8080/callback"].into_iter().all(|base| {
        let base = Url::parse(base).unwrap();
        let plain = |url: &Url| url.origin() == base.origin() && url.username().is_empty() && url.password().is_none();
        base.join(text).is_ok_and(|url| plain(&url) && !url.path().starts_with("//"))
    })
}

#[test]
fn paths_of_the_application_are_taken() {
    let longest = format!("/{}", "x".repeat(1_023));
    for text in [
        "/",
        "/kelas",
        "/kelas/",
        "/kelas/7/jadwal",
        "/.well-known/x",
        "/...",
        "/..a/b..",
        "/a.b-c_d~e",
        "/%40nama",
        "/kelas%20saya",
        "/%E6%97%A5%e6%9c%ac",
        "/diskon-100%25",
        "/?",
        "/?x",
        "/kelas?tab=jadwal&tab=nilai",
        "/cari?q=a+b%20c%2Fd%26e%25%252F",
        "/cari?ke=https://lain.example/a?b",
        "/cari?a=!$'()*,;:@",
        &longest,
    ] {
        assert_eq!(ReturnPath::parse(text).map(|path| path.to_string()).as_deref(), Ok(text), "{text}");
        assert_eq!(ReturnPath::or_root(text).as_str(), text);
        assert!(stays(text), "{text}");
    }
    assert_eq!(ReturnPath::default().as_str(), "/");
}

/// By hand, with the reason for each.
fn by_hand() -> Vec<(String, ReturnPathFault)> {
    use ReturnPathFault::{Character, Encoding, Hidden, NoSlash, Segment, TooLong};
    let cases: Vec<(String, ReturnPathFault)> = [
        ("", NoSlash),
        (" ", NoSlash),
        ("kelas", NoSlash),
        ("?x=1", NoSlash),
        ("#x", NoSlash),
        (".", NoSlash),
        ("..", NoSlash),
        ("./kelas", NoSlash),
        ("../kelas", NoSlash),
        (" /kelas", NoSlash),
        ("\t/kelas", NoSlash),
        ("\0/kelas", NoSlash),
        ("\u{feff}/kelas", NoSlash),
        ("%2f", NoSlash),
        ("%2Fkelas", NoSlash),
        ("\\", NoSlash),
        ("\\kelas", NoSlash),
        ("\\\\evil.example", NoSlash),
        ("\\/evil.example", NoSlash),
        ("https://evil.example", NoSlash),
        ("HTTPS://evil.example", NoSlash),
        ("https:evil.example", NoSlash),
        ("https:/evil.example", NoSlash),
        ("https:///evil.example", NoSlash),
        ("https:\\\\evil.example", NoSlash),
        ("javascript:alert(1)", NoSlash),
        ("JaVaScRiPt:alert(1)", NoSlash),
        ("java\nscript:alert(1)", NoSlash),
        ("data:text/html,x", NoSlash),
        ("mailto:a@evil.example", NoSlash),
        ("evil.example", NoSlash),
        ("evil.example:443/x", NoSlash),
        ("@evil.example", NoSlash),
        (":443", NoSlash),
        (";@evil.example", NoSlash),
        ("%09//evil.example", NoSlash),
        ("\u{2044}/evil.example", NoSlash),
        ("//", Segment),
        ("//evil.example", Segment),
        ("///evil.example", Segment),
        ("////evil.example", Segment),
        ("//evil.example/%2f..", Segment),
        ("//evil.example@lp.example", Segment),
        ("//lp.example", Segment),
        ("//?x", Segment),
        ("/kelas//", Segment),
        ("/kelas//evil.example", Segment),
        ("/https://evil.example", Character),
        ("/.", Segment),
        ("/..", Segment),
        ("/./", Segment),
        ("/../", Segment),
        ("/.//evil.example", Segment),
        ("/..//evil.example", Segment),
        ("/kelas/..//evil.example", Segment),
        ("/kelas/../..//evil.example", Segment),
        ("/kelas/.", Segment),
        ("/kelas/..?x", Segment),
        ("/%2e", Segment),
        ("/%2E%2e", Segment),
        ("/.%2e//evil.example", Segment),
        ("/%2e/%2e/evil.example", Segment),
        ("/\\", Character),
        ("/\\evil.example", Character),
        ("/\\/evil.example", Character),
        ("/kelas\\..\\evil.example", Character),
        ("/kelas?x=\\", Character),
        ("/\t/evil.example", Character),
        ("/\n/evil.example", Character),
        ("/\r/evil.example", Character),
        ("/\r\nLocation: https://evil.example", Character),
        ("/kelas?x=\r\nSet-Cookie: a=b", Character),
        ("/\0", Character),
        ("/\u{7f}", Character),
        ("/ /evil.example", Character),
        ("/kelas ", Character),
        ("/\u{a0}", Character),
        ("/\u{3000}/evil.example", Character),
        ("/\u{ff0f}evil.example", Character),
        ("/\u{2215}evil.example", Character),
        ("/\u{202e}elpmaxe.live", Character),
        ("/\u{e9}", Character),
        ("/@evil.example", Character),
        ("/user:password@evil.example", Character),
        ("/:443", Character),
        ("/;evil.example", Character),
        ("/;@evil.example", Character),
        ("/kelas;jsessionid=1", Character),
        ("/..;/admin", Character),
        ("/javascript:alert(1)", Character),
        ("/\"onload=x", Character),
        ("/'x", Character),
        ("/<script>", Character),
        ("/a|b", Character),
        ("/a^b", Character),
        ("/a`b", Character),
        ("/{a}", Character),
        ("/[::1]", Character),
        ("/a#b", Character),
        ("/#//evil.example", Character),
        ("/kelas?x#y", Character),
        ("/kelas?x=\"", Character),
        ("/kelas?x=<b>", Character),
        ("/kelas?x=日", Character),
        ("/%2f", Hidden),
        ("/%2Fevil.example", Hidden),
        ("/%2f%2fevil.example", Hidden),
        ("/kelas%2f..%2fevil.example", Hidden),
        ("/..%2f..%2fevil.example", Hidden),
        ("/%5c", Hidden),
        ("/%5Cevil.example", Hidden),
        ("/%5c%5cevil.example", Hidden),
        ("/kelas/%5cevil.example", Hidden),
        ("/%00", Hidden),
        ("/kelas%00.html", Hidden),
        ("/%09/evil.example", Hidden),
        ("/%0a/evil.example", Hidden),
        ("/%0d%0aLocation:%20x", Character),
        ("/%0d%0aLocation%3A%20x", Hidden),
        ("/kelas?x=%0d%0aSet-Cookie:%20a=b", Hidden),
        ("/kelas?x=%00", Hidden),
        ("/%7f", Hidden),
        ("/%c2%85", Hidden),
        ("/%252f", Hidden),
        ("/%252Fevil.example", Hidden),
        ("/%255cevil.example", Hidden),
        ("/%252e%252e/evil.example", Hidden),
        ("/%25%32%66evil.example", Hidden),
        ("/%25252fevil.example", Hidden),
        ("/%", Encoding),
        ("/%2", Encoding),
        ("/%zz", Encoding),
        ("/%+1", Character),
        ("/%%2f", Encoding),
        ("/%u002f", Encoding),
        ("/%ff", Encoding),
        ("/%c0%af", Encoding),
        ("/%c0%afevil.example", Encoding),
        ("/%e0%80%af", Encoding),
        ("/%ed%a0%80", Encoding),
        ("/kelas?x=%", Encoding),
        ("/kelas?x=%f", Encoding),
        ("/kelas?x=%ff", Encoding),
    ]
    .into_iter()
    .map(|(text, fault)| (text.to_owned(), fault))
    .chain([
        (format!("/{}", "x".repeat(1_024)), TooLong),
        (format!("/?{}", "x".repeat(1_023)), TooLong),
        (format!("//{}", "x".repeat(1_000_000)), TooLong),
        (format!("/{}", "%2f".repeat(400)), TooLong),
    ])
    .collect();
    cases
}

/// Every way to begin an address of another site, in front of such sites, in several spellings.
fn combined() -> HashSet<String> {
    let prefixes = [
        "//",
        "///",
        "////",
        "/\\",
        "\\/",
        "\\\\",
        "/\\/",
        "/\t/",
        "/\n/",
        "/\r/",
        "/ /",
        "\t//",
        " //",
        "/./",
        "/.//",
        "/..//",
        "/%2e/",
        "/%2e%2e/",
        "/.%2e//",
        "/%2f",
        "/%2f/",
        "/%5c",
        "/%5c/",
        "/%09/",
        "/%0a/",
        "/%0d/",
        "/%00/",
        "/%252f",
        "/%255c",
        "/%c0%af",
        "/;/",
        "/;@",
        "/@",
        "/:",
        "https://",
        "https:",
        "https:/",
        "HTTPS:///",
        "http:\\\\",
        "javascript:",
        "javascript://",
        "data:,",
        "//user@",
        "//user:password@",
        "\u{feff}//",
        "/\u{200b}/",
        "/\u{ff0f}",
        "/\u{2215}/",
    ];
    let bodies = [
        "evil.example",
        "evil.example/a",
        "evil.example:443",
        "evil.example?x=/kelas",
        "evil.example#/kelas",
        "@evil.example",
        "lp.example@evil.example",
        "lp.example.evil.example",
        "[::1]",
        "127.0.0.1:8080/callback",
        "evil%2eexample",
        "evil%E3%80%82example",
    ];
    let spellings: [fn(&str) -> String; 7] = [
        str::to_owned,
        |text| text.bytes().map(|byte| format!("%{byte:02x}")).collect(),
        |text| text.bytes().map(|byte| format!("%25{byte:02X}")).collect(),
        |text| text.replace('/', "%2F"),
        |text| text.replace('/', "\\"),
        |text| text.chars().take(1).chain(['\t']).chain(text.chars().skip(1)).collect(),
        |text| text.replace('\\', "%5C").replacen('/', "%2f", 3).replacen("%2f", "/", 1),
    ];
    let pairs = prefixes.iter().flat_map(|prefix| bodies.iter().map(move |body| format!("{prefix}{body}")));
    pairs.flat_map(|text| spellings.map(|spell| spell(&text))).collect()
}

#[test]
fn no_hostile_return_path_begins_a_login() {
    let (service, seal) = (Service::new([]), TestSeal::new(1));
    let logins = prakerja(&service, &Arc::new(ManualClock::new())).web_login(seal);
    let by_hand = by_hand();
    for (text, fault) in &by_hand {
        assert_eq!(ReturnPath::parse(text), Err(*fault), "{text:?}");
    }
    let combined = combined();
    assert!(by_hand.len() >= 100 && combined.len() >= 2_000, "{} and {}", by_hand.len(), combined.len());
    for text in by_hand.iter().map(|(text, _)| text).chain(&combined) {
        let error = logins.begin(text).unwrap_err();
        assert_eq!((error.kind(), error.remedy()), (ErrorKind::Configuration, Remedy::FixRequest), "{text:?}");
        assert!(error.find_source::<ReturnPathFault>().is_some(), "{text:?}");
        assert!(text.len() < 8 || !format!("{error} {error:?}").contains(text.as_str()), "{text:?}");
        assert_eq!(ReturnPath::or_root(text).as_str(), "/", "{text:?}");
    }
    assert_eq!(service.requests(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_096))]

    #[test]
    fn what_is_taken_stays_at_the_origin_however_often_it_is_decoded(
        text in "[/\\\\]{0,2}([a-c.;:@?#\t\n /\\\\]|%2[eEfF05]|%5[cC]|%0[09aAdD]|%25|%4[01]|é){0,10}",
    ) {
        if let Ok(path) = ReturnPath::parse(&text) {
            prop_assert_eq!(path.as_str(), &text);
            prop_assert!(stays(&text), "{:?}", text);
            let once = percent_decode_str(&text).decode_utf8().unwrap().into_owned();
            prop_assert!(stays(&once), "{:?}", once);
            let (in_front, _) = once.split_once('?').unwrap_or((&once, ""));
            let twice = percent_decode_str(in_front).decode_utf8_lossy().into_owned();
            prop_assert!(stays(&twice), "{:?}", twice);
        }
    }

    #[test]
    fn no_text_panics(text in ".{0,60}") {
        let path = ReturnPath::or_root(&text);
        prop_assert!(path.as_str() == text || path.as_str() == "/");
    }
}
