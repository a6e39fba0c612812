//! The settings, their checks, and the calls that make reqwest harmless.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use http::{HeaderValue, Uri};
use zeroize::Zeroizing;

use crate::tls;
use crate::transport::ReqwestTransport;

/// Token endpoints answer with a few hundred bytes; this leaves room for long tokens and for error pages.
const DEFAULT_MAX_RESPONSE_BYTES: usize = 64 * 1024;

/// Shorter than the idle time of common load balancers, so that they are rarely the first to close.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// The settings of a [`ReqwestTransport`]. What is not set has the default that its method names.
#[derive(Clone)]
pub struct ReqwestTransportBuilder {
    connect_timeout: Duration,
    total_timeout: Duration,
    user_agent: String,
    root_certificates: Vec<Vec<u8>>,
    // It may hold a password.
    proxy: Option<Zeroizing<String>>,
    max_response_bytes: usize,
}

impl ReqwestTransportBuilder {
    pub(crate) fn new() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            total_timeout: Duration::from_secs(30),
            user_agent: concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")).to_owned(),
            root_certificates: Vec::new(),
            proxy: None,
            max_response_bytes: DEFAULT_MAX_RESPONSE_BYTES,
        }
    }

    /// The longest time to find the host, connect and agree on TLS; 10 seconds unless set. A request that it ends was not sent.
    ///
    /// Keep it below [`total_timeout`](Self::total_timeout): whichever ends first decides.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// The longest time from the start to the last byte of the answer; 30 seconds unless set.
    #[must_use]
    pub fn total_timeout(mut self, timeout: Duration) -> Self {
        self.total_timeout = timeout;
        self
    }

    /// The `User-Agent`; the name and version of this crate unless set.
    #[must_use]
    pub fn user_agent(mut self, user_agent: impl Into<String>) -> Self {
        self.user_agent = user_agent.into();
        self
    }

    /// Trusts the root certificates in `pem`, as well as those of the system. May be called many times.
    #[must_use]
    pub fn root_certificate_pem(mut self, pem: impl AsRef<[u8]>) -> Self {
        self.root_certificates.push(pem.as_ref().to_vec());
        self
    }

    /// Sends `https` requests through this proxy (`CONNECT`); no proxy unless set, whatever `HTTPS_PROXY` says.
    ///
    /// The URL is `http://` or `https://`, perhaps with a user name and password. Requests to this machine never take it.
    #[must_use]
    pub fn proxy(mut self, url: impl Into<String>) -> Self {
        self.proxy = Some(Zeroizing::new(url.into()));
        self
    }

    /// The longest body that is read; 64 KiB unless set. Headers have a limit of their own, 64 KiB in sum.
    #[must_use]
    pub fn max_response_bytes(mut self, bytes: usize) -> Self {
        self.max_response_bytes = bytes;
        self
    }

    /// Checks the settings and reads the system's root certificates. Nothing is sent.
    ///
    /// # Errors
    ///
    /// A setting cannot be used; the error names it and the fix.
    pub fn build(self) -> Result<ReqwestTransport, TransportBuildError> {
        let fault = |setting, problem| Err(TransportBuildError { setting, problem });
        if self.connect_timeout.is_zero() {
            return fault("connect_timeout", "is zero, which no connection can meet: give it some seconds");
        }
        if self.total_timeout.is_zero() {
            return fault("total_timeout", "is zero, which no request can meet: give it some seconds");
        }
        if self.max_response_bytes == 0 {
            return fault("max_response_bytes", "is zero, which refuses every answer: give at least the size of a token reply");
        }
        let user_agent = match HeaderValue::from_str(&self.user_agent) {
            Ok(value) if !self.user_agent.trim().is_empty() => value,
            _ => return fault("user_agent", "is empty or has a character that no header holds: use visible ASCII characters"),
        };
        let proxy = self.proxy.as_deref().map(|url| read_proxy(url)).transpose()?;
        let tls = tls::client_config(&self.root_certificates)?;

        // Two clients that share TLS sessions. Only the first keeps connections: see `ReqwestTransport` for why.
        let client = |kept_connections| {
            let mut client = reqwest::Client::builder()
                // Chooses rustls too, whatever other backend reqwest has been given.
                .tls_backend_preconfigured(tls.clone())
                // For a plain connection; over TLS the config above offers nothing else.
                .http1_only()
                .redirect(reqwest::redirect::Policy::none())
                .retry(reqwest::retry::never())
                .referer(false)
                .no_gzip()
                .no_brotli()
                .no_zstd()
                .no_deflate()
                // Clears the list and switches off the system's; our own proxy is added after.
                .no_proxy()
                .no_hickory_dns()
                .connection_verbose(false)
                .tls_info(false)
                .connect_timeout(self.connect_timeout)
                .timeout(self.total_timeout)
                .pool_idle_timeout(POOL_IDLE_TIMEOUT)
                .pool_max_idle_per_host(kept_connections)
                // So that no hosts file or name server sends `http://localhost` elsewhere. Port 0 means the URL's own.
                .resolve_to_addrs(
                    "localhost",
                    &[SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), SocketAddr::from((Ipv6Addr::LOCALHOST, 0))],
                )
                .user_agent(user_agent.clone());
            // Cookies have no call to switch them off: a client has a jar only when it is given one.
            if let Some(proxy) = proxy.clone() {
                client = client.proxy(proxy);
            }
            client.build().map_err(|_| TransportBuildError {
                setting: "tls_backend",
                problem: "was not taken by reqwest: build with a reqwest that uses rustls 0.23",
            })
        };
        let reusing = client(usize::MAX)?;
        let one_shot = client(0)?;
        Ok(ReqwestTransport::from_parts(reusing, one_shot, self.max_response_bytes, proxy.is_some()))
    }
}

