//! Code exchange, refresh, and the profile as the resource that needs a token.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use serde_json::{Value, json};

use crate::jwt::{self, JwtError};
use crate::random;
use crate::state::{Shared, lock};
use crate::time::Time;

use super::{
    CODE_EXPIRED, CODE_MALFORMED, CODE_NOT_SAME, CODE_UNKNOWN, INPUT, OTHER_GRANT, OTHER_KEY, Prakerja, REFRESH_TOKEN_UNKNOWN,
    Refusal, TOKEN_ABSENT, TOKEN_EXPIRED, TOKEN_MALFORMED, USER_UNKNOWN, code_key, header, success,
};

/// The code on record for a user and a client.
pub(super) struct Code {
    pub(super) id: String,
    pub(super) scopes: Vec<String>,
}

/// What one login led to: its refresh tokens, of which one is current.
#[derive(Clone)]
pub(super) struct Family {
    client_id: String,
    user_id: String,
    scopes: Vec<String>,
    current: String,
}

/// A live access token.
pub(super) struct Access {
    client_id: String,
    user_id: String,
    scopes: Vec<String>,
    family: String,
}

pub(super) async fn exchange(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Result<Response, Refusal> {
    let now = shared.clock.now();
    let mut prakerja = lock(&shared.prakerja);
    let client_id = prakerja.client_of(&headers)?.client_id().to_owned();
    let body = object(&body)?;
    match (text(&body, "code"), text(&body, "token")) {
        (Some(code), _) => prakerja.exchange(now, &client_id, code),
        (None, Some(token)) if prakerja.settings.refresh_on_token_path => prakerja.refresh(now, &client_id, token),
        (None, Some(_)) => Err(OTHER_GRANT),
        (None, None) => Err(INPUT),
    }
}

pub(super) async fn refresh(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Result<Response, Refusal> {
    let now = shared.clock.now();
    let mut prakerja = lock(&shared.prakerja);
    let client_id = prakerja.client_of(&headers)?.client_id().to_owned();
    let body = object(&body)?;
    match (text(&body, "token"), text(&body, "code")) {
        (Some(token), _) => prakerja.refresh(now, &client_id, token),
        (None, Some(_)) => Err(OTHER_GRANT),
        (None, None) => Err(INPUT),
    }
}

pub(super) async fn profile(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Result<Response, Refusal> {
    let now = shared.clock.now();
    let prakerja = lock(&shared.prakerja);
    let client_id = prakerja.client_of(&headers)?.client_id();
    let authorization = header(&headers, AUTHORIZATION.as_str()).ok_or(TOKEN_ABSENT)?;
    let access = prakerja.access_of(now, client_id, authorization)?;
    let user = prakerja.users.iter().find(|user| user.id() == access.user_id).ok_or(USER_UNKNOWN)?;
    let given = |scope: &str, value: &str| {
        if access.scopes.iter().any(|known| known == scope) { value.to_owned() } else { String::new() }
    };
    Ok(success(&json!({
        "dp_user_id": user.id(),
        "email": given("email", user.email()),
        "name": given("name", user.name()),
        "no_prakerja": given("prakerjaid", user.prakerja_id()),
        "phone_number": given("notelp", user.phone_number()),
        "user_id": user.id(),
    })))
}

impl Prakerja {
    fn exchange(&mut self, now: Time, client_id: &str, code: &str) -> Result<Response, Refusal> {
        let claims = self.claims(code, "code", CODE_MALFORMED)?.ok_or(CODE_MALFORMED)?;
        if now.seconds() >= claims.ends {
            return Err(CODE_EXPIRED);
        }
        // Found by the caller's id and not by the one in the code: a code of another client is not the one on record.
        let key = code_key(&claims.user_id, client_id);
        let (_, on_record) = self.codes.get(&key).ok_or(CODE_UNKNOWN)?;
        if on_record.id != claims.id {
            return Err(CODE_NOT_SAME);
        }
        let (_, code) = self.codes.remove(&key).ok_or(CODE_UNKNOWN)?;
        let family =
            Family { client_id: client_id.to_owned(), user_id: claims.user_id, scopes: code.scopes, current: random::uuid()? };
        let refresh_ends = self.refresh_ends(now);
        self.mint(now, &random::uuid()?, family, refresh_ends, self.settings.refresh_token_on_exchange)
    }

    fn refresh(&mut self, now: Time, client_id: &str, token: &str) -> Result<Response, Refusal> {
        let claims = self.claims(token, "refresh", TOKEN_MALFORMED)?.ok_or(REFRESH_TOKEN_UNKNOWN)?;
        if now.seconds() >= claims.ends {
            return Err(TOKEN_EXPIRED);
        }
        let (mut refresh_ends, family) = self.families.get(&claims.family).ok_or(REFRESH_TOKEN_UNKNOWN)?;
        if family.client_id != client_id {
            return Err(REFRESH_TOKEN_UNKNOWN);
        }
        let mut family = family.clone();
        if family.current != claims.id {
            // Someone holds a copy. Who it is cannot be told, so the whole login ends.
            self.families.remove(&claims.family);
            self.tokens.retain(|access| access.family != claims.family);
            return Err(REFRESH_TOKEN_UNKNOWN);
        }
        let with_refresh_token = self.settings.refresh_token_on_refresh;
        if self.settings.rotate_refresh_tokens && with_refresh_token {
            family.current = random::uuid()?;
            refresh_ends = self.refresh_ends(now);
        }
        self.mint(now, &claims.family, family, refresh_ends, with_refresh_token)
    }

    fn refresh_ends(&self, now: Time) -> Time {
        Time::from_seconds(now.seconds()).after(self.settings.refresh_token_lifetime)
    }

    fn mint(
        &mut self,
        now: Time,
        family_id: &str,
        family: Family,
        refresh_ends: Time,
        with_refresh_token: bool,
    ) -> Result<Response, Refusal> {
        let id = random::uuid()?;
        let ends = Time::from_seconds(now.seconds()).after(self.settings.token_lifetime);
        let access_token = jwt::sign(
            &self.key,
            &json!({
                "client_id": family.client_id,
                "exp": ends.seconds(),
                "jti": id,
                "sub": family.user_id,
                "typ": "access",
            }),
        );
        let refresh_token = jwt::sign(
            &self.key,
            &json!({
                "client_id": family.client_id,
                "exp": refresh_ends.seconds(),
                "family": family_id,
                "jti": family.current,
                "sub": family.user_id,
                "typ": "refresh",
            }),
        );
        let mut data = json!({
            "access_token": access_token,
            // "timestamp in seconds", typed string: the time of expiry and not a lifetime (Prakerja, Create Token page).
            "expires_in": ends.seconds().to_string(),
            "scope": family.scopes.join(" "),
            "token_type": "Bearer",
        });
        if with_refresh_token && let Some(data) = data.as_object_mut() {
            data.insert("refresh_token".to_owned(), Value::String(refresh_token));
        }
        let access = Access {
            client_id: family.client_id.clone(),
            user_id: family.user_id.clone(),
            scopes: family.scopes.clone(),
            family: family_id.to_owned(),
        };
        self.tokens.insert(now, id, ends, access);
        self.families.insert(now, family_id.to_owned(), refresh_ends, family);
        Ok(success(&data))
    }

    /// Whether a call with this token would be let in now.
    pub(crate) fn takes(&self, now: Time, token: &str) -> bool {
        self.access(now, token).is_ok()
    }

    /// What the token in an `Authorization` header of this client gives a right to.
    pub(super) fn access_of(&self, now: Time, client_id: &str, authorization: &str) -> Result<&Access, Refusal> {
        // The sample sends the bare token, the token's type says "Bearer": both are taken.
        let token = match authorization.split_at_checked(7) {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("bearer ") => rest.trim_start(),
            _ => authorization,
        };
        let access = self.access(now, token)?;
        if access.client_id == client_id { Ok(access) } else { Err(TOKEN_MALFORMED) }
    }

    fn access(&self, now: Time, token: &str) -> Result<&Access, Refusal> {
        let claims = self.claims(token, "access", TOKEN_MALFORMED)?.ok_or(TOKEN_MALFORMED)?;
        if now.seconds() >= claims.ends {
            return Err(TOKEN_EXPIRED);
        }
        let (_, access) = self.tokens.get(&claims.id).ok_or(TOKEN_MALFORMED)?;
        if self.settings.refuse_tokens { Err(TOKEN_MALFORMED) } else { Ok(access) }
    }

    /// The claims of a token that this service signed; `None` when it is not of this `kind`.
    fn claims(&self, token: &str, kind: &str, malformed: Refusal) -> Result<Option<Claims>, Refusal> {
        let claims = jwt::verify(&self.key, token).map_err(|error| match error {
            JwtError::Malformed => malformed,
            JwtError::OtherKey => OTHER_KEY,
        })?;
        if text(&claims, "typ") != Some(kind) {
            return Ok(None);
        }
        let owned = |name| text(&claims, name).unwrap_or_default().to_owned();
        Ok(Some(Claims {
            id: owned("jti"),
            user_id: owned("sub"),
            family: owned("family"),
            ends: claims.get("exp").and_then(Value::as_i64).unwrap_or_default(),
        }))
    }
}

struct Claims {
    id: String,
    user_id: String,
    /// Empty for all but refresh tokens.
    family: String,
    /// In seconds since 1970.
    ends: i64,
}

/// The body as JSON. The service reads it so whatever the header says: most of its samples send no `Content-Type`.
pub(super) fn object(body: &[u8]) -> Result<Value, Refusal> {
    serde_json::from_slice::<Value>(body).ok().filter(Value::is_object).ok_or(INPUT)
}

pub(super) fn text<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    object.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}
