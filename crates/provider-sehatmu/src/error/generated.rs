//! The service's error codes, written by hand.
//!
//! The OAuth names are those of the server library that the service's answers point to; the two outcomes are the Access Token page's.

token_core::error_codes! {
    /// A case of failure that is documented for SehatMu, or for the server library and the gateway that it resembles.
    pub enum SehatMuErrorCode {
        InsufficientScope: "insufficient_scope", 403, "", AccessDenied, FixConfiguration, "the token has no right to this";
        InvalidArgument: "invalid_argument", 500, "", Server, Retry, "the server misused its own library";
        InvalidClient: "invalid_client", 400, "Invalid client: client is invalid", ClientRefused, FixConfiguration, "the client id is unknown or the client secret is wrong";
        InvalidGrant: "invalid_grant", 400, "", RequestRefused, FixConfiguration, "no user is linked to the client";
        InvalidRequest: "invalid_request", 400, "", RequestRefused, FixConfiguration, "a parameter is missing or malformed";
        InvalidScope: "invalid_scope", 400, "", RequestRefused, FixConfiguration, "the scope is refused";
        InvalidToken: "invalid_token", 401, "", TokenRefused, Refresh, "the access token is invalid or over";
        NotAuthenticated: "not_authenticated", 401, "The user or system was not able to be authenticated", ClientRefused, FixConfiguration, "the client id or the client secret is wrong";
        RateLimit: "rate_limit", 429, "Authentication temporarily cannot be performed due to the rate limit policy.", RateLimited, Wait, "too soon after a failed attempt, or too many new tokens within a minute";
        ServerError: "server_error", 503, "", Server, Retry, "the server could not do its work; it may not pass by itself";
        UnauthorizedClient: "unauthorized_client", 400, "", RequestRefused, FixConfiguration, "the client may not use this grant";
        UnauthorizedRequest: "unauthorized_request", 401, "", RequestRefused, FixRequest, "the request carried no token";
        UnsupportedGrantType: "unsupported_grant_type", 400, "", RequestRefused, FixConfiguration, "the server does not know this grant type";
    }
}
