//! What is kept of a session, as bytes. Pure.

use std::time::{Duration, SystemTime};

use bytes::{Buf, BufMut};
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use crate::clock::Moment;
use crate::expiry::Expiry;
use crate::random;
use crate::token::{Token, fingerprint};

/// The first byte of every record. Another layout gets another one.
const LAYOUT: u8 = 1;

/// How far the clock of another machine that wrote a record may be ahead of this one's.
const TOLERANCE: Duration = Duration::from_secs(60);

/// One login of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Login {
    pub(super) id: u128,
    /// By the wall clock, in milliseconds since 1970: of two logins that were never told of each other, the later one counts.
    pub(super) began: u64,
}

/// A login as far as it has come.
#[derive(Clone)]
pub(super) struct Record {
    pub(super) login: Login,
    /// Counts the refresh tokens of this login, from 1.
    pub(super) generation: u64,
    /// How often this refresh token was sent without a word of the service that it is not spent.
    pub(super) doubts: u8,
    /// What the last refresh brought, unless it brought a refresh token alone or its time cannot be told any more.
    pub(super) token: Option<Token>,
    /// Where it is not that of `token`.
    refresh_token: Option<SecretString>,
}

impl Record {
    pub(super) fn of_login(token: Token, now: &Moment) -> Self {
        let login = Login { id: random::id(), began: milliseconds(now.wall()) };
        Self { login, generation: 1, doubts: 0, token: Some(token), refresh_token: None }
    }

    /// After a refresh. What it did not bring stays; an access token does not.
    pub(super) fn next(&self, token: Option<Token>, rotated: Option<SecretString>) -> Self {
        let refresh_token = rotated
            .or_else(|| token.as_ref().and_then(|token| token.refresh_token().cloned()))
            .or_else(|| self.refresh_token().cloned());
        let mut next = Self { generation: self.generation.saturating_add(1), doubts: 0, token, refresh_token, ..*self };
        next.keep_once();
        next
    }

    pub(super) fn with_doubts(&self, doubts: u8) -> Self {
        Self { doubts, ..self.clone() }
    }

    pub(super) fn refresh_token(&self) -> Option<&SecretString> {
        self.refresh_token.as_ref().or_else(|| self.token.as_ref()?.refresh_token())
    }

    /// Whether both tell of the same refresh token, by its keyed hash.
    pub(super) fn is_of_same_answer(&self, other: &Self) -> bool {
        let mark = |record: &Self| record.refresh_token().map(|token| fingerprint(token.expose_secret()));
        self.login.id == other.login.id && self.generation == other.generation && mark(self) == mark(other)
    }

    /// A refresh token that the token has too is not kept a second time.
    fn keep_once(&mut self) {
        let mark = |token: &SecretString| fingerprint(token.expose_secret());
        let of_token = self.token.as_ref().and_then(Token::refresh_token).map(mark);
        if self.refresh_token.as_ref().map(mark) == of_token {
            self.refresh_token = None;
        }
    }

    /// `writer` is a number of the set of sessions that writes, whose monotonic clock no other can read.
    pub(super) fn encode(&self, writer: u128) -> Zeroizing<Vec<u8>> {
        let refresh_token = self.refresh_token().map_or("", ExposeSecret::expose_secret);
        let (access_token, scopes) = match &self.token {
            Some(token) => (token.access_token().expose_secret(), token.scopes().join(" ")),
            None => ("", String::new()),
        };
        // As long as it gets at once, so that no copy is left behind by growing.
        let mut bytes = Zeroizing::new(Vec::with_capacity(120 + refresh_token.len() + access_token.len() + scopes.len()));
        bytes.put_u8(LAYOUT);
        bytes.put_u128(self.login.id);
        bytes.put_u64(self.login.began);
        bytes.put_u64(self.generation);
        bytes.put_u8(self.doubts);
        put_text(&mut bytes, refresh_token);
        put_text(&mut bytes, access_token);
        if let Some(token) = &self.token {
            bytes.put_u64(milliseconds(token.requested_at().wall()));
            // No lifetime is that long: all ones stand for "unknown".
            bytes.put_u64(match token.expiry() {
                Expiry::After(lifetime) => u64::try_from(lifetime.as_millis()).unwrap_or(u64::MAX - 1),
                Expiry::Unknown => u64::MAX,
            });
            put_text(&mut bytes, &scopes);
            bytes.put_u128(writer);
            bytes.put_u64(u64::try_from(token.requested_at().monotonic().as_millis()).unwrap_or(u64::MAX));
        }
        bytes
    }

