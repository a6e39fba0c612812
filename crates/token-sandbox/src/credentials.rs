//! The invented clients and users of a sandbox. All ids and secrets are made at random at its start.

use std::fmt;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::random;

/// With an ampersand and spaces, so that a client that encodes badly is found out.
const CLIENT_NAME: &str = "Lembaga Contoh & Rekan";
const REDIRECT_URI: &str = "http://127.0.0.1:8080/callback";
const LOGIN_URI: &str = "http://127.0.0.1:8080/login";

/// A client registered with the sandbox's Prakerja.
#[derive(Clone)]
pub struct PrakerjaCredentials {
    client_id: String,
    client_name: String,
    client_code: String,
    sign_key: String,
    redirect_uri: String,
    login_uri: String,
}

impl PrakerjaCredentials {
    pub(crate) fn invent(redirect_uri: Option<&String>, login_uri: Option<&String>) -> Result<Self, Unspecified> {
        Ok(Self {
            client_id: format!("lp-{}", random::hex::<8>()?),
            client_name: CLIENT_NAME.to_owned(),
            client_code: format!("sandbox-{}", random::hex::<4>()?),
            sign_key: random::hex::<32>()?,
            redirect_uri: redirect_uri.map_or(REDIRECT_URI, String::as_str).to_owned(),
            login_uri: login_uri.map_or(LOGIN_URI, String::as_str).to_owned(),
        })
    }

    /// The value of `X-Client-Id` and of the query parameter `client_id`. No secret.
    #[must_use]
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// The name that the consent page checks and shows.
    #[must_use]
    pub fn client_name(&self) -> &str {
        &self.client_name
    }

    /// The client code that a signed request puts first.
    #[must_use]
    pub fn client_code(&self) -> &str {
        &self.client_code
    }

    /// The secret with which a request to the generate-URL endpoint is signed.
    #[must_use]
    pub fn sign_key(&self) -> &str {
        &self.sign_key
    }

    /// A redirect address that the sandbox takes: the first registered one, or one on loopback.
    #[must_use]
    pub fn redirect_uri(&self) -> &str {
        &self.redirect_uri
    }

    /// A login address that the sandbox takes: the first registered one, or one on loopback.
    #[must_use]
    pub fn login_uri(&self) -> &str {
        &self.login_uri
    }
}

impl fmt::Debug for PrakerjaCredentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("PrakerjaCredentials")
            .field("client_id", &self.client_id)
            .field("redirect_uri", &self.redirect_uri)
            .field("login_uri", &self.login_uri)
            .finish_non_exhaustive()
    }
}

/// An invented person who can log in to the sandbox's Prakerja.
#[derive(Clone, Debug)]
pub struct PrakerjaUser {
    id: String,
    name: &'static str,
    email: &'static str,
    phone_number: &'static str,
    prakerja_id: &'static str,
}

impl PrakerjaUser {
    pub(crate) fn invent() -> Result<Vec<Self>, Unspecified> {
        // Telephone numbers of all zeros are assigned to nobody.
        Ok(vec![
            Self {
                id: random::uuid()?,
                name: "Siti Contoh",
                email: "siti@contoh.example",
                phone_number: "+620000000001",
                prakerja_id: "PRA-CONTOH-0001",
            },
            Self {
                id: random::uuid()?,
                name: "Budi Contoh",
                email: "budi@contoh.example",
                phone_number: "+620000000002",
                prakerja_id: "PRA-CONTOH-0002",
            },
        ])
    }

    /// The id, as in the profile's `user_id`.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The name, given for the scope `name`.
    #[must_use]
    pub fn name(&self) -> &str {
        self.name
    }

    /// The address, given for the scope `email`.
    #[must_use]
    pub fn email(&self) -> &str {
        self.email
    }

    /// The telephone number, given for the scope `notelp`.
    #[must_use]
    pub fn phone_number(&self) -> &str {
        self.phone_number
    }

