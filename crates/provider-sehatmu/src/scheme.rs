//! What a request to the service's API carries, and which answers refuse its token.

use http::HeaderMap;
use http::header::{AUTHORIZATION, HeaderName};

use token_core::{ApiAnswer, ApiRequest, AuthScheme, AuthorizeFault, ErrorKind, OneReading, Token, bearer_challenge};

use crate::PROVIDER;
use crate::error::documented_kind;

static HEADERS: [HeaderName; 1] = [AUTHORIZATION];

/// `Authorization: Bearer ...` (RFC 6750 section 2.1), and every shape in which the service or a gateway before it says that it refuses a token.
/// [`SehatMuBuilder::authorizer`](crate::SehatMuBuilder::authorizer) uses it.
///
/// The `error` of a bearer challenge goes first, then the code in the body. A 401 with neither counts as a refused token.
#[derive(Clone, Debug)]
pub struct SehatMuScheme(());

impl SehatMuScheme {
    pub(crate) const fn new() -> Self {
        Self(())
    }
}

impl AuthScheme for SehatMuScheme {
    fn provider(&self) -> &'static str {
        PROVIDER
    }

    fn headers(&self) -> &[HeaderName] {
        &HEADERS
    }

    fn apply(
        &self,
        _request: &ApiRequest<'_>,
        token: Option<&Token>,
        _now: &OneReading<'_>,
        headers: &mut HeaderMap,
    ) -> Result<(), AuthorizeFault> {
        if let Some(token) = token {
            headers.insert(AUTHORIZATION, token.authorization().clone());
        }
        Ok(())
    }

    fn has_codes_in_body(&self) -> bool {
        true
    }

    fn error_kind(&self, answer: &ApiAnswer<'_>) -> Option<ErrorKind> {
        bearer_challenge(answer.headers).or_else(|| documented_kind(answer.body))
    }
}
