//! The handle of a running sandbox.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::builder::SandboxBuilder;
use crate::control::consent_query;
use crate::count::{RequestCounts, Route, Service};
use crate::credentials::{KlikooCredentials, PrakerjaCredentials, PrakerjaUser, SehatMuCredentials};
use crate::error::{SandboxError, SandboxErrorKind};
use crate::listener::Server;
use crate::plan::Faults;
use crate::prakerja::{Decision, decide_without_click};
use crate::settings::{KlikooSettings, PrakerjaSettings, SehatMuSettings};
use crate::state::{Shared, lock};

/// The three services, running on loopback. When it is dropped, they stop.
pub struct Sandbox {
    shared: Arc<Shared>,
    server: Server,
    control_url: String,
    // Copies of what does not change, so that accessors can lend it.
    prakerja: PrakerjaCredentials,
    users: Vec<PrakerjaUser>,
    sehatmu: SehatMuCredentials,
    klikoo: KlikooCredentials,
}

impl Sandbox {
    pub(crate) fn new(shared: Arc<Shared>, server: Server, control_url: String) -> Self {
        let (prakerja, users) = {
            let state = lock(&shared.prakerja);
            (state.first_client.clone(), state.users.clone())
        };
        let sehatmu = lock(&shared.sehatmu).credentials.clone();
        let klikoo = lock(&shared.klikoo).credentials.clone();
        Self { shared, server, control_url, prakerja, users, sehatmu, klikoo }
    }

    /// Starts the services with strict settings, on free ports, by the machine's clock. It needs a Tokio runtime with I/O.
    ///
    /// # Errors
    ///
    /// No port could be bound, or the crypto library gave no key or no random numbers.
    pub async fn start() -> Result<Self, SandboxError> {
        Self::builder().start().await
    }

    /// Starts the services with other settings.
    #[must_use]
    pub fn builder() -> SandboxBuilder {
        SandboxBuilder::new()
    }

    /// Stops the services and returns when their ports are free and all connections closed.
    pub async fn shutdown(self) {
        self.server.shutdown().await;
    }

    /// The base URL of Prakerja's API, without a path.
    #[must_use]
    pub fn prakerja_base_url(&self) -> &str {
        &self.shared.urls.prakerja_base
    }

    /// The URL of Prakerja's consent page, without a query.
    #[must_use]
    pub fn prakerja_consent_url(&self) -> &str {
        &self.shared.urls.prakerja_consent
    }

    /// The base URL of SehatMu, without a path.
    #[must_use]
    pub fn sehatmu_base_url(&self) -> &str {
        &self.shared.urls.sehatmu_base
    }

    /// The base URL of Klikoo, with the path prefix `/klikoo-b2b` as the real one has it.
    #[must_use]
    pub fn klikoo_base_url(&self) -> &str {
        &self.shared.urls.klikoo_base
    }

    /// The URL of the control endpoint. Its path is a secret: who knows it steers this sandbox.
    #[must_use]
    pub fn control_url(&self) -> &str {
        &self.control_url
    }

    /// The client registered with Prakerja at the start.
    #[must_use]
    pub fn prakerja_credentials(&self) -> &PrakerjaCredentials {
        &self.prakerja
    }

    /// The people who can log in to Prakerja; never empty.
    #[must_use]
    pub fn prakerja_users(&self) -> &[PrakerjaUser] {
        &self.users
    }

    /// The client of SehatMu.
    #[must_use]
    pub fn sehatmu_credentials(&self) -> &SehatMuCredentials {
        &self.sehatmu
    }

    /// The client of Klikoo.
    #[must_use]
    pub fn klikoo_credentials(&self) -> &KlikooCredentials {
        &self.klikoo
    }

    /// The private key whose public half is registered with Klikoo, as PKCS#8 in PEM.
    #[must_use]
    pub fn klikoo_private_key_pem(&self) -> &str {
        self.klikoo.private_key_pem()
    }

    /// Registers one more client with Prakerja, with ids and secrets of its own.
    ///
    /// # Errors
    ///
    /// The crypto library gave no random numbers.
    pub fn register_prakerja_client(&self) -> Result<PrakerjaCredentials, SandboxError> {
        lock(&self.shared.prakerja).register().map_err(SandboxError::crypto)
    }

    /// Registers another RSA public key with Klikoo in the place of the present one, as the dashboard does: PEM, or the Base64 of a PEM.
    ///
    /// # Errors
    ///
    /// The text is not an RSA public key.
    pub fn register_public_key(&self, pem: &str) -> Result<(), SandboxError> {
        lock(&self.shared.klikoo).register_public_key(pem)
    }

