//! What the application says over HTTP, seen without a browser.

use std::time::Duration;

use reqwest::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use token_sandbox::{Route, Service};
use token_testkit::ManualClock;

use crate::visitor::Visitor;
use crate::world::World;

const HOUR: Duration = Duration::from_secs(3_600);

fn query_value(url: &str, name: &str) -> String {
    let query = url.split_once('?').unwrap().1;
    form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name).unwrap().1.into_owned()
}

#[tokio::test]
async fn a_user_logs_in_is_known_calls_and_logs_out() {
    let world = World::start().await;
    let mut visitor = Visitor::new(&world);
    let page = visitor.open("/").await;
    assert_eq!(page.status, 200);
    page.shows("Masuk dengan Prakerja");
    page.shows("href=\"/mulai?kembali=%2F\"");

    let answer = visitor.log_in(&world).await;
    assert_eq!((answer.status, answer.location()), (303, "/"));
    assert_eq!(answer.header("referrer-policy"), "no-referrer");
    let page = visitor.open("/").await;
    page.shows("Halo, Siti Contoh");
    page.shows("23 November 2026 pukul 07.59.59 WIB");
    let page = visitor.open("/profil").await;
    for part in ["Siti Contoh", "siti@contoh.example", "+620000000001", "PRA-CONTOH-0001"] {
        page.shows(part);
    }
    let answer = visitor.press("/keluar").await;
    assert_eq!((answer.status, answer.location()), (303, "/"));
    visitor.open("/").await.shows("Masuk dengan Prakerja");
    assert_eq!((world.sandbox.requests().prakerja_token, world.sandbox.requests().prakerja_refresh), (1, 0));
}

#[tokio::test]
async fn cookies_are_as_strict_as_the_origin_allows() {
    let loopback = World::start().await;
    let https = World::start_behind("https://lp.example").await;
    for (world, prefix, secure) in [(&loopback, "", false), (&https, "__Host-", true)] {
        let mut visitor = Visitor::new(world);
        let begun = visitor.open("/mulai").await;
        let callback = world.sandbox.approve_consent(begun.location()).unwrap();
        let answer = visitor.open(&callback).await;
        assert_eq!(answer.location(), "/");
        let cookies = [begun.cookies(), answer.cookies()].concat();
        assert_eq!(cookies.len(), 3, "{cookies:?}");
        for cookie in cookies {
            let attributes: Vec<_> = cookie.split("; ").skip(1).collect();
            assert!(cookie.starts_with(prefix) && cookie.contains("__Host-") == secure, "{cookie}");
            for wanted in ["HttpOnly", "SameSite=Lax", "Path=/"] {
                assert!(attributes.contains(&wanted), "{cookie}");
            }
            assert_eq!(attributes.contains(&"Secure"), secure, "{cookie}");
            assert!(!cookie.to_ascii_lowercase().contains("domain"), "{cookie}");
        }
        visitor.open("/").await.shows("Halo, Siti Contoh");
    }
}

#[tokio::test]
async fn every_answer_is_hardened() {
    let world = World::start().await;
    let mut visitor = Visitor::new(&world);
    visitor.log_in(&world).await;
    for (method, path, status) in [
        (Method::GET, "/", 200),
        (Method::GET, "/profil", 200),
        (Method::GET, "/masuk", 200),
        (Method::GET, "/masuk?masalah=ditolak", 400),
        (Method::GET, "/mulai", 303),
        (Method::GET, "/callback", 303),
        (Method::GET, "/none", 404),
        (Method::GET, "/keluar", 404),
        (Method::POST, "/", 403),
        (Method::POST, "/keluar", 403),
    ] {
        let answer = visitor.send(method, path, &[], "").await;
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("x-frame-options"), "DENY", "{path}");
        let policy = answer.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
        assert!(policy.ends_with("form-action 'self'; frame-ancestors 'none'; base-uri 'none'"), "{policy}");
        let referrer = if status == 303 { "no-referrer" } else { "same-origin" };
        assert_eq!(answer.header("referrer-policy"), referrer, "{path}");
        assert!(!answer.body.contains("<script") && !answer.body.contains("http"), "{path}: {}", answer.body);
    }
}

