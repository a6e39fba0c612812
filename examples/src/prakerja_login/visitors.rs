//! Which browser is whose: a random id in its cookie, and the hash of it here.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::error::Unspecified;
use aws_lc_rs::{digest, rand};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use quick_cache::sync::Cache;

use token_core::{Clock, Moment};

/// How long a visit lasts, whatever its browser does.
const LONGEST_VISIT: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// How many browsers may be logged in. The one that was away longest makes room.
const MOST_VISITS: usize = 100_000;

/// A browser that is logged in.
pub(super) struct Visitor {
    /// Prakerja's id of the user, by which the session with the tokens is found.
    pub(super) user_id: String,
    /// The user's name, for the page.
    pub(super) name: String,
    began: Moment,
}

/// The visits, by the hash of their id: who reads this memory, or a table in its place, cannot take a visit over.
pub(super) struct Visitors {
    visits: Cache<[u8; 32], Arc<Visitor>>,
    is_https: bool,
    clock: Arc<dyn Clock>,
}

impl Visitors {
    pub(super) fn new(is_https: bool, clock: Arc<dyn Clock>) -> Self {
        Self { visits: Cache::new(MOST_VISITS), is_https, clock }
    }

    /// Who is logged in with the browser that sent these headers.
    pub(super) fn find(&self, headers: &HeaderMap) -> Option<Arc<Visitor>> {
        let mut hashes = self.hashes_of(headers);
        // Of two, one was planted by a neighbouring site, and which of them cannot be told.
        let (Some(hash), None) = (hashes.next(), hashes.next()) else {
            return None;
        };
        let visitor = self.visits.get(&hash)?;
        if self.clock.now().elapsed_since(&visitor.began) >= LONGEST_VISIT {
            self.visits.remove(&hash);
            return None;
        }
        Some(visitor)
    }

    /// Begins a visit and gives its cookie. The id is a new one, so that one that was known before the login is worth nothing after it.
    pub(super) fn log_in(&self, headers: &HeaderMap, user_id: String, name: String) -> Result<HeaderValue, Unspecified> {
        let mut id = [0; 32];
        rand::fill(&mut id)?;
        let id = BASE64_URL_SAFE_NO_PAD.encode(id);
        let cookie = self.cookie(&id, LONGEST_VISIT)?;
        self.forget(headers);
        self.visits.insert(hash(id.as_bytes()), Arc::new(Visitor { user_id, name, began: self.clock.now() }));
        Ok(cookie)
    }

    /// Ends the visit, here first, and gives the cookie that takes the browser's away.
    pub(super) fn log_out(&self, headers: &HeaderMap) -> HeaderValue {
        self.forget(headers);
        self.cookie("", Duration::ZERO).unwrap_or(HeaderValue::from_static(""))
    }

    fn forget(&self, headers: &HeaderMap) {
        for hash in self.hashes_of(headers) {
            self.visits.remove(&hash);
        }
    }

    /// By bytes: another cookie beside ours may hold anything.
    fn hashes_of(&self, headers: &HeaderMap) -> impl Iterator<Item = [u8; 32]> {
        let pairs = headers.get_all(COOKIE).iter().flat_map(|value| value.as_bytes().split(|&byte| byte == b';'));
        pairs.filter_map(|pair| {
            let id = pair.trim_ascii().strip_prefix(self.cookie_name().as_bytes())?.strip_prefix(b"=")?;
            Some(hash(id))
        })
    }

    /// A cookie with the prefix `__Host-` is taken from this host alone, and only over `https` (RFC 6265bis, section 4.1.3.2).
    fn cookie_name(&self) -> &'static str {
        if self.is_https { "__Host-kunjungan" } else { "kunjungan" }
    }

    fn cookie(&self, id: &str, lifetime: Duration) -> Result<HeaderValue, Unspecified> {
        let secure = if self.is_https { "; Secure" } else { "" };
        let name = self.cookie_name();
        let cookie = format!("{name}={id}; Path=/; Max-Age={}; HttpOnly; SameSite=Lax{secure}", lifetime.as_secs());
        HeaderValue::try_from(cookie).map_err(|_| Unspecified)
    }
}

