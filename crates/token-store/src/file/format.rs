//! What files are called, and what is in one.

use std::fmt::Write as _;

use aws_lc_rs::digest::{SHA256, digest};

use token_core::{SessionKey, seal_context};

/// How a session's file begins. The last byte is the format's number.
const MAGIC: [u8; 8] = *b"session1";

/// Apart from whatever else is hashed or sealed by a session's key.
const NAME_LABEL: &[u8] = b"token-store file name 1";
const CONTENT_LABEL: &[u8] = b"token-store file content 1";

/// Nothing that is read or written is larger, in bytes.
pub(super) const LARGEST: usize = 256 * 1024;

/// Random, new with every write, and so the version of what was written. It stands in the clear and is bound to what is sealed.
pub(super) type Id = [u8; 16];

/// The names of all files of one session, and what its seal is bound to.
pub(super) struct Names {
    key: Vec<u8>,
    hash: String,
}

impl Names {
    pub(super) fn of(key: &SessionKey) -> Self {
        let key = key.to_bytes();
        let hash = hexadecimal(digest(&SHA256, &seal_context(&[NAME_LABEL, &key])).as_ref());
        Self { key, hash }
    }

    /// What is kept.
    pub(super) fn session(&self) -> String {
        format!("{}.session", self.hash)
    }

    /// The lock of a write.
    pub(super) fn lock(&self) -> String {
        format!("{}.{}", self.hash, Rest::LOCK)
    }

    /// The lock that is a lease.
    pub(super) fn lease(&self) -> String {
        format!("{}.{}", self.hash, Rest::LEASE)
    }

    /// What is being written, under the lock.
    pub(super) fn unfinished(&self, random: [u8; 8]) -> String {
        format!("{}.{}.{}", self.hash, hexadecimal(&random), Rest::UNFINISHED)
    }

    pub(super) fn context(&self, id: &Id) -> Vec<u8> {
        seal_context(&[CONTENT_LABEL, &self.key, id])
    }
}

/// A file that a killed process may have left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    /// A lock file of either kind.
    Lock,
    /// Something unfinished, with the name of the lock that it was written under.
    Unfinished(String),
}

impl Rest {
    const LEASE: &str = "lease";
    const LOCK: &str = "lock";
    const UNFINISHED: &str = "new";

    /// `None`: no name that we give to such a file.
    pub(super) fn of(name: &str) -> Option<Self> {
        let mut parts = name.split('.');
        let hash = parts.next().filter(|hash| is_hexadecimal(hash, 64))?;
        match (parts.next()?, parts.next(), parts.next()) {
            (Self::LEASE | Self::LOCK, None, None) => Some(Self::Lock),
            (random, Some(Self::UNFINISHED), None) if is_hexadecimal(random, 16) => {
                Some(Self::Unfinished(format!("{hash}.{}", Self::LOCK)))
            }
            _ => None,
        }
    }
}

/// A session's file.
pub(super) fn join(id: &Id, sealed: &[u8]) -> Vec<u8> {
    [&MAGIC[..], id, sealed].concat()
}

/// What is in a session's file. `None`: it is none.
pub(super) fn split(file: &[u8]) -> Option<(&Id, &[u8])> {
    file.strip_prefix(&MAGIC)?.split_first_chunk()
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // To write to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn is_hexadecimal(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use token_core::Realm;

    use super::*;

    #[test]
    fn only_names_of_our_own_are_rests() {
        let names = Names::of(&SessionKey::new(Arc::new(Realm::new("test")), "user-test-only"));
        assert_eq!(Rest::of(&names.lock()), Some(Rest::Lock));
        assert_eq!(Rest::of(&names.lease()), Some(Rest::Lock));
        let unfinished = names.unfinished([7; 8]);
        assert_eq!(Rest::of(&unfinished), Some(Rest::Unfinished(names.lock())));
        let foreign = [
            names.session(),
            "lock".to_owned(),
            "abc.lock".to_owned(),
            format!("{}.bak", names.lock()),
            format!("x{}", names.lock()),
            names.lock().to_uppercase(),
            format!("{}.x.new", names.hash),
            format!("{}.new", names.hash),
            format!("{unfinished}.new"),
            String::new(),
        ];
        for name in foreign {
            assert_eq!(Rest::of(&name), None, "{name}");
        }
    }

    #[test]
    fn a_name_is_the_same_in_every_version() {
        let names = Names::of(&SessionKey::new(Arc::new(Realm::new("test").with("base_url", "a")), "user-test-only"));
        // By another implementation of SHA-256.
        let expected = "a7742a676c3bb28351dbdd726620d4e22af7dd80ab467f916c3dbf02416e7a28.session";
        assert_eq!(names.session(), expected);
    }
}
