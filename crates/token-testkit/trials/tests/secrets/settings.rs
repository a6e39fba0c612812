//! Settings that are wrong, each with a secret in it or beside it.

use std::ffi::OsString;

use provider_klikoo::Klikoo;
use provider_prakerja::Prakerja;
use provider_sehatmu::SehatMu;
use token_store::{AeadSeal, SealKey};
use transport_reqwest::ReqwestTransport;

use crate::world::{ODD, World};

const VARIABLES: [&str; 22] = [
    "SEHATMU_BASE_URL",
    "SEHATMU_CLIENT_ID",
    "SEHATMU_CLIENT_SECRET",
    "KLIKOO_BASE_URL",
    "KLIKOO_CLIENT_ID",
    "KLIKOO_CLIENT_SECRET",
    "KLIKOO_PRIVATE_KEY",
    "KLIKOO_PRIVATE_KEY_FILE",
    "KLIKOO_TIMESTAMP_PRECISION",
    "PRAKERJA_BASE_URL",
    "PRAKERJA_CLIENT_CODE",
    "PRAKERJA_CLIENT_NAME",
    "PRAKERJA_CONSENT_URL",
    "PRAKERJA_LOGIN_URI",
    "PRAKERJA_AUTHORIZATION_STYLE",
    "PRAKERJA_REDIRECT_URI",
    "PRAKERJA_REFRESH_PATH",
    "PRAKERJA_SCOPE",
    "PRAKERJA_SIGN_KEY",
    "PRAKERJA_CLIENT_ID",
    "NONE",
    "ALL",
];

pub(crate) fn bad(world: &mut World) {
    let secret = format!("secret-among-settings-Pw4{ODD}");
    world.knows("a secret among settings", &secret);
    let spoilt = [
        format!("{secret}\n"),
        format!(" {secret}"),
        format!("{secret}\u{e9}"),
        format!("https://user:{secret}@service.example?{secret}"),
    ];
    for text in &spoilt {
        for wrong in VARIABLES {
            let lookup = |name: &str| {
                let is_wrong = wrong == "ALL" || wrong == name;
                // A client id and a name are shown, so a secret there is the program's own fault.
                let shown = ["_CLIENT_ID", "_CLIENT_NAME", "_SCOPE"].iter().any(|end| name.ends_with(end));
                (is_wrong && !shown).then(|| OsString::from(text))
            };
            if let Some(builder) = world.shows(SehatMu::from_lookup(lookup)) {
                world.shows(builder.build());
            }
            if let Some(builder) = world.shows(Klikoo::from_lookup(lookup)) {
                world.shows(builder.build());
            }
            if let Some(builder) = world.shows(Prakerja::from_lookup(lookup)) {
                world.shows(builder.build());
            }
        }
        world.shows(SehatMu::builder().base_url(text).client_secret(text.as_str()).build());
        world.shows(Klikoo::builder().base_url(text).client_secret(text.as_str()).private_key(text.as_str()).build());
        world.shows(Klikoo::builder().private_key(text.as_str()).private_key_file(text).build());
        let prakerja = Prakerja::builder().base_url(text).consent_url(text).redirect_uri(text).login_uri(text).refresh_path(text);
        world.shows(prakerja.sign_key(text.as_str()).client_code(text).build());
        world.shows(SealKey::from_text(1, text));
        world.shows(ReqwestTransport::builder().proxy(text).build());
        world.shows(ReqwestTransport::builder().root_certificate_pem(text).build());
        world.shows(ReqwestTransport::builder().user_agent(text).build());
    }
    let double = AeadSeal::new(SealKey::new(1, [1; 32]).unwrap())
        .with_old_key(SealKey::new(1, *b"seal-key-of-32-bytes-for-a-file-").unwrap());
    world.shows(double);
    // Configuration files.
    for file in [
        "{\"client_secret\":[SECRET]}",
        "{\"client_secret\":{\"a\":SECRET}}",
        "{\"sign_key\":[SECRET]}",
        "{\"client_secret\":SECRET,\"client_secret\":SECRET}",
        "{\"private_key\":SECRET",
        "{\"sign_key\":SECRET,\"x\":1}",
    ] {
        let file = file.replace("SECRET", &serde_json::to_string(&secret).unwrap());
        world.shows(serde_json::from_str::<provider_sehatmu::Config>(&file));
        world.shows(serde_json::from_str::<provider_klikoo::Config>(&file));
        world.shows(serde_json::from_str::<provider_prakerja::Config>(&file));
    }
    world.search("settings");
}
