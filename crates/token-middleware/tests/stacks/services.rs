//! `TokenLayer` over what else is of tower: a router in process, and tonic's channel.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::extract::Request;
use axum::response::IntoResponse as _;
use bytes::{Buf as _, BufMut as _, Bytes};
use http::{HeaderMap, StatusCode, Uri};
use http_body::Body;
use http_body_util::{BodyExt as _, Full};
use token_core::{Authorize, AuthorizeFault, Error};
use token_middleware::{Peeked, TokenLayer};
use tonic::client::{Grpc, GrpcService};
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::{Code, Status};
use tower::{Layer as _, ServiceExt as _};

use crate::support::{Ask, BoxError, World, through};

#[tokio::test]
async fn a_router_in_process_is_a_service_like_any_other() {
    let world = World::new();
    let requests = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&requests);
    let router = axum::Router::new().fallback(move |request: Request| {
        counted.fetch_add(1, Ordering::SeqCst);
        let is_first = request.headers()["authorization"] == "Bearer token-test-1";
        async move {
            let body = request.into_body().collect().await.unwrap().to_bytes();
            if is_first { StatusCode::UNAUTHORIZED.into_response() } else { body.into_response() }
        }
    });
    let service = TokenLayer::new(world.signed("https://api.example").build().unwrap()).layer(router);
    let ask = Ask::new("POST", "https://api.example/").body("body");
    let seen = through(service, &ask).await.unwrap();
    assert_eq!((seen.status, &*seen.body, requests.load(Ordering::SeqCst)), (200, &b"body"[..], 2));
}

/// Texts, as they are.
#[derive(Clone, Copy, Debug, Default)]
struct Texts;

impl Codec for Texts {
    type Encode = String;
    type Decode = String;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for Texts {
    type Item = String;
    type Error = Status;

    fn encode(&mut self, item: String, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put_slice(item.as_bytes());
        Ok(())
    }
}

impl Decoder for Texts {
    type Item = String;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<String>, Status> {
        let bytes = buffer.copy_to_bytes(buffer.remaining());
        String::from_utf8(bytes.into()).map(Some).map_err(|_| Status::internal("no text"))
    }
}

/// A gRPC service that takes every token but the first, and gives back what it is sent. Its origin, and the tokens that it saw.
async fn grpc_server() -> (String, Arc<Mutex<Vec<String>>>, tokio::task::JoinHandle<()>) {
    let tokens: Arc<Mutex<Vec<String>>> = Arc::default();
    let kept = Arc::clone(&tokens);
    let router = axum::Router::new().fallback(move |request: Request| {
        let token = request.headers()["authorization"].to_str().unwrap().to_owned();
        kept.lock().unwrap().push(token.clone());
        async move {
            let message = request.into_body().collect().await.unwrap().to_bytes();
            let answer = http::Response::builder().header("content-type", "application/grpc");
            if token == "Bearer token-test-1" {
                return answer.header("grpc-status", "16").body(axum::body::Body::empty()).unwrap();
            }
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", "0".parse().unwrap());
            let body = Full::new(message).with_trailers(std::future::ready(Some(Ok(trailers))));
            answer.body(axum::body::Body::new(body)).unwrap()
        }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (origin, tokens, serving)
}

async fn call<S>(service: S, origin: Option<&str>) -> Result<String, Status>
where
    S: GrpcService<tonic::body::Body>,
    S::ResponseBody: Send + 'static,
    <S::ResponseBody as Body>::Error: Into<BoxError>,
    S::Error: std::fmt::Debug,
{
    let mut client = match origin {
        Some(origin) => Grpc::with_origin(service, origin.parse::<Uri>().unwrap()),
        None => Grpc::new(service),
    };
    client.ready().await.unwrap();
    let request = tonic::Request::new("täxt".to_owned());
    Ok(client.unary(request, "/texts.Texts/Echo".parse().unwrap(), Texts).await?.into_inner())
}

fn authorizer(world: &World, origin: &str) -> impl Authorize + Clone + use<> {
    let is_refused = |answer: &token_core::ApiAnswer<'_>| answer.headers.get("grpc-status").is_some_and(|status| status == "16");
    world.bearer(origin).refused_when(is_refused).build().unwrap()
}

fn boxed(request: http::Request<Peeked<tonic::body::Body>>) -> http::Request<tonic::body::Body> {
    request.map(tonic::body::Body::new)
}

/// Nobody knows the length of a body of tonic's, so the layer does not keep it, and the caller tries again.
#[tokio::test]
async fn a_grpc_call_whose_token_is_refused_has_a_new_one_when_it_is_tried_again() {
    let world = World::new();
    let (origin, tokens, serving) = grpc_server().await;
    let channel = tonic::transport::Endpoint::from_shared(origin.clone()).unwrap().connect_lazy();
    let service = TokenLayer::new(authorizer(&world, &origin)).layer(channel.map_request(boxed));

    let first = call(service.clone(), Some(&origin)).await.unwrap_err();
    assert_eq!(first.code(), Code::Unauthenticated);
    assert_eq!(call(service, Some(&origin)).await.unwrap(), "täxt");
    assert_eq!(*tokens.lock().unwrap(), ["Bearer token-test-1", "Bearer token-test-2"]);
    serving.abort();
}

/// Where a layer outside reads it first, the second try is made here.
#[tokio::test]
async fn a_grpc_call_whose_body_was_read_is_sent_again() {
    let world = World::new();
    let (origin, tokens, serving) = grpc_server().await;
    let channel = tonic::transport::Endpoint::from_shared(origin.clone()).unwrap().connect_lazy();
    let channel = channel.map_request(|request: http::Request<Peeked<Full<Bytes>>>| request.map(tonic::body::Body::new));
    let tokens_inside = TokenLayer::new(authorizer(&world, &origin)).layer(channel);
    let service = tower::service_fn(move |request: http::Request<tonic::body::Body>| {
        let inside = tokens_inside.clone();
        async move {
            let (parts, body) = request.into_parts();
            let body = Full::new(body.collect().await?.to_bytes());
            inside.oneshot(http::Request::from_parts(parts, body)).await
        }
    });
    assert_eq!(call(service, Some(&origin)).await.unwrap(), "täxt");
    assert_eq!(*tokens.lock().unwrap(), ["Bearer token-test-1", "Bearer token-test-2"]);
    serving.abort();
}

/// tonic's channel adds the origin below this layer, so the client must know it too.
#[tokio::test]
async fn a_grpc_client_without_an_origin_is_told_so() {
    let world = World::new();
    let (origin, tokens, serving) = grpc_server().await;
    let channel = tonic::transport::Endpoint::from_shared(origin.clone()).unwrap().connect_lazy();
    let service = TokenLayer::new(authorizer(&world, &origin)).layer(channel.map_request(boxed));

    let status = call(service, None).await.unwrap_err();
    let cause = std::error::Error::source(&status).unwrap().downcast_ref::<Error>().unwrap();
    let fault = std::error::Error::source(cause).unwrap().downcast_ref::<AuthorizeFault>();
    assert_eq!(fault, Some(&AuthorizeFault::NoOrigin));
    assert!(tokens.lock().unwrap().is_empty());
    assert_eq!(world.asked(), 0);
    serving.abort();
}
