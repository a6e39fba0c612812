//! From what reqwest reports to what a person can act on.
//!
//! Nothing of a foreign error is kept or printed: reqwest's name the URL, query and all, and those below it quote what they read.

use std::error::Error;
use std::io;

use rustls::CertificateError;

use token_core::{Delivery, TransportError, TransportErrorKind};

pub(crate) fn body_too_large() -> TransportError {
    TransportError::new(
        TransportErrorKind::TooLarge,
        Delivery::Answered,
        "the body of the answer is over the limit; check the base URL, or raise `max_response_bytes`",
    )
}

pub(crate) fn headers_too_large() -> TransportError {
    TransportError::new(
        TransportErrorKind::TooLarge,
        Delivery::Answered,
        "the headers of the answer are over 64 KiB or more than a hundred; check the base URL and what stands in front of the service",
    )
}

/// No head of an answer came.
pub(crate) fn while_sending(error: &reqwest::Error, proxied: bool) -> TransportError {
    let causes = Causes::of(error);
    if error.is_connect() {
        // hyper sends nothing before the connector has given it a connection, TLS included.
        let (kind, detail) = if error.is_timeout() {
            (
                TransportErrorKind::TimedOut,
                "no connection within `connect_timeout`; check the host and port of the base URL and the network",
            )
        } else if error.is_dns() && proxied {
            (TransportErrorKind::Connect, "the host name of the proxy was not found; check the host of `proxy`")
        } else if error.is_dns() {
            (TransportErrorKind::Connect, "the host name was not found; check the host of the base URL")
        } else {
            causes.of_connection(proxied)
        };
        return TransportError::new(kind, Delivery::NotSent, detail);
    }
    let (kind, delivery, detail) = if error.is_builder() {
        (TransportErrorKind::RefusedUrl, Delivery::NotSent, "the URL is not one that can be sent; check the base URL")
    } else if error.is_timeout() {
        (
            TransportErrorKind::TimedOut,
            Delivery::Unknown,
            "no answer within `total_timeout`; the service may have acted on the request",
        )
    } else if causes.hyper.is_some_and(hyper::Error::is_canceled) {
        // hyper's word for a request that it never began to write.
        (TransportErrorKind::Interrupted, Delivery::NotSent, "the connection closed before the request was sent")
    } else if causes.is_head_too_large() {
        return headers_too_large();
    } else if causes.hyper.is_some_and(hyper::Error::is_parse) {
        (TransportErrorKind::Protocol, Delivery::Unknown, "the answer is not HTTP/1.1; check the host and port of the base URL")
    } else {
        (
            TransportErrorKind::Interrupted,
            Delivery::Unknown,
            "the connection broke before an answer came; the service may have acted on the request",
        )
    };
    TransportError::new(kind, delivery, detail)
}

/// The head came, the body did not come whole.
pub(crate) fn while_reading(error: &reqwest::Error) -> TransportError {
    let (kind, detail) = if error.is_timeout() {
        (TransportErrorKind::TimedOut, "the answer began but was not whole within `total_timeout`")
    } else if matches!(Causes::of(error).io, Some(io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput)) {
        (TransportErrorKind::Protocol, "the body of the answer is not framed as HTTP/1.1 wants it")
    } else {
        (TransportErrorKind::Interrupted, "the connection broke in the middle of the answer")
    };
    TransportError::new(kind, Delivery::Answered, detail)
}

/// The layers under an error of reqwest.
#[derive(Default)]
struct Causes<'a> {
    hyper: Option<&'a hyper::Error>,
    io: Option<io::ErrorKind>,
    tls: Option<&'a rustls::Error>,
}

impl<'a> Causes<'a> {
    fn of(error: &'a reqwest::Error) -> Self {
        let mut causes = Self::default();
        let mut next: Option<&'a (dyn Error + 'static)> = Some(error);
        while let Some(error) = next {
            let io = error.downcast_ref::<io::Error>();
            causes.hyper = error.downcast_ref().or(causes.hyper);
            causes.tls = error.downcast_ref().or(causes.tls);
            // The innermost is the system's own.
            causes.io = io.map(io::Error::kind).or(causes.io);
            // `io::Error::source` skips the error that it holds.
            next = match io.and_then(io::Error::get_ref) {
                Some(held) => Some(held),
                None => error.source(),
            };
        }
        causes
    }

    /// hyper has a question for this only when built as a server, so we go by its text; without it, this would be a `Protocol` error.
    fn is_head_too_large(&self) -> bool {
        self.hyper.is_some_and(|error| error.is_parse() && error.to_string().contains("too large"))
    }

    fn of_connection(&self, proxied: bool) -> (TransportErrorKind, &'static str) {
        match self.tls {
            Some(rustls::Error::InvalidCertificate(fault)) => return (TransportErrorKind::Certificate, of_certificate(fault)),
            Some(rustls::Error::AlertReceived(_) | rustls::Error::PeerIncompatible(_) | rustls::Error::NoApplicationProtocol) => {
                return (
                    TransportErrorKind::Protocol,
                    "the server refused TLS; it must offer TLS 1.2 or 1.3 and HTTP/1.1, and ask for no client certificate",
                );
            }
            Some(_) => {
                return (
                    TransportErrorKind::Protocol,
                    "the server does not speak TLS as it should; check the port of the base URL",
                );
            }
            None => {}
        }
        let detail = match self.io {
            Some(io::ErrorKind::ConnectionRefused) if proxied => "connection refused; check the host and port of `proxy`",
            Some(io::ErrorKind::ConnectionRefused) => "connection refused; check the host and port of the base URL",
            Some(io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable) => {
                "the host cannot be reached; check the network and the firewall"
            }
            _ if proxied => {
                "no connection through the proxy; check `proxy`, its user name and password, and that it allows this host"
            }
            Some(io::ErrorKind::ConnectionReset | io::ErrorKind::UnexpectedEof) => {
                "the connection closed while it was being set up; check the host and port of the base URL"
            }
            _ => "no connection; check the host and port of the base URL and the network",
        };
        (TransportErrorKind::Connect, detail)
    }
}

fn of_certificate(fault: &CertificateError) -> &'static str {
    match fault {
        // A wrong signature: its issuer has the name of a root that we trust, but another key.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "the certificate is not trusted: add its root with `root_certificate_pem`, certificate checks cannot be switched off"
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "the certificate has expired; check the clock of this machine, or ask the service to renew it"
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "the certificate is not valid yet; check the clock of this machine"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "the certificate is for another host; check the host of the base URL"
        }
        CertificateError::Revoked => "the certificate has been revoked; ask the service",
        _ => "the certificate is not acceptable; ask the service, certificate checks cannot be switched off",
    }
}
