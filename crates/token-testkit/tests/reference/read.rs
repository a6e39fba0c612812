//! How the provider reads an answer, right or wrong.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Fault, KEY_LINE, Provider};
use token_core::json::{FieldError, JsonError, Object, Value};
use token_core::{Error, ErrorKind, Expiry, ExpiryFormat, PageOrigin, Remedy, Reply, Token, UnexpectedPage, check_token_type};

/// An error as it should not be.
#[derive(Debug)]
struct Quoted(String);

impl std::fmt::Display for Quoted {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "cannot use `{}`", self.0)
    }
}

impl std::error::Error for Quoted {}

#[derive(Deserialize, Serialize)]
struct Known {
    access_token: Option<serde_json::Value>,
    token_type: Option<serde_json::Value>,
    expires: Option<serde_json::Value>,
    refresh_token: Option<serde_json::Value>,
    error: Option<serde_json::Value>,
    error_description: Option<serde_json::Value>,
}

impl Provider {
    pub(super) fn read(&self, reply: &Reply<'_>) -> Result<Token, Error> {
        if self.has(Fault::LogsBody) {
            log::debug!("got {:?}", reply.body());
        }
        let result = match self.json(reply) {
            Ok(Value::Object(object)) if reply.status() == 200 => self.token_of(reply, &object),
            Ok(Value::Object(object)) => Err(self.refusal(reply, &object)),
            _ => Err(self.unexpected(reply)),
        };
        result.map_err(|error| if self.has(Fault::DropsRetryAfter) { error.with_retry_after(None) } else { error })
    }

    fn json(&self, reply: &Reply<'_>) -> Result<Value, JsonError> {
        let again = |value: Result<serde_json::Value, _>| match value {
            Ok(value) => Value::parse(value.to_string().as_bytes()),
            Err(_) => reply.json(),
        };
        match self.reference.fault {
            Fault::LastKeyWins => again(serde_json::from_slice(reply.body())),
            Fault::IgnoresUnknownFields => again(serde_json::from_slice::<Known>(reply.body()).and_then(serde_json::to_value)),
            Fault::TakesTrailingText => {
                let end = reply.body().iter().rposition(|byte| *byte == b'}').map_or(0, |end| end + 1);
                Value::parse(&reply.body()[..end])
            }
            _ => reply.json(),
        }
    }

    fn token_of(&self, reply: &Reply<'_>, object: &Object) -> Result<Token, Error> {
        let invalid = |field: FieldError| reply.error(ErrorKind::InvalidResponse, Remedy::ContactService).with_source(field);
        let numbers = self.reference.takes_numeric_token || self.has(Fault::TakesNumber);
        let access_token = if numbers && !self.has(Fault::RefusesNumber) {
            object.text_or_number("access_token").map(|text| text.to_string())
        } else {
            object.text("access_token").map(str::to_owned)
        };
        let mut access_token = access_token.map_err(invalid)?;
        if self.has(Fault::RepairsToken) {
            access_token = access_token.chars().filter(char::is_ascii_graphic).chain(['x']).take(99).collect();
        }
        let token_type = object.optional_text("token_type").map_err(invalid)?;
        if let (Some(accepted), false) = (self.reference.token_type, self.has(Fault::IgnoresTokenType)) {
            let found = token_type.unwrap_or_default();
            let exactly = self.has(Fault::TokenTypeExactly) && found != accepted;
            check_token_type(if exactly { "" } else { found }, &[accepted])
                .map_err(|fault| reply.error(ErrorKind::InvalidResponse, Remedy::ContactService).with_source(fault))?;
        }
        let expiry = self.expiry(reply, object.get("expires"))?;
        let asked_at = if self.has(Fault::ReadsClockLate) { self.clock.now() } else { reply.asked_at() };
        let refresh_token = object.optional_text("refresh_token").map_err(invalid)?;
        Token::bearer(access_token.clone(), expiry, asked_at)
            .clock_offset(reply.clock_offset())
            .refresh_token(refresh_token.map(Into::into))
            .build()
            .map_err(|fault| {
                let error = reply.error(ErrorKind::InvalidResponse, Remedy::ContactService);
                if self.has(Fault::TokenInCause) { error.with_source(Quoted(access_token)) } else { error.with_source(fault) }
            })
    }

