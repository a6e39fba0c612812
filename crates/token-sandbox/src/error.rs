//! What can go wrong when a sandbox is started or steered from code.

use std::error::Error;
use std::fmt;

/// A sandbox could not be started or steered.
#[derive(Debug, thiserror::Error)]
#[error("{kind}")]
pub struct SandboxError {
    kind: SandboxErrorKind,
    code: Option<&'static str>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// What a [`SandboxError`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SandboxErrorKind {
    /// A redirect or login address to register with Prakerja is not an absolute `http` or `https` address; the source names it.
    Address,
    /// A loopback port could not be bound.
    Bind,
    /// No certificate for TLS could be made.
    Certificate,
    /// The consent page refused the login URL; [`SandboxError::code`] has the service's code.
    Consent,
    /// The crypto library gave no key or no random numbers.
    Crypto,
    /// The text is not an RSA public key in PEM (or the Base64 of one).
    PublicKey,
    /// No Prakerja user of the sandbox has this id.
    UnknownUser,
}

impl SandboxError {
    pub(crate) fn new(kind: SandboxErrorKind) -> Self {
        Self { kind, code: None, source: None }
    }

    pub(crate) fn address(address: &str) -> Self {
        Self { source: Some(format!("`{}`", address.escape_debug()).into()), ..Self::new(SandboxErrorKind::Address) }
    }

    pub(crate) fn bind(source: std::io::Error) -> Self {
        Self { source: Some(Box::new(source)), ..Self::new(SandboxErrorKind::Bind) }
    }

    #[cfg(feature = "tls")]
    pub(crate) fn certificate(source: Box<dyn Error + Send + Sync>) -> Self {
        Self { source: Some(source), ..Self::new(SandboxErrorKind::Certificate) }
    }

    pub(crate) fn consent(code: &'static str) -> Self {
        Self { code: Some(code), ..Self::new(SandboxErrorKind::Consent) }
    }

    pub(crate) fn crypto(_: aws_lc_rs::error::Unspecified) -> Self {
        Self::new(SandboxErrorKind::Crypto)
    }

    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> SandboxErrorKind {
        self.kind
    }

    /// The service's code for a refused login URL, for example `ERROAUTH4045`; `None` for other kinds.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.code
    }
}

impl fmt::Display for SandboxErrorKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Address => {
                "a redirect or login address is not an absolute `http` or `https` address without user name and fragment"
            }
            Self::Bind => "cannot bind a loopback port",
            Self::Certificate => "cannot make a certificate for TLS",
            Self::Consent => "the consent page refused the login URL",
            Self::Crypto => "the crypto library gave no key or no random numbers",
            Self::PublicKey => "the text is not an RSA public key in PEM",
            Self::UnknownUser => "the sandbox has no such user",
        })
    }
}
