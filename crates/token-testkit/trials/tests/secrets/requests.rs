//! Requests with a token, by each stack, of each provider, as they should go and as they should not.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName};
use http::{Extensions, HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use hyper_util::client;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use provider_klikoo::KlikooBuilder;
use provider_prakerja::{AuthorizationStyle, Prakerja};
use reqwest_middleware::{Middleware, Next};
use token_core::{
    AuthScheme, Authorize, Authorizer, AuthorizerBuilder, Clock as _, Expiry, Token, TokenProvider, TokenRequest, TokenResponse,
    Transport, TransportError,
};
use token_middleware::{Peeked, RenewalFailed, TokenLayer, TokenMiddleware, send};
use token_sandbox::{Fault, Page, Route, Service};
use token_testkit::{Answer, ScriptedServer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tower::util::BoxService;
use tower::{Layer as _, Service as _, ServiceExt as _, service_fn};

use crate::flows::{client, klikoo_client, logged_in, sehatmu_client};
use crate::output::Output;
use crate::world::World;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Longer than the clock of these flows takes for a pause, which it would move by itself.
const PATIENCE: Duration = Duration::from_secs(3_600);

/// A token that is refused after this long is replaced at once, and is not due before.
const GOOD_SERVICE: Duration = Duration::from_secs(600);

const ODD_PATH: &str = "secret-of-a-path-Ua5-test-only";
const ODD_TOKEN: &str = "access-token-of-a-caller-Nb2/+=~-test-only";

/// A way to send a request: a status, and why no new token was to be had.
type Stack = BoxService<Request<Bytes>, (StatusCode, Option<RenewalFailed>), BoxError>;

/// The headers of all that was sent, as they are below the layer.
#[derive(Clone, Default)]
struct Sent(Arc<Mutex<Vec<HeaderMap>>>);

impl Sent {
    fn add(&self, headers: &HeaderMap) {
        self.0.lock().unwrap().push(headers.clone());
    }

    /// Passes on what is sent by a stack of tower.
    fn logged<B: Body>(&self) -> impl FnMut(Request<Peeked<B>>) -> Request<Peeked<B>> + Clone + use<B> {
        let sent = self.clone();
        move |request| {
            Output::get().show(&request);
            sent.add(request.headers());
            request
        }
    }
}

/// Logs what is sent, as a program may do below the layer.
#[async_trait]
impl Middleware for Sent {
    async fn handle(
        &self,
        request: reqwest::Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<reqwest::Response> {
        Output::get().show(&request);
        self.add(request.headers());
        next.run(request, extensions).await
    }
}

async fn read<R: BodyExt>(answer: Response<R>) -> Result<(StatusCode, Option<RenewalFailed>), BoxError>
where
    R::Error: Into<BoxError>,
{
    let (parts, body) = answer.into_parts();
    Output::get().show(&parts);
    body.collect().await.map_err(Into::into)?;
    Ok((parts.status, parts.extensions.get().cloned()))
}

fn plain<A: Authorize + Clone + 'static>(world: &World, authorizer: &A, sent: &Sent) -> Stack {
    let (client, authorizer, sent) = (world.client().build().unwrap(), authorizer.clone(), sent.clone());
    BoxService::new(service_fn(move |request: Request<Bytes>| {
        let (client, authorizer, sent) = (client.clone(), authorizer.clone(), sent.clone());
        async move {
            let answer = send(&authorizer, request, |request| {
                Output::get().show(&request);
                sent.add(request.headers());
                let client = client.clone();
                async move {
                    let answer = client.execute(request.try_into()?).await?;
                    let (parts, body) = Response::<reqwest::Body>::from(answer).into_parts();
                    Ok::<_, reqwest::Error>(Response::from_parts(parts, body.collect().await?.to_bytes()))
                }
            });
            read(answer.await?.map(Full::new)).await
        }
    }))
}

fn reqwest<A: Authorize + Clone + 'static>(world: &World, authorizer: &A, sent: &Sent) -> Stack {
    let (client, tokens) = TokenMiddleware::with_client(authorizer.clone(), world.client()).unwrap();
    world.output.show(&(&client, &tokens));
    let client = reqwest_middleware::ClientBuilder::new(client).with(tokens).with(sent.clone()).build();
    world.output.show(&client);
    BoxService::new(service_fn(move |request: Request<Bytes>| {
        let client = client.clone();
        async move { read(Response::<reqwest::Body>::from(client.execute(request.try_into()?).await?)).await }
    }))
}

/// Over hyper-util's client, which has no TLS of its own: there reqwest's takes its place.
fn tower<A: Authorize + Clone + 'static>(world: &World, authorizer: &A, sent: &Sent) -> Stack {
    if world.over_tls {
        let layer = TokenLayer::new(authorizer.clone());
        let client = world.client().build().unwrap();
        let below = service_fn(move |request: Request<Peeked<Full<Bytes>>>| {
            let client = client.clone();
            async move {
                let answer = client.execute(request.map(reqwest::Body::wrap).try_into()?).await?;
                Ok::<_, reqwest::Error>(Response::<reqwest::Body>::from(answer))
            }
        });
        let service = layer.layer(layer.guard().layer(below.map_request(sent.logged())));
        world.output.show(&service);
        return BoxService::new(service.map_request(|request: Request<Bytes>| request.map(Full::new)).and_then(read));
    }
    by_hyper(world, authorizer, sent, &Client::builder(TokioExecutor::new()))
}

