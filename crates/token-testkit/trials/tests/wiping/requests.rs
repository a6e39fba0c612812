//! Requests with a token, by each stack, to a service that refuses the first one; nothing is sent.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Extensions, HeaderMap, Request, Response, StatusCode};
use http_body_util::Full;
use provider_klikoo::Klikoo;
use provider_prakerja::AuthorizationStyle;
use provider_sehatmu::SehatMu;
use reqwest_middleware::{Middleware, Next};
use token_core::{Authorize, Retry, TokenCache};
use token_middleware::{Peeked, TokenLayer, TokenMiddleware, send};
use token_testkit::ManualClock;
use tower::{Layer as _, ServiceExt as _, service_fn};

use crate::login::prakerja;
use crate::support::{ACCESS_TOKEN, CLIENT_SECRET, Canned, NEXT_ACCESS_TOKEN, SIGN_KEY, keep, turn, watch_async};

/// A service that keeps the signatures of all that comes, and refuses every other request.
#[derive(Clone, Default)]
struct Refusing {
    came: Arc<Mutex<usize>>,
    signatures: Arc<Mutex<Vec<&'static str>>>,
}

impl Refusing {
    fn answer<B: Default>(&self, headers: &HeaderMap) -> Response<B> {
        for value in ["open-api-signature", "signature"].iter().filter_map(|name| headers.get(*name)) {
            self.signatures.lock().unwrap().push(keep(value.to_str().unwrap()));
        }
        let mut came = self.came.lock().unwrap();
        *came += 1;
        let mut answer = Response::new(B::default());
        *answer.status_mut() = if *came % 2 == 1 { StatusCode::UNAUTHORIZED } else { StatusCode::OK };
        answer
    }

    fn came(&self) -> usize {
        std::mem::take(&mut *self.came.lock().unwrap())
    }
}

#[async_trait]
impl Middleware for Refusing {
    async fn handle(
        &self,
        request: reqwest::Request,
        _extensions: &mut Extensions,
        _next: Next<'_>,
    ) -> reqwest_middleware::Result<reqwest::Response> {
        drop(format!("{request:?}"));
        Ok(self.answer::<reqwest::Body>(request.headers()).into())
    }
}

fn request(url: &str) -> Request<Bytes> {
    Request::post(url).body(Bytes::from_static(b"{}")).unwrap()
}

async fn plain(authorizer: &dyn Authorize, service: &Refusing, request: Request<Bytes>) {
    let sent = send(authorizer, request, async |request| {
        drop(format!("{request:?}"));
        Ok::<_, Infallible>(service.answer::<Bytes>(request.headers()))
    });
    drop(sent.await.map_err(|error| format!("{error:#?}")));
}

async fn reqwest(client: &reqwest::Client, authorizer: impl Authorize + 'static, service: &Refusing, request: Request<Bytes>) {
    let tokens = TokenMiddleware::for_client_without_redirects(authorizer);
    let client = reqwest_middleware::ClientBuilder::new(client.clone()).with(tokens).with(service.clone()).build();
    drop(client.execute(request.try_into().unwrap()).await.map_err(|error| format!("{error:#?}")));
}

async fn tower(authorizer: impl Authorize + 'static, service: &Refusing, request: Request<Bytes>) {
    let service = service.clone();
    let below = move |request: Request<Peeked<Full<Bytes>>>| {
        drop(format!("{request:?}"));
        std::future::ready(Ok::<_, Infallible>(service.answer::<Full<Bytes>>(request.headers())))
    };
    let layered = TokenLayer::new(authorizer).layer(service_fn(below));
    drop(layered.oneshot(request.map(Full::new)).await.map_err(|error| format!("{error:#?}")));
}

/// Sends by every stack, each with an authoriser of its own: a request that is refused once, and one that is not sent.
async fn by_all<A: Authorize + Clone + 'static>(
    client: &reqwest::Client,
    service: &Refusing,
    make: impl Fn() -> A,
    times: usize,
) {
    let here = || request("https://service.example/v1/x");
    let elsewhere = || request("https://other.example/v1/x");
    for (request, times) in [(&here as &dyn Fn() -> Request<Bytes>, times), (&elsewhere, 0)] {
        plain(&make(), service, request()).await;
        assert_eq!(service.came(), times);
        reqwest(client, make(), service, request()).await;
        assert_eq!(service.came(), times);
        tower(make(), service, request()).await;
        assert_eq!(service.came(), times);
    }
}

#[test]
fn requests_leave_nothing_behind() {
    let _turn = turn();
    let put = |token: &str| keep(&format!(r#"{{"access_token":"{token}","token_type":"BearerToken","expires_in":"3599"}}"#));
    let answers = [(200, put(ACCESS_TOKEN)), (200, put(NEXT_ACCESS_TOKEN))];
    let client = reqwest::Client::builder().no_proxy().tls_backend_rustls().tls_certs_only([]).build().unwrap();
    let service = Refusing::default();
    let clock = Arc::new(ManualClock::new());
    let ((), freed) = watch_async(async || {
        let sehatmu =
            SehatMu::builder().base_url("https://service.example").client_id("id-test-only").client_secret(CLIENT_SECRET);
        let sehatmu = || sehatmu.clone().clock(Arc::clone(&clock) as _).transport(Canned::new(&answers));
        let tokens = || -> TokenCache<Retry<SehatMu>> { sehatmu().build().unwrap() };
        by_all(&client, &service, || sehatmu().build_authorizer().unwrap(), 2).await;

        let klikoo = Klikoo::builder().base_url("https://service.example").client_id("3f9c8962-4c4b-4bb6-b3c1-8fc883519c02");
        let klikoo = klikoo.client_secret(CLIENT_SECRET).clock(Arc::clone(&clock) as _);
        by_all(&client, &service, || klikoo.clone().authorizer(tokens()).unwrap().build().unwrap(), 2).await;

        for style in [AuthorizationStyle::Bare, AuthorizationStyle::Bearer] {
            let prakerja = prakerja(Canned::new(&[(500, "")]), &clock).base_url("https://service.example");
            let prakerja = prakerja.client_code("code-of-a-client").authorization_style(style).build().unwrap();
            by_all(&client, &service, || prakerja.authorizer(tokens()).build().unwrap(), 2).await;
            let signed = || prakerja.integration_authorizer_with(tokens()).unwrap().build().unwrap();
            by_all(&client, &service, signed, 2).await;
            by_all(&client, &service, || prakerja.integration_authorizer().unwrap().build().unwrap(), 1).await;
        }
    });
    let secrets = [
        ("the access token", ACCESS_TOKEN),
        ("the next access token", NEXT_ACCESS_TOKEN),
        ("the client secret", CLIENT_SECRET),
        ("the sign key", SIGN_KEY),
    ];
    let signatures = service.signatures.lock().unwrap().clone();
    assert!(signatures.len() >= 20, "{}", signatures.len());
    freed.expect_none("requests", secrets.into_iter().chain(signatures.into_iter().map(|signature| ("a signature", signature))));
}
