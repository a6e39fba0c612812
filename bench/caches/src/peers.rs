//! The peers, each made and asked as its own documentation shows, against the loopback server.

mod aliri;
mod aws;
mod azure;
mod gcp_auth;
mod google;
mod huskarl;
mod object_store;
mod reqsign;
mod yup;

use std::sync::OnceLock;

pub(crate) use self::aliri::Aliri;
pub(crate) use self::aws::Aws;
pub(crate) use self::azure::Azure;
pub(crate) use self::gcp_auth::GcpAuth;
pub(crate) use self::google::{GoogleHeaders, GoogleTag, GoogleToken};
pub(crate) use self::huskarl::{Huskarl, HuskarlHeaders};
pub(crate) use self::object_store::ObjectStore;
pub(crate) use self::reqsign::Reqsign;
pub(crate) use self::yup::Yup;
use crate::subject::shown;

/// The key with which service accounts sign, as PKCS#8 in PEM. It is made anew in each process and nobody trusts it.
fn service_key() -> Result<&'static str, String> {
    static KEY: OnceLock<Result<String, String>> = OnceLock::new();
    let made = KEY.get_or_init(|| {
        let key = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048);
        key.map(|key| key.serialize_pem()).map_err(shown)
    });
    made.as_deref().map_err(Clone::clone)
}

/// A service account in the form of Google's files, whose tokens come from the site at `base`.
fn service_account(base: &str) -> Result<serde_json::Value, String> {
    Ok(serde_json::json!({
        "type": "service_account", "project_id": "project", "private_key_id": "key", "private_key": service_key()?,
        "client_email": "account@example.test", "client_id": "1", "auth_uri": format!("{base}/auth"),
        "token_uri": format!("{base}/token"), "auth_provider_x509_cert_url": "", "client_x509_cert_url": "",
    }))
}
