//! What every generated enum of error codes must do.

use std::collections::HashSet;
use std::error::Error as _;
use std::fmt::Display;

use provider_klikoo::{KlikooErrorCode, Service};
use provider_prakerja::PrakerjaErrorCode;
use provider_sehatmu::SehatMuErrorCode;
use token_core::{ErrorKind, Language, Remedy};

/// One body for enums that share a shape and no trait.
macro_rules! every_code {
    ($name:ident, $page:literal) => {{
        let page = concat!("https://docs.rs/provider-", $page, "/latest/provider_", $page, "/service/index.html");
        assert!(!$name::ALL.is_empty());
        let mut seen = HashSet::new();
        for code in $name::ALL {
            assert!(seen.insert(code.code()), "{code:?} twice");
            assert_eq!(&$name::from_code(code.code()), code);
            assert_eq!(code.code().parse().as_ref(), Ok(code));
            let json = serde_json::to_string(code).unwrap();
            assert_eq!(json, format!("{:?}", code.code()));
            assert_eq!(&serde_json::from_str::<$name>(&json).unwrap(), code);
            assert!(code.http_status().is_some_and(|status| (400..600).contains(&status)), "{code:?}");
            let [english, indonesian] = [Language::English, Language::Indonesian].map(|language| code.meaning(language));
            assert!(english != indonesian && !english.is_empty() && !indonesian.is_empty(), "{code:?}");
            assert_eq!(code.to_string(), english);
            assert!(code.source().is_none());
            assert!(code.help_url().strip_prefix(page).is_some_and(|rest| rest.starts_with('#')), "{}", code.help_url());
            assert!(seen.insert(code.help_url()), "{code:?}");
            assert_ne!(code.kind(), ErrorKind::Internal, "{code:?}: that is a fault of this program, not of a service");
        }
        for odd in ["", "nonsense", "\u{1b}[31m", " ", "401xx", "ERROAUTH", "INVALID_CLIENT", "\u{e9}\u{e9}\u{e9}", "{}"] {
            let unknown = $name::from_code(odd);
            assert_eq!(unknown, $name::Unknown(odd.to_owned()));
            assert_eq!((unknown.code(), unknown.http_status(), unknown.message()), (odd, None, ""));
            assert_eq!((unknown.kind(), unknown.remedy()), (ErrorKind::RequestRefused, Remedy::ContactService));
            assert_eq!(unknown.help_url(), page);
            let json = serde_json::to_string(&unknown).unwrap();
            assert_eq!(serde_json::from_str::<$name>(&json).unwrap(), unknown);
            assert!(odd.trim().is_empty() || !unknown.to_string().contains(odd), "untrusted text is not shown by itself");
        }
        assert!(serde_json::from_str::<$name>("7").is_err());
    }};
}

#[test]
fn every_code_is_read_and_written_and_explained() {
    every_code!(KlikooErrorCode, "klikoo");
    every_code!(PrakerjaErrorCode, "prakerja");
    every_code!(SehatMuErrorCode, "sehatmu");
}

#[test]
fn every_service_of_klikoo_is_read_and_written_and_explained() {
    fn shown(service: impl Display) -> String {
        service.to_string()
    }
    for (number, service) in (0..).zip(Service::ALL) {
        assert_eq!((Service::from_number(number), service.number()), (*service, number));
        assert_eq!(shown(service), service.meaning(Language::English));
        assert_ne!(service.meaning(Language::English), service.meaning(Language::Indonesian));
    }
    assert_eq!((Service::ALL.len(), Service::from_number(99), Service::Other(99).number()), (5, Service::Other(99), 99));
}
