//! A request over the network: what the HTTP client leaves behind, which nobody promises, is counted and told.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use zeroize::Zeroizing;

use provider_prakerja::Login;
use provider_sehatmu::SehatMu;
use token_core::{Clock as _, Expiry, Token, TokenProvider as _};
use token_testkit::ManualClock;

use crate::login::{GOOD, prakerja, put};
use crate::support::{ACCESS_TOKEN, CLIENT_SECRET, CODE, Freed, REFRESH_TOKEN, joined, keep, runtime, turn, watch};

/// A server that answers one request with `body` and leaves nothing behind itself. Gives its base URL.
fn serve(body: &'static str) -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    let answering = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Zeroizing::new([0; 16 * 1_024]);
        let mut length = 0;
        // The bodies of these requests end in `}` or in the secret; the others have none.
        let is_whole = |request: &[u8]| {
            let ends: [&[u8]; 2] = [b"}", CLIENT_SECRET.as_bytes()];
            ends.iter().any(|end| request.ends_with(end)) || (request.starts_with(b"GET") && request.ends_with(b"\r\n\r\n"))
        };
        while !is_whole(&request[..length]) {
            let read = stream.read(&mut request[length..]).unwrap();
            assert!(read > 0, "the client went away");
            length += read;
        }
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body.as_bytes()).unwrap();
    });
    (url, answering)
}

fn tell(what: &str, freed: &Freed, secrets: &[(&str, &str)]) {
    for (name, secret) in secrets {
        let hits = freed.hits(secret.as_bytes());
        println!("{what}: {name} is left by the HTTP client in {} blocks, of these bytes: {hits:?}", hits.len());
    }
}

#[test]
fn what_the_http_client_leaves_behind_is_counted() {
    let _turn = turn();
    let clock = Arc::new(ManualClock::new());
    let transport = || Arc::new(transport_reqwest::ReqwestTransport::new().unwrap());
    let good = put(GOOD);
    let ((), freed) = watch(|| {
        let (url, answering) = serve(good);
        runtime().block_on(async {
            let client = prakerja(transport(), &clock).base_url(url).build().unwrap();
            let Login { url, pending } = client.begin_login().unwrap();
            let state = keep(url.rsplit_once('=').unwrap().1);
            let code = pending.callback(&joined(&["code=", CODE, "&state=", state])).unwrap();
            drop(client.exchange(code).await.unwrap());
        });
        answering.join().unwrap();
    });
    tell("an exchange", &freed, &[("the code", CODE), ("the access token", ACCESS_TOKEN), ("the refresh token", REFRESH_TOKEN)]);

    let good = put(r#"{"accessToken":"TOKEN"}"#);
    let ((), freed) = watch(|| {
        let (url, answering) = serve(good);
        runtime().block_on(async {
            let builder = SehatMu::builder().base_url(url).client_id("id").client_secret(CLIENT_SECRET).transport(transport());
            drop(builder.build_uncached().unwrap().token().await.unwrap());
        });
        answering.join().unwrap();
    });
    tell("client credentials", &freed, &[("the client secret", CLIENT_SECRET), ("the access token", ACCESS_TOKEN)]);

    let good = put(r#"{"success":true,"errorCode":"0","data":{"user_id":"id"}}"#);
    let ((), freed) = watch(|| {
        let (url, answering) = serve(good);
        runtime().block_on(async {
            let client = prakerja(transport(), &clock).base_url(url).build().unwrap();
            let token = Token::bearer(ACCESS_TOKEN, Expiry::Unknown, clock.now()).build().unwrap();
            drop(client.profile(&token).await.unwrap());
        });
        answering.join().unwrap();
    });
    tell("a profile", &freed, &[("the access token", ACCESS_TOKEN)]);
}
