//! The service's error codes, written by hand.
//!
//! Codes, names and messages are those of the Create Token page; nine share the message "Unauthorized" and all share HTTP 400, so only the code tells them apart.

token_core::error_codes! {
    /// A case of failure that is documented for Prakerja.
    pub enum PrakerjaErrorCode {
        NotFoundContextClientId: "ERROAUTH4024", 400, "Unauthorized", RequestRefused, FixConfiguration, "the request carried no client id, or it was taken off on the way";
        OauthClientIdNotFound: "ERROAUTH4029", 400, "Unauthorized", ClientRefused, FixConfiguration, "the client id is unknown here: it is wrong, or of another environment";
        NotFoundContextUserId: "ERROAUTH4030", 400, "Unauthorized", LoginRequired, LogInAgain, "no user belongs to this code or token";
        OauthAuthCodeNotFound: "ERROAUTH4031", 400, "Unauthorized", LoginRequired, LogInAgain, "the code is unknown, or was used before";
        OauthAuthCodeNotSame: "ERROAUTH4032", 400, "Unauthorized", LoginRequired, LogInAgain, "the code is not the latest of this user: another login came after it";
        ScopeNotMatch: "ERROAUTH4033", 400, "scope tidak sesuai", RequestRefused, FixConfiguration, "a scope is not allowed for this client";
        SignatureTimestampNotInteger: "ERROAUTH4034", 400, "timestamp harus integer", RequestRefused, FixRequest, "the timestamp is not in whole seconds";
        SignatureTimestampValueGreaterThanServerNow: "ERROAUTH4035", 400, "timestamp melebihi waktu server", ClockSkew, CorrectClock, "this machine's clock is ahead of the service's";
        SignatureExpired: "ERROAUTH4036", 400, "Signature expired", ClockSkew, CorrectClock, "the signature is too old: this machine's clock is behind the service's, or the request was long on its way";
        SignaturePayloadInvalidJson: "ERROAUTH4037", 400, "Signature payload invalid JSON", RequestRefused, FixRequest, "the body is not JSON";
        SignatureNotMatch: "ERROAUTH4038", 400, "Signature not match", ClientRefused, FixConfiguration, "the sign key or the client code is wrong, or another text was signed";
        MissingSignature: "ERROAUTH4039", 400, "Signature not found", RequestRefused, FixRequest, "the request carried no signature";
        MissingTimestamp: "ERROAUTH4040", 400, "Timestamp not found", RequestRefused, FixRequest, "the request carried no timestamp";
        MissingMethod: "ERROAUTH4041", 400, "Method not found", RequestRefused, FixRequest, "the signed data name no method";
        GrantTypeNotMatch: "ERROAUTH4042", 400, "grant_type tidak sesuai", RequestRefused, FixConfiguration, "the path is not for this grant";
        RefreshTokenKeyNotFound: "ERROAUTH4043", 400, "Refresh token key not found", LoginRequired, LogInAgain, "the refresh token is unknown, over, or was used before";
        ValidationInput: "ERROAUTH4044", 400, "Input tidak valid", RequestRefused, FixConfiguration, "a field is missing or malformed";
        RedirectUriNotValid: "ERROAUTH4045", 400, "Redirect URI not valid", RequestRefused, FixConfiguration, "the redirect URI is malformed or not registered";
        LoginUriNotValid: "ERROAUTH4046", 400, "Login URI not valid", RequestRefused, FixConfiguration, "the login URI is malformed or not registered";
        ValidateJwtAuthCode: "ERROAUTH4047", 400, "Unauthorized", LoginRequired, LogInAgain, "the code is not one that the service made";
        ValidateJwtToken: "ERROAUTH4048", 400, "Unauthorized", TokenRefused, Refresh, "the token is not one that the service made";
        CreateJwtToken: "ERROAUTH4049", 400, "Unauthorized", Server, Retry, "the service could not make a token";
        JwtSignKeyNotMatch: "ERROAUTH4050", 400, "Unauthorized", LoginRequired, LogInAgain, "the token is signed with another key: the service changed it, or the token is of another environment";
        TokenExpired: "ERROAUTH4051", 400, "Token expired", TokenRefused, Refresh, "the token is over";
        OauthAuthCodeExpired: "ERROAUTH4052", 400, "Auth code expired", LoginRequired, LogInAgain, "the code came too late";
        TokenNotFoundHeader: "ERROAUTH4053", 400, "Token not found", RequestRefused, FixConfiguration, "the request carried no token, or not where the service looks for it";
    }
}
