//! How long a request waits for its token, and what is left when nobody waits any more.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use token_core::{AuthorizeFault, ErrorKind};
use token_middleware::{TokenLayer, TokenMiddleware};
use token_testkit::{Answer, ScriptedServer};
use tower::{Layer as _, Service as _};

use crate::support::{Ask, Failure, STACKS, World, hyper, settle};

#[tokio::test]
async fn a_request_waits_for_its_token_as_long_as_it_was_told() {
    for stack in STACKS {
        let world = World::gated();
        let server = ScriptedServer::answering(Answer::text(200, "fine")).await.unwrap();
        let authorizer = world.signed(&server.base_url()).patience(Duration::from_secs(5)).build().unwrap();
        let ask = Ask::get(server.base_url());
        let call = tokio::spawn(async move { stack.send(&authorizer, &ask).await });
        settle().await;
        world.clock.advance(Duration::from_millis(4_999));
        settle().await;
        assert!(!call.is_finished(), "{stack:?}");
        world.clock.advance(Duration::from_millis(1));
        let Err(Failure::Token(error)) = call.await.unwrap() else { panic!("{stack:?}") };
        assert_eq!((error.kind(), server.connections(), world.asked()), (ErrorKind::Pending, 0, 1), "{stack:?}");
    }
}

#[tokio::test]
async fn a_request_goes_out_as_soon_as_its_token_is_there() {
    for stack in STACKS {
        let world = World::gated();
        let server = ScriptedServer::answering(Answer::text(200, "fine")).await.unwrap();
        let authorizer = world.signed(&server.base_url()).build().unwrap();
        let ask = Ask::get(server.base_url());
        let call = tokio::spawn(async move { stack.send(&authorizer, &ask).await });
        settle().await;
        assert_eq!((call.is_finished(), server.connections()), (false, 0), "{stack:?}");
        world.clock.advance(Duration::from_secs(3));
        world.provider.gate.as_ref().unwrap().add_permits(1);
        assert_eq!(call.await.unwrap().unwrap().status, 200, "{stack:?}");
        // Signed when it was sent, not when it began to wait.
        assert_eq!(server.requests()[0].header("x-timestamp"), Some("1795392003000"), "{stack:?}");
    }
}

/// On the second try as well; then there is an answer to give.
#[tokio::test]
async fn a_refused_request_waits_no_longer_for_its_new_token() {
    for stack in STACKS {
        let world = World::gated();
        let gate = world.provider.gate.as_ref().unwrap();
        gate.add_permits(1);
        world.tokens.token().await.unwrap();
        let server = ScriptedServer::answering(Answer::text(401, "no")).await.unwrap();
        let authorizer = world.signed(&server.base_url()).patience(Duration::from_secs(5)).build().unwrap();
        let ask = Ask::get(server.base_url());
        let call = tokio::spawn(async move { stack.send(&authorizer, &ask).await });
        while world.asked() < 2 {
            tokio::task::yield_now().await;
        }
        settle().await;
        world.clock.advance(Duration::from_secs(5));
        let seen = call.await.unwrap().unwrap();
        assert_eq!((seen.status, &*seen.body, server.requests().len()), (401, &b"no"[..], 1), "{stack:?}");
        assert_eq!(seen.renewal_failed.unwrap().kind(), ErrorKind::Pending, "{stack:?}");
    }
}