#[tokio::test]
async fn a_login_gives_a_new_id_and_ends_the_old_visit() {
    let world = World::start().await;
    let mut visitor = Visitor::new(&world);
    visitor.set_cookie("kunjungan", "planted-test-only");
    visitor.log_in(&world).await;
    let first = visitor.cookie("kunjungan").unwrap().to_owned();
    assert_ne!(first, "planted-test-only");
    visitor.log_in(&world).await;
    let second = visitor.cookie("kunjungan").unwrap().to_owned();
    assert_ne!(first, second);
    for (id, is_known) in [("planted-test-only", false), (first.as_str(), false), (second.as_str(), true)] {
        visitor.set_cookie("kunjungan", id);
        assert_eq!(visitor.open("/").await.body.contains("Halo"), is_known);
    }
}

#[tokio::test]
async fn after_logout_the_visit_and_the_tokens_are_dead_on_the_server() {
    let world = World::start().await;
    let mut visitor = Visitor::new(&world);
    let mut elsewhere = Visitor::new(&world);
    visitor.log_in(&world).await;
    elsewhere.log_in(&world).await;
    let id = visitor.cookie("kunjungan").unwrap().to_owned();
    let answer = visitor.press("/keluar").await;
    assert!(answer.cookies()[0].contains("Max-Age=0"));
    assert_eq!(visitor.cookie("kunjungan"), None);

    visitor.set_cookie("kunjungan", &id);
    visitor.open("/").await.shows("Selamat datang");
    assert_eq!(visitor.open("/profil").await.status, 401);
    // The same user in another browser has no tokens any more, and is told so.
    let page = elsewhere.open("/").await;
    assert_eq!(page.status, 401);
    page.shows("Sesi Anda di Prakerja sudah berakhir");
    assert_eq!(elsewhere.cookie("kunjungan"), None);
    elsewhere.open("/").await.shows("Masuk dengan Prakerja");
    assert_eq!(world.sandbox.requests().prakerja_profile, 2);
}

#[tokio::test]
async fn a_page_of_another_site_logs_nobody_out() {
    let world = World::start().await;
    let mut visitor = Visitor::new(&world);
    visitor.log_in(&world).await;
    let origin = world.origin.clone();
    let foreign: [&[(&str, &str)]; 6] = [
        &[],
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
        &[("origin", "http://localhost:1")],
        &[("sec-fetch-site", "cross-site"), ("origin", &origin)],
        &[("sec-fetch-site", "same-site")],
    ];
    for headers in foreign {
        let answer = visitor.send(Method::POST, "/keluar", headers, "").await;
        assert_eq!(answer.status, 403, "{headers:?}");
        answer.shows("Permintaan tidak diterima");
        assert!(answer.cookies().is_empty());
    }
    assert_eq!(visitor.open("/keluar").await.status, 404);
    visitor.open("/").await.shows("Halo, Siti Contoh");
    assert_eq!(visitor.send(Method::POST, "/keluar", &[("origin", &origin)], "").await.status, 303);
    visitor.open("/").await.shows("Masuk dengan Prakerja");
}

