//! One call of the integration APIs: signed, with or without a user's token.
//!
//! The path and the request's field are those of the example on the page "Generate Signature". What it answers is invented, in the form that the service's successes have.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderMap, Method, Uri};
use serde_json::json;

use crate::random;
use crate::state::{Shared, lock};

use super::signed::{INTEGRATION, Signed};
use super::token::{object, text};
use super::{INPUT, Refusal, header, success};

pub(super) async fn redeem(
    State(shared): State<Arc<Shared>>,
    method: Method,
    url: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    let now = shared.clock.now();
    let prakerja = lock(&shared.prakerja);
    let client = prakerja.client_by_code(&headers)?;
    let signed = Signed { names: INTEGRATION, method: &method, path: url.path(), headers: &headers, body: &body };
    signed.verify(&prakerja, client, now)?;
    if let Some(authorization) = header(&headers, AUTHORIZATION.as_str()) {
        prakerja.access_of(now, client.client_id(), authorization)?;
    }
    let body = object(&body)?;
    let redeem_code = text(&body, "redeem_code").ok_or(INPUT)?;
    Ok(success(&json!({"redeem_code": redeem_code, "redeem_id": random::uuid()?, "status": "committed"})))
}
