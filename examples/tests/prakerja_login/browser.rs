//! The application in a browser, as a person meets it.

mod driver;

use std::time::Duration;

use token_testkit::ManualClock;

use self::driver::{Browser, tell};
use crate::world::World;

const HOUR: Duration = Duration::from_secs(3_600);

/// The whole takes some seconds; a machine that is busy may take longer, and one that hangs is told of.
const LIMIT: Duration = Duration::from_secs(240);

#[tokio::test(flavor = "multi_thread")]
async fn a_person_logs_in_stays_logged_in_and_logs_out() {
    let browser = match Browser::start().await {
        Ok(browser) => browser,
        Err(why) => {
            assert!(std::env::var_os("CI").is_none(), "{why}, and continuous integration wants one: see `.ci/run`");
            tell(&format!("browser: skipped, as {why} (on Debian: `apt install chromium chromium-driver`)"));
            return;
        }
    };
    let world = World::start_with(None, ManualClock::new(), |sandbox| sandbox).await;
    tokio::time::timeout(LIMIT, steps(&browser, &world)).await.expect("the browser took too long");
    browser.quit().await;
}

async fn steps(browser: &Browser, world: &World) {
    log_in(browser, world).await;
    stay_logged_in(browser, world).await;
    replay(browser, world).await;
    deny(browser, world).await;
    two_tabs(browser, world).await;
    log_out_and_go_back(browser, world).await;
    change_account_on_a_phone(browser, world).await;
    assert_eq!(world.sandbox.requests().prakerja_refresh, 1);
}

