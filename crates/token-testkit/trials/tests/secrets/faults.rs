//! Answers and connections as bad as they come: a service that repeats what it was sent, and a network that breaks.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use provider_klikoo::{Klikoo, Signer, SignerError};
use provider_sehatmu::SehatMu;
use token_core::{Resend, TokenCache, TokenProvider, TokenRequest, TokenResponse, Transport, TransportError};
use token_testkit::{Answer, RecordedRequest, ScriptedServer, json_text};
use transport_reqwest::ReqwestTransport;

use crate::flows::client;
use crate::world::{ODD, World};

const REFRESH_TOKEN: &str = "refresh-token-Cn7/+&=%~-test-only";
const TOKEN: &str = "access-token-of-an-answer-Ws2/+=~-test-only";

/// All that came with a request, as one text.
fn all_of(request: &RecordedRequest) -> String {
    let headers: Vec<_> = request.headers().map(|(name, value)| format!("{name}: {value}")).collect();
    format!("{} {} {} {}", request.method(), request.target(), headers.join(" "), request.body_text())
}

type Say = fn(&RecordedRequest) -> Answer;

/// What a service may answer that has lost its mind, or a page that stands in its place.
const ANSWERS: [(&str, Say); 22] = [
    ("a page", |request| Answer::html(403, format!("<title>{0}</title>{0}", all_of(request)))),
    ("a page with 200", |request| Answer::html(200, format!("<title>{0}</title>{0}", all_of(request)))),
    ("plain text", |request| Answer::text(502, all_of(request))),
    ("a header of everything", |request| Answer::text(500, "x").header("x-echo", &all_of(request)).header("server", "nginx")),
    ("a strange type", |request| Answer::text(400, "x").header("content-type", &format!("text/{}", request.body_text()))),
    ("a redirect", |request| {
        Answer::redirect(307, &format!("http://127.0.0.1:9/?{}", request.body_text().replace(['"', '\\'], "")))
    }),
    ("a wait of everything", |request| Answer::text(429, "x").header("retry-after", &request.body_text())),
    ("OAuth's error", |request| echo(request, "error", "error_description")),
    ("SATUSEHAT's error", |request| echo(request, "ErrorCode", "Error")),
    ("Klikoo's error", |request| echo(request, "response_code", "response_message")),
    ("Prakerja's error", |request| echo(request, "code", "message")),
    ("its own request", |request| Answer::json(200, request.body().to_vec())),
    ("a request twice", |request| Answer::json(200, [request.body(), request.body()].concat())),
    ("a token that no header holds", |_| token(&format!("{TOKEN}\\n"))),
    ("a token of another type", |_| Answer::json(200, good(TOKEN).replace("Bearer", TOKEN))),
    ("a token in every place", |_| Answer::json(200, good(TOKEN).replace("0", TOKEN).replace("3600", TOKEN))),
    ("a torn answer", |_| token(TOKEN).cut_off()),
    ("a torn text", |_| Answer::json(200, good(TOKEN).split_at(120).0)),
    ("a doubled key", |_| Answer::json(200, format!("{{\"a\":{},\"a\":1}}", good(TOKEN)))),
    ("not text", |_| Answer::json(200, [good(TOKEN).as_bytes(), b"\xff\xfe"].concat())),
    ("a long answer", |_| Answer::json(200, TOKEN.repeat(4_000))),
    ("a good one", |_| token(TOKEN)),
];

fn echo(request: &RecordedRequest, code: &str, message: &str) -> Answer {
    let all = json_text(&all_of(request));
    let body = json_text(&request.body_text());
    Answer::json(400, format!("{{\"{code}\":{body},\"{message}\":{all},\"success\":false}}"))
}

/// Every shape of every provider at once.
fn good(token: &str) -> String {
    format!(
        r#"{{"response_code":"200012000","errorCode":"0","success":true,"accessToken":"{token}","data":{{"access_token":"{token}","refresh_token":"{REFRESH_TOKEN}","token_type":"Bearer","expires_in":3600}}}}"#
    )
}

fn token(token: &str) -> Answer {
    Answer::json(200, good(token))
}

/// Asks with all providers, so that each request that holds a secret is made.
async fn ask_all(world: &mut World, url: &str, transport: Arc<dyn Transport>) {
    let secret = format!("client-secret-Ty6{ODD}");
    world.knows("an odd client secret", &secret);
    world.knows("a token of an answer", TOKEN);
    world.knows("a refresh token that was kept", REFRESH_TOKEN);
    let pem = world.sandbox.klikoo_private_key_pem().to_owned();
    let clock = || Arc::clone(&world.clock) as _;
    let sehatmu = SehatMu::builder().base_url(url).client_id("id-test-only").client_secret(secret.as_str()).clock(clock());
    let klikoo = Klikoo::builder().base_url(url).client_id("3f9c8962-4c4b-4bb6-b3c1-8fc883519c02").client_secret(secret.as_str());
    let klikoo = klikoo.private_key(pem).clock(clock()).transport(Arc::clone(&transport)).build_uncached().unwrap();
    let sehatmu = sehatmu.transport(Arc::clone(&transport)).build_uncached().unwrap();
    let prakerja = client(world).base_url(url).transport(transport).build().unwrap();
    world.takes("SehatMu", sehatmu.token().await);
    world.takes("Klikoo", klikoo.token().await);
    let user = prakerja.user_from_refresh_token(REFRESH_TOKEN).build_uncached();
    world.takes("Prakerja", user.token().await);
    let login = prakerja.begin_login().unwrap();
    let state = login.url.rsplit_once("state=").unwrap().1.to_owned();
    let code = "code-of-a-callback-Mh3-test-only";
    world.knows("a state", &state);
    world.knows("a code of a callback", code);
    let code = login.pending.callback(&format!("code={code}&state={state}")).unwrap();
    let outcome = prakerja.exchange(code).await;
    world.takes("Prakerja", outcome);
    let moment = token_core::Clock::now(&*world.clock);
    let token = token_core::Token::bearer("access-token-for-a-profile-Zq9-test-only", token_core::Expiry::Unknown, moment);
    let token = token.build().unwrap();
    world.knows_token("a profile", &token);
    world.shows(prakerja.profile(&token).await);
    world.shows(prakerja.generate_login_url_unverified().await);
}