    /// Changes the settings of Prakerja while it runs. What was handed out before keeps its lifetime.
    pub fn configure_prakerja(&self, change: impl FnOnce(&mut PrakerjaSettings)) {
        change(&mut lock(&self.shared.prakerja).settings);
    }

    /// Changes the settings of SehatMu while it runs. What was handed out before keeps its lifetime.
    pub fn configure_sehatmu(&self, change: impl FnOnce(&mut SehatMuSettings)) {
        change(&mut lock(&self.shared.sehatmu).settings);
    }

    /// Changes the settings of Klikoo while it runs. What was handed out before keeps its lifetime.
    pub fn configure_klikoo(&self, change: impl FnOnce(&mut KlikooSettings)) {
        change(&mut lock(&self.shared.klikoo).settings);
    }

    /// Moves the services' clock, and not the one they were started with. Negative seconds move it back.
    pub fn advance_clock(&self, seconds: i64) {
        self.shared.clock.advance(seconds);
    }

    /// The fault plan: what goes wrong with which requests.
    #[must_use]
    pub fn faults(&self) -> Faults<'_> {
        Faults::new(&self.shared)
    }

    /// The root certificate that vouches for the services, in PEM; `None` when they are spoken to without TLS.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn root_certificate_pem(&self) -> Option<&str> {
        self.shared.tls.as_ref().map(|tls| tls.root_pem())
    }

    /// Ends every code and every token of a service, as after a change of keys.
    pub fn revoke_all(&self, service: Service) {
        self.shared.revoke_all(service);
    }

    /// Whether a service would let in a call with this access token now: it gave it out, has not ended it, and by its clock it is not over.
    #[must_use]
    pub fn takes_token(&self, service: Service, access_token: &str) -> bool {
        let now = self.shared.clock.now();
        match service {
            Service::Klikoo => lock(&self.shared.klikoo).takes(now, access_token),
            Service::Prakerja => lock(&self.shared.prakerja).takes(now, access_token),
            Service::SehatMu => lock(&self.shared.sehatmu).takes(now, access_token),
        }
    }

    /// Allows what a login URL asks for, as the first user, without a browser. Gives the callback URL with `code` and `state`.
    ///
    /// # Errors
    ///
    /// The consent page refuses the URL: [`SandboxError::code`] has the service's code, or none when the URL is of another place.
    pub fn approve_consent(&self, login_url: &str) -> Result<String, SandboxError> {
        self.decide(login_url, Decision::Allow, None)
    }

    /// Like [`approve_consent`](Self::approve_consent), as the user with this id.
    ///
    /// # Errors
    ///
    /// As there, or nobody has this id.
    pub fn approve_consent_as(&self, login_url: &str, user_id: &str) -> Result<String, SandboxError> {
        if !self.users.iter().any(|user| user.id() == user_id) {
            return Err(SandboxError::new(SandboxErrorKind::UnknownUser));
        }
        self.decide(login_url, Decision::Allow, Some(user_id))
    }

    /// Refuses what a login URL asks for, without a browser. Gives the URL of the login page to which the person is sent.
    ///
    /// # Errors
    ///
    /// As [`approve_consent`](Self::approve_consent).
    pub fn deny_consent(&self, login_url: &str) -> Result<String, SandboxError> {
        self.decide(login_url, Decision::Deny, None)
    }

    fn decide(&self, login_url: &str, decision: Decision, user_id: Option<&str>) -> Result<String, SandboxError> {
        let query = consent_query(&self.shared, login_url).ok_or(SandboxError::new(SandboxErrorKind::Consent))?;
        decide_without_click(&self.shared, query, decision, user_id).map_err(|refusal| SandboxError::consent(refusal.code))
    }

    /// How many requests each route got since the start, or since [`reset_requests`](Self::reset_requests).
    ///
    /// A request counts when it arrives, whatever its answer. Not counted: an unknown path, a wrong method, a wrong `Host`.
    #[must_use]
    pub fn requests(&self) -> RequestCounts {
        self.shared.counters.read()
    }

    /// How the requests of one route ended: `ok` or the service's own code (for Klikoo always of nine digits), with their number.
    #[must_use]
    pub fn outcomes(&self, route: Route) -> BTreeMap<&'static str, u64> {
        self.shared.counters.outcomes(route)
    }

    /// Sets all counts to zero.
    pub fn reset_requests(&self) {
        self.shared.counters.reset();
    }
}

impl fmt::Debug for Sandbox {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Sandbox")
            .field("prakerja", &self.prakerja_base_url())
            .field("sehatmu", &self.sehatmu_base_url())
            .field("klikoo", &self.klikoo_base_url())
            .finish_non_exhaustive()
    }
}
