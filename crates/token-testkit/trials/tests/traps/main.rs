//! Where a secret may go: to the service that the base URL names, and nowhere else.
//!
//! Each case puts a trap on loopback, has every provider make its calls, and looks for every secret in all that came to the trap.
//! Each also says what the calls must give: a token, or an error of one kind.
#![allow(clippy::panic, clippy::unwrap_used, missing_docs, reason = "a test may panic")]

mod addresses;
mod answers;
mod certificates;
mod environment;
mod listener;
mod naive;
mod servers;
mod users;

use crate::users::{Outcome, User};

/// What a group of cases came to.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    cases: usize,
    bytes: usize,
    wrong: Vec<String>,
    /// Those in which a client as most programs have it gives the trap a secret.
    caught: usize,
}

impl Tally {
    /// Counts a case of one provider.
    fn note(&mut self, bytes: usize) {
        self.cases += 1;
        self.bytes += bytes;
    }

    fn expect(&mut self, holds: bool, complaint: impl FnOnce() -> String) {
        if !holds {
            self.wrong.push(complaint());
        }
    }

    /// Each call must have come to the outcome.
    fn expect_outcomes(&mut self, case: &str, user: User, got: &[(&'static str, Outcome)], wanted: Outcome) {
        self.expect(!got.is_empty(), || format!("{case}, {user:?}: no call was made"));
        for (call, outcome) in got.iter().filter(|(_, outcome)| *outcome != wanted) {
            self.wrong.push(format!("{case}, {user:?}, {call}: {outcome:?} in place of {wanted:?}"));
        }
    }

    /// Prints the figures and fails with all that was wrong. `least` is for each provider.
    fn end(self, group: &str, least: usize) {
        println!(
            "{group}: {} cases ({} for each of {} providers), {} bytes came to traps, no secret among them; a client as usual falls into {}",
            self.cases,
            self.cases / User::ALL.len(),
            User::ALL.len(),
            self.bytes,
            self.caught,
        );
        assert!(self.wrong.is_empty(), "{group}:\n  {}", self.wrong.join("\n  "));
        assert!(self.cases >= least * User::ALL.len(), "only {} cases", self.cases);
    }
}
