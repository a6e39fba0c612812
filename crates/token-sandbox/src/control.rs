//! Steering a running sandbox over HTTP, for programs and scripts that do not hold a [`Sandbox`](crate::Sandbox).
//!
//! Its own listener, under a path that only the one who started the sandbox knows.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use axum::{Json, Router};
use bytes::Bytes;
use http::{Method, StatusCode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::count::{Route, Service};
use crate::fault::{Fault, When};
use crate::front::plain;
use crate::prakerja::{Decision, decide_without_click};
use crate::state::{Shared, lock};

pub(crate) fn router(secret: Arc<str>) -> Router<Arc<Shared>> {
    let handler = async move |State(shared): State<Arc<Shared>>,
                              Path((given, action)): Path<(String, String)>,
                              method: Method,
                              body: Bytes| {
        if verify_slices_are_equal(given.as_bytes(), secret.as_bytes()).is_err() {
            return plain(StatusCode::NOT_FOUND);
        }
        act(&shared, &method, &action, &body).unwrap_or_else(IntoResponse::into_response)
    };
    Router::new().route("/{secret}/{action}", any(handler)).fallback(async || plain(StatusCode::NOT_FOUND))
}

/// The part of a login URL that the consent page sees; `None` when the URL leads elsewhere.
pub(crate) fn consent_query<'a>(shared: &Shared, url: &'a str) -> Option<&'a str> {
    let (query, _) = url.split_once('#').unwrap_or((url, ""));
    query.strip_prefix(shared.urls.prakerja_consent.as_str())?.strip_prefix('?')
}

struct Refused(StatusCode, String);

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.0, Json(json!({"error": self.1}))).into_response()
    }
}

fn bad(text: &str) -> Refused {
    Refused(StatusCode::BAD_REQUEST, text.to_owned())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    advance_seconds: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Revoke {
    service: Service,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AddFault {
    route: String,
    fault: Fault,
    #[serde(default)]
    when: When,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClearFaults {
    route: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Consent {
    url: String,
    decision: Decision,
    /// The id of a user; the first one when absent.
    user: Option<String>,
}

fn act(shared: &Shared, method: &Method, action: &str, body: &[u8]) -> Result<Response, Refused> {
    let answer = match (method.as_str(), action) {
        ("GET", "requests") => requests(shared),
        ("DELETE", "requests") => {
            shared.counters.reset();
            requests(shared)
        }
        ("GET", "faults") => shared.plan.list(),
        ("POST", "faults") => {
            let AddFault { route, fault, when } = read(body)?;
            fault.check().map_err(bad)?;
            shared.plan.add(route_named(&route)?, fault, when);
            shared.plan.list()
        }
        ("DELETE", "faults") => {
            let route = if body.is_empty() { None } else { Some(route_named(&read::<ClearFaults>(body)?.route)?) };
            shared.plan.clear(route);
            shared.plan.list()
        }
        ("GET", "clock") => clock(shared),
        ("POST", "clock") => {
            shared.clock.advance(read::<Advance>(body)?.advance_seconds);
            clock(shared)
        }
        ("POST", "revoke") => {
            shared.revoke_all(read::<Revoke>(body)?.service);
            json!({})
        }
        ("GET", "settings") => settings(shared),
        ("PATCH", "settings") => {
            change_settings(shared, &read(body)?)?;
            settings(shared)
        }
        ("POST", "consent") => {
            let consent: Consent = read(body)?;
            let query = consent_query(shared, &consent.url).ok_or(bad("the URL is not that of the consent page"))?;
            let location = decide_without_click(shared, query, consent.decision, consent.user.as_deref())
                .map_err(|refusal| Refused(StatusCode::BAD_REQUEST, format!("{}: {}", refusal.code, refusal.message)))?;
            json!({"location": location})
        }
        (_, "requests" | "faults" | "clock" | "revoke" | "settings" | "consent") => {
            return Err(Refused(StatusCode::METHOD_NOT_ALLOWED, "no such method here".to_owned()));
        }
        _ => return Err(Refused(StatusCode::NOT_FOUND, "no such action".to_owned())),
    };
    Ok(Json(answer).into_response())
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refused> {
    serde_json::from_slice(body).map_err(|error| Refused(StatusCode::BAD_REQUEST, error.to_string()))
}

fn route_named(name: &str) -> Result<Route, Refused> {
    Route::named(name).ok_or_else(|| Refused(StatusCode::BAD_REQUEST, format!("no route is called `{name}`")))
}

fn requests(shared: &Shared) -> Value {
    let outcomes: BTreeMap<&str, _> = Route::ALL
        .iter()
        .map(|route| (route.name(), shared.counters.outcomes(*route)))
        .filter(|(_, outcomes)| !outcomes.is_empty())
        .collect();
    json!({"counts": shared.counters.read(), "outcomes": outcomes})
}

fn clock(shared: &Shared) -> Value {
    let now = shared.clock.now();
    json!({"now": now.rfc3339(), "unix_seconds": now.seconds()})
}

fn settings(shared: &Shared) -> Value {
    json!({
        "klikoo": lock(&shared.klikoo).settings,
        "prakerja": lock(&shared.prakerja).settings,
        "sehatmu": lock(&shared.sehatmu).settings,
    })
}

/// Changes the settings that are named and leaves the others.
fn change_settings(shared: &Shared, patch: &Value) -> Result<(), Refused> {
    let patch = patch.as_object().ok_or(bad("an object with the names of services is wanted"))?;
    if let Some(name) = patch.keys().find(|name| !["klikoo", "prakerja", "sehatmu"].contains(&name.as_str())) {
        return Err(Refused(StatusCode::BAD_REQUEST, format!("no service is called `{name}`")));
    }
    let mut klikoo = lock(&shared.klikoo);
    let mut prakerja = lock(&shared.prakerja);
    let mut sehatmu = lock(&shared.sehatmu);
    // All are read before one is changed: a fault in the last leaves the first as it was.
    let new_klikoo = merged(&klikoo.settings, patch.get("klikoo"))?;
    let new_prakerja = merged(&prakerja.settings, patch.get("prakerja"))?;
    let new_sehatmu = merged(&sehatmu.settings, patch.get("sehatmu"))?;
    klikoo.settings = new_klikoo;
    prakerja.settings = new_prakerja;
    sehatmu.settings = new_sehatmu;
    Ok(())
}

/// Without a patch the settings do not go through JSON, which changes a duration that it cannot write exactly.
fn merged<T: Clone + Serialize + DeserializeOwned>(settings: &T, patch: Option<&Value>) -> Result<T, Refused> {
    let Some(patch) = patch else { return Ok(settings.clone()) };
    let patch = patch.as_object().ok_or(bad("an object with the names of settings is wanted"))?;
    let mut value = serde_json::to_value(settings).map_err(|error| bad(&error.to_string()))?;
    if let Some(value) = value.as_object_mut() {
        value.extend(patch.iter().map(|(name, value)| (name.clone(), value.clone())));
    }
    serde_json::from_value(value).map_err(|error| Refused(StatusCode::BAD_REQUEST, error.to_string()))
}
