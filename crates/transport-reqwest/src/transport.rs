//! Sends a request, reads its answer within the limits.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::uri::Scheme;
use http::{HeaderMap, HeaderValue, Method, Uri};
use tokio::runtime::Handle;
use zeroize::Zeroizing;

use token_core::{Delivery, Resend, TokenRequest, TokenResponse, Transport, TransportError, TransportErrorKind, is_loopback};

use crate::builder::{ReqwestTransportBuilder, TransportBuildError};
use crate::error;

/// The sum of all names and values. hyper stops by itself at about 400 KiB or 100 headers, which bounds what is held before this is looked at.
const MAX_HEADER_BYTES: usize = 64 * 1024;

/// What is set aside for a body whose length is not known beforehand.
const FIRST_BODY_BYTES: usize = 16 * 1024;

/// Sends token requests by reqwest. Cheap to clone; clones share connections.
///
/// A request marked [`Resend::AfterRefusal`] may travel on a connection kept from an earlier one.
/// A request marked [`Resend::OnlyIfNotSent`] always gets a connection of its own: a kept one may be closed by the service just as the request leaves,
/// and then nobody knows whether the code or refresh token in it was spent.
///
/// An answer of any status is `Ok`, and its body comes as it was sent, never unpacked.
/// When an error says [`Delivery::Answered`], the head of an answer had arrived; a body that broke off after it counts as answered too, as the service did receive the request.
///
/// It needs a Tokio runtime with time and I/O switched on.
#[derive(Clone)]
pub struct ReqwestTransport {
    reusing: reqwest::Client,
    one_shot: reqwest::Client,
    max_response_bytes: usize,
    has_proxy: bool,
}

impl ReqwestTransport {
    /// One with the default settings.
    ///
    /// # Errors
    ///
    /// The system has no root certificates.
    pub fn new() -> Result<Self, TransportBuildError> {
        Self::builder().build()
    }

    /// Starts from the default settings.
    #[must_use]
    pub fn builder() -> ReqwestTransportBuilder {
        ReqwestTransportBuilder::new()
    }

    pub(crate) fn from_parts(
        reusing: reqwest::Client,
        one_shot: reqwest::Client,
        max_response_bytes: usize,
        has_proxy: bool,
    ) -> Self {
        Self { reusing, one_shot, max_response_bytes, has_proxy }
    }

    async fn read_body(&self, mut response: reqwest::Response) -> Result<Zeroizing<Vec<u8>>, TransportError> {
        let limit = self.max_response_bytes;
        let announced = response.content_length();
        if announced.is_some_and(|length| usize::try_from(length).map_or(true, |length| length > limit)) {
            return Err(error::body_too_large());
        }
        let announced = announced.and_then(|length| usize::try_from(length).ok());
        let mut body = Zeroizing::new(Vec::with_capacity(announced.unwrap_or(FIRST_BODY_BYTES).min(limit)));
        while let Some(chunk) = response.chunk().await.map_err(|cause| error::while_reading(&cause))? {
            if chunk.len() > limit.saturating_sub(body.len()) {
                return Err(error::body_too_large());
            }
            append(&mut body, &chunk);
        }
        Ok(body)
    }
}

#[async_trait]
impl Transport for ReqwestTransport {
    async fn send(&self, mut request: TokenRequest) -> Result<TokenResponse, TransportError> {
        if Handle::try_current().is_err() {
            let detail =
                "no Tokio runtime runs here, and a request needs one: call from within `#[tokio::main]` or `Runtime::block_on`";
            return Err(TransportError::new(TransportErrorKind::NoRuntime, Delivery::NotSent, detail));
        }
        let url = read_url(request.url())?;
        let client = match request.resend() {
            Resend::AfterRefusal => &self.reusing,
            // Without a kept connection, hyper has no reason to send anything again either: it does so only when a kept one
            // turns out closed before the first byte was written.
            Resend::OnlyIfNotSent => &self.one_shot,
        };
        let proxied = self.has_proxy && !is_loopback(request.url());
        let mut outgoing = reqwest::Request::new(request.method().clone(), url);
        *outgoing.headers_mut() = request.headers().clone();
        let body = request.take_body();
        if body.is_empty() {
            // hyper leaves it out, and there are servers that then want a length (411).
            if matches!(*outgoing.method(), Method::POST | Method::PUT | Method::PATCH) {
                outgoing.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
            }
        } else {
            // Lent, not copied, so that it is wiped when reqwest lets go of it.
            *outgoing.body_mut() = Some(Bytes::from_owner(body).into());
        }

        let mut response = client.execute(outgoing).await.map_err(|cause| error::while_sending(&cause, proxied))?;
        if header_bytes(response.headers()) > MAX_HEADER_BYTES {
            return Err(error::headers_too_large());
        }
        let status = response.status();
        let headers = std::mem::take(response.headers_mut());
        let body = self.read_body(response).await?;
        Ok(TokenResponse::new(status, headers, body))
    }
}

impl fmt::Debug for ReqwestTransport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // reqwest's own would print its proxies.
        formatter
            .debug_struct("ReqwestTransport")
            .field("max_response_bytes", &self.max_response_bytes)
            .field("proxy", &self.has_proxy)
            .finish_non_exhaustive()
    }
}