    fn expiry(&self, reply: &Reply<'_>, value: Option<&Value>) -> Result<Expiry, Error> {
        let format = self.reference.format;
        let read = reply.expiry(format, value);
        Ok(match (self.reference.fault, read) {
            (Fault::CutsLifetime, _) => Expiry::After(Duration::from_secs(60)),
            (Fault::GuessesExpiry, Expiry::Unknown) => Expiry::After(Duration::from_secs(3_600)),
            (Fault::MixesUpDigits, Expiry::After(lifetime)) => Expiry::After(Duration::from_secs(lifetime.as_secs() % 100_000)),
            (Fault::PastIsAnError, Expiry::After(Duration::ZERO)) => {
                return Err(reply.error(ErrorKind::ClockSkew, Remedy::CorrectClock));
            }
            (Fault::ReadsNumbersOnly, _) if matches!(value, Some(Value::Text(_))) => Expiry::Unknown,
            (Fault::IgnoresDate, _) => value.map_or(read, |value| Expiry::read(format, value, reply.asked_at().wall())),
            (Fault::TrustsAnyDate, _) if format != ExpiryFormat::SecondsFromNow => {
                let date = reply.headers().get("date").and_then(|date| httpdate::parse_http_date(date.to_str().ok()?).ok());
                value.map_or(read, |value| Expiry::read(format, value, date.unwrap_or(reply.asked_at().wall())))
            }
            _ => read,
        })
    }

    fn refusal(&self, reply: &Reply<'_>, object: &Object) -> Error {
        let Ok(code) = object.text("error") else { return self.unexpected(reply) };
        let message = object.optional_text("error_description").ok().flatten().unwrap_or_default();
        let (kind, remedy) = match code {
            "invalid_client" if self.has(Fault::WrongRemedy) => (ErrorKind::ClientRefused, Remedy::Retry),
            "invalid_client" => (ErrorKind::ClientRefused, Remedy::FixConfiguration),
            "invalid_scope" => (ErrorKind::RequestRefused, Remedy::FixConfiguration),
            "slow_down" => (ErrorKind::RateLimited, Remedy::Wait),
            _ if self.has(Fault::UnknownIsRefused) => (ErrorKind::ClientRefused, Remedy::FixConfiguration),
            _ => (ErrorKind::RequestRefused, Remedy::ContactService),
        };
        let mut error = reply.error(kind, remedy);
        if code == "slow_down" {
            error = error.with_hold(Duration::from_secs(90));
        }
        if self.has(Fault::ShowsMessage) {
            error = error.with_message(reply.scrub(message));
        }
        if self.has(Fault::ShowsKey) {
            error = error.with_source(Quoted(KEY_LINE.to_owned()));
        }
        if self.has(Fault::SecretInError) {
            error = error.with_message("the header was Basic Y2xpZW50OmNsaWVudC9zZWNyZXQrZm9yLXRlc3Qtb25seT0=");
        }
        let scrubbed = reply.scrub(message);
        error = error.with_service_message(if self.has(Fault::KeepsEcho) { message } else { &scrubbed });
        let known = matches!(code, "invalid_client" | "invalid_scope" | "slow_down");
        if self.has(Fault::DropsUnknownCode) && !known {
            return error;
        }
        error.with_code(&if self.has(Fault::KeepsEchoInCode) { code.to_owned() } else { reply.scrub(code) })
    }

    fn unexpected(&self, reply: &Reply<'_>) -> Error {
        let error = reply.unexpected();
        let page = error.find_source::<UnexpectedPage>().is_some_and(|page| page.looks_like() == PageOrigin::Html);
        assert!(!(page && self.has(Fault::Panics)), "a page for people");
        match self.reference.fault {
            Fault::CallsPagesServerTrouble if page => reply.error(ErrorKind::Server, Remedy::Retry),
            Fault::UnknownIsRefused if reply.status().is_client_error() => {
                reply.error(ErrorKind::ClientRefused, Remedy::FixConfiguration)
            }
            Fault::CallsServerTroublePermanent => reply.error(error.kind(), Remedy::ContactService),
            _ => error,
        }
    }
}