    /// Reads what [`encode`](Self::encode) wrote, perhaps in another process. `Err` says what is wrong with it.
    pub(super) fn decode(mut bytes: &[u8], reader: u128, now: &Moment) -> Result<Self, &'static str> {
        const CUT: &str = "it ends too early";
        let bytes = &mut bytes;
        match bytes.try_get_u8() {
            Ok(LAYOUT) => {}
            Ok(_) => return Err("it was written by a version of this library that is not known here"),
            Err(_) => return Err(CUT),
        }
        let id = bytes.try_get_u128().map_err(|_| CUT)?;
        let began = bytes.try_get_u64().map_err(|_| CUT)?;
        let generation = bytes.try_get_u64().map_err(|_| CUT)?;
        let doubts = bytes.try_get_u8().map_err(|_| CUT)?;
        let refresh_token = text(bytes).ok_or(CUT)?;
        let refresh_token = Some(refresh_token).filter(|token| !token.is_empty()).map(SecretString::from);
        let access_token = text(bytes).ok_or(CUT)?;
        let mut token = None;
        if !access_token.is_empty() {
            let requested_at = bytes.try_get_u64().map_err(|_| CUT)?;
            let lifetime = bytes.try_get_u64().map_err(|_| CUT)?;
            let scopes = text(bytes).ok_or(CUT)?;
            let expiry = if lifetime == u64::MAX { Expiry::Unknown } else { Expiry::After(Duration::from_millis(lifetime)) };
            let writer = bytes.try_get_u128().map_err(|_| CUT)?;
            let monotonic = bytes.try_get_u64().map_err(|_| CUT)?;
            let monotonic = Some(Duration::from_millis(monotonic)).filter(|_| writer == reader);
            if let Some(requested_at) = requested_at_here(requested_at, monotonic, now) {
                let built = Token::bearer(access_token, expiry, requested_at).refresh_token(refresh_token.clone()).scope(scopes);
                token = Some(built.build().map_err(|_| "a token in it is none")?);
            }
        }
        if !bytes.is_empty() {
            return Err("it goes on after its end");
        }
        let mut record = Self { login: Login { id, began }, generation, doubts, token, refresh_token };
        record.keep_once();
        Ok(record)
    }
}

/// The moment of a request by this process's clocks. `None` if it cannot be told without making the token younger than it is.
///
/// Its monotonic time is known where this very set of sessions wrote it down: a wall clock that was set back since then changes nothing. Elsewhere the wall clock is all that there is.
fn requested_at_here(milliseconds: u64, monotonic: Option<Duration>, now: &Moment) -> Option<Moment> {
    let wall = SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(milliseconds))?;
    if let Some(monotonic) = monotonic {
        return Some(Moment::new(wall, monotonic));
    }
    let age = match now.wall().duration_since(wall) {
        Ok(age) => age,
        // The clock that wrote it is ahead. How long ago that was is not known, but for the bound.
        Err(ahead) if ahead.duration() <= TOLERANCE => TOLERANCE,
        Err(_) => return None,
    };
    // From before the start of this machine's monotonic clock, which could then say nothing of its age.
    Some(Moment::new(now.wall().checked_sub(age)?, now.monotonic().checked_sub(age)?))
}

fn milliseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn put_text(bytes: &mut Vec<u8>, text: &str) {
    // Tokens have at most 16,384 bytes, scopes 64 times 128 characters.
    bytes.put_u32(u32::try_from(text.len()).unwrap_or(u32::MAX));
    bytes.put_slice(text.as_bytes());
}

