//! What every [`TokenProvider`](token_core::TokenProvider) must satisfy, as tests that a provider's crate runs.
//!
//! A provider is described once, as a [`Subject`]: how to make it, how its service answers, what its errors mean.
//! [`conformance_tests!`] makes one test of each check. They run real HTTP on loopback, on a clock moved by hand, and need nothing else.
//!
//! ```no_run
//! // tests/conformance.rs
//! use std::sync::Arc;
//!
//! use token_core::{ErrorKind, ExpiryFormat, Remedy, Resend, TokenProvider};
//! use token_testkit::{Answer, DocumentedError, Setup, Subject, SuccessFields, json_object, json_text};
//! # fn make_provider(_: &Setup) -> Arc<dyn TokenProvider> { unimplemented!() }
//!
//! struct Example;
//!
//! impl Subject for Example {
//!     fn name(&self) -> &'static str {
//!         "example"
//!     }
//!
//!     fn provider(&self, setup: &Setup) -> Arc<dyn TokenProvider> {
//!         // From `setup.base_url`, `setup.clock`, `setup.transport(...)` and the secrets below; then `build_uncached()`.
//!         make_provider(setup)
//!     }
//!
//!     fn success(&self, fields: &SuccessFields<'_>) -> Answer {
//!         let body = json_object(&[
//!             ("access_token", fields.access_token),
//!             ("token_type", fields.token_type),
//!             ("expires_in", fields.expiry),
//!         ]);
//!         Answer::json(200, body)
//!     }
//!
//!     fn refusal(&self, code: &str, message: &str) -> Answer {
//!         let (code, message) = (json_text(code), json_text(message));
//!         Answer::json(400, json_object(&[("error", Some(&code)), ("error_description", Some(&message))]))
//!     }
//!
//!     fn documented_errors(&self) -> Vec<DocumentedError> {
//!         let refusal = |code, kind, remedy| DocumentedError::new(self.refusal(code, "no"), kind, remedy).code(code);
//!         vec![
//!             refusal("invalid_client", ErrorKind::ClientRefused, Remedy::FixConfiguration),
//!             refusal("invalid_scope", ErrorKind::RequestRefused, Remedy::FixConfiguration),
//!         ]
//!     }
//!
//!     fn expiry_format(&self) -> ExpiryFormat {
//!         ExpiryFormat::SecondsFromNow
//!     }
//!
//!     fn resend(&self) -> Resend {
//!         Resend::AfterRefusal
//!     }
//!
//!     fn secrets(&self) -> Vec<String> {
//!         vec!["client-secret-test-only".to_owned()]
//!     }
//! }
//!
//! token_testkit::conformance_tests!(Example);
//! # fn main() {}
//! ```
//!
//! A [`SessionStore`](token_core::SessionStore) has a check of its own: [`check_session_store`].
//!
//! The parts are of use by themselves: [`ManualClock`], [`ScriptedServer`] with its [`Answer`]s, [`LogCapture`], [`SecretFinder`].

mod answer;
mod capture;
mod checks;
mod clock;
mod expiries;
mod report;
mod run;
mod secrets;
mod server;
mod session_store;
mod subject;

pub use answer::Answer;
pub use capture::{CaptureError, LogCapture};
#[doc(hidden)]
pub use checks::__run_check;
pub use checks::{Check, checks};
pub use clock::ManualClock;
pub use report::{Failure, Report};
pub use secrets::{Leak, SecretFinder};
pub use server::{RecordedRequest, ScriptedServer};
pub use session_store::check_session_store;
pub use subject::{DocumentedError, Setup, Subject, SuccessFields, json_object, json_text};

/// Makes a test of each check, for a value that is a [`Subject`]. The value is made anew for each test.
///
/// The tests stand where the macro is called; put each of several subjects into a module of its own:
///
/// ```no_run
/// # macro_rules! subjects { () => {
/// mod camel_case {
///     token_testkit::conformance_tests!(super::SehatMu::camel_case());
/// }
/// mod rfc_6749 {
///     token_testkit::conformance_tests!(super::SehatMu::rfc_6749());
/// }
/// # } }
/// ```
#[macro_export]
macro_rules! conformance_tests {
    ($subject:expr $(,)?) => {
        $crate::__for_each_check!($crate::__conformance_tests, [$subject]);
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_tests {
    ([$subject:expr] $($module:ident::$name:ident,)*) => {
        $(
            #[test]
            fn $name() {
                if let Err(report) = $crate::__run_check(stringify!($name), &$subject) {
                    panic!("\n{report}");
                }
            }
        )*
    };
}