fn hash(id: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, id).as_ref());
    hash
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use token_testkit::ManualClock;

    use super::*;

    fn visitors(is_https: bool) -> (Visitors, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::new());
        (Visitors::new(is_https, clock.clone()), clock)
    }

    /// What a browser sends after it got this cookie.
    fn sent(set_cookie: &HeaderValue) -> HeaderMap {
        let pair = set_cookie.to_str().unwrap().split(';').next().unwrap();
        HeaderMap::from_iter([(COOKIE, HeaderValue::from_str(&format!("other=1; {pair}")).unwrap())])
    }

    fn log_in(visitors: &Visitors, headers: &HeaderMap) -> HeaderMap {
        sent(&visitors.log_in(headers, "user-1".to_owned(), "Siti".to_owned()).unwrap())
    }

    #[test]
    fn the_attributes_are_those_of_the_origin() {
        let attributes = |is_https| {
            let (visitors, _) = visitors(is_https);
            let cookie = visitors.log_in(&HeaderMap::new(), "user-1".to_owned(), "Siti".to_owned()).unwrap();
            let cookie = cookie.to_str().unwrap().to_owned();
            let (name, rest) = cookie.split_once('=').unwrap();
            (name.to_owned(), rest.split_once(';').unwrap().1.to_owned())
        };
        let common = " Path=/; Max-Age=604800; HttpOnly; SameSite=Lax";
        assert_eq!(attributes(false), ("kunjungan".to_owned(), common.to_owned()));
        assert_eq!(attributes(true), ("__Host-kunjungan".to_owned(), format!("{common}; Secure")));
    }

    #[test]
    fn an_id_is_new_each_time_has_256_bits_and_is_not_kept() {
        let (visitors, _) = visitors(true);
        let ids: HashSet<String> = (0..64)
            .map(|_| {
                let headers = log_in(&visitors, &HeaderMap::new());
                headers[COOKIE].to_str().unwrap().rsplit_once('=').unwrap().1.to_owned()
            })
            .collect();
        assert_eq!(ids.len(), 64);
        for id in ids {
            assert_eq!(BASE64_URL_SAFE_NO_PAD.decode(&id).unwrap().len(), 32);
            assert!(visitors.visits.get(&hash(id.as_bytes())).is_some());
        }
    }

    #[test]
    fn a_login_ends_the_visit_that_the_browser_had() {
        let (visitors, _) = visitors(false);
        let first = log_in(&visitors, &HeaderMap::new());
        let second = log_in(&visitors, &first);
        assert!(visitors.find(&first).is_none());
        assert_eq!(visitors.find(&second).unwrap().name, "Siti");
    }

    #[test]
    fn a_visit_ends_at_logout_and_with_its_time() {
        let (visitors, clock) = visitors(false);
        let other = log_in(&visitors, &HeaderMap::new());
        let browser = log_in(&visitors, &HeaderMap::new());
        assert!(visitors.log_out(&browser).to_str().unwrap().starts_with("kunjungan=; Path=/; Max-Age=0;"));
        assert!(visitors.find(&browser).is_none());
        clock.advance(LONGEST_VISIT - Duration::from_secs(1));
        assert!(visitors.find(&other).is_some());
        clock.advance(Duration::from_secs(1));
        assert!(visitors.find(&other).is_none());
        assert_eq!(visitors.visits.len(), 0);
    }

    #[test]
    fn there_are_never_more_than_the_most() {
        let (visitors, _) = visitors(false);
        let visitors = Visitors { visits: Cache::new(50), ..visitors };
        for _ in 0..1_000 {
            log_in(&visitors, &HeaderMap::new());
        }
        assert!(visitors.visits.len() <= 50, "{}", visitors.visits.len());
    }

    #[test]
    fn a_cookie_of_a_neighbour_neither_hides_a_visit_nor_takes_its_place() {
        let (visitors, _) = visitors(true);
        let browser = log_in(&visitors, &HeaderMap::new());
        let with = |other: &[u8]| {
            let both = [other, b"; ", browser[COOKIE].as_bytes()].concat();
            HeaderMap::from_iter([(COOKIE, HeaderValue::from_bytes(&both).unwrap())])
        };
        let odd = with(b"nama=\xe6\x97\xa5\xff");
        assert!(visitors.find(&odd).is_some());
        let planted = with(log_in(&visitors, &HeaderMap::new())[COOKIE].as_bytes());
        assert!(visitors.find(&planted).is_none());
        visitors.log_out(&odd);
        assert!(visitors.find(&browser).is_none(), "a logout ends the visit whatever else the browser sends");
    }

    #[test]
    fn a_guessed_or_foreign_cookie_is_nobody() {
        let (visitors, _) = visitors(true);
        let browser = log_in(&visitors, &HeaderMap::new());
        let right = browser[COOKIE].to_str().unwrap();
        let wrong =
            [right.replace("__Host-", ""), format!("{right}x"), "__Host-kunjungan=".to_owned(), "__Host-kunjungan".to_owned()];
        for wrong in wrong {
            let headers = HeaderMap::from_iter([(COOKIE, HeaderValue::from_str(&wrong).unwrap())]);
            assert!(visitors.find(&headers).is_none(), "{wrong}");
        }
    }
}