fn text<'a>(bytes: &mut &'a [u8]) -> Option<&'a str> {
    let length = usize::try_from(bytes.try_get_u32().ok()?).ok()?;
    let (text, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    std::str::from_utf8(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    fn at(seconds: u64) -> Moment {
        Moment::new(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + seconds), Duration::from_secs(100_000 + seconds))
    }

    fn token(expiry: Expiry, refresh_token: Option<&str>) -> Token {
        let token = Token::bearer("access-test-only", expiry, at(0)).refresh_token(refresh_token.map(SecretString::from));
        token.scope("name email").build().unwrap()
    }

    fn secret(record: &Record) -> Option<&str> {
        record.refresh_token().map(ExposeSecret::expose_secret)
    }

    #[test]
    fn what_is_written_is_read() {
        for (expiry, refresh_token) in [
            (Expiry::After(HOUR), Some("refresh-test-only")),
            (Expiry::Unknown, Some("refresh-test-only")),
            (Expiry::After(HOUR), None),
        ] {
            let login = Record::of_login(token(expiry, refresh_token), &at(0));
            let apart = login.next(None, Some("rotated-test-only".into()));
            let both = login.next(Some(token(expiry, refresh_token)), Some("rotated-test-only".into())).with_doubts(3);
            for record in [login, apart, both] {
                let read = Record::decode(&record.encode(7), 7, &at(30)).unwrap();
                assert_eq!((read.login, read.generation, read.doubts), (record.login, record.generation, record.doubts));
                assert_eq!(secret(&read), secret(&record));
                assert_eq!(read.token.is_some(), record.token.is_some());
                if let (Some(read), Some(written)) = (read.token, record.token) {
                    assert!(read.has_same_access_token(&written));
                    assert_eq!((read.expiry(), read.scopes()), (written.expiry(), written.scopes()));
                    assert_eq!(read.requested_at(), written.requested_at());
                }
            }
        }
    }

    #[test]
    fn what_an_answer_leaves_out_stays_but_for_the_access_token() {
        let login = Record::of_login(token(Expiry::Unknown, Some("one")), &at(0));
        let cases = [
            (login.next(Some(token(Expiry::Unknown, Some("two"))), Some("two".into())), Some("two"), true),
            (login.next(Some(token(Expiry::Unknown, None)), Some("two".into())), Some("two"), true),
            (login.next(Some(token(Expiry::Unknown, Some("two"))), None), Some("two"), true),
            (login.next(Some(token(Expiry::Unknown, None)), None), Some("one"), true),
            (login.next(None, Some("two".into())), Some("two"), false),
        ];
        for (next, refresh_token, has_token) in cases {
            assert_eq!((secret(&next), next.token.is_some()), (refresh_token, has_token));
            assert_eq!((next.login.id, next.generation), (login.login.id, 2));
        }
    }

    #[test]
    fn no_token_gets_younger_by_being_kept() {
        let record = Record::of_login(token(Expiry::After(HOUR), Some("refresh-test-only")), &at(0));
        let left = |now: &Moment| Some(Record::decode(&record.encode(7), 8, now).unwrap().token?.lifetime_left(now).unwrap());
        assert_eq!(left(&at(0)), Some(HOUR));
        assert_eq!(left(&at(600)), Some(HOUR - Duration::from_secs(600)));
        assert_eq!(left(&at(4_000)), Some(Duration::ZERO));
        // A clock that lags behind the one that wrote it: as old as it may be.
        let behind = |seconds| Moment::new(at(0).wall() - Duration::from_secs(seconds), at(0).monotonic());
        assert_eq!(left(&behind(1)), Some(HOUR - TOLERANCE));
        assert_eq!(left(&behind(60)), Some(HOUR - TOLERANCE));
        assert_eq!(left(&behind(61)), None);
        // Set back since this very set of sessions wrote it: the monotonic clock tells.
        let set_back = Moment::new(at(0).wall() - HOUR, at(4_000).monotonic());
        let kept = Record::decode(&record.encode(7), 7, &set_back).unwrap().token.unwrap();
        assert_eq!(kept.lifetime_left(&set_back), Some(Duration::ZERO));
        // A machine that started after the request.
        assert_eq!(left(&Moment::new(at(600).wall(), Duration::from_secs(599))), None);
        assert!(Record::decode(&record.encode(7), 8, &behind(61)).unwrap().refresh_token().is_some());
    }

    #[test]
    fn what_is_cut_or_longer_or_of_another_layout_is_refused() {
        let bytes = Record::of_login(token(Expiry::After(HOUR), Some("refresh-test-only")), &at(0)).encode(7);
        for length in 0..bytes.len() {
            assert!(Record::decode(&bytes[..length], 7, &at(0)).is_err(), "{length}");
        }
        let longer = [&bytes[..], b"\0"].concat();
        assert!(Record::decode(&longer, 7, &at(0)).is_err());
        let mut other = bytes.to_vec();
        other[0] = LAYOUT + 1;
        assert!(Record::decode(&other, 7, &at(0)).is_err());
    }
}
