//! Why a request gets no token.

use http::HeaderName;

/// Why a request gets no token. It is not sent: the cause of an error of the kind [`Unauthorizable`](crate::ErrorKind::Unauthorizable).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthorizeFault {
    /// What is added covers the body, which is longer than the limit of the authoriser.
    #[error("its body is over {limit} bytes: raise the authoriser's `longest_body`")]
    BodyTooLong {
        /// In bytes.
        limit: usize,
    },
    /// What is added covers the body, which nobody knows before it is sent: a stream, and with some clients any stream.
    #[error("its body is a stream, and the signature covers the body: give it as bytes")]
    BodyUnread,
    /// The clock of this machine shows a time that cannot be written into a header.
    #[error("the clock of this machine shows a time that cannot be written")]
    Clock,
    /// `CONNECT` asks a proxy for a tunnel: what is added would go to the proxy.
    #[error("its method is `CONNECT`, whose headers go to a proxy")]
    Connect,
    /// A `.` or `..` path segment, which whoever stands between here and the service may resolve or not, so no signature over the path would be sure to hold.
    #[error("its path has a `.` or `..` segment, over which no signature is sure to hold: write the path without")]
    DotSegment,
    /// The caller set a header that the authoriser sets.
    #[error("`{name}` is set already: leave it out, the authoriser sets it")]
    HeaderSet {
        /// Whose value is not told.
        name: HeaderName,
    },
    /// A request that had its token lost it on the way, as a layer that follows redirects takes it off before another place.
    #[error("its `{name}` was taken off on the way, perhaps by a redirect: a request goes with its token or not at all")]
    HeaderLost {
        /// Which one.
        name: HeaderName,
    },
    /// The `Host` header names another place than the URL.
    #[error("its `Host` header says another host than its URL: leave the header out")]
    HostDiffers,
    /// The URL is not absolute, or is neither `http` nor `https`.
    #[error("its URL does not say where it goes: make it absolute, with `https` and a host")]
    NoOrigin,
    /// The request goes to a place for which the authoriser has no token, perhaps after a redirect.
    #[error(
        "it goes to {origin}, which is none of the authoriser's origins: allow it by `AuthorizerBuilder::origin`, or send the request by a client without a token"
    )]
    OtherOrigin {
        /// As `https://service.example:8443`.
        origin: String,
    },
    /// The signed path is the one below the base URL, and this one is not.
    #[error("its path is not below that of the base URL: begin the URL with the base URL, path and all")]
    OutsideBase,
    /// The token is over, or is too soon, for a request that takes so long.
    #[error("its token would be over before the time that the request was said to take")]
    TokenTooShort,
    /// What the service wants could not be made of the token and the key. It does not happen with the tokens of this library.
    #[error("no signature could be made for it")]
    Unsigned,
    /// A value has a character that no header holds.
    #[error("the value of `{name}` has a character that no header holds")]
    Unwritable {
        /// Whose value is not told.
        name: HeaderName,
    },
    /// A user name or password stands before the host.
    #[error("its URL has a user name or password before the host: take it out")]
    UserInfo,
}

impl AuthorizeFault {
    /// What is wrong, without what to do about it, which stands after the colon.
    pub(super) fn what(&self) -> String {
        let text = self.to_string();
        text.split_once(": ").map_or_else(|| text.clone(), |(what, _)| what.to_owned())
    }
}
