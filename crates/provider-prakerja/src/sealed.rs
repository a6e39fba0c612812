//! The outward form of a login that is under way, for a cookie or wherever else a program keeps it.

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use token_core::{Moment, Seal, SealError, seal_context};

use crate::PROVIDER;
use crate::login::{Client, LONGEST_LOGIN, STATE_LENGTH};
use crate::return_path::ReturnPath;
use crate::web::WebLoginError;

/// What is in the seal. Another version is another context, so neither opens as the other.
///
/// If Prakerja documents PKCE, version 2 has a `code_verifier` after the state.
const VERSION: &[u8] = b"pending login 1";

/// Longer than any that was sealed here. What is longer is not even decoded.
const LONGEST: usize = 4_096;

/// How far ahead the clock may be of the server that began a login.
const TOLERANCE: Duration = Duration::from_secs(60);

/// What a sealed login is for. It opens for the same alone.
#[derive(Clone, Copy)]
pub(crate) enum Purpose<'a> {
    /// The cookie of a [`WebLogin`](crate::WebLogin).
    Cookie,
    /// What the program says.
    Own(&'a str),
}

impl Purpose<'_> {
    fn context(self, client: &Client) -> Vec<u8> {
        let (kind, name) = match self {
            Self::Cookie => ("cookie", ""),
            Self::Own(name) => ("own", name),
        };
        let Client { base_url, client_id, redirect_uri } = client;
        let parts = [PROVIDER.as_bytes(), VERSION, kind.as_bytes(), name.as_bytes()];
        seal_context(&[&parts[..], &[base_url.as_bytes(), client_id.as_bytes(), redirect_uri.as_bytes()]].concat())
    }
}

/// A login without what every process knows by itself.
pub(crate) struct Sealed {
    pub(crate) state: Zeroizing<String>,
    /// By the wall clock: servers share no other.
    pub(crate) began: SystemTime,
    pub(crate) return_to: ReturnPath,
}

impl Sealed {
    /// Seals it, as URL-safe Base64.
    pub(crate) fn seal(&self, seal: &dyn Seal, purpose: Purpose<'_>, client: &Client) -> Result<String, SealError> {
        let sealed = Zeroizing::new(seal.seal(&purpose.context(client), &self.write())?);
        Ok(BASE64_URL_SAFE_NO_PAD.encode(sealed.as_slice()))
    }

    /// Opens what [`seal`](Self::seal) gave, if that login is under way at `now`.
    pub(crate) fn open(
        seal: &dyn Seal,
        purpose: Purpose<'_>,
        client: &Client,
        text: &[u8],
        now: &Moment,
    ) -> Result<Self, WebLoginError> {
        if text.len() > LONGEST {
            return Err(WebLoginError::Unreadable(SealError::Malformed));
        }
        let sealed = BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| WebLoginError::Unreadable(SealError::Malformed))?;
        let sealed = Zeroizing::new(sealed);
        let plain = seal.open(&purpose.context(client), &sealed).map_err(|error| match error {
            SealError::Unavailable => WebLoginError::KeysUnavailable(error),
            _ => WebLoginError::Unreadable(error),
        })?;
        let (login, ends) = Self::read(&plain).ok_or(WebLoginError::Unreadable(SealError::Malformed))?;
        let now = now.wall();
        if login.began.duration_since(now).is_ok_and(|ahead| ahead > TOLERANCE) {
            return Err(WebLoginError::FromTheFuture);
        }
        if ends <= now {
            return Err(WebLoginError::Expired);
        }
        Ok(login)
    }

    /// Beginning and end in Unix milliseconds, 8 bytes each; the state; the return path.
    fn write(&self) -> Zeroizing<Vec<u8>> {
        let began = unix_milliseconds(self.began);
        let ends = began.saturating_add(unix_milliseconds(SystemTime::UNIX_EPOCH + LONGEST_LOGIN));
        let texts = [self.state.as_bytes(), self.return_to.as_str().as_bytes()];
        // In one piece, so that no copy of the state is left behind.
        let mut plain = Zeroizing::new(Vec::with_capacity(16 + texts.iter().map(|text| text.len()).sum::<usize>()));
        plain.extend_from_slice(&began.to_be_bytes());
        plain.extend_from_slice(&ends.to_be_bytes());
        texts.iter().for_each(|text| plain.extend_from_slice(text));
        plain
    }

    /// The login and its end.
    fn read(plain: &[u8]) -> Option<(Self, SystemTime)> {
        let (began, rest) = plain.split_first_chunk()?;
        let (ends, rest) = rest.split_first_chunk()?;
        let (state, return_to) = rest.split_at_checked(STATE_LENGTH)?;
        let time = |bytes: &[u8; 8]| SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(u64::from_be_bytes(*bytes)));
        let (began, ends) = (time(began)?, time(ends)?);
        if ends.duration_since(began).ok()? > LONGEST_LOGIN {
            return None;
        }
        let state = Zeroizing::new(std::str::from_utf8(state).ok()?.to_owned());
        let return_to = ReturnPath::parse(std::str::from_utf8(return_to).ok()?).ok()?;
        Some((Self { state, began, return_to }, ends))
    }
}

/// A clock before 1970 reads as 1970.
fn unix_milliseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login() -> Sealed {
        Sealed {
            state: Zeroizing::new("s".repeat(STATE_LENGTH)),
            began: SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_392_000_123),
            return_to: ReturnPath::parse("/kelas?tab=1").unwrap(),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let login = login();
        let (read, ends) = Sealed::read(&login.write()).unwrap();
        assert_eq!((&read.state, read.began, &read.return_to), (&login.state, login.began, &login.return_to));
        assert_eq!(ends, login.began + LONGEST_LOGIN);
        let early = Sealed { began: SystemTime::UNIX_EPOCH - Duration::from_secs(9), ..self::login() };
        assert_eq!(Sealed::read(&early.write()).unwrap().0.began, SystemTime::UNIX_EPOCH);
    }

    #[test]
    fn what_was_not_written_here_is_not_read() {
        let plain = login().write();
        // Cut short, as far as to leave no return path.
        for length in 0..=16 + STATE_LENGTH {
            assert!(Sealed::read(&plain[..length]).is_none(), "{length}");
        }
        let mut long = plain.to_vec();
        long[15] ^= 1;
        assert!(Sealed::read(&long).is_none_or(|(login, ends)| ends < login.began + LONGEST_LOGIN));
        long[8] = 0xff;
        assert!(Sealed::read(&long).is_none(), "no login lasts so long");
        let mut reversed = plain.to_vec();
        reversed[8..16].copy_from_slice(&[0; 8]);
        assert!(Sealed::read(&reversed).is_none(), "its end is before its beginning");
        let mut elsewhere = plain.to_vec();
        elsewhere.truncate(16 + STATE_LENGTH);
        elsewhere.extend_from_slice(b"//evil.example");
        assert!(Sealed::read(&elsewhere).is_none());
        let mut bytes = plain.to_vec();
        bytes[20] = 0xff;
        assert!(Sealed::read(&bytes).is_none(), "no text");
        assert!(Sealed::read(&[0xff; 80]).is_none());
    }
}
