//! The fault plan: which fault happens to which request.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::count::{Route, Service};
use crate::fault::{Fault, When};
use crate::state::{Shared, lock};

/// The fault plan of a running sandbox; lent by [`Sandbox::faults`](crate::Sandbox::faults).
///
/// A request meets at most one fault: the first of its route's whose turn it is, in the order in which they were added.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), token_sandbox::SandboxError> {
/// use token_sandbox::{Ending, Fault, Place, Route, Sandbox, When};
///
/// let sandbox = Sandbox::start().await?;
/// // Until it is cleared:
/// sandbox.faults().set(Route::SehatMuToken, Fault::ResetAtAccept);
/// // The next two requests, and then one in five:
/// let torn = Fault::Cut { at: Place::Body, ending: Ending::Reset };
/// sandbox.faults().add(Route::KlikooToken, torn, When::Next(2));
/// sandbox.faults().add(Route::KlikooToken, Fault::DoubledKeys, When::Share { share: 0.2, seed: 7 });
///
/// sandbox.faults().clear_all();
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy)]
pub struct Faults<'a> {
    shared: &'a Arc<Shared>,
}

impl<'a> Faults<'a> {
    pub(crate) fn new(shared: &'a Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Has `fault` happen to every request of `route` until it is cleared, in place of what was planned for it.
    pub fn set(&self, route: Route, fault: Fault) {
        self.shared.plan.clear(Some(route));
        self.add(route, fault, When::UntilCleared);
    }

    /// Has `fault` happen to requests of `route`, after what was planned for it before.
    ///
    /// A status that the fault does not have is answered as 500, and numbers over its limits count as the limit.
    pub fn add(&self, route: Route, fault: Fault, when: When) {
        self.shared.plan.add(route, fault, when);
    }

    /// Ends the faults of `route`. An answer that is under way keeps its own.
    pub fn clear(&self, route: Route) {
        self.shared.plan.clear(Some(route));
    }

    /// Ends all faults. An answer that is under way keeps its own.
    pub fn clear_all(&self) {
        self.shared.plan.clear(None);
    }

    /// How many faults have happened to `route` since the start.
    #[must_use]
    pub fn happened(&self, route: Route) -> u64 {
        self.shared.plan.happened(route)
    }
}

impl std::fmt::Debug for Faults<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Faults").field(&self.shared.plan.list()).finish()
    }
}

/// What was planned, in order.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    rules: Vec<Rule>,
    happened: std::collections::BTreeMap<Route, u64>,
}

#[derive(Debug)]
struct Rule {
    route: Route,
    fault: Fault,
    when: When,
    chance: Chance,
}

/// A fault whose turn it is, and a number from 0 to 1 for what is left to chance in it.
#[derive(Clone, Debug)]
pub(crate) struct Drawn {
    pub(crate) fault: Fault,
    pub(crate) random: f64,
}

impl Plan {
    pub(crate) fn add(&self, route: Route, fault: Fault, when: When) {
        let seed = if let When::Share { seed, .. } = when { seed } else { 0 };
        lock(&self.state).rules.push(Rule { route, fault, when, chance: Chance(seed) });
    }

    pub(crate) fn clear(&self, route: Option<Route>) {
        lock(&self.state).rules.retain(|rule| route.is_some_and(|route| rule.route != route));
    }

    pub(crate) fn happened(&self, route: Route) -> u64 {
        lock(&self.state).happened.get(&route).copied().unwrap_or_default()
    }

    /// The fault of a request that arrived.
    pub(crate) fn of_request(&self, route: Route) -> Option<Drawn> {
        self.draw(|rule| rule.route == route && !rule.fault.is_at_accept())
    }

    /// The fault of a connection that was made, when nobody knows for which of the service's routes.
    pub(crate) fn of_connection(&self, service: Service, has_tls: bool) -> Option<Fault> {
        let fits = |fault: &Fault| fault.is_at_accept() && (has_tls || *fault == Fault::ResetAtAccept);
        self.draw(|rule| rule.route.service() == service && fits(&rule.fault)).map(|drawn| drawn.fault)
    }