#[tokio::test]
async fn no_token_and_no_code_reaches_the_browser() {
    let world = World::start().await;
    let mut visitor = Visitor::new(&world);
    let mut codes = Vec::new();
    for return_to in ["/", "/profil"] {
        let url = visitor.begin(return_to).await;
        let callback = world.sandbox.approve_consent(&url).unwrap();
        codes.push(query_value(&callback, "code"));
        assert_eq!(visitor.open(&callback).await.location(), return_to);
        // Replayed, and with a state of nobody: the code in it is spent or not, and goes nowhere.
        visitor.open(&callback).await;
        visitor.begin(return_to).await;
        assert_eq!(visitor.open(&callback).await.status, 303);
        for path in ["/", "/profil"] {
            assert_eq!(visitor.open(path).await.status, 200);
        }
        world.clock.advance(HOUR);
        assert_eq!(visitor.open("/profil").await.status, 200);
    }
    visitor.press("/keluar").await;
    let tokens = world.wire.tokens();
    // Two logins and two refreshes, each with two tokens.
    assert_eq!(tokens.len(), 8);
    assert!(visitor.seen.len() > 15);
    for seen in &visitor.seen {
        for secret in tokens.iter().chain(&codes) {
            assert!(!seen.contains(secret.as_str()), "{seen}");
        }
    }
}

#[tokio::test]
async fn a_token_that_is_over_is_refreshed_without_a_login() {
    let world = World::start().await;
    let mut visitor = Visitor::new(&world);
    visitor.log_in(&world).await;
    for (refreshes, until) in [(1, "09.59.59"), (2, "11.59.59")] {
        world.clock.advance(2 * HOUR);
        visitor.open("/profil").await.shows(until);
        assert_eq!(world.sandbox.requests().prakerja_refresh, refreshes);
    }
    // A fresh one that the service refuses is replaced at once, and the call made again.
    world.sandbox.revoke_all(Service::Prakerja);
    let page = visitor.open("/profil").await;
    assert_eq!(page.status, 401);
    page.shows("Sesi Anda di Prakerja sudah berakhir");
    page.shows("Masuk dengan Prakerja");
    assert_eq!(world.sandbox.requests().prakerja_token, 1);
    visitor.log_in(&world).await;
    visitor.open("/profil").await.shows("Siti Contoh");
}

#[tokio::test]
async fn the_way_back_stays_in_this_origin() {
    let world = World::start().await;
    let mut visitor = Visitor::new(&world);
    let page = visitor.open("/profil").await;
    assert_eq!(page.status, 401);
    page.shows("href=\"/mulai?kembali=%2Fprofil\"");
    let cases = [
        ("/profil", "/profil"),
        ("%2Fprofil%3Fa%3Db", "/profil?a=b"),
        ("", "/"),
        ("//evil.example", "/"),
        ("%2F%2Fevil.example", "/"),
        ("/%5Cevil.example", "/"),
        ("%5C%5Cevil.example", "/"),
        ("https://evil.example/", "/"),
        ("javascript:alert(1)", "/"),
        ("evil.example", "/"),
    ];
    for (wanted, expected) in cases {
        let url = visitor.begin(wanted).await;
        let callback = world.sandbox.approve_consent(&url).unwrap();
        let answer = visitor.open(&callback).await;
        assert_eq!((answer.status, answer.location()), (303, expected), "{wanted}");
    }
}

