//! The providers against the sandbox, as they should go and as they should not.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderMap, HeaderValue, Method, Uri};
use provider_klikoo::{Klikoo, KlikooBuilder, RsaSigner, TimestampPrecision};
use provider_prakerja::{AuthorizationStyle, Login, Prakerja, PrakerjaBuilder};
use provider_sehatmu::{SehatMu, SehatMuBuilder};
use token_core::{ApiBody, ApiRequest, Authorize as _, Error, Seal, Target, Token, TokenProvider as _};
use token_sandbox::{SehatMuFailure, SehatMuSuccess, Service};
use token_store::{AeadSeal, SealKey};

use crate::world::{ODD, World};

pub(crate) fn sehatmu_client(world: &World) -> SehatMuBuilder {
    let credentials = world.sandbox.sehatmu_credentials();
    SehatMu::builder()
        .base_url(world.sehatmu_url())
        .client_id(credentials.client_id())
        .client_secret(credentials.client_secret())
        .transport(world.transport())
        .clock(Arc::clone(&world.clock) as _)
        .cache(world.policy())
}

/// Without its key.
pub(crate) fn klikoo_client(world: &World) -> KlikooBuilder {
    let credentials = world.sandbox.klikoo_credentials();
    Klikoo::builder()
        .base_url(world.klikoo_url())
        .client_id(credentials.client_id())
        .client_secret(credentials.client_secret())
        .transport(world.transport())
        .clock(Arc::clone(&world.clock) as _)
        .cache(world.policy())
}

pub(crate) async fn sehatmu(world: &mut World) {
    let builder = sehatmu_client(world);
    world.output.show(&builder);
    let provider = builder.clone().build_uncached().unwrap();
    world.output.show(&provider);
    for form in [SehatMuSuccess::Rfc6749, SehatMuSuccess::SatuSehat, SehatMuSuccess::CamelCase] {
        world.sandbox.configure_sehatmu(|settings| settings.success_form = form);
        world.gets("SehatMu", provider.token().await);
    }
    let cache = builder.clone().build().unwrap();
    let token = world.gets("SehatMu", cache.token().await);
    world.output.show(&cache.authorization().await.unwrap());
    cache.invalidate(&token);
    world.takes("SehatMu", cache.token().await);
    world.clock.advance(Duration::from_secs(48 * 3_600));
    world.takes("SehatMu", cache.token().await);
    world.output.show(&(&cache, cache.state()));

    let wrong = format!("wrong-secret-Xk4{ODD}");
    world.knows("a wrong client secret", &wrong);
    for form in [SehatMuFailure::OAuth2, SehatMuFailure::OperationOutcome] {
        world.sandbox.configure_sehatmu(|settings| settings.failure_form = form);
        let cache = builder.clone().client_secret(wrong.as_str()).build().unwrap();
        // Refused, held, and refused by the limiter.
        for seconds in [0, 1, 70] {
            world.clock.advance(Duration::from_secs(seconds));
            world.takes("SehatMu", cache.token().await);
        }
        world.takes("SehatMu", builder.clone().build_uncached().unwrap().token().await);
        world.output.show(&(&cache, cache.state()));
        world.clock.advance(Duration::from_secs(120));
    }
    world.search("SehatMu");
}