    /// The Prakerja number, given for the scope `prakerjaid`.
    #[must_use]
    pub fn prakerja_id(&self) -> &str {
        self.prakerja_id
    }
}

/// A client of the sandbox's SehatMu.
#[derive(Clone)]
pub struct SehatMuCredentials {
    client_id: String,
    client_secret: String,
}

impl SehatMuCredentials {
    pub(crate) fn invent() -> Result<Self, Unspecified> {
        Ok(Self { client_id: format!("{}.sehatmu.client", random::uuid()?), client_secret: random::hex::<32>()? })
    }

    /// The client id: a UUID and `.sehatmu.client`.
    #[must_use]
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// The client secret: 64 hexadecimal digits.
    #[must_use]
    pub fn client_secret(&self) -> &str {
        &self.client_secret
    }
}

impl fmt::Debug for SehatMuCredentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SehatMuCredentials").field("client_id", &self.client_id).finish_non_exhaustive()
    }
}

/// A client of the sandbox's Klikoo.
#[derive(Clone)]
pub struct KlikooCredentials {
    client_id: String,
    client_secret: String,
    private_key_pem: String,
}

impl KlikooCredentials {
    /// Invents a client; the second value is the public half of its key, as DER.
    pub(crate) fn invent() -> Result<(Self, Vec<u8>), Unspecified> {
        let pair = KeyPair::generate(KeySize::Rsa2048)?;
        let private: Pkcs8V1Der<'static> = pair.as_der()?;
        let public: PublicKeyX509Der<'static> = pair.public_key().as_der()?;
        let credentials = Self {
            client_id: random::uuid()?,
            client_secret: random::hex::<16>()?,
            private_key_pem: pem("PRIVATE KEY", private.as_ref()),
        };
        Ok((credentials, public.as_ref().to_vec()))
    }

    /// The client id: a UUID.
    #[must_use]
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// The client secret: 32 characters.
    #[must_use]
    pub fn client_secret(&self) -> &str {
        &self.client_secret
    }

    /// The private key of 2048 bits as PKCS#8 in PEM. Its public half is registered at the sandbox's start.
    #[must_use]
    pub fn private_key_pem(&self) -> &str {
        &self.private_key_pem
    }
}

impl fmt::Debug for KlikooCredentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("KlikooCredentials").field("client_id", &self.client_id).finish_non_exhaustive()
    }
}

/// RFC 7468: lines of 64 characters between the markers.
fn pem(label: &str, der: &[u8]) -> String {
    let mut text = format!("-----BEGIN {label}-----\n");
    for (index, character) in BASE64_STANDARD.encode(der).chars().enumerate() {
        if index > 0 && index % 64 == 0 {
            text.push('\n');
        }
        text.push(character);
    }
    text.push_str(&format!("\n-----END {label}-----\n"));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_debug_shows_a_secret() {
        let prakerja = PrakerjaCredentials::invent(None, None).unwrap();
        let sehatmu = SehatMuCredentials::invent().unwrap();
        let (klikoo, _) = KlikooCredentials::invent().unwrap();
        assert!(!format!("{prakerja:?}").contains(prakerja.sign_key()));
        assert!(!format!("{sehatmu:?}").contains(sehatmu.client_secret()));
        let shown = format!("{klikoo:?}");
        assert!(!shown.contains(klikoo.client_secret()) && !shown.contains("PRIVATE"), "{shown}");
    }

    #[test]
    fn the_private_key_is_pkcs8_in_lines_of_64() {
        let (klikoo, _) = KlikooCredentials::invent().unwrap();
        let pem = klikoo.private_key_pem();
        assert!(pem.starts_with("-----BEGIN PRIVATE KEY-----\n") && pem.ends_with("\n-----END PRIVATE KEY-----\n"));
        assert!(pem.lines().all(|line| (1..=64).contains(&line.len())));
    }
}