/// Reads `wanted` as reqwest does, and refuses it unless what would be sent is what was asked for.
///
/// The reader that reqwest uses repairs: `127.1` becomes an address, `/a/%2e%2e/b` becomes `/b`. A signature over the path, or a check of the host, would then have been made on another URL.
fn read_url(wanted: &Uri) -> Result<reqwest::Url, TransportError> {
    let refused = |detail: &str| TransportError::new(TransportErrorKind::RefusedUrl, Delivery::NotSent, detail);
    if wanted.authority().is_none_or(|authority| authority.as_str().contains('@')) {
        return Err(refused("the URL has no host, or a user name before it; give credentials in the settings, not in the URL"));
    }
    let malformed = || refused("the URL is not one that can be sent; check the base URL");
    let url = reqwest::Url::parse(&wanted.to_string()).map_err(|_| malformed())?;
    let sent: Uri = url.as_str().parse().map_err(|_| malformed())?;
    let scheme = sent.scheme();
    if scheme != Some(&Scheme::HTTPS) && scheme != Some(&Scheme::HTTP) {
        return Err(refused("the URL is neither `https` nor `http`; check the base URL"));
    }
    if scheme == Some(&Scheme::HTTP) && !is_loopback(&sent) {
        return Err(refused("plain `http` to another machine would show the secrets to everyone on the way; use `https`"));
    }
    if !same_host(wanted, &sent) || wanted.port_u16().or(url.port_or_known_default()) != url.port_or_known_default() {
        return Err(refused("the host is in a spelling that means another one; write the name or address in full"));
    }
    // An apostrophe in a query is the one character that a correct URL may hold and that is written otherwise, with the same meaning.
    let query = wanted.query().map(|query| query.replace('\'', "%27"));
    if wanted.path() != sent.path() || query.as_deref() != sent.query() {
        return Err(refused("the path or query would be rewritten on the way out; percent-encode it and leave out dot segments"));
    }
    Ok(url)
}

fn same_host(wanted: &Uri, sent: &Uri) -> bool {
    let (Some(wanted), Some(sent)) = (wanted.host(), sent.host()) else { return false };
    // An IPv6 address has many honest spellings.
    let address = |host: &str| host.strip_prefix('[')?.strip_suffix(']')?.parse::<std::net::Ipv6Addr>().ok();
    wanted.eq_ignore_ascii_case(sent) || (address(sent).is_some() && address(wanted) == address(sent))
}

fn header_bytes(headers: &HeaderMap) -> usize {
    // Four for `: ` and the end of the line.
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum()
}

/// Appends, wiping the old place when the body must move to a larger one: `Vec` would free it as it is.
fn append(body: &mut Zeroizing<Vec<u8>>, chunk: &[u8]) {
    let needed = body.len().saturating_add(chunk.len());
    if needed > body.capacity() {
        let mut larger = Zeroizing::new(Vec::with_capacity(needed.max(body.capacity().saturating_mul(2))));
        larger.extend_from_slice(body);
        *body = larger;
    }
    body.extend_from_slice(chunk);
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;
    use crate::ReqwestTransport;

    #[test]
    fn without_a_runtime_it_says_so_and_does_not_panic() {
        let transport = ReqwestTransport::new().unwrap();
        let url = Uri::from_static("http://127.0.0.1:9/");
        let mut sending = pin!(transport.send(TokenRequest::new(Method::GET, url, Resend::AfterRefusal)));
        let Poll::Ready(Err(error)) = sending.as_mut().poll(&mut Context::from_waker(Waker::noop())) else {
            panic!("it cannot wait without a runtime");
        };
        assert_eq!((error.kind(), error.delivery()), (TransportErrorKind::NoRuntime, Delivery::NotSent));
        assert!(error.to_string().contains("no Tokio runtime"), "{error}");
    }

    #[test]
    fn a_growing_body_keeps_its_bytes_and_moves_only_when_full() {
        let mut body = Zeroizing::new(Vec::with_capacity(4));
        for part in [b"ab".as_slice(), b"cd", b"efghijkl", b"m"] {
            append(&mut body, part);
        }
        assert_eq!(body.as_slice(), b"abcdefghijklm");
        let place = body.as_ptr();
        let room = body.capacity() - body.len();
        append(&mut body, &vec![b'x'; room]);
        assert_eq!(body.as_ptr(), place);
    }

    #[test]
    fn only_urls_that_are_sent_as_written_are_taken() {
        let good = [
            "https://service.example/oauth/token?code=a%2Fb&x=it's",
            "https://SERVICE.example:443/a%2Fb/%7Euser/~user;v=1,2",
            "https://service.example",
            "https://xn--srvice-bva.example/",
            "https://10.0.0.1:8443/a",
            "http://127.0.0.1:8080/a",
            "http://127.9.9.9/",
            "http://[::1]:1/",
            "http://[0:0:0:0:0:0:0:1]/",
            "http://LOCALHOST:1/",
        ];
        for text in good {
            let read = read_url(&Uri::from_static(text));
            assert!(read.is_ok(), "{text}: {read:?}");
        }
        let bad = [
            "/path/alone",
            "service.example:443",
            "ftp://service.example/",
            "https://user@service.example/",
            "https://user:password@service.example/",
            "https://service.example/a/../b",
            "https://service.example/a/%2e%2e/b",
            "https://service.example/a/.",
            "https://127.1/",
            "https://0x7f.0.0.1/",
            "https://2130706433/",
            "https://service.example/\u{e9}",
            "https://service.example/?name=\u{e9}",
            "https://service.example/{\"a\"}",
        ];
        for text in bad {
            let refusal = read_url(&text.parse().unwrap()).unwrap_err();
            assert_eq!(refusal.kind(), TransportErrorKind::RefusedUrl, "{text}");
            assert_eq!(refusal.delivery(), Delivery::NotSent, "{text}");
        }
    }
}