pub(crate) async fn klikoo(world: &mut World) {
    let pem = world.sandbox.klikoo_private_key_pem().to_owned();
    let der = BASE64_STANDARD.decode(pem.lines().filter(|line| !line.starts_with('-')).collect::<String>()).unwrap();
    let lines =
        |label: &str, der: &[u8]| format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", BASE64_STANDARD.encode(der));
    // The key of PKCS#1 is the last field of that of PKCS#8: 26 bytes stand before it in a key of this size.
    let pkcs1 = lines("RSA PRIVATE KEY", &der[26..]);
    let wrapped = BASE64_STANDARD.encode(&pem);
    world.knows_key("a private key", &pem);
    world.knows_key("a private key in PKCS#1", &pkcs1);
    world.knows_key("a private key in Base64", &wrapped);
    let file = world.folder.path().join("key.pem");
    fs::write(&file, &pem).unwrap();

    let builder = klikoo_client(world);
    for key in [&pem, &pkcs1, &wrapped] {
        let builder = builder.clone().private_key(key.as_str()).timestamp_precision(TimestampPrecision::Milliseconds);
        world.output.show(&builder);
        let cache = builder.build().unwrap();
        let token = world.gets("Klikoo", cache.token().await);
        cache.invalidate(&token);
        world.takes("Klikoo", cache.token().await);
        world.output.show(&(&cache, cache.state()));
    }
    let from_file = builder.clone().private_key_file(&file).build_uncached().unwrap();
    world.output.show(&from_file);
    world.gets("Klikoo", from_file.token().await);
    world.output.show(&RsaSigner::from_pem(&pem).unwrap());

    let authorizer = builder.clone().private_key(pem.as_str()).build_authorizer().unwrap();
    let token = world.gets("Klikoo", authorizer.tokens().unwrap().token().await);
    for path in ["/v1/open-api/balance?page=1", "/./balance"] {
        let url: Uri = format!("{}{path}", world.klikoo_url()).parse().unwrap();
        let request = ApiRequest::new(&Method::GET, Target::of_uri(&url).unwrap(), ApiBody::Bytes(b""));
        let mut headers = HeaderMap::new();
        world.shows(authorizer.attach(&request, Some(&token), &mut headers));
        if let Some(signature) = headers.get("open-api-signature") {
            world.knows("a digital signature", signature.to_str().unwrap());
        }
        world.output.show(&(&authorizer, &headers));
    }

    let wrong = format!("wrong-secret-Jd8{ODD}");
    world.knows("another wrong client secret", &wrong);
    let refused = builder.clone().private_key(pem.as_str()).client_secret(wrong.as_str()).build().unwrap();
    world.takes("Klikoo", refused.token().await);
    world.takes("Klikoo", refused.token().await);
    world.output.show(&refused.state());
    // Another key, and a clock that is wrong.
    let pair = aws_lc_rs::rsa::KeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).unwrap();
    let other: aws_lc_rs::encoding::Pkcs8V1Der<'_> = aws_lc_rs::encoding::AsDer::as_der(&pair).unwrap();
    let other = lines("PRIVATE KEY", other.as_ref());
    world.knows_key("another private key", &other);
    world.takes("Klikoo", builder.clone().private_key(other).build_uncached().unwrap().token().await);
    world.sandbox.advance_clock(-3_600);
    world.takes("Klikoo", builder.clone().private_key(pem.as_str()).build_uncached().unwrap().token().await);
    world.sandbox.advance_clock(3_600);
    for cut in [
        &pem[..900],
        &pem.replacen("MII", "MI*", 1),
        &wrapped[..1_000],
        &format!("{pem}{pem}"),
        &pem.replace("PRIVATE", "EC PRIVATE"),
    ] {
        world.shows(builder.clone().private_key(cut).build());
        world.shows(builder.clone().private_key_file(cut).build());
        world.shows(RsaSigner::from_pem(cut));
    }
    world.search("Klikoo");
}

pub(crate) fn client(world: &World) -> PrakerjaBuilder {
    let credentials = world.sandbox.prakerja_credentials();
    Prakerja::builder()
        .client_id(credentials.client_id())
        .client_name(credentials.client_name())
        .client_code(credentials.client_code())
        .redirect_uri(credentials.redirect_uri())
        .login_uri(credentials.login_uri())
        .sign_key(credentials.sign_key())
        .base_url(world.prakerja_url())
        .consent_url(world.sandbox.prakerja_consent_url())
        .transport(world.transport())
        .clock(Arc::clone(&world.clock) as _)
        .cache(world.policy())
}

fn value<'q>(query: &'q str, name: &str) -> &'q str {
    let query = query.split_once('?').map_or(query, |(_, query)| query);
    query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')).unwrap_or_default()
}

fn query(url: &str) -> &str {
    url.split_once('?').map_or("", |(_, query)| query)
}

impl World {
    /// Takes note of the `state` and the code of a callback.
    fn knows_callback(&mut self, back: &str) {
        self.knows("a state", value(back, "state"));
        self.knows("a code", value(back, "code"));
    }
}

/// Logs the first user in and gives the token.
pub(crate) async fn logged_in(world: &mut World, prakerja: &Prakerja) -> Token {
    let Login { url, pending } = prakerja.begin_login().unwrap();
    world.output.show(&pending);
    let back = world.sandbox.approve_consent(&url).unwrap();
    world.knows_callback(&back);
    let code = pending.callback(query(&back)).unwrap();
    world.output.show(&code);
    let token = prakerja.exchange(code).await;
    world.gets("Prakerja", token)
}

