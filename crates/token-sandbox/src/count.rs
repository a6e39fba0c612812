//! The routes, and how often each was asked.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use http::Method;
use serde::Serialize;

use crate::state::lock;

/// One of the three services.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Service {
    /// Klikoo, the B2B Open API.
    Klikoo,
    /// Prakerja, login for training providers.
    Prakerja,
    /// SehatMu, the health platform.
    SehatMu,
}

/// How a request ended: the service's own code, or `ok`. Handlers put it into the answer's extensions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome(pub(crate) &'static str);

macro_rules! routes {
    ($($(#[doc = $doc:literal])+ $route:ident, $field:ident, $service:ident, $method:ident, $path:literal;)+) => {
        /// A route of a service: a method and a path.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Route {
            $($(#[doc = $doc])+ $route,)+
        }

        impl Route {
            /// Every route.
            pub const ALL: &[Self] = &[$(Self::$route,)+];

            /// The service to which the route belongs.
            #[must_use]
            pub const fn service(self) -> Service {
                match self { $(Self::$route => Service::$service,)+ }
            }

            /// The path on the service's listener, from the root.
            #[must_use]
            pub const fn path(self) -> &'static str {
                match self { $(Self::$route => $path,)+ }
            }

            /// The name in the control endpoint's answers.
            pub(crate) const fn name(self) -> &'static str {
                match self { $(Self::$route => stringify!($field),)+ }
            }

            fn method(self) -> Method {
                match self { $(Self::$route => Method::$method,)+ }
            }
        }

        /// How many requests each route got, whatever the answer.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
        #[non_exhaustive]
        pub struct RequestCounts {
            $($(#[doc = $doc])+ pub $field: u64,)+
        }

        impl RequestCounts {
            /// All routes together.
            #[must_use]
            pub const fn total(&self) -> u64 {
                let mut total = 0;
                $(total += self.$field;)+
                total
            }
        }

        #[derive(Debug, Default)]
        struct Cells {
            $($field: AtomicU64,)+
        }

        impl Cells {
            fn of(&self, route: Route) -> &AtomicU64 {
                match route { $(Route::$route => &self.$field,)+ }
            }

            fn read(&self) -> RequestCounts {
                RequestCounts { $($field: self.$field.load(Ordering::SeqCst),)+ }
            }
        }
    };
}

routes! {
    /// Prakerja's consent page.
    PrakerjaConsent, prakerja_consent, Prakerja, GET, "/consent-sso";
    /// The buttons of Prakerja's consent page.
    PrakerjaDecision, prakerja_decision, Prakerja, POST, "/consent-sso";
    /// The login on the way to Prakerja's consent page, and the logout there.
    PrakerjaLogin, prakerja_login, Prakerja, POST, "/consent-sso/login";
    /// Prakerja's code exchange.
    PrakerjaToken, prakerja_token, Prakerja, POST, "/api/v1/oauth/token";
    /// Prakerja's refresh.
    PrakerjaRefresh, prakerja_refresh, Prakerja, POST, "/api/v1/oauth/token/refresh";
    /// Prakerja's signed call for a login URL.
    PrakerjaAuthorize, prakerja_authorize, Prakerja, GET, "/api/v1/oauth/authorize";
    /// Prakerja's user profile.
    PrakerjaProfile, prakerja_profile, Prakerja, GET, "/api/v1/resource/user_profile";
    /// Prakerja's integration API: a signed call with a body, with or without a user's token.
    PrakerjaRedeem, prakerja_redeem, Prakerja, POST, "/api/v1/integration/payment/redeem-code/commit";
    /// SehatMu's token endpoint.
    SehatMuToken, sehatmu_token, SehatMu, POST, "/oauth/token";
    /// SehatMu's "who am I".
    SehatMuMe, sehatmu_me, SehatMu, GET, "/oauth/me";
    /// A read of SehatMu's FHIR API: a call with a token.
    SehatMuPatients, sehatmu_patients, SehatMu, GET, "/fhir/Patient";
    /// Klikoo's token endpoint.
    KlikooToken, klikoo_token, Klikoo, POST, "/klikoo-b2b/v1/open-api/access-token";
    /// Klikoo's balance, a call with a token and no body.
    KlikooBalance, klikoo_balance, Klikoo, GET, "/klikoo-b2b/v1/open-api/balance";
    /// Klikoo's account inquiry, a call with a token and a body.
    KlikooInquiry, klikoo_inquiry, Klikoo, POST, "/klikoo-b2b/v1/open-api/account/inquiry";
}

impl Route {
    /// The route with this name in the control endpoint.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|route| route.name() == name)
    }

    pub(crate) fn find(service: Service, method: &Method, path: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|route| route.service() == service && route.path() == path && route.method() == method)
    }
}

/// Requests and outcomes, counted while the sandbox runs.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    cells: Cells,
    outcomes: Mutex<BTreeMap<(Route, &'static str), u64>>,
}

impl Counters {
    pub(crate) fn arrived(&self, route: Route) {
        self.cells.of(route).fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn ended(&self, route: Route, outcome: &'static str) {
        *lock(&self.outcomes).entry((route, outcome)).or_default() += 1;
    }

    pub(crate) fn read(&self) -> RequestCounts {
        self.cells.read()
    }

    pub(crate) fn outcomes(&self, route: Route) -> BTreeMap<&'static str, u64> {
        lock(&self.outcomes).iter().filter(|((of, _), _)| *of == route).map(|((_, outcome), count)| (*outcome, *count)).collect()
    }

    pub(crate) fn reset(&self) {
        for route in Route::ALL {
            self.cells.of(*route).store(0, Ordering::SeqCst);
        }
        lock(&self.outcomes).clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_is_found_by_its_own_method_and_path_only() {
        for route in Route::ALL {
            assert_eq!(Route::find(route.service(), &route.method(), route.path()), Some(*route));
            assert_eq!(Route::find(route.service(), &Method::PUT, route.path()), None);
        }
        assert_eq!(Route::find(Service::Klikoo, &Method::POST, Route::SehatMuToken.path()), None);
    }

    #[test]
    fn counts_and_outcomes_add_up_and_go_back_to_zero() {
        let counters = Counters::default();
        counters.arrived(Route::KlikooToken);
        counters.arrived(Route::KlikooToken);
        counters.ended(Route::KlikooToken, "200012000");
        counters.ended(Route::KlikooToken, "200012000");
        assert_eq!(counters.read().klikoo_token, 2);
        assert_eq!(counters.read().total(), 2);
        assert_eq!(counters.outcomes(Route::KlikooToken), BTreeMap::from([("200012000", 2)]));
        assert!(counters.outcomes(Route::KlikooBalance).is_empty());
        counters.reset();
        assert_eq!(counters.read(), RequestCounts::default());
        assert!(counters.outcomes(Route::KlikooToken).is_empty());
    }
}