pub(crate) async fn answers(world: &mut World) {
    for (what, say) in ANSWERS {
        let server = ScriptedServer::start(say).await.unwrap();
        let url = world.fronted(server.base_url()).await;
        let transport = world.transport();
        ask_all(world, &url, transport).await;
        assert!(!server.requests().is_empty(), "{what}");
    }
    world.search("bad answers");
}

pub(crate) async fn connections(world: &mut World) {
    let cases: [(&str, Answer); 6] = [
        ("a hang-up", Answer::hang_up()),
        ("no HTTP", Answer::raw(format!("SSH-2.0 {TOKEN}\r\n\r\n"))),
        ("a bad status line", Answer::raw(format!("HTTP/1.1 200 {TOKEN}\r\n{TOKEN}\r\n\r\n"))),
        ("less than announced", token(TOKEN).announcing(100_000)),
        ("in chunks", token(TOKEN).chunked()),
        ("without an end", token(TOKEN).endless()),
    ];
    for (what, answer) in cases {
        let server = ScriptedServer::answering(answer).await.unwrap();
        let url = world.fronted(server.base_url()).await;
        let transport = world.transport();
        ask_all(world, &url, transport).await;
        assert!(!server.requests().is_empty(), "{what}");
    }
    // One that answers nothing; nobody; one whose root is not known; one that goes through a proxy.
    let silent = ScriptedServer::answering(Answer::silence()).await.unwrap();
    let hasty = Arc::new(ReqwestTransport::builder().total_timeout(Duration::from_millis(50)).build().unwrap());
    let url = world.fronted(silent.base_url()).await;
    let stranger = world.sehatmu_url().to_owned();
    let password = format!("password-of-a-proxy-Fk1{}", ODD.replace(['/', '%', '\\', '"', '<', '>'], ""));
    world.knows("the password of a proxy", &password);
    world.knows("the header of a proxy", &base64::Engine::encode(&base64::prelude::BASE64_STANDARD, format!("user:{password}")));
    let proxy = ScriptedServer::answering(Answer::text(407, "no")).await.unwrap();
    let address = proxy.address();
    let builder =
        ReqwestTransport::builder().proxy(format!("http://user:{password}@{address}")).total_timeout(Duration::from_secs(2));
    world.output.show(&builder);
    let proxied = Arc::new(builder.build().unwrap());
    world.output.show(&proxied);
    ask_all(world, &url, hasty).await;
    ask_all(world, "http://127.0.0.1:1", world.transport()).await;
    ask_all(world, &stranger, Arc::new(ReqwestTransport::new().unwrap())).await;
    ask_all(world, "https://service.example", proxied).await;
    assert!(!proxy.requests().is_empty(), "the proxy was asked");
    world.shows(ReqwestTransport::builder().proxy(format!("ftp://user:{password}@{address}")).build());
    world.shows(ReqwestTransport::builder().proxy(format!("user:{password}@{address}:x")).build());
    world.search("connections");
}

/// Panics with a request in its hands.
struct Panicking;

#[async_trait]
impl Transport for Panicking {
    async fn send(&self, request: TokenRequest) -> Result<TokenResponse, TransportError> {
        assert_eq!(request.resend(), Resend::AfterRefusal, "planted by the test: {request:?}");
        panic!("planted by the test: {request:#?}");
    }
}

#[async_trait]
impl Signer for Panicking {
    async fn sign(&self, text: &[u8]) -> Result<Vec<u8>, SignerError> {
        panic!("planted by the test, over {} bytes", text.len());
    }
}

pub(crate) async fn panics(world: &mut World) {
    let secret = format!("client-secret-Ty6{ODD}");
    let clock = || Arc::clone(&world.clock) as _;
    let sehatmu = SehatMu::builder().base_url("https://service.example").client_id("id").client_secret(secret.as_str());
    let cache = sehatmu.clone().clock(clock()).transport(Arc::new(Panicking)).cache(world.policy()).build().unwrap();
    let klikoo = Klikoo::builder().base_url("https://service.example").client_id("3f9c8962-4c4b-4bb6-b3c1-8fc883519c02");
    let klikoo = klikoo.client_secret(secret.as_str()).signer(Arc::new(Panicking)).clock(clock());
    let klikoo = klikoo.transport(world.transport()).cache(world.policy()).build().unwrap();
    let user = client(world).transport(Arc::new(Panicking)).build().unwrap().user_from_refresh_token(REFRESH_TOKEN);
    let user: TokenCache<_> = user.build();
    let providers: [&dyn TokenProvider; 3] = [&cache, &klikoo, &user];
    for provider in providers {
        let outcome = provider.token().await;
        world.takes("a provider that panics", outcome);
    }
    world.output.show(&(cache.state(), klikoo.state(), user.state(), &cache, &klikoo, &user));
    world.search("panics");
}