fn by_hyper<A: Authorize + Clone + 'static>(
    world: &World,
    authorizer: &A,
    sent: &Sent,
    client: &client::legacy::Builder,
) -> Stack {
    let layer = TokenLayer::new(authorizer.clone());
    let guard = layer.guard();
    let below = client.build_http::<Peeked<Full<Bytes>>>();
    let service = layer.layer(guard.layer(below.map_request(sent.logged())));
    world.output.show(&(&layer, &guard, &service));
    BoxService::new(service.map_request(|request: Request<Bytes>| request.map(Full::new)).and_then(read))
}

/// What is sent to a service.
struct Case {
    name: &'static str,
    service: Service,
    routes: &'static [(Route, &'static str)],
    /// Where a new token is asked for; it fails for a while.
    renewal: Option<Route>,
}

const KLIKOO: Case = Case {
    name: "Klikoo",
    service: Service::Klikoo,
    routes: &[(Route::KlikooBalance, ""), (Route::KlikooInquiry, r#"{"bank_code": "000", "account_number": "1"}"#)],
    renewal: Some(Route::KlikooToken),
};
const PRAKERJA: Case = Case {
    name: "Prakerja",
    service: Service::Prakerja,
    routes: &[(Route::PrakerjaProfile, "")],
    renewal: Some(Route::PrakerjaRefresh),
};
const PRAKERJA_SIGNED: Case = Case { routes: &[(Route::PrakerjaRedeem, r#"{"redeem_code": "code-test-only"}"#)], ..PRAKERJA };
const PRAKERJA_WITHOUT: Case = Case { renewal: None, ..PRAKERJA_SIGNED };
const SEHATMU: Case = Case {
    name: "SehatMu",
    service: Service::SehatMu,
    routes: &[(Route::SehatMuMe, ""), (Route::SehatMuPatients, "")],
    renewal: Some(Route::SehatMuToken),
};

impl Case {
    fn origin(&self, world: &World) -> String {
        let url = match self.service {
            Service::Klikoo => world.klikoo_url(),
            Service::Prakerja => world.prakerja_url(),
            _ => world.sehatmu_url(),
        };
        let path = url.match_indices('/').nth(2).map_or(url.len(), |(at, _)| at);
        url[..path].to_owned()
    }
}

fn request(origin: &str, (route, body): (Route, &'static str)) -> Request<Bytes> {
    let method = if body.is_empty() { Method::GET } else { Method::POST };
    let request = Request::builder().method(method).uri(format!("{origin}{}", route.path()));
    request.header(CONTENT_TYPE, "application/json").body(Bytes::from_static(body.as_bytes())).unwrap()
}

impl World {
    /// Sends a request and takes note of every secret in it. How often it was sent, the status, and whether its token could not be renewed.
    async fn asks<P: TokenProvider, S>(
        &mut self,
        name: &str,
        authorizer: &Authorizer<P, S>,
        (stack, sent): (&mut Stack, &Sent),
        request: Request<Bytes>,
    ) -> (usize, u16, bool) {
        let outcome = match stack.ready().await {
            Ok(stack) => stack.call(request).await,
            Err(error) => Err(error),
        };
        let sent = std::mem::take(&mut *sent.0.lock().unwrap());
        for headers in &sent {
            self.output.show(headers);
            let secrets = ["authorization", "open-api-signature", "signature"].map(HeaderName::from_static);
            for value in secrets.iter().filter_map(|secret| headers.get(secret)) {
                assert!(value.is_sensitive(), "{name}");
                let text = value.to_str().unwrap();
                self.knows(&format!("a header of a request to {name}"), text);
                self.knows(&format!("a token of a request to {name}"), text.strip_prefix("Bearer ").unwrap_or(text));
            }
        }
        if let Some(tokens) = authorizer.tokens() {
            let outcome = tokens.token().await;
            self.takes(name, outcome);
        }
        let (status, failed) = match outcome {
            Ok(answer) => answer,
            Err(error) => {
                self.output.show_error(&*error);
                return (sent.len(), 0, false);
            }
        };
        if let Some(failed) = &failed {
            self.output.show(failed);
            self.output.show_error(&failed.0);
        }
        (sent.len(), status.as_u16(), failed.is_some())
    }

    /// Sends all requests of a case by one stack, with a new authoriser.
    async fn sends<P: TokenProvider + 'static, S: AuthScheme>(
        &mut self,
        case: &Case,
        stack: usize,
        builder: AuthorizerBuilder<P, S>,
    ) {
        let name = case.name;
        let broken = ScriptedServer::answering(Answer::hang_up()).await.unwrap();
        let broken = self.fronted(broken.base_url()).await;
        let origin = case.origin(self);
        let builder = builder.patience(PATIENCE).read_codes(true).origin(&broken).origin("http://127.0.0.1:1");
        self.output.show(&builder);
        let authorizer = builder.build().unwrap();
        self.output.show(&authorizer);
        let sent = Sent::default();
        let make = [plain, reqwest, tower][stack];
        let mut stack = make(self, &authorizer, &sent);
        let stack = &mut stack;

        for (number, &route) in case.routes.iter().enumerate() {
            // The first token of a user is dead.
            let times = if number == 0 && case.service == Service::Prakerja && case.renewal.is_some() { 2 } else { 1 };
            let seen = self.asks(name, &authorizer, (stack, &sent), request(&origin, route)).await;
            assert_eq!(seen, (times, 200, false), "{name}: {route:?}");
            if case.service != Service::Prakerja {
                self.clock.advance(GOOD_SERVICE);
                self.sandbox.revoke_all(case.service);
                let seen = self.asks(name, &authorizer, (stack, &sent), request(&origin, route)).await;
                assert_eq!(seen, (2, 200, false), "{name}, revoked: {route:?}");
            }
        }

        let route = case.routes[0];
        let with = |change: &dyn Fn(&mut Request<Bytes>)| {
            let mut request = request(&origin, route);
            change(&mut request);
            request
        };
        let at = |url: String| with(&move |request| *request.uri_mut() = url.parse().unwrap());
        let (scheme, authority) = origin.split_once("://").unwrap();
        let path = route.0.path();
        let refused = [
            at(format!("https://service.example/{ODD_PATH}?{ODD_PATH}")),
            at(format!("{scheme}://user:{ODD_PATH}@{authority}{path}?{ODD_PATH}")),
            with(&|request| drop(request.headers_mut().insert("host", HeaderValue::from_static(ODD_PATH)))),
            with(&|request| {
                request.headers_mut().insert(AUTHORIZATION, HeaderValue::try_from(format!("Bearer {ODD_TOKEN}")).unwrap());
            }),
        ];
        for request in refused {
            let seen = self.asks(name, &authorizer, (stack, &sent), request).await;
            assert_eq!(seen, (0, 0, false), "{name}");
        }
        for origin in ["http://127.0.0.1:1", &broken] {
            let seen = self.asks(name, &authorizer, (stack, &sent), request(origin, route)).await;
            assert_eq!(seen, (1, 0, false), "{name}: {origin}");
        }

        if let Some(renewal) = case.renewal {
            self.sandbox.faults().set(renewal, Fault::ServerError { status: 503, page: Page::Html });
            self.clock.advance(GOOD_SERVICE);
            self.sandbox.revoke_all(case.service);
            let (times, status, failed) = self.asks(name, &authorizer, (stack, &sent), request(&origin, route)).await;
            assert!(times == 1 && matches!(status, 400 | 401) && failed, "{name}: {times} {status} {failed}");
            self.sandbox.faults().clear(renewal);
        }
        self.output.show(&authorizer);
    }
}

/// Sends nothing until there is a permit.
struct Held {
    transport: Arc<dyn Transport>,
    gate: Semaphore,
}

#[async_trait]
impl Transport for Held {
    async fn send(&self, request: TokenRequest) -> Result<TokenResponse, TransportError> {
        self.gate.acquire().await.unwrap().forget();
        self.transport.send(request).await
    }
}

fn klikoo_with_key(world: &World) -> KlikooBuilder {
    klikoo_client(world).private_key(world.sandbox.klikoo_private_key_pem())
}

/// Speaks HTTP/2 alone, and refuses the first request of each connection.
async fn http2_server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let is_first = AtomicBool::new(true);
            let answer = hyper::service::service_fn(move |_| {
                let is_first = is_first.swap(false, Ordering::SeqCst);
                let status = if is_first { StatusCode::UNAUTHORIZED } else { StatusCode::OK };
                async move { Response::builder().status(status).body(Full::new(Bytes::from_static(b"{}"))) }
            });
            let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            tokio::spawn(connection.serve_connection(TokioIo::new(stream), answer));
        }
    });
    origin
}

/// Over HTTP/2, which none of the services here speaks: its library has a log of its own.
pub(crate) async fn over_http2(world: &mut World) {
    let client = Client::builder(TokioExecutor::new()).http2_only(true).clone();
    let (klikoo, sehatmu) = (klikoo_with_key(world), sehatmu_client(world));
    let origin = http2_server().await;
    let klikoo = klikoo.clone().authorizer(klikoo.build().unwrap()).unwrap().patience(PATIENCE).origin(&origin).build().unwrap();
    let sehatmu =
        sehatmu.clone().authorizer(sehatmu.build().unwrap()).unwrap().patience(PATIENCE).origin(&origin).build().unwrap();
    let sent = Sent::default();
    let mut stack = by_hyper(world, &klikoo, &sent, &client);
    for (&route, times) in KLIKOO.routes.iter().zip([2, 1]) {
        let seen = world.asks("Klikoo", &klikoo, (&mut stack, &sent), request(&origin, route)).await;
        assert_eq!(seen, (times, 200, false), "{route:?}");
    }
    let mut stack = by_hyper(world, &sehatmu, &sent, &client);
    for (&route, times) in SEHATMU.routes.iter().zip([2, 1]) {
        let seen = world.asks("SehatMu", &sehatmu, (&mut stack, &sent), request(&origin, route)).await;
        assert_eq!(seen, (times, 200, false), "{route:?}");
    }
    world.search("requests with a token over HTTP/2");
}

/// A user's token that the service does not know, beside a refresh token that it does.
async fn stale(world: &mut World, prakerja: &Prakerja) -> Token {
    let token = logged_in(world, prakerja).await;
    let refresh_token = token.refresh_token().cloned();
    let expiry = Expiry::After(Duration::from_secs(900));
    let stale = Token::bearer("access-token-that-is-dead-Ev4/+=~-test-only", expiry, world.clock.now());
    let stale = stale.refresh_token(refresh_token).build().unwrap();
    world.knows_token("a dead token", &stale);
    stale
}

pub(crate) async fn authorised(world: &mut World) {
    world.knows("a secret of a path", ODD_PATH);
    world.knows("a token of a caller", ODD_TOKEN);
    for stack in 0..3 {
        let (klikoo, sehatmu) = (klikoo_with_key(world), sehatmu_client(world));
        let tokens = klikoo.clone().build().unwrap();
        world.sends(&KLIKOO, stack, klikoo.authorizer(tokens).unwrap()).await;
        let tokens = sehatmu.clone().build().unwrap();
        world.sends(&SEHATMU, stack, sehatmu.clone().authorizer(tokens).unwrap()).await;

        // No token comes in time, and then one does.
        let held = Arc::new(Held { transport: world.transport(), gate: Semaphore::new(0) });
        let impatient = sehatmu.transport(Arc::clone(&held) as _).build_authorizer().unwrap();
        let sent = Sent::default();
        let mut by = [plain, reqwest, tower][stack](world, &impatient, &sent);
        let [first, second] = [(); 2].map(|()| request(&SEHATMU.origin(world), SEHATMU.routes[0]));
        let error = by.ready().await.unwrap().call(first).await.err().unwrap();
        world.output.show_error(&*error);
        assert!(sent.0.lock().unwrap().is_empty());
        held.gate.add_permits(1);
        let outcome = impatient.tokens().unwrap().token().await;
        world.gets("SehatMu", outcome);
        assert_eq!(world.asks("SehatMu", &impatient, (&mut by, &sent), second).await, (1, 200, false));

        let without = client(world).build().unwrap().integration_authorizer().unwrap();
        world.sends(&PRAKERJA_WITHOUT, stack, without).await;
        for style in [AuthorizationStyle::Bare, AuthorizationStyle::Bearer] {
            let prakerja = client(world).authorization_style(style).build().unwrap();
            let tokens = prakerja.user(stale(world, &prakerja).await).build();
            world.sends(&PRAKERJA, stack, prakerja.authorizer(tokens)).await;
            let tokens = prakerja.user(stale(world, &prakerja).await).build();
            world.sends(&PRAKERJA_SIGNED, stack, prakerja.integration_authorizer_with(tokens).unwrap()).await;
        }
    }
    world.search("requests with a token");
}
