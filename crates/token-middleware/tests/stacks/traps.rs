//! A token goes to the allowed origin and nowhere else, whatever a URL, a header or an answer says.

use std::net::{Ipv4Addr, Ipv6Addr};

use token_core::AuthorizeFault;
use token_middleware::TokenMiddleware;
use token_testkit::{Answer, RecordedRequest, ScriptedServer};

use crate::support::{Ask, EXPIRED, Failure, OURS, Seen, Stack, Trap, World, reqwest_builder, signature};

const STACKS: [Stack; 4] = [Stack::TowerOutside, Stack::TowerInside, Stack::ReqwestOutside, Stack::Reqwest];

/// The allowed server, and listeners at all places that a trick may lead to.
struct Place {
    world: World,
    allowed: ScriptedServer,
    /// Another port, and the same port at other addresses.
    traps: Vec<Trap>,
}

impl Place {
    async fn new() -> Self {
        let allowed = ScriptedServer::start(answer).await.unwrap();
        let port = allowed.address().port();
        let traps = [
            Trap::at(Ipv4Addr::LOCALHOST, 0).await,
            Trap::at(Ipv4Addr::new(127, 0, 0, 2), port).await,
            Trap::at(Ipv6Addr::LOCALHOST, port).await,
        ];
        Self { world: World::new(), allowed, traps: traps.into_iter().flatten().collect() }
    }

    /// With `A` for the allowed address, `T` for a trap's, and `P` for the allowed port.
    fn fill(&self, text: &str) -> String {
        let (allowed, trap) = (self.allowed.address(), self.traps[0].address);
        let text = text.replace("{A}", &allowed.to_string()).replace("{T}", &trap.to_string());
        text.replace("{P}", &allowed.port().to_string())
    }

    async fn send(&self, stack: Stack, origin: &str, ask: &Ask) -> Result<Seen, Failure> {
        let authorizer = self.world.signed(&self.fill(origin)).build().unwrap();
        stack.send(&authorizer, ask).await
    }

    /// Nothing came to a trap, and all that came to the allowed server had what it wants.
    fn check(&self, what: &str) {
        for trap in &self.traps {
            assert_eq!(trap.heads(), Vec::<String>::new(), "{what}: {}", trap.address);
        }
        for request in self.allowed.requests() {
            assert!(OURS.iter().all(|name| request.header(name).is_some()), "{what}: {request:?}");
        }
    }
}

/// Redirects `/start`, `/again` and a request with the first token to `/refused`; all else is 200.
fn answer(request: &RecordedRequest) -> Answer {
    let to = |name: &str| {
        let status = request.header("x-status").unwrap_or("302").parse().unwrap();
        Answer::redirect(status, request.header(name).unwrap_or_default())
    };
    let is_first = request.header("authorization") == Some("Bearer token-test-1");
    match request.path() {
        "/start" => to("x-location"),
        "/again" => to("x-then"),
        "/refused" if is_first => Answer::json(401, EXPIRED),
        "/refused" => to("x-location"),
        _ => Answer::text(200, "here"),
    }
}

/// What becomes of a URL in a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// The parser makes it harmless: it is a URL of the allowed origin, and arrives there, with its token.
    Arrives,
    /// An error of ours.
    Stopped,
    /// It is no URL for the parser.
    NoUrl,
}

use Outcome::{Arrives, NoUrl, Stopped};

