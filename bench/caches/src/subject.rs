//! What is measured.

use std::fmt::Debug;

use bench_shared::Report;

/// The token that the server hands out and the floors hold, in bytes: about as long as a signed one.
pub(crate) const TOKEN_BYTES: usize = 1_024;

/// Invented, and sent to loopback alone.
pub(crate) const CLIENT_ID: &str = "client-test-only";
/// Invented, and sent to loopback alone.
pub(crate) const CLIENT_SECRET: &str = "secret-test-only";
/// What peers are asked for that want a scope with each call.
pub(crate) const SCOPES: &[&str] = &["https://storage.example/.default"];

/// A cache, driven through its public API as its users drive it. A clone is another handle to the same cache.
pub(crate) trait Subject: Clone + Send + Sync + 'static {
    /// How tables name it: the crate, and the call.
    const NAME: &'static str;

    /// What several caches can share: an HTTP client, mostly.
    type Client;

    /// Makes the client. It is not measured.
    async fn client() -> Result<Self::Client, String>;

    /// Makes a cache that asks the site at `base` for tokens.
    ///
    /// Its future is not `Send`, as that of one peer's builder is not.
    async fn cold(client: &Self::Client, base: &str) -> Result<Self, String>;

    /// Gives a token, and says how long it is, so that nothing of it can be optimised away.
    fn get(&self) -> impl Future<Output = Result<usize, String>> + Send;

    /// The bytes of the strings that one cache cannot do without, each counted once: the token, the header if it keeps one, ids, secrets and URLs.
    ///
    /// # Errors
    ///
    /// Why the memory of one cache cannot be told fairly.
    fn strings(base: &str) -> Result<usize, &'static str>;
}

/// The ways to make a subject for the first time: a client of its own, and a cache.
pub(crate) async fn cold<S: Subject>(base: &str) -> Result<S, String> {
    S::cold(&S::client().await?, base).await
}

/// An error in few words: some peers quote whole bodies in theirs.
pub(crate) fn shown(error: impl Debug) -> String {
    format!("{error:?}").chars().take(200).collect()
}

/// A peer that fails is left out and named; without ours or a floor there is nothing to tell.
#[derive(Debug, Default)]
pub(crate) struct Lost(Vec<(&'static str, String)>);

impl Lost {
    /// What came of a subject, if anything did.
    pub(crate) fn or_lost<T>(&mut self, name: &'static str, outcome: Result<T, String>) -> Result<Option<T>, String> {
        match outcome {
            Ok(outcome) => Ok(Some(outcome)),
            Err(error) if name.starts_with("TokenCache") || name.starts_with("floor") => Err(format!("{name}: {error}")),
            Err(error) => {
                self.0.push((name, error));
                Ok(None)
            }
        }
    }

    /// Whether this one failed before.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(lost, _)| *lost == name)
    }

    /// Says so below the table.
    pub(crate) fn tell(self, report: &mut Report) {
        for (name, error) in self.0 {
            report.left_out(name, format!("it failed, {error}"));
        }
    }
}
