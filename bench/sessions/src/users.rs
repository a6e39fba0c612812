//! Invented users and their tokens.

use std::fmt::Debug;
use std::time::Duration;

use token_core::{Clock as _, Expiry, Moment, Sessions, SystemClock, Token};

use crate::grant::Mint;

/// The access token's length in bytes: about that of a signed one.
pub(crate) const ACCESS_BYTES: usize = 1_024;
/// The refresh token's.
pub(crate) const REFRESH_BYTES: usize = 128;
/// How long an access token lives.
pub(crate) const LIFETIME: Duration = Duration::from_secs(60 * 60);

/// The strings of one session, each counted once: name, both tokens, and the header.
pub(crate) const STRINGS: usize = NAME_BYTES + ACCESS_BYTES + REFRESH_BYTES + "Bearer ".len() + ACCESS_BYTES;

const NAME_BYTES: usize = 13;

/// The name of a user, made without an allocation.
pub(crate) struct Name([u8; NAME_BYTES]);

impl Name {
    #[inline]
    pub(crate) fn of(number: usize) -> Self {
        let mut name = *b"user-00000000";
        let mut rest = number;
        for digit in name.iter_mut().rev().take(8) {
            let low = (rest % 16) as u8;
            *digit = if low < 10 { b'0' + low } else { b'a' + low - 10 };
            rest /= 16;
        }
        Self(name)
    }

    #[inline]
    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// The token of the user of this number: of the login, or of the refresh of this number.
pub(crate) fn token(user: usize, refreshes: u64, asked_at: Moment) -> Result<Token, String> {
    let access = padded(&format!("access-test-only.{user}.{refreshes}."), ACCESS_BYTES);
    let refresh = padded(&format!("refresh-test-only.{user}.{refreshes}."), REFRESH_BYTES);
    let builder = Token::bearer(access, Expiry::After(LIFETIME), asked_at).refresh_token(Some(refresh.into()));
    builder.build().map_err(|fault| fault.to_string())
}

/// The user and the number in a refresh token of [`token`].
pub(crate) fn read(refresh_token: &str) -> Option<(usize, u64)> {
    let mut parts = refresh_token.split('.').skip(1);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// Exactly as long as it gets, so that no room is left over.
fn padded(text: &str, length: usize) -> String {
    let mut padded = String::with_capacity(length);
    padded.push_str(text);
    padded.extend(std::iter::repeat_n('x', length.saturating_sub(text.len())));
    padded
}

/// Logs so many users in, one after the other.
pub(crate) async fn log_in(sessions: &Sessions<Mint>, users: usize) -> Result<(), String> {
    for user in 0..users {
        let token = token(user, 0, SystemClock.now())?;
        sessions.log_in(Name::of(user).as_str(), token).await.map_err(shown)?;
    }
    Ok(())
}

/// An error in few words.
pub(crate) fn shown(error: impl Debug) -> String {
    format!("{error:?}").chars().take(200).collect()
}