pub(crate) async fn prakerja(world: &mut World) {
    let builder = client(world);
    world.output.show(&builder);
    let prakerja = builder.clone().build().unwrap();
    world.output.show(&prakerja);
    let token = logged_in(world, &prakerja).await;
    world.shows(prakerja.profile(&token).await).unwrap();
    let bearer = builder.authorization_style(AuthorizationStyle::Bearer).build().unwrap();
    world.shows(bearer.profile(&token).await);

    let user = prakerja.user(token.clone());
    world.output.show(&user);
    let cache = user.build();
    for hours in [0, 2, 2] {
        world.clock.advance(Duration::from_secs(hours * 3_600));
        world.gets("Prakerja", cache.token().await);
    }
    world.shows(prakerja.profile(&token).await);
    world.output.show(&(&cache, cache.state()));
    // Its refresh token was spent, which ends the login.
    let old = prakerja.user(token).build_uncached();
    world.output.show(&old);
    world.takes("Prakerja", old.token().await);
    world.takes("Prakerja", cache.provider().provider().token().await);
    world.takes("Prakerja", prakerja.user_from_refresh_token("refresh-token-never-given-test-only").build().token().await);

    // Callbacks that are refused: each shows a secret of its own login.
    for case in 0..7 {
        let Login { url, pending } = prakerja.begin_login().unwrap();
        let back = world.sandbox.approve_consent(&url).unwrap();
        world.knows_callback(&back);
        let (code, state) = (value(&back, "code"), value(&back, "state"));
        let bad = match case {
            0 => format!("code={code}"),
            1 => format!("code={code}&state={state}x"),
            2 => format!("code={code}&code={code}&state={state}"),
            3 => format!("error={state}&error_description={state}+{state}&state={state}"),
            4 => format!("code={code}%0a&state={state}"),
            5 => format!("code={code}%ff&state={state}"),
            _ => format!("code={code}&error={code}&state={state}"),
        };
        let error = pending.callback(&bad).unwrap_err();
        world.output.show_error(&error);
        world.output.show_error(&Error::from(error));
    }
    // Codes that are refused.
    let (older, newer) = (prakerja.begin_login().unwrap(), prakerja.begin_login().unwrap());
    for (login, wait) in [(older, 0), (newer, 3_100)] {
        let back = world.sandbox.approve_consent(&login.url).unwrap();
        world.knows_callback(&back);
        let code = login.pending.callback(query(&back)).unwrap();
        world.clock.advance(Duration::from_secs(wait));
        if wait == 0 {
            world.sandbox.revoke_all(Service::Prakerja);
        }
        world.takes("Prakerja", prakerja.exchange(code).await);
    }
    world.search("Prakerja");
}

pub(crate) async fn web_login(world: &mut World) {
    let key = "c2VhbC1rZXktb2YtMzItYnl0ZXMtdGVzdC1vbmx5LSE=";
    world.knows("a key of a seal", key);
    world.knows("the bytes of a key of a seal", std::str::from_utf8(&BASE64_STANDARD.decode(key).unwrap()).unwrap());
    let seal: Arc<dyn Seal> = Arc::new(AeadSeal::new(SealKey::from_text(7, key).unwrap()));
    world.output.show(&seal);
    world.shows(SealKey::from_text(7, &key[1..]));
    let prakerja = client(world).build().unwrap();
    let logins = prakerja.web_login(seal);
    world.output.show(&logins);
    let mut cookies = Vec::new();
    for case in 0..6 {
        let start = logins.begin("/kelas").unwrap();
        world.output.show(&start);
        world.output.show(&start.set_cookie);
        let cookie = start.set_cookie.to_str().unwrap().split(';').next().unwrap().to_owned();
        world.knows("a sealed cookie", cookie.split_once('=').unwrap().1);
        let back = match case {
            1 => world.sandbox.deny_consent(&start.url).unwrap(),
            _ => world.sandbox.approve_consent(&start.url).unwrap(),
        };
        world.knows_callback(&start.url);
        world.knows_callback(&back);
        let back = if case == 2 { format!("{back}&state=x") } else { back };
        let sent = match case {
            3 => cookie.replacen("=V", "=W", 1),
            4 => format!("{cookie}; {cookie}"),
            5 => cookies.pop().unwrap_or_default(),
            _ => cookie.clone(),
        };
        cookies.push(cookie);
        let sent = HeaderValue::try_from(sent).unwrap();
        for _ in 0..2 {
            match logins.finish([&sent], Some(query(&back))).await {
                Ok(login) => {
                    world.output.show(&login);
                    world.knows_token("Prakerja", &login.token);
                }
                Err(error) => world.output.show_error(&error),
            }
        }
    }
    world.output.show(&logins.clear_cookie());
    world.shows(logins.begin("//evil.example"));
    let Login { pending, .. } = prakerja.begin_login().unwrap();
    let own = AeadSeal::new(SealKey::generate(1).unwrap());
    let sealed = pending.seal(&own, "session-of-a-browser").unwrap();
    world.knows("a sealed login", &sealed);
    world.shows(prakerja.open_login(&own, "another", &sealed));
    world.shows(prakerja.open_login(&own, "session-of-a-browser", &sealed));
    world.search("the login by cookie");
}

pub(crate) async fn generated_url(world: &mut World) {
    let prakerja = client(world).build().unwrap();
    let login = world.shows(prakerja.generate_login_url_unverified().await).unwrap();
    world.knows_callback(&login.url);
    let back = world.sandbox.approve_consent(&login.url).unwrap();
    world.knows_callback(&back);
    let wrong = format!("wrong-sign-key-Vb5{ODD}");
    world.knows("a wrong sign key", &wrong);
    world.shows(client(world).sign_key(wrong).build().unwrap().generate_login_url_unverified().await);
    world.sandbox.advance_clock(-3_600);
    world.shows(prakerja.generate_login_url_unverified().await);
    world.sandbox.advance_clock(3_600);
    world.search("the generated URL");
}