#[tokio::test]
async fn a_request_that_takes_long_gets_a_token_that_lasts() {
    // How old the token is, how long a request takes by itself and by the authoriser, and the token that it is sent with.
    let cases = [
        (0, None, 0, Ok(1)),
        (0, Some(700), 0, Ok(1)),
        (300, Some(700), 0, Ok(2)),
        (300, None, 700, Ok(2)),
        // What the request says counts.
        (300, Some(10), 700, Ok(1)),
        (300, Some(0), 700, Ok(1)),
        (300, Some(700), 10, Ok(2)),
        (0, Some(901), 0, Err(AuthorizeFault::TokenTooShort)),
        (0, None, 901, Err(AuthorizeFault::TokenTooShort)),
    ];
    for stack in STACKS {
        for (age, takes, in_general, expected) in &cases {
            let world = World::new();
            world.tokens.token().await.unwrap();
            world.clock.advance(Duration::from_secs(*age));
            let server = ScriptedServer::answering(Answer::text(200, "fine")).await.unwrap();
            let authorizer = world.signed(&server.base_url()).takes(Duration::from_secs(*in_general)).build().unwrap();
            let ask = Ask { takes: takes.map(Duration::from_secs), ..Ask::get(server.base_url()) };
            let what = format!("{age}, {takes:?}, {in_general}, {stack:?}");
            let result = stack.send(&authorizer, &ask).await;
            match expected {
                Ok(number) => {
                    let token = format!("Bearer token-test-{number}");
                    assert_eq!(result.unwrap().status, 200, "{what}");
                    assert_eq!(server.requests()[0].header("authorization"), Some(&*token), "{what}");
                }
                Err(fault) => {
                    assert_eq!((result.unwrap_err().fault(), server.connections()), (Some(fault), 0), "{what}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_caller_that_goes_away_takes_no_token_from_others() {
    for stack in STACKS {
        let world = World::gated();
        let server = ScriptedServer::answering(Answer::text(200, "fine")).await.unwrap();
        let authorizer = world.signed(&server.base_url()).build().unwrap();
        let ask = Ask::get(server.base_url());
        let send = || {
            let (authorizer, ask) = (authorizer.clone(), ask.clone());
            tokio::spawn(async move { stack.send(&authorizer, &ask).await })
        };
        let (first, second) = (send(), send());
        settle().await;
        first.abort();
        assert!(first.await.unwrap_err().is_cancelled(), "{stack:?}");
        world.provider.gate.as_ref().unwrap().add_permits(1);
        assert_eq!(second.await.unwrap().unwrap().status, 200, "{stack:?}");
        assert_eq!((world.asked(), server.requests().len()), (1, 1), "{stack:?}");
    }
}

/// Nobody waits any more, and the request for a token goes on all the same.
#[tokio::test]
async fn the_last_caller_that_goes_away_leaves_its_token_for_the_next() {
    for stack in STACKS {
        let world = World::gated();
        let authorizer = world.signed("http://127.0.0.1:9").build().unwrap();
        let call = tokio::spawn(async move { stack.send(&authorizer, &Ask::get("http://127.0.0.1:9")).await });
        settle().await;
        call.abort();
        assert!(call.await.unwrap_err().is_cancelled(), "{stack:?}");
        world.provider.gate.as_ref().unwrap().add_permits(1);
        settle().await;
        assert!(world.tokens.try_token().is_some(), "{stack:?}");
        assert_eq!(world.asked(), 1, "{stack:?}");
    }
}

#[test]
fn every_runtime_will_do() {
    for mut builder in [tokio::runtime::Builder::new_current_thread(), tokio::runtime::Builder::new_multi_thread()] {
        builder.enable_all().build().unwrap().block_on(async {
            for stack in STACKS {
                let world = World::new();
                let server = ScriptedServer::in_turn([Answer::new(401), Answer::text(200, "fine")]).await.unwrap();
                let authorizer = world.signed(&server.base_url()).build().unwrap();
                assert_eq!(stack.send(&authorizer, &Ask::get(server.base_url())).await.unwrap().status, 200, "{stack:?}");
            }
        });
    }
}

/// A program spawns its calls and shares its clients.
#[tokio::test]
async fn calls_and_clients_go_from_thread_to_thread() {
    fn is_send<T: Send>(_: &T) {}
    fn is_shared<T: Send + Sync + Clone + 'static>(_: &T) {}

    let world = World::new();
    let authorizer = world.signed("http://127.0.0.1:9").build().unwrap();
    is_shared(&authorizer);
    let layer = TokenLayer::new(authorizer.clone());
    is_shared(&layer);
    is_shared(&layer.guard());
    let mut service = layer.layer(hyper());
    is_shared(&service);
    is_send(&service.call(http::Request::new(Full::new(Bytes::new()))));
    is_shared(&TokenMiddleware::for_client_without_redirects(authorizer.clone()));
    let sent = token_middleware::send(&authorizer, http::Request::new(Bytes::new()), |_| async {
        Ok::<_, std::convert::Infallible>(http::Response::new(Vec::new()))
    });
    is_send(&sent);
}
