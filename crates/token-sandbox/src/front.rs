//! What every request passes, whichever service it is for: the check of `Host`, the counters, the `Date` header.
//!
//! It knows the route before the handler runs, so it looks here whether a fault is planned, and gives the connection its script.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, DefaultBodyLimit, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use http::header::{DATE, HOST};
use http::uri::Authority;
use http::{HeaderValue, StatusCode};

use crate::connection::Line;
use crate::count::{Outcome, Route, Service};
use crate::damage;
use crate::fault::Fault;
use crate::plan::Drawn;
use crate::state::Shared;
use crate::time::LONGEST;

/// More than any request of the three services needs.
const BODY_LIMIT: usize = 64 * 1024;

/// Puts the front before a service's router. `service` is `None` for the control endpoint, which is not counted.
pub(crate) fn wrap(router: Router<Arc<Shared>>, shared: Arc<Shared>, service: Option<Service>, port: u16) -> Router {
    let front = Front { shared: shared.clone(), service, port };
    router.layer(DefaultBodyLimit::max(BODY_LIMIT)).with_state(shared).layer(middleware::from_fn_with_state(front, pass))
}

/// A plain answer for what has no form of its own.
pub(crate) fn plain(status: StatusCode) -> Response {
    (status, status.canonical_reason().unwrap_or_default()).into_response()
}

#[derive(Clone)]
struct Front {
    shared: Arc<Shared>,
    service: Option<Service>,
    port: u16,
}

async fn pass(State(front): State<Front>, request: Request, next: Next) -> Response {
    let shared = &front.shared;
    if let Err(status) = check_host(&request, front.port) {
        return dated(plain(status), shared, 0);
    }
    let route = front.service.and_then(|service| Route::find(service, request.method(), request.uri().path()));
    let Some(route) = route else {
        return dated(next.run(request).await, shared, 0);
    };
    shared.counters.arrived(route);
    let line = request.extensions().get::<ConnectInfo<Line>>().map(|info| info.0.clone());
    let drawn = shared.plan.of_request(route);
    let response = match &drawn {
        None => next.run(request).await,
        Some(drawn) => answered(drawn, request, next, shared).await,
    };
    let outcome = response.extensions().get::<Outcome>().map_or("other", |outcome| outcome.0);
    shared.counters.ended(route, outcome);
    match (drawn, line) {
        (Some(Drawn { fault: Fault::Date { off_by_seconds }, .. }), _) => dated(response, shared, off_by_seconds),
        (Some(Drawn { fault, .. }), Some(line)) => damaged(&fault, dated(response, shared, 0), &line).await,
        _ => dated(response, shared, 0),
    }
}

/// The service's answer, or that which a fault gives in its place.
async fn answered(drawn: &Drawn, request: Request, next: Next, shared: &Arc<Shared>) -> Response {
    if let Some(response) = damage::in_place(&drawn.fault, shared) {
        // To the end, as an answer before it would reset the connection. A body that is too long has a fault of its own.
        let _ = to_bytes(request.into_body(), BODY_LIMIT).await;
        return response;
    }
    if let Fault::Latency { delay, jitter } = drawn.fault {
        shared.clock.sleep(delay.saturating_add(jitter.min(LONGEST).mul_f64(drawn.random))).await;
    }
    next.run(request).await
}

/// What `fault` makes of an answer that is whole.
async fn damaged(fault: &Fault, response: Response, line: &Line) -> Response {
    if *fault == Fault::CloseBeforeReuse {
        line.close_on_request();
        return response;
    }
    let (parts, body) = response.into_parts();
    // The services' answers are short and held already.
    let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
    if let Some(changed) = damage::changed_body(fault, &body) {
        return damage::with_body(Response::from_parts(parts, Body::empty()), changed);
    }
    match damage::script(fault, parts.status, &parts.headers, &body) {
        None => Response::from_parts(parts, Body::from(body)),
        Some(script) => {
            line.play(script);
            Response::new(Body::empty())
        }
    }
}

/// The server library adds the machine's time unless a time is there.
fn dated(mut response: Response, shared: &Shared, off_by_seconds: i64) -> Response {
    if let Ok(date) = HeaderValue::try_from(shared.clock.now().moved(off_by_seconds).http_date()) {
        response.headers_mut().insert(DATE, date);
    }
    response
}

/// A page of another site can make a browser call loopback under a name of that site (DNS rebinding); `Host` gives it away.
fn check_host(request: &Request, port: u16) -> Result<(), StatusCode> {
    let mut hosts = request.headers().get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return Err(StatusCode::BAD_REQUEST);
    };
    let host: Authority = host.to_str().ok().and_then(|host| host.parse().ok()).ok_or(StatusCode::BAD_REQUEST)?;
    // A request line may carry an authority too. RFC 9112, section 3.2.2, lets it win; here both must be right.
    let line = request.uri().authority();
    if is_ours(&host, port) && line.is_none_or(|line| is_ours(line, port)) {
        Ok(())
    } else {
        Err(StatusCode::MISDIRECTED_REQUEST)
    }
}

fn is_ours(authority: &Authority, port: u16) -> bool {
    !authority.as_str().contains('@') && authority.port_u16() == Some(port) && is_loopback(authority.host())
}

/// Whether `host`, as it stands in an address, is a loopback literal or `localhost`.
pub(crate) fn is_loopback(host: &str) -> bool {
    if let Some(literal) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return literal.parse::<Ipv6Addr>().is_ok_and(|address| address.is_loopback());
    }
    host.eq_ignore_ascii_case("localhost") || host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    use axum::body::Body;

    fn status(uri: &str, hosts: &[&str]) -> Option<u16> {
        let mut request = Request::builder().uri(uri);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        check_host(&request.body(Body::empty()).unwrap(), 4000).err().map(|status| status.as_u16())
    }

    #[test]
    fn only_loopback_with_the_right_port_is_let_in() {
        let cases: &[(&str, &[&str], Option<u16>)] = &[
            ("/", &["127.0.0.1:4000"], None),
            ("/", &["127.8.8.8:4000"], None),
            ("/", &["localhost:4000"], None),
            ("/", &["LOCALHOST:4000"], None),
            ("/", &["[::1]:4000"], None),
            ("http://127.0.0.1:4000/", &["127.0.0.1:4000"], None),
            ("/", &[], Some(400)),
            ("/", &["127.0.0.1:4000", "127.0.0.1:4000"], Some(400)),
            ("/", &["not a host"], Some(400)),
            ("/", &["127.0.0.1"], Some(421)),
            ("/", &["127.0.0.1:4001"], Some(421)),
            ("/", &["rebound.example:4000"], Some(421)),
            ("/", &["localhost.rebound.example:4000"], Some(421)),
            ("/", &["192.0.2.1:4000"], Some(421)),
            ("/", &["user@127.0.0.1:4000"], Some(421)),
            ("/", &["[::2]:4000"], Some(421)),
            ("http://rebound.example:4000/", &["127.0.0.1:4000"], Some(421)),
        ];
        for (uri, hosts, expected) in cases {
            assert_eq!(status(uri, hosts), *expected, "{uri} {hosts:?}");
        }
    }
}
