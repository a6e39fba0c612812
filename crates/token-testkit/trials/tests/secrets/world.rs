//! The services, a clock, and the secrets that were in anybody's hands so far.

use std::error::Error;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret as _;
use tempfile::TempDir;
use token_core::{CacheEvent, CachePolicy, Observer, Token};
use token_sandbox::Sandbox;
use token_testkit::{ManualClock, SecretFinder};
use transport_reqwest::ReqwestTransport;

use crate::output::Output;
use crate::tls::Authority;

/// With every character that some encoding changes, where a header can hold it.
pub(crate) const ODD: &str = "/+&=%\"\\'~;<>-test-only";

pub(crate) struct World {
    pub(crate) output: &'static Output,
    pub(crate) sandbox: Sandbox,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) over_tls: bool,
    pub(crate) folder: TempDir,
    authority: Authority,
    fronts: [String; 3],
    secrets: Vec<(String, String)>,
    searched: usize,
    last_error: String,
}

/// Prints all that it is told.
#[derive(Debug)]
struct Talkative;

impl Observer for Talkative {
    fn event(&self, provider: &'static str, event: &CacheEvent) {
        Output::get().add(provider);
        Output::get().show(event);
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        let clock = Arc::new(ManualClock::sleeping_moves_time());
        let sandbox = Sandbox::builder().clock(Arc::clone(&clock) as _).sehatmu(|settings| settings.new_tokens_per_minute = None);
        // A pause moves the clock, also one of a flow before.
        let sandbox = sandbox.prakerja(|settings| settings.code_lifetime = Duration::from_secs(3_000));
        let sandbox = sandbox.start().await.unwrap();
        let authority = Authority::new();
        let fronts = [
            authority.front(sandbox.sehatmu_base_url()).await,
            authority.front(sandbox.klikoo_base_url()).await,
            authority.front(sandbox.prakerja_base_url()).await,
        ];
        let mut world = Self {
            output: Output::get(),
            sandbox,
            clock,
            over_tls: false,
            folder: tempfile::tempdir().unwrap(),
            authority,
            fronts,
            secrets: Vec::new(),
            searched: 0,
            last_error: String::new(),
        };
        let sehatmu = world.sandbox.sehatmu_credentials().client_secret().to_owned();
        let klikoo = world.sandbox.klikoo_credentials().client_secret().to_owned();
        let sign_key = world.sandbox.prakerja_credentials().sign_key().to_owned();
        world.knows("SehatMu's client secret", &sehatmu);
        world.knows("Klikoo's client secret", &klikoo);
        world.knows("Prakerja's sign key", &sign_key);
        world
    }

    pub(crate) fn transport(&self) -> Arc<ReqwestTransport> {
        let builder =
            ReqwestTransport::builder().root_certificate_pem(self.authority.pem()).total_timeout(Duration::from_secs(20));
        self.output.show(&builder);
        let transport = builder.build().unwrap();
        self.output.show(&transport);
        Arc::new(transport)
    }

    /// A client as a program has it for an API, which speaks HTTP/1 as the services here do.
    pub(crate) fn client(&self) -> reqwest::ClientBuilder {
        let root = reqwest::Certificate::from_pem(self.authority.pem().as_bytes()).unwrap();
        reqwest::Client::builder().no_proxy().http1_only().tls_backend_rustls().tls_certs_only([root])
    }

    pub(crate) fn policy(&self) -> CachePolicy {
        let mut policy = CachePolicy::default();
        policy.observer = Some(Arc::new(Talkative));
        policy
    }

    pub(crate) fn sehatmu_url(&self) -> &str {
        if self.over_tls { &self.fronts[0] } else { self.sandbox.sehatmu_base_url() }
    }

    pub(crate) fn klikoo_url(&self) -> &str {
        if self.over_tls { &self.fronts[1] } else { self.sandbox.klikoo_base_url() }
    }

    pub(crate) fn prakerja_url(&self) -> &str {
        if self.over_tls { &self.fronts[2] } else { self.sandbox.prakerja_base_url() }
    }

    /// The URL of a scripted server, with TLS in front of it where that is tried.
    pub(crate) async fn fronted(&self, url: String) -> String {
        if self.over_tls { self.authority.front(&url).await } else { url }
    }

    /// Takes note of a secret. One that is empty or known already is none.
    pub(crate) fn knows(&mut self, name: &str, secret: &str) {
        if !secret.is_empty() && self.secrets.iter().all(|(_, known)| known != secret) {
            self.secrets.push((name.to_owned(), secret.to_owned()));
        }
    }

    /// The same of a key in PEM: every line of it, as its first line stands in every message about keys.
    pub(crate) fn knows_key(&mut self, name: &str, pem: &str) {
        for line in pem.lines().filter(|line| !line.starts_with('-') && line.len() > 40) {
            self.knows(name, line);
        }
    }

    pub(crate) fn knows_token(&mut self, name: &str, token: &Token) {
        self.knows(&format!("{name}'s access token"), token.access_token().expose_secret());
        self.knows(&format!("{name}'s header"), token.authorization().to_str().unwrap());
        if let Some(refresh_token) = token.refresh_token() {
            self.knows(&format!("{name}'s refresh token"), refresh_token.expose_secret());
        }
        self.output.show(token);
        self.output.show(token.authorization());
        self.output.show(&(
            token.scopes(),
            token.expiry(),
            token.expiry_as_received(),
            token.access_token(),
            token.refresh_token(),
        ));
    }

    /// Shows what came of a call, and takes note of the token in it.
    pub(crate) fn takes<E: Error + 'static>(&mut self, name: &str, outcome: Result<Token, E>) -> Option<Token> {
        match outcome {
            Ok(token) => {
                self.knows_token(name, &token);
                Some(token)
            }
            Err(error) => {
                self.output.show_error(&error);
                self.last_error = format!("{error:?}");
                None
            }
        }
    }

    /// Takes a token that must be there.
    pub(crate) fn gets<E: Error + 'static>(&mut self, name: &str, outcome: Result<Token, E>) -> Token {
        self.takes(name, outcome).unwrap_or_else(|| panic!("no token for {name}: {}", self.last_error))
    }

    pub(crate) fn shows<T: Debug, E: Error + 'static>(&self, outcome: Result<T, E>) -> Option<T> {
        match outcome {
            Ok(value) => {
                self.output.show(&value);
                Some(value)
            }
            Err(error) => {
                self.output.show_error(&error);
                None
            }
        }
    }

    fn finder(&self) -> SecretFinder {
        SecretFinder::new(self.secrets.iter().map(|(_, secret)| secret.as_str()))
    }

    /// Searches what was written since the last time, or all of it once a later flow has begun with `everything`.
    pub(crate) fn search(&mut self, flow: &str) {
        let start = if flow.starts_with("everything") { 0 } else { self.searched };
        let text = self.output.since(start);
        self.searched = start + text.len();
        let finder = self.finder();
        println!("{flow}: {} secrets, {} bytes", self.secrets.len(), text.len());
        if let Some(leak) = finder.find(&text) {
            let lines = text.lines().filter(|line| finder.find(line).is_some()).take(5);
            let lines: Vec<_> = lines.map(|line| line.chars().take(2_000).collect::<String>()).collect();
            panic!("{flow}: {} came out, {}:\n{}", self.secrets[leak.number()].0, leak.spelling(), lines.join("\n"));
        }
    }

    /// Secrets, spellings, bytes.
    pub(crate) fn figures(&self) -> (usize, usize, usize) {
        (self.secrets.len(), self.finder().spellings(), self.searched)
    }
}