impl Default for ReqwestTransportBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for ReqwestTransportBuilder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ReqwestTransportBuilder")
            .field("connect_timeout", &self.connect_timeout)
            .field("total_timeout", &self.total_timeout)
            .field("user_agent", &self.user_agent)
            .field("root_certificates", &self.root_certificates.len())
            .field("proxy", &self.proxy.is_some())
            .field("max_response_bytes", &self.max_response_bytes)
            .finish()
    }
}

/// Why a [`ReqwestTransport`] cannot be built: the setting, what is wrong with it and the fix, never its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransportBuildError {
    setting: &'static str,
    problem: &'static str,
}

impl TransportBuildError {
    pub(crate) fn new(setting: &'static str, problem: &'static str) -> Self {
        Self { setting, problem }
    }

    /// The setting at fault, named as its method on [`ReqwestTransportBuilder`]; `tls_backend` where reqwest and rustls do not fit together.
    #[must_use]
    pub fn setting(&self) -> &'static str {
        self.setting
    }
}

impl fmt::Display for TransportBuildError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "`{}` {}", self.setting, self.problem)
    }
}

impl std::error::Error for TransportBuildError {}

fn read_proxy(text: &str) -> Result<reqwest::Proxy, TransportBuildError> {
    let fault = |problem| TransportBuildError::new("proxy", problem);
    let malformed = || fault("is not a URL: give one such as `http://proxy.example:3128`");
    let url = reqwest::Url::parse(text.trim()).map_err(|_| malformed())?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(fault("has a scheme that is not supported: it must begin with `http://` or `https://`"));
    }
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return Err(fault("has a path, a query or a fragment: give scheme, host and port alone"));
    }
    // reqwest reads the text once more in this way, and where that fails it goes without the proxy and says nothing.
    if url.as_str().parse::<Uri>().is_err() {
        return Err(malformed());
    }
    // `https` alone: plain `http` only ever goes to this machine, and a proxy would carry it elsewhere.
    let proxy = reqwest::Proxy::https(url).map_err(|_| malformed())?;
    Ok(proxy.no_proxy(reqwest::NoProxy::from_string("localhost,127.0.0.0/8,::1")))
}
