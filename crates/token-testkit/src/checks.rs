//! The checks and how one is run.

mod answers;
mod body;
mod cache;
mod connection;
mod date;
mod errors;
mod expiry;
mod secrecy;
mod success;
mod tokens;

use std::fmt;
use std::pin::Pin;

use crate::report::{Failure, Report};
use crate::run::Run;
use crate::subject::Subject;

/// One thing that every provider must satisfy.
#[derive(Clone, Copy)]
pub struct Check {
    name: &'static str,
    run: for<'r> fn(&'r mut Run<'_>) -> Pin<Box<dyn Future<Output = ()> + 'r>>,
}

impl Check {
    /// Its name, which is that of the test that [`conformance_tests!`](crate::conformance_tests) makes of it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Runs it against `subject`. It needs a current-thread Tokio runtime with I/O and time, or some of what is logged goes unseen.
    ///
    /// # Errors
    ///
    /// The report has the cases in which the provider did not do what it should.
    pub async fn run(&self, subject: &dyn Subject) -> Result<(), Report> {
        let mut run = Run::new(subject, self.name);
        (self.run)(&mut run).await;
        Report::of(run.into_failures()).map_or(Ok(()), Err)
    }

    /// Runs it against `subject` on a runtime of its own.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run); or there is no runtime to be had.
    pub fn run_alone(&self, subject: &dyn Subject) -> Result<(), Report> {
        match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime.block_on(self.run(subject)),
            Err(error) => {
                let failure = Failure::new(self.name, "the kit's own set-up", "a Tokio runtime", error.to_string());
                Report::of(vec![failure]).map_or(Ok(()), Err)
            }
        }
    }
}

impl fmt::Debug for Check {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Check({})", self.name)
    }
}

/// Names each check once, for the list below and for the macro that makes tests of it.
#[doc(hidden)]
#[macro_export]
macro_rules! __for_each_check {
    ($then:path, $($before:tt)*) => {
        $then! {
            $($before)*
            success::a_good_answer_gives_a_bearer_token,
            success::each_call_is_one_request,
            success::a_lifetime_counts_from_before_the_request,
            success::the_path_of_the_base_url_is_kept,
            expiry::an_expiry_is_read_in_each_spelling,
            expiry::an_unreadable_expiry_is_unknown,
            expiry::a_past_expiry_is_over,
            expiry::a_huge_expiry_is_capped,
            date::a_clock_that_was_never_set_prolongs_nothing,
            date::a_date_from_a_shared_cache_is_ignored,
            date::two_dates_are_ignored,
            date::the_clock_of_the_service_measures_its_times,
            tokens::an_unusable_token_is_an_error,
            tokens::a_numeric_token_is_as_the_subject_says,
            tokens::an_unknown_token_type_is_an_error,
            tokens::a_token_type_is_read_in_any_case,
            body::a_body_that_is_not_an_answer_is_an_error,
            body::a_doubled_key_is_an_error,
            body::deep_nesting_is_an_error,
            body::an_oversized_body_is_an_error,
            body::a_page_for_people_is_an_error,
            connection::a_broken_connection_is_a_transport_error,
            connection::a_silent_service_is_given_up_on,
            connection::a_redirect_is_not_followed,
            connection::only_harmless_requests_may_be_sent_again,
            errors::a_documented_error_has_its_meaning,
            errors::an_unknown_code_is_kept,
            errors::an_undocumented_refusal_is_no_verdict_on_the_client,
            errors::a_fault_of_the_service_is_transient,
            errors::retry_after_is_kept,
            errors::an_error_is_one_line_and_names_its_provider,
            errors::what_the_service_says_is_cleaned,
            secrecy::no_secret_is_in_the_url,
            secrecy::no_secret_is_in_an_error_or_a_token,
            secrecy::no_secret_is_logged,
            secrecy::a_secret_that_the_service_repeats_is_taken_out,
            cache::a_cache_asks_once_a_lifetime,
            cache::a_stampede_makes_one_request,
        }
    };
}

macro_rules! list {
    ($($module:ident::$name:ident,)*) => {
        /// All checks.
        #[must_use]
        pub fn checks() -> &'static [Check] {
            &[$(Check { name: stringify!($name), run: |run| Box::pin($module::$name(run)) },)*]
        }
    };
}
__for_each_check!(list,);

/// Runs the check of this name, for [`conformance_tests!`](crate::conformance_tests).
#[doc(hidden)]
pub fn __run_check(name: &'static str, subject: &dyn Subject) -> Result<(), Report> {
    match checks().iter().find(|check| check.name == name) {
        Some(check) => check.run_alone(subject),
        None => Report::of(vec![Failure::new(name, "the kit's own set-up", "a check of this name", "none")]).map_or(Ok(()), Err),
    }
}