    fn draw(&self, concerns: impl Fn(&Rule) -> bool) -> Option<Drawn> {
        let mut state = lock(&self.state);
        let State { rules, happened } = &mut *state;
        let rule = rules.iter_mut().filter(|rule| concerns(rule)).find_map(|rule| rule.is_due().then_some(rule))?;
        *happened.entry(rule.route).or_default() += 1;
        Some(Drawn { fault: rule.fault.clone(), random: rule.chance.next() })
    }

    pub(crate) fn list(&self) -> Value {
        let rules = &lock(&self.state).rules;
        rules.iter().map(|rule| json!({"route": rule.route.name(), "fault": rule.fault, "when": rule.when})).collect()
    }
}

impl Rule {
    fn is_due(&mut self) -> bool {
        match &mut self.when {
            When::Next(0) => false,
            When::Next(left) => {
                *left -= 1;
                true
            }
            When::Share { share, .. } => self.chance.next() < *share,
            When::UntilCleared => true,
        }
    }
}

/// SplitMix64: small, and the same on every machine. Nothing secret comes of it.
#[derive(Debug)]
struct Chance(u64);

impl Chance {
    /// From 0 to 1, without 1.
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        // 53 bits, as many as an `f64` holds.
        let bits = (mixed ^ (mixed >> 31)) >> 11;
        bits as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUTE: Route = Route::KlikooToken;

    fn draw(plan: &Plan) -> Option<Fault> {
        plan.of_request(ROUTE).map(|drawn| drawn.fault)
    }

    #[test]
    fn the_first_whose_turn_it_is_happens() {
        let plan = Plan::default();
        plan.add(ROUTE, Fault::DoubledKeys, When::Next(2));
        plan.add(ROUTE, Fault::InvalidUtf8, When::UntilCleared);
        plan.add(ROUTE, Fault::CutChunks, When::UntilCleared);
        assert_eq!(plan.of_request(Route::SehatMuToken).map(|drawn| drawn.fault), None);
        let drawn: Vec<_> = (0..4).filter_map(|_| draw(&plan)).collect();
        assert_eq!(drawn, [Fault::DoubledKeys, Fault::DoubledKeys, Fault::InvalidUtf8, Fault::InvalidUtf8]);
        assert_eq!((plan.happened(ROUTE), plan.happened(Route::SehatMuToken)), (4, 0));
        plan.clear(Some(Route::SehatMuToken));
        assert!(draw(&plan).is_some());
        plan.clear(Some(ROUTE));
        assert!(draw(&plan).is_none());
    }

    #[test]
    fn a_share_is_kept_and_the_same_for_a_seed() {
        let picks = |seed| {
            let plan = Plan::default();
            plan.add(ROUTE, Fault::DoubledKeys, When::Share { share: 0.2, seed });
            (0..10_000).map(|_| draw(&plan).is_some()).collect::<Vec<_>>()
        };
        let picked = picks(7).iter().filter(|picked| **picked).count();
        assert!((1_900..2_100).contains(&picked), "{picked}");
        assert_eq!(picks(7), picks(7));
        assert_ne!(picks(7), picks(8));
        let all = |share| {
            let plan = Plan::default();
            plan.add(ROUTE, Fault::DoubledKeys, When::Share { share, seed: 1 });
            (0..1_000).filter(|_| draw(&plan).is_some()).count()
        };
        assert_eq!((all(0.0), all(1.0), all(f64::NAN)), (0, 1_000, 0));
    }

    #[test]
    fn a_connection_meets_what_happens_before_a_request_alone() {
        let plan = Plan::default();
        plan.add(ROUTE, Fault::DoubledKeys, When::UntilCleared);
        plan.add(ROUTE, Fault::Certificate(crate::CertificateFault::Expired), When::UntilCleared);
        plan.add(ROUTE, Fault::ResetAtAccept, When::UntilCleared);
        assert_eq!(plan.of_connection(Service::SehatMu, false), None);
        assert_eq!(plan.of_connection(Service::Klikoo, false), Some(Fault::ResetAtAccept));
        assert!(matches!(plan.of_connection(Service::Klikoo, true), Some(Fault::Certificate(_))));
        assert_eq!(draw(&plan), Some(Fault::DoubledKeys));
    }
}
