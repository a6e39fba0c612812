//! A small HTTP client over a socket, right or wrong as told.

use std::time::Duration;

use async_trait::async_trait;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use zeroize::Zeroizing;

use super::Fault;
use token_core::{Delivery, TokenRequest, TokenResponse, Transport, TransportError, TransportErrorKind};

pub(crate) struct SocketTransport {
    pub(crate) timeout: Duration,
    pub(crate) fault: Fault,
}

#[async_trait]
impl Transport for SocketTransport {
    async fn send(&self, request: TokenRequest) -> Result<TokenResponse, TransportError> {
        let authority = request.url().authority().map_or("", |authority| authority.as_str()).to_owned();
        let target = request.url().path_and_query().map_or("/", |target| target.as_str()).to_owned();
        let response = self.send_to(&authority, &target, &request).await?;
        let location = response.headers().get("location").and_then(|location| location.to_str().ok());
        match location.and_then(|location| location.strip_prefix("http://")).and_then(|rest| rest.split_once('/')) {
            Some((authority, path)) if self.fault == Fault::FollowsRedirects => {
                self.send_to(authority, &format!("/{path}"), &request).await
            }
            _ => Ok(response),
        }
    }
}

impl SocketTransport {
    async fn send_to(&self, authority: &str, target: &str, request: &TokenRequest) -> Result<TokenResponse, TransportError> {
        if matches!(self.fault, Fault::IdleTimeoutOnly | Fault::WaitsForEver) {
            return self.exchange(authority, target, request).await;
        }
        tokio::time::timeout(self.timeout, self.exchange(authority, target, request)).await.unwrap_or_else(|_| Err(late()))
    }

    async fn exchange(&self, authority: &str, target: &str, request: &TokenRequest) -> Result<TokenResponse, TransportError> {
        let connect = |_| TransportError::new(TransportErrorKind::Connect, Delivery::NotSent, "nobody listens");
        let mut stream = TcpStream::connect(authority).await.map_err(connect)?;
        let mut head = format!("{} {target} HTTP/1.1\r\nhost: {authority}\r\n", request.method());
        for (name, value) in request.headers() {
            head.push_str(&format!("{name}: {}\r\n", value.to_str().unwrap_or_default()));
        }
        head.push_str(&format!("content-length: {}\r\n\r\n", request.body().len()));
        let broken = |_| TransportError::new(TransportErrorKind::Interrupted, Delivery::Unknown, "the connection broke");
        stream.write_all(&[head.as_bytes(), request.body()].concat()).await.map_err(broken)?;

        let limit = self.limit();
        let mut bytes = Vec::new();
        loop {
            let mut part = [0; 4_096];
            let count = if self.fault == Fault::IdleTimeoutOnly {
                tokio::time::timeout(self.timeout, stream.read(&mut part)).await.map_err(|_| late())?
            } else {
                stream.read(&mut part).await
            };
            let count = count.map_err(broken)?;
            bytes.extend_from_slice(&part[..count]);
            // The head, and some for the framing of chunks.
            if bytes.len() > limit + 2_048 {
                return Err(too_large());
            }
            if count == 0 {
                return self.parse(&bytes);
            }
        }
    }

    fn limit(&self) -> usize {
        if self.fault == Fault::ReadsTooMuch { 2_000_000 } else { 64 * 1024 }
    }

    fn parse(&self, bytes: &[u8]) -> Result<TokenResponse, TransportError> {
        let torn = || TransportError::new(TransportErrorKind::Interrupted, Delivery::Unknown, "the answer broke off");
        let protocol = || TransportError::new(TransportErrorKind::Protocol, Delivery::Unknown, "the answer is not HTTP");
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").ok_or_else(torn)?;
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|status| status.parse().ok());
        let status = StatusCode::from_u16(status.ok_or_else(protocol)?).map_err(|_| protocol())?;
        let mut headers = HeaderMap::new();
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            let name: HeaderName = name.parse().map_err(|_| protocol())?;
            headers.append(name, HeaderValue::from_str(value.trim()).map_err(|_| protocol())?);
        }
        let mut body = bytes[end + 4..].to_vec();
        let announced = headers.get("content-length").and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        if announced.is_some_and(|length| length != body.len() as u64) && self.fault != Fault::TakesHalfBodies {
            return Err(torn());
        }
        if announced.is_none() {
            // One chunk is all that the kit sends.
            let start = body.windows(2).position(|window| window == b"\r\n").ok_or_else(protocol)?;
            let rest = body.split_off(start + 2);
            body = rest.strip_suffix(b"\r\n0\r\n\r\n").ok_or_else(protocol)?.to_vec();
        }
        if body.len() > self.limit() {
            return Err(too_large());
        }
        Ok(TokenResponse::new(status, headers, Zeroizing::new(body)))
    }
}

fn late() -> TransportError {
    TransportError::new(TransportErrorKind::TimedOut, Delivery::Unknown, "no answer in time")
}

fn too_large() -> TransportError {
    TransportError::new(TransportErrorKind::TooLarge, Delivery::Answered, "the answer is too large")
}