#[tokio::test]
async fn what_goes_wrong_is_told_in_indonesian_with_what_to_do() {
    let world = World::start().await;
    let mut visitor = Visitor::new(&world);
    let landed = async |visitor: &mut Visitor, url: &str, title: &str| {
        let answer = visitor.open(url).await;
        assert_eq!(answer.status, 303, "{url}");
        let to = answer.location().to_owned();
        assert!(to.starts_with("/masuk?masalah=") && !to.contains("code"), "{to}");
        let page = visitor.open(&to).await;
        assert_eq!(page.status, 400, "{to}");
        page.shows(title);
        page.shows("Masuk dengan Prakerja");
    };

    // Denied, without a word from the service and with some.
    let url = visitor.begin("/").await;
    let back = world.sandbox.deny_consent(&url).unwrap();
    assert!(!back.contains('?'));
    landed(&mut visitor, &back, "Anda belum masuk").await;
    world.sandbox.configure_prakerja(|settings| settings.state_on_denial = true);
    let url = visitor.begin("/").await;
    let back = world.sandbox.deny_consent(&url).unwrap();
    landed(&mut visitor, &back, "Anda belum masuk").await;

    // Another browser's callback, and one that came before.
    let url = visitor.begin("/").await;
    let callback = world.sandbox.approve_consent(&url).unwrap();
    landed(&mut Visitor::new(&world), &callback, "Tidak ada proses masuk").await;
    assert_eq!(visitor.open(&callback).await.location(), "/");
    landed(&mut visitor, &callback, "Tidak ada proses masuk").await;

    // A login that was begun again meanwhile, and one that took too long.
    let old = visitor.begin("/").await;
    visitor.begin("/").await;
    landed(&mut visitor, &world.sandbox.approve_consent(&old).unwrap(), "proses masuk yang lain").await;
    let late = visitor.begin("/").await;
    let callback = world.sandbox.approve_consent(&late).unwrap();
    world.clock.advance(Duration::from_secs(601));
    landed(&mut visitor, &callback, "Waktu untuk masuk sudah habis").await;

    // What is no callback.
    visitor.begin("/").await;
    landed(&mut visitor, "/callback?code=%zz&state=x", "tidak dapat dibaca").await;
    assert_eq!(world.sandbox.outcomes(Route::PrakerjaToken), [("ok", 1)].into());
}

#[tokio::test]
async fn no_callback_is_a_fault_of_the_server() {
    let world = World::start().await;
    let mut visitor = Visitor::new(&world);
    let many: String = (0..5_000).map(|index| format!("p{index}={index}&")).collect();
    let hostile = [
        "",
        "code",
        "code=",
        "code=&state=",
        "state=x",
        "code=a&code=b&state=x",
        "code=%00&state=%00",
        "code=%ff&state=%",
        "&&&&",
        "=",
        "code=a&state=x&error=y",
        "code[]=a&state[]=x",
        "masalah=<script>",
        &many,
    ];
    for query in hostile {
        visitor.begin("/").await;
        for path in ["/callback", "/masuk"] {
            let answer = visitor.open(&format!("{path}?{query}")).await;
            assert!(matches!(answer.status, 200 | 303 | 400), "{path}?{query:.60}: {}", answer.status);
            assert!(!answer.body.contains("<script"));
        }
    }
    // The longest that reaches the handler, and one that does not.
    let answer = visitor.open(&format!("/callback?code={}", "x".repeat(60_000))).await;
    assert_eq!((answer.status, answer.location()), (303, "/masuk?masalah=tidak-terbaca"));
    let mut stream = TcpStream::connect(world.address.trim_start_matches("http://")).await.unwrap();
    let request = format!("GET /callback?code={} HTTP/1.1\r\nHost: localhost\r\n\r\n", "x".repeat(1_000_000));
    // The server need not read it to its end.
    let _ = stream.write_all(request.as_bytes()).await;
    let mut status = [0; 12];
    stream.read_exact(&mut status).await.unwrap();
    assert!(status.starts_with(b"HTTP/1.1 4"), "{}", String::from_utf8_lossy(&status));
    assert_eq!(world.sandbox.requests().prakerja_token, 0);
}

#[tokio::test]
async fn a_service_that_is_away_is_told_of_and_logs_nobody_out() {
    let world = World::start_with(None, ManualClock::sleeping_moves_time(), |sandbox| sandbox).await;
    let mut visitor = Visitor::new(&world);
    visitor.log_in(&world).await;
    let pending = visitor.begin("/").await;
    let callback = world.sandbox.approve_consent(&pending).unwrap();

    world.wire.cut(true);
    let page = visitor.open("/profil").await;
    assert_eq!(page.status, 503);
    page.shows("Prakerja sedang tidak dapat dihubungi");
    let answer = visitor.open(&callback).await;
    assert_eq!(answer.location(), "/masuk?masalah=gangguan");
    assert_eq!(visitor.open(answer.location()).await.status, 503);

    world.wire.cut(false);
    visitor.open("/profil").await.shows("Siti Contoh");
}