fn outcome(result: &Result<Seen, Failure>) -> Outcome {
    match result {
        Ok(seen) if (seen.status, &*seen.body) == (200, b"here") => Arrives,
        Err(Failure::Unparsable) => NoUrl,
        Err(failure) if failure.fault().is_some() => Stopped,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_url_leads_to_the_allowed_origin_or_to_nothing() {
    // The trick, the URL, and its outcome with the parser of the crate `http` and with that of reqwest.
    let tricks = [
        ("none", "http://{A}/x", Arrives, Arrives),
        ("scheme in upper case", "HTTP://{A}/x", Arrives, Arrives),
        ("a query", "http://{A}?http://{T}/", Arrives, Arrives),
        ("no path", "http://{A}", Arrives, Arrives),
        ("dot segments", "http://{A}/a/../b/./c", Arrives, Arrives),
        ("encoded dot segments", "http://{A}/a/%2e%2E/b", Arrives, Arrives),
        ("port with a zero before it", "http://127.0.0.1:0{P}/", Arrives, Arrives),
        ("the trap in the path", "http://{A}/@{T}/", Arrives, Arrives),
        ("the trap in the query", "http://{A}?@{T}/", Arrives, Arrives),
        ("the trap in the fragment", "http://{A}#@{T}/", Arrives, Arrives),
        ("the trap absolute in the path", "http://{A}/http://{T}/x", Arrives, Arrives),
        ("the trap after two slashes", "http://{A}//{T}/x", Arrives, Arrives),
        ("backslash and at", r"http://{A}\@{T}/", NoUrl, Arrives),
        ("at and backslash", r"http://{T}\@{A}/", NoUrl, Stopped),
        ("backslashes for slashes", r"http:\\{T}\x", NoUrl, Stopped),
        ("one slash", "http:/{T}/x", NoUrl, Stopped),
        ("three slashes", "http:///{T}/x", NoUrl, Stopped),
        ("a tab in the host", "http://127.0.0.\t2:{P}/", NoUrl, Stopped),
        ("spaces around", " http://{T}/ ", NoUrl, Stopped),
        ("another name for the address", "http://localhost:{P}/", Stopped, Stopped),
        ("another name with a dot", "http://localhost.:{P}/", Stopped, Stopped),
        ("another address of this machine", "http://127.0.0.2:{P}/", Stopped, Stopped),
        ("IPv6", "http://[::1]:{P}/", Stopped, Stopped),
        ("the address as IPv6", "http://[::ffff:127.0.0.1]:{P}/", Stopped, Stopped),
        ("any address", "http://0.0.0.0:{P}/", Stopped, Stopped),
        ("another port", "http://{T}/", Stopped, Stopped),
        ("no port", "http://127.0.0.1/", Stopped, Stopped),
        ("an empty port", "http://127.0.0.1:/", Stopped, Stopped),
        ("another scheme", "https://{A}/", Stopped, Stopped),
        ("a scheme that is none", "ftp://{A}/", Stopped, Stopped),
        ("web socket", "ws://{A}/", Stopped, Stopped),
        ("user info that is the allowed host", "http://127.0.0.1@{T}/", Stopped, Stopped),
        ("user info with the allowed port", "http://{A}@{T}/", Stopped, Stopped),
        ("user info before the allowed host", "http://user:secret-test-only@{A}/", Stopped, Stopped),
        ("a password alone", "http://:secret-test-only@{A}/", Stopped, Stopped),
        ("two ats", "http://{A}@x@{T}/", Stopped, Stopped),
        ("an encoded at", "http://127.0.0.1%40127.0.0.2:{P}/", NoUrl, NoUrl),
        ("an encoded slash", "http://{T}%2f@{A}/", Stopped, Stopped),
        ("a dot after the address", "http://127.0.0.1.:{P}/", Stopped, Arrives),
        ("an encoded host", "http://%31%32%37.0.0.1:{P}/", NoUrl, Arrives),
        ("an encoded host that is a trap", "http://%31%32%37.0.0.2:{P}/", NoUrl, Stopped),
        ("wide digits", "http://１２７.0.0.1:{P}/", NoUrl, Arrives),
        ("wide digits of a trap", "http://１２７.0.0.2:{P}/", NoUrl, Stopped),
        ("hexadecimal", "http://0x7f.1:{P}/", Stopped, Arrives),
        ("one number", "http://2130706433:{P}/", Stopped, Arrives),
        ("one number that is a trap", "http://2130706434:{P}/", Stopped, Stopped),
        ("octal", "http://0177.0.0.1:{P}/", Stopped, Arrives),
        ("two parts", "http://127.1:{P}/", Stopped, Arrives),
        ("two parts of a trap", "http://127.2:{P}/", Stopped, Stopped),
        ("relative", "/x", Stopped, NoUrl),
        ("relative to the scheme", "//{T}/x", Stopped, NoUrl),
        ("an authority alone", "{T}", Stopped, NoUrl),
        ("an asterisk", "*", Stopped, NoUrl),
    ];
    let place = Place::new().await;
    let mut wrong = Vec::new();
    for (what, url, with_tower, with_reqwest) in tricks {
        for stack in STACKS.into_iter().chain([Stack::Plain]) {
            let before = place.allowed.requests().len();
            let result = place.send(stack, "http://{A}", &Ask::get(place.fill(url))).await;
            let is_reqwest = matches!(stack, Stack::Reqwest | Stack::ReqwestOutside);
            let expected = if is_reqwest { with_reqwest } else { with_tower };
            let arrived = place.allowed.requests().len() - before;
            if outcome(&result) != expected || arrived != usize::from(expected == Arrives) {
                wrong.push(format!("{what}, {stack:?}: {arrived} arrived, {result:?}"));
            }
            // Signed for the path that was sent.
            for request in place.allowed.requests().iter().skip(before) {
                let signed = signature("GET", request.path(), b"");
                assert_eq!(request.header("x-signature"), Some(&*signed), "{what}, {stack:?}");
            }
            place.check(what);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    for stack in STACKS.into_iter().chain([Stack::Plain]) {
        let ask = Ask::get(place.fill("http://LOCALHOST:{P}/"));
        // Here the name is allowed, and the listener on IPv6 is no trap.
        let named = place.send(stack, "http://localhost:{P}", &ask).await;
        assert_eq!(named.unwrap().status, 200, "upper case, {stack:?}");
    }
}

/// reqwest's builder makes a header of user info, so that is what stops it above. A request that is made without has it still.
#[tokio::test]
async fn user_info_in_a_request_that_is_given_whole_is_stopped() {
    let place = Place::new().await;
    let authorizer = place.world.signed(&place.fill("http://{A}")).build().unwrap();
    let (client, tokens) = TokenMiddleware::with_client(authorizer, reqwest_builder()).unwrap();
    let client = reqwest_middleware::ClientBuilder::new(client).with(tokens).build();
    for url in ["http://user@{A}/", "http://:secret-test-only@{A}/", "http://user:secret-test-only@{A}/", "http://{A}@{T}/"] {
        let request = reqwest::Request::new(http::Method::GET, place.fill(url).parse().unwrap());
        let Err(reqwest_middleware::Error::Middleware(error)) = client.execute(request).await else { panic!("{url}") };
        assert_eq!(Failure::Token(error.downcast().unwrap()).fault(), Some(&AuthorizeFault::UserInfo), "{url}");
        place.check(url);
    }
}

#[tokio::test]
async fn a_header_or_a_method_does_not_lead_elsewhere() {
    let stopped = |name: &str| match name {
        "CONNECT" => AuthorizeFault::Connect,
        "host" => AuthorizeFault::HostDiffers,
        name => AuthorizeFault::HeaderSet { name: name.parse().unwrap() },
    };
    // The method, the headers, and what stops the request, if it does not arrive.
    type Headers = &'static [(&'static str, &'static str)];
    let tricks: [(&str, Headers, Option<&str>); 17] = [
        ("GET", &[("host", "{A}")], None),
        ("GET", &[("x-forwarded-host", "{T}")], None),
        ("GET", &[("forwarded", "host={T}")], None),
        ("GET", &[("host", "{T}")], Some("host")),
        ("GET", &[("host", "127.0.0.1")], Some("host")),
        ("GET", &[("host", "localhost:{P}")], Some("host")),
        ("GET", &[("host", "http://{A}")], Some("host")),
        ("GET", &[("host", "{A}@{T}")], Some("host")),
        ("GET", &[("host", "{A}, {T}")], Some("host")),
        ("GET", &[("host", "")], Some("host")),
        ("GET", &[("host", "{A}"), ("host", "{T}")], Some("host")),
        ("GET", &[("host", "{T}"), ("host", "{A}")], Some("host")),
        ("GET", &[("host", "{A}"), ("host", "{A}")], Some("host")),
        ("GET", &[("authorization", "Bearer token-of-another")], Some("authorization")),
        ("GET", &[("x-signature", "")], Some("x-signature")),
        ("CONNECT", &[], Some("CONNECT")),
        ("CONNECT", &[("host", "{T}")], Some("CONNECT")),
    ];
    let place = Place::new().await;
    for (method, headers, fault) in tricks {
        for stack in STACKS.into_iter().chain([Stack::Plain]) {
            let mut ask = Ask::new(method, place.fill("http://{A}/x"));
            for (name, value) in headers {
                ask = ask.header(name, &place.fill(value));
            }
            let what = format!("{method} {headers:?}, {stack:?}");
            let result = place.send(stack, "http://{A}", &ask).await;
            match fault {
                None => assert_eq!(outcome(&result), Arrives, "{what}"),
                Some(name) => assert_eq!(result.unwrap_err().fault(), Some(&stopped(name)), "{what}"),
            }
            place.check(&what);
        }
    }
}

/// What becomes of a request that is redirected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The caller has the answer that redirects.
    Redirect,
    /// An error of ours.
    Error,
    /// It arrives at the allowed origin, signed for where it arrives.
    There,
    /// As `There`, but with the token and the signature of its first hop, which a redirect layer inside took along.
    Stale,
}

#[tokio::test]
async fn a_redirect_leads_no_token_away() {
    use End::{Error, Redirect, Stale, There};

    // The trick, where the request goes first, the `Location`, and its end in each stack, in the order of `STACKS`.
    let tricks = [
        ("the trap", "/start", "http://{T}/x", [Error, Error, Error, Redirect]),
        ("relative to the scheme", "/start", "//{T}/x", [Error, Error, Error, Redirect]),
        ("user info", "/start", "http://user:secret-test-only@{T}/", [Error, Error, Error, Redirect]),
        ("the allowed host as user info", "/start", "http://{A}@{T}/", [Error, Error, Error, Redirect]),
        ("user info at the allowed host", "/start", "http://user@{A}/x", [Error, Error, Error, Redirect]),
        ("backslashes", "/start", r"\\{T}\x", [Error, Error, Error, Redirect]),
        ("slash and backslash", "/start", r"/\{T}/x", [Error, Error, Error, Redirect]),
        ("backslash and at", "/start", r"http://{A}\@{T}/x", [There, Stale, There, Redirect]),
        ("another name", "/start", "http://localhost:{P}/x", [Error, Error, Error, Redirect]),
        ("another address", "/start", "http://127.0.0.2:{P}/x", [Error, Error, Error, Redirect]),
        ("another scheme", "/start", "https://{A}/x", [Error, Error, Error, Redirect]),
        ("no web", "/start", "ftp://{A}/x", [Error, Error, Error, Redirect]),
        ("allowed, allowed, trap", "/start", "http://{A}/again", [Error, Error, Error, Redirect]),
        ("on the second try", "/refused", "http://{T}/x", [Error, Error, Error, Redirect]),
        ("through the trap and back", "/start", "http://{T}/?back=http://{A}/x", [Error, Error, Error, Redirect]),
        ("within the origin", "/start", "/x", [There, Stale, There, Redirect]),
    ];
    let mut wrong = Vec::new();
    for status in [301, 302, 303, 307, 308] {
        for (method, body) in [("GET", ""), ("POST", ""), ("POST", "body")] {
            for (what, path, location, ends) in tricks {
                let with_all = ["the trap", "on the second try", "within the origin"];
                if (status, method) != (302, "GET") && !with_all.contains(&what) {
                    continue;
                }
                for (stack, end) in STACKS.into_iter().zip(ends) {
                    // tower-http sends no body again that it cannot clone.
                    let is_tower = matches!(stack, Stack::TowerInside | Stack::TowerOutside);
                    let is_kept = is_tower && !body.is_empty() && matches!(status, 307 | 308);
                    let end = if is_kept { Redirect } else { end };
                    let place = Place::new().await;
                    let ask = Ask::new(method, place.fill(&format!("http://{{A}}{path}")));
                    let ask = ask.header("x-location", &place.fill(location)).header("x-then", &place.fill("http://{T}/x"));
                    let ask = ask.header("x-status", &status.to_string()).body(body);
                    let what = format!("{what}, {status} to a {method} of {body:?}, {stack:?}");
                    let result = place.send(stack, "http://{A}", &ask).await;
                    place.check(&what);
                    let requests = place.allowed.requests();
                    let last = requests.last().unwrap();
                    let signed = signature(last.method(), last.path(), last.body());
                    let is_signed = last.header("x-signature") == Some(&*signed);
                    let seen = match &result {
                        Ok(seen) if seen.status == status => Redirect,
                        Err(failure) if failure.fault().is_some() => Error,
                        Ok(seen) if seen.status == 200 && is_signed => There,
                        Ok(seen) if seen.status == 200 => Stale,
                        _ => panic!("{what}: {result:?}"),
                    };
                    if seen != end {
                        wrong.push(format!("{what}: {seen:?}, {result:?}"));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// What follows redirects takes `Authorization` off before another place, and of a bearer request nothing is left then by which it could be known.
#[tokio::test]
async fn a_bearer_request_goes_with_its_token_or_not_at_all() {
    for (what, path, location, is_there) in [
        ("the trap", "/start", "http://{T}/x", false),
        ("another name", "/start", "http://localhost:{P}/x", false),
        ("allowed, allowed, trap", "/start", "http://{A}/again", false),
        ("on the second try", "/refused", "http://{T}/x", false),
        ("through the trap and back", "/start", "http://{T}/?back=http://{A}/x", false),
        ("within the origin", "/start", "/x", true),
    ] {
        for stack in STACKS {
            let place = Place::new().await;
            let ask = Ask::get(place.fill(&format!("http://{{A}}{path}")));
            let ask = ask.header("x-location", &place.fill(location)).header("x-then", &place.fill("http://{T}/x"));
            let authorizer = place.world.bearer(&place.fill("http://{A}")).build().unwrap();
            let result = stack.send(&authorizer, &ask).await;
            for trap in &place.traps {
                assert_eq!(trap.heads(), Vec::<String>::new(), "{what}, {stack:?}");
            }
            let requests = place.allowed.requests();
            assert!(requests.iter().all(|request| request.header("authorization").is_some()), "{what}, {stack:?}: {requests:?}");
            let ends_there = matches!(&result, Ok(seen) if seen.status == 200);
            assert_eq!(ends_there, is_there && stack != Stack::Reqwest, "{what}, {stack:?}: {result:?}");
        }
    }
}

/// A token is for its origin: a redirect from one that is allowed to another that is leaves it behind, and so goes nowhere.
#[tokio::test]
async fn a_redirect_inside_to_another_allowed_origin_is_stopped() {
    let other = ScriptedServer::answering(Answer::text(200, "there")).await.unwrap();
    for is_signed in [true, false] {
        let place = Place::new().await;
        let ask = Ask::get(place.fill("http://{A}/start")).header("x-location", &format!("{}/x", other.base_url()));
        let (world, allowed) = (&place.world, place.fill("http://{A}"));
        let result = if is_signed {
            Stack::TowerInside.send(&world.signed(&allowed).origin(&other.base_url()).build().unwrap(), &ask).await
        } else {
            Stack::TowerInside.send(&world.bearer(&allowed).origin(&other.base_url()).build().unwrap(), &ask).await
        };
        let lost = AuthorizeFault::HeaderLost { name: http::header::AUTHORIZATION };
        assert_eq!(result.unwrap_err().fault(), Some(&lost), "{is_signed}");
    }
    assert!(other.requests().is_empty());
}

/// So it is seen that the traps catch something where nothing guards a request.
#[tokio::test]
async fn without_the_guard_a_trap_gets_the_signature() {
    for stack in [Stack::NaiveTower, Stack::NaiveReqwest] {
        let place = Place::new().await;
        let ask = Ask::get(place.fill("http://{A}/start")).header("x-location", &place.fill("http://{T}/x"));
        let result = place.send(stack, "http://{A}", &ask).await;
        assert_eq!(result.unwrap().status, 200, "{stack:?}");
        let heads = place.traps[0].heads();
        assert!(heads.len() == 1 && heads[0].contains("x-signature: get /start"), "{stack:?}: {heads:?}");
        assert!(heads[0].contains("x-client-id: client-test-only"), "{stack:?}: {heads:?}");
    }
}
