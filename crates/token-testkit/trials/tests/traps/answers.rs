//! A service that is what it should be, and whose answers point to the trap.

use std::sync::Arc;

use token_core::ErrorKind::{Blocked, Configuration, InvalidResponse, Server};
use transport_reqwest::ReqwestTransport;

use crate::Tally;
use crate::certificates::{Authority, server_config};
use crate::listener::{Listener, Manner, answer};
use crate::naive::Naive;
use crate::users::Outcome::{self, Fails, Fine};
use crate::users::User;

/// What an answer is made of: where the trap is, and what the service would have said.
struct Lure<'a> {
    /// `http://127.0.0.1:1234`
    trap: &'a str,
    /// `127.0.0.1:1234`
    authority: &'a str,
    good: &'a str,
}

type Make = Box<dyn Fn(&Lure<'_>) -> Vec<u8> + Send + Sync>;

struct Case {
    name: String,
    /// Whether the service speaks TLS, with a certificate that is trusted.
    tls: bool,
    make: Make,
    wanted: Outcome,
}

fn case(name: impl Into<String>, wanted: Outcome, make: impl Fn(&Lure<'_>) -> Vec<u8> + Send + Sync + 'static) -> Case {
    Case { name: name.into(), tls: false, make: Box::new(make), wanted }
}

/// A good answer, with one more header.
fn good_with(name: &'static str, value: impl Fn(&Lure<'_>) -> String + Send + Sync + 'static) -> Case {
    case(format!("a good answer with `{name}`"), Fine, move |lure| answer("200 OK", &[(name, &value(lure))], lure.good))
}

fn refusal_with(status: &'static str, wanted: Outcome, name: &'static str, value: &'static str) -> Case {
    case(format!("{status} with `{name}: {value}`"), wanted, move |lure| {
        answer(status, &[(name, &value.replace("TRAP", lure.trap))], "")
    })
}

fn redirects() -> Vec<Case> {
    let mut cases = Vec::new();
    for status in [301, 302, 303, 307, 308] {
        let redirect = move |location: String| answer(&format!("{status} Moved"), &[("location", &location)], "");
        let wanted = Fails(Configuration);
        cases.push(case(format!("{status} to another port"), wanted, move |lure| redirect(format!("{}/x", lure.trap))));
        cases.push(case(format!("{status} to another host"), wanted, move |lure| {
            redirect(format!("{}/oauth/token", lure.trap.replace("127.0.0.1", "localhost")))
        }));
        cases.push(Case {
            tls: true,
            ..case(format!("{status} from https to http"), wanted, move |lure| redirect(format!("{}/x", lure.trap)))
        });
        cases.push(case(format!("{status} without a scheme, with a user name"), wanted, move |lure| {
            redirect(format!("//user:password@{}/x", lure.authority))
        }));
    }
    cases
}

fn cases() -> Vec<Case> {
    let mut cases = redirects();
    let moved = Fails(Configuration);
    cases.extend([
        case("300 with a choice", moved, |lure| answer("300 Multiple Choices", &[("location", lure.trap)], lure.good)),
        case("305, use this proxy", moved, |lure| answer("305 Use Proxy", &[("location", lure.trap)], "")),
        case("307 with two places", moved, |lure| {
            answer("307 Moved", &[("location", lure.trap), ("location", "/oauth/token")], "")
        }),
        case("307 after 100", moved, |lure| {
            [b"HTTP/1.1 100 Continue\r\n\r\n".to_vec(), answer("307 Moved", &[("location", lure.trap)], "")].concat()
        }),
        case("307 after 103 with a place", moved, |lure| {
            let hints = format!("HTTP/1.1 103 Early Hints\r\nlink: <{0}/x>; rel=preload\r\nlocation: {0}\r\n\r\n", lure.trap);
            [hints.into_bytes(), answer("307 Moved", &[("location", lure.trap)], "")].concat()
        }),
        good_with("refresh", |lure| format!("0; url={}/x", lure.trap)),
        good_with("alt-svc", |lure| format!("h2=\"{0}\"; ma=86400, http/1.1=\"{0}\"; ma=86400; persist=1", lure.authority)),
        good_with("link", |lure| format!("<{0}/x>; rel=\"preconnect\", <{0}/y>; rel=\"canonical\"", lure.trap)),
        good_with("location", |lure| lure.trap.to_owned()),
        good_with("content-location", |lure| format!("{}/x", lure.trap)),
        good_with("set-cookie", |_| "session=trap; path=/; domain=127.0.0.1".to_owned()),
        good_with("upgrade", |_| "h2c, TLS/1.3".to_owned()),
        good_with("sourcemap", |lure| format!("{}/x", lure.trap)),
        good_with("report-to", |lure| format!("{{\"endpoints\":[{{\"url\":\"{}\"}}]}}", lure.trap)),
        case("201 with a place", Fine, |lure| answer("201 Created", &[("location", lure.trap)], lure.good)),
        case("a page that leads on", Fails(Blocked), |lure| {
            let page = format!("<html><head><meta http-equiv=\"refresh\" content=\"0; url={}/x\"></head></html>", lure.trap);
            answer("200 OK", &[("content-type", "text/html")], &page)
        }),
        case("a script that leads on", Fails(Blocked), |lure| {
            let page = format!("<html><script>location = '{}'</script></html>", lure.trap);
            answer("200 OK", &[("content-type", "text/html")], &page)
        }),
        case("JSON that names another endpoint", Fails(InvalidResponse), |lure| {
            let json = format!(r#"{{"token_endpoint":"{0}","location":"{0}","redirect_url":"{0}"}}"#, lure.trap);
            answer("200 OK", &[("content-type", "application/json")], &json)
        }),
        case("101 to another protocol", Fails(InvalidResponse), |_| {
            b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n".to_vec()
        }),
        refusal_with("401 Unauthorized", Fails(Blocked), "www-authenticate", "Basic realm=\"TRAP\""),
        refusal_with(
            "401 Unauthorized",
            Fails(Blocked),
            "www-authenticate",
            "Digest realm=\"x\", domain=\"TRAP\", nonce=\"7\", qop=\"auth\"",
        ),
        refusal_with("401 Unauthorized", Fails(Blocked), "www-authenticate", "Negotiate"),
        refusal_with("401 Unauthorized", Fails(Blocked), "www-authenticate", "NTLM"),
        refusal_with(
            "401 Unauthorized",
            Fails(Blocked),
            "www-authenticate",
            "Bearer resource_metadata=\"TRAP/.well-known/oauth-protected-resource\"",
        ),
        refusal_with("407 Proxy Authentication Required", Fails(Configuration), "proxy-authenticate", "Basic realm=\"TRAP\""),
        refusal_with("421 Misdirected Request", Fails(Blocked), "alt-svc", "clear"),
        refusal_with("426 Upgrade Required", Fails(Blocked), "upgrade", "h2c"),
        refusal_with("503 Unavailable", Fails(Server), "refresh", "0; url=TRAP"),
        refusal_with("511 Network Authentication Required", Fails(Server), "location", "TRAP"),
    ]);
    cases
}

#[tokio::test]
async fn an_answer_leads_no_secret_elsewhere() {
    let mut tally = Tally::default();
    let authority = Authority::new();
    let ours = Arc::new(ReqwestTransport::builder().root_certificate_pem(authority.pem()).build().unwrap());
    for case in cases() {
        let make = Arc::new(case.make);
        for user in User::ALL {
            let trap = Listener::start(Manner::Plain, move |head| answer("200 OK", &[], &user.good(head))).await;
            let lead = trap.url("http");
            let make = Arc::clone(&make);
            let script = move |head: &str| {
                let authority = lead.trim_start_matches("http://");
                make(&Lure { trap: &lead, authority, good: &user.good(head) })
            };
            let (manner, scheme) = match case.tls {
                true => (Manner::Tls(Arc::new(server_config(&authority))), "https"),
                false => (Manner::Plain, "http"),
            };
            let service = Listener::start(manner, script).await;
            let base_url = service.url(scheme);

            let outcomes = user.ask(&base_url, Arc::clone(&ours) as _).await.unwrap();
            tally.expect_outcomes(&case.name, user, &outcomes, case.wanted);
            tally.note(trap.bytes().len());
            tally.expect(trap.connections() == 0, || format!("{}, {user:?}: the trap was called", case.name));
            let leak = trap.leak(&user.finder());
            tally.expect(leak.is_none(), || format!("{}, {user:?}: {leak:?} at the trap", case.name));
            // The service itself got them, so they were there to be lost, and got nothing that it had asked for in vain.
            let got = String::from_utf8_lossy(&service.bytes()).to_ascii_lowercase();
            tally.expect(service.leak(&user.finder()).is_some(), || format!("{}, {user:?}: no secret was sent", case.name));
            for name in ["\r\ncookie:", "\r\nreferer:", "\r\nproxy-authorization:", "authorization: basic", "digest", "negotiate"]
            {
                tally.expect(!got.contains(name), || format!("{}, {user:?}: `{}` was sent", case.name, name.trim()));
            }

            drop(user.ask(&base_url, Arc::new(Naive::new())).await);
            tally.caught += usize::from(trap.leak(&user.finder()).is_some());
        }
    }
    // 307 and 308 repeat the body, and headers of one's own go along with any redirect.
    assert!(tally.caught >= 20, "only {} of the traps catch anything", tally.caught);
    tally.end("answers", 25);
}