async fn log_in(browser: &Browser, world: &World) {
    browser.open(&world.origin).await;
    browser.page("Selamat datang").await;
    // The style is let in by its hash.
    let background = "return getComputedStyle(document.querySelector('.main')).backgroundColor";
    assert_eq!(browser.script(background).await, "rgb(23, 105, 74)");
    browser.keep("1-welcome").await;

    browser.press("Masuk dengan Prakerja").await;
    let page = browser.page("Masuk ke Prakerja").await;
    assert!(browser.address().await.starts_with(world.sandbox.prakerja_consent_url()));
    assert!(page.contains("Siti Contoh") && page.contains("Budi Contoh"), "{page}");
    browser.keep("2-prakerja-login").await;
    browser.passed("who is not logged in at Prakerja is asked to log in there");

    browser.press("Siti Contoh").await;
    let page = browser.page("Izinkan Lembaga Contoh & Rekan masuk").await;
    for part in ["Siti Contoh", "nama lengkap", "alamat surel", "nomor Prakerja", "nomor telepon", "Izinkan", "Tolak"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    browser.keep("3-prakerja-consent").await;
    browser.passed("Prakerja asks for consent, with each scope in words");

    browser.press("Izinkan").await;
    let page = browser.page("Halo, Siti Contoh").await;
    assert!(page.contains("23 November 2026 pukul 07.59.59 WIB"), "{page}");
    assert_eq!(browser.address().await, format!("{}/", world.origin));
    browser.keep("4-logged-in").await;
    browser.passed("the browser is back, the name is shown, and no code stands in the address bar");

    assert_eq!(browser.script("return document.cookie").await, "");
    let cookies = browser.tab.get_all_cookies().await.unwrap();
    assert_eq!(cookies.iter().map(|cookie| cookie.name.as_str()).collect::<Vec<_>>(), ["kunjungan"]);
    assert!(format!("{:?}", cookies[0].same_site).contains("Lax"));
    nothing_secret(browser, world).await;
    browser.passed("the one cookie that is left is hidden from scripts, and nothing secret is in the page");
}

async fn stay_logged_in(browser: &Browser, world: &World) {
    browser.press("Ambil profil").await;
    let page = browser.page("Profil Anda").await;
    for part in ["siti@contoh.example", "+620000000001", "PRA-CONTOH-0001", "07.59.59"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    browser.keep("5-profile").await;
    nothing_secret(browser, world).await;
    browser.passed("the protected resource is called");

    let before = world.sandbox.requests();
    world.clock.advance(2 * HOUR);
    browser.press("Ambil lagi").await;
    browser.shows("pukul 09.59.59 WIB").await;
    let after = world.sandbox.requests();
    assert_eq!(after.prakerja_refresh - before.prakerja_refresh, 1);
    assert_eq!((after.prakerja_token, after.prakerja_consent), (before.prakerja_token, before.prakerja_consent));
    nothing_secret(browser, world).await;
    browser.keep("6-refreshed").await;
    browser.passed("the token ran out, and was refreshed once and without a login");
}

async fn replay(browser: &Browser, world: &World) {
    let logins = world.sandbox.requests().prakerja_token;
    browser.open(&format!("{}/mulai", world.origin)).await;
    browser.page("Izinkan").await;
    let login_url = browser.address().await;
    browser.press("Izinkan").await;
    browser.page("Halo, Siti Contoh").await;
    // Chromium keeps the page that was answered; a person who reloads it is asked anew.
    browser.tab.back().await.unwrap();
    browser.tab.refresh().await.unwrap();
    browser.page("Izinkan").await;
    browser.press("Izinkan").await;
    let page = browser.page("Tidak ada proses masuk").await;
    assert!(page.contains("Masuk dengan Prakerja"), "{page}");
    assert!(!browser.address().await.contains("code="));
    browser.keep("7-replayed").await;
    browser.passed("who goes back and consents again is told that no login is under way");

    let callback = world.sandbox.approve_consent(&login_url).unwrap();
    browser.open(&callback).await;
    browser.page("Tidak ada proses masuk").await;
    assert!(!browser.address().await.contains("code="));
    assert_eq!(world.sandbox.requests().prakerja_token, logins + 1);
    browser.open(&world.origin).await;
    browser.page("Halo, Siti Contoh").await;
    browser.passed("a callback that comes again is refused without a request, and ends no visit");
}

async fn deny(browser: &Browser, world: &World) {
    browser.press("Keluar").await;
    browser.page("Selamat datang").await;
    let logins = world.sandbox.requests().prakerja_token;
    browser.press("Masuk dengan Prakerja").await;
    browser.page("Izinkan").await;
    browser.press("Tolak").await;
    let page = browser.page("Anda belum masuk").await;
    assert!(page.contains("Izin di Prakerja tidak diberikan"), "{page}");
    browser.keep("8-denied").await;
    assert_eq!(world.sandbox.requests().prakerja_token, logins);
    browser.press("Ke halaman utama").await;
    browser.page("Selamat datang").await;
    browser.passed("who denies is told so, and is not logged in");
}

async fn two_tabs(browser: &Browser, world: &World) {
    let first = browser.tab.window().await.unwrap();
    browser.press("Masuk dengan Prakerja").await;
    browser.page("Izinkan").await;
    let second = browser.tab.new_tab().await.unwrap();
    browser.tab.switch_to_window(second).await.unwrap();
    browser.open(&world.origin).await;
    browser.press("Masuk dengan Prakerja").await;
    browser.page("Izinkan").await;

    let second = browser.tab.window().await.unwrap();
    browser.tab.switch_to_window(first.clone()).await.unwrap();
    browser.press("Izinkan").await;
    browser.page("proses masuk yang lain").await;
    browser.keep("9-other-tab").await;
    browser.passed("of two tabs, the one that began first is told of the other");

    browser.tab.switch_to_window(second).await.unwrap();
    browser.press("Izinkan").await;
    browser.page("Halo, Siti Contoh").await;
    browser.tab.close_window().await.unwrap();
    browser.tab.switch_to_window(first).await.unwrap();
    browser.press("Ke halaman utama").await;
    browser.page("Halo, Siti Contoh").await;
    browser.passed("the other tab logs in, for both");
}

async fn log_out_and_go_back(browser: &Browser, world: &World) {
    browser.press("Ambil profil").await;
    browser.page("Profil Anda").await;
    browser.press("Keluar").await;
    browser.page("Selamat datang").await;
    assert!(browser.tab.get_all_cookies().await.unwrap().is_empty());
    browser.tab.back().await.unwrap();
    browser.shows("Masuk dengan Prakerja").await;
    let page = browser.page("Selamat datang").await;
    assert!(!page.contains("Siti"), "{page}");
    assert_eq!(browser.address().await, format!("{}/profil", world.origin));
    browser.keep("10-logged-out-and-back").await;
    browser.passed("after logout, going back shows nothing of the user");
}

async fn change_account_on_a_phone(browser: &Browser, world: &World) {
    browser.tab.set_window_rect(0, 0, 390, 844).await.unwrap();
    browser.open(&world.origin).await;
    browser.page("Selamat datang").await;
    fits(browser, "11-phone-welcome").await;
    browser.press("Masuk dengan Prakerja").await;
    browser.page("Izinkan").await;
    fits(browser, "12-phone-consent").await;
    browser.press("Ganti akun").await;
    browser.page("Masuk ke Prakerja").await;
    browser.press("Budi Contoh").await;
    browser.page("Izinkan").await;
    browser.press("Izinkan").await;
    browser.page("Halo, Budi Contoh").await;
    browser.press("Ambil profil").await;
    browser.page("Profil Anda").await;
    fits(browser, "13-phone-profile").await;
    browser.passed("another account can be chosen at Prakerja, and every page fits a phone");
}

/// No page has to be pushed sideways.
async fn fits(browser: &Browser, name: &str) {
    let wide = "return document.documentElement.scrollWidth > window.innerWidth";
    assert_eq!(browser.script(wide).await, false, "{name}");
    browser.keep(name).await;
}

/// No token that the sandbox has handed out is in the page or in what the browser keeps.
async fn nothing_secret(browser: &Browser, world: &World) {
    let mut seen = browser.tab.source().await.unwrap();
    for cookie in browser.tab.get_all_cookies().await.unwrap() {
        seen.push_str(&cookie.value);
    }
    let tokens = world.wire.tokens();
    assert!(!tokens.is_empty());
    assert!(tokens.iter().all(|token| !seen.contains(token.as_str())));
}
