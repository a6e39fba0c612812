//! Bad settings of every provider, the transport and the stores: each is refused by its name, with what to do, and without its value.
//!
//! Each value has the canary in it, so that one search tells whether any is shown. The crates' own tests go into each setting in more depth.
#![allow(clippy::panic, clippy::unwrap_used, missing_docs, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::ffi::OsString;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use provider_klikoo::{Klikoo, KlikooBuilder};
use provider_prakerja::{Prakerja, PrakerjaBuilder};
use provider_sehatmu::{SehatMu, SehatMuBuilder};
use token_core::settings::SettingsError;
use token_core::{Error, ErrorKind, Remedy, TokenRequest, TokenResponse, Transport, TransportError};
use token_store::{AeadSeal, FileStore, SealKey};
use transport_reqwest::{ReqwestTransport, ReqwestTransportBuilder};

/// In upper and lower case, in Base64 and in hexadecimal it is looked for too.
const CANARY: &str = "canary7461";

const CLIENT_ID: &str = "3f9c8962-4c4b-4bb6-b3c1-8fc883519c02";

/// What a bad setting came to.
struct Refusal {
    /// The settings that it names.
    names: Vec<String>,
    /// All that a program may print of it.
    shown: String,
    /// Whether there is a fix for each.
    has_fix: bool,
}

impl Refusal {
    fn of(error: &(impl StdError + 'static), names: Vec<String>, has_fix: bool) -> Self {
        let mut shown = format!("{error} {error:?} {error:#?}");
        let mut cause = error.source();
        while let Some(error) = cause {
            shown.push_str(&format!(" {error} {error:?}"));
            cause = error.source();
        }
        Self { names, shown, has_fix }
    }
}

impl From<SettingsError> for Refusal {
    fn from(error: SettingsError) -> Self {
        let names = error.faults().iter().map(|fault| fault.setting().to_owned()).collect();
        let has_fix = error.faults().iter().all(|fault| !fault.fix().is_empty() && !fault.found().is_empty());
        let mut refusal = Self::of(&error, names, has_fix);
        let error = Error::from(error);
        assert_eq!((error.kind(), error.remedy()), (ErrorKind::Configuration, Remedy::FixConfiguration));
        refusal.shown.push_str(&format!(" {error} {error:?}"));
        refusal
    }
}

impl From<transport_reqwest::TransportBuildError> for Refusal {
    fn from(error: transport_reqwest::TransportBuildError) -> Self {
        Self::of(&error, vec![error.setting().to_owned()], error.to_string().contains(": "))
    }
}

/// Nothing is ever sent here.
struct Nowhere;

#[async_trait]
impl Transport for Nowhere {
    async fn send(&self, _request: TokenRequest) -> Result<TokenResponse, TransportError> {
        panic!("a request was made of a bad setting")
    }
}

static KEY: LazyLock<String> = LazyLock::new(|| {
    use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
    let key = aws_lc_rs::rsa::KeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).unwrap();
    let der: Pkcs8V1Der<'_> = key.as_der().unwrap();
    pem("PRIVATE KEY", der.as_ref())
});

fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", BASE64_STANDARD.encode(der))
}

fn klikoo() -> KlikooBuilder {
    Klikoo::builder()
        .base_url("https://service.example/klikoo-b2b")
        .client_id(CLIENT_ID)
        .client_secret("secret-test-only")
        .private_key(KEY.as_str())
        .transport(Arc::new(Nowhere))
}

fn klikoo_without_key() -> KlikooBuilder {
    Klikoo::builder()
        .base_url("https://service.example/klikoo-b2b")
        .client_id(CLIENT_ID)
        .client_secret("secret-test-only")
        .transport(Arc::new(Nowhere))
}

fn prakerja() -> PrakerjaBuilder {
    Prakerja::builder()
        .client_id("lp-test-only")
        .client_name("Lembaga Contoh")
        .redirect_uri("https://lp.example/callback")
        .login_uri("https://lp.example/login")
        .transport(Arc::new(Nowhere))
}

fn sehatmu() -> SehatMuBuilder {
    SehatMu::builder()
        .base_url("https://service.example")
        .client_id("id.sehatmu.client")
        .client_secret("secret-test-only")
        .transport(Arc::new(Nowhere))
}

/// Where a setting is given.
#[derive(Default)]
struct Table {
    counts: BTreeMap<&'static str, usize>,
    wrong: Vec<String>,
}

impl Table {
    /// `shown_before` is the builder, before anything was checked.
    fn row(&mut self, place: &'static str, setting: &str, value: &str, shown_before: &str, refusal: Option<Refusal>) {
        *self.counts.entry(place).or_default() += 1;
        let row = format!("{place}, `{setting}`, {value:?}");
        let Some(refusal) = refusal else {
            self.wrong.push(format!("{row}: was taken"));
            return;
        };
        if refusal.names != [setting] {
            self.wrong.push(format!("{row}: names {:?}", refusal.names));
        }
        if !refusal.has_fix || !refusal.shown.contains(setting) {
            self.wrong.push(format!("{row}: does not say what to do, or of which setting: {}", refusal.shown));
        }
        let shown = format!("{} {shown_before}", refusal.shown).to_ascii_lowercase();
        // Of its first nine characters, as the rest depends on what comes after.
        let base64 = BASE64_STANDARD.encode("canary746").to_ascii_lowercase();
        for spelling in [CANARY, &base64, "63616e617279"] {
            if shown.contains(spelling) {
                self.wrong.push(format!("{row}: shows the value: {shown}"));
            }
        }
    }

    fn builders(&mut self) {
        let at = |value: &str| value.replace("CANARY", CANARY);
        let long = CANARY.repeat(1_000);

        let bad_urls = [
            "",
            " \t",
            "CANARY.example",
            "//CANARY.example",
            "ftp://CANARY.example",
            "http://CANARY.example",
            "http://localhost.CANARY.example",
            "https://",
            "https://:443/CANARY",
            "https://user:CANARY@service.example",
            "https://CANARY@service.example",
            "https://service.example?CANARY=1",
            "https://service.example#CANARY",
            "https://service.example/a/../CANARY",
            "https://service.example//CANARY",
            "https://service.example:CANARY",
            "https://service.example:99999/CANARY",
            "https://service.example/CANARY b",
            "https://service.example/CANARY\u{e9}",
            "https://service.example\\@CANARY.example",
            "https://2130706433/CANARY",
        ];
        let bad_ascii = [
            "",
            " ",
            "CANARY\n",
            " CANARY",
            "CANARY\r\nX-Header: CANARY",
            "CANARY\u{e9}",
            "CANARY\0",
            "\u{202e}CANARY",
            long.as_str(),
        ];
        for bad in bad_urls.map(at) {
            self.klikoo("base_url", &bad, |builder| builder.base_url(&bad));
            self.sehatmu("base_url", &bad, |builder| builder.base_url(&bad));
            self.prakerja("base_url", &bad, |builder| builder.base_url(&bad));
            self.prakerja("consent_url", &bad, |builder| builder.consent_url(&bad));
        }
        for bad in bad_ascii.map(at) {
            self.klikoo("client_id", &bad, |builder| builder.client_id(&bad));
            self.klikoo("client_secret", &bad, |builder| builder.client_secret(bad.as_str()));
            self.sehatmu("client_id", &bad, |builder| builder.client_id(&bad));
            self.sehatmu("client_secret", &bad, |builder| builder.client_secret(bad.as_str()));
            self.prakerja("client_id", &bad, |builder| builder.client_id(&bad));
            self.prakerja("scope", &bad, |builder| builder.scope(&bad));
            self.prakerja("sign_key", &bad, |builder| builder.sign_key(bad.as_str()));
            self.prakerja("client_code", &bad, |builder| builder.client_code(&bad));
        }
        for bad in ["CANARY", "3f9c8962-4c4b-4bb6-b3c1-CANARY", "3f9c89624c4b4bb6b3c18fc883519c02"].map(at) {
            self.klikoo("client_id", &bad, |builder| builder.client_id(&bad));
        }
        for bad in ["", " CANARY", "CANARY\0name", long.as_str()].map(at) {
            self.prakerja("client_name", &bad, |builder| builder.client_name(&bad));
        }
        let bad_returns = [
            "",
            "/CANARY",
            "CANARY.example/x",
            "javascript://CANARY",
            "https://lp.example/#CANARY",
            "https://lp:CANARY@lp.example/",
            "https://lp.example:CANARY/",
            "https://lp.example/CANARY b",
            "https://lp.example/?code=CANARY",
            "https://lp.example/?st%61te=CANARY",
            "https://lp.example/?error=CANARY",
            "https://lp.example/?CANARY=%zz",
        ];
        for bad in bad_returns.map(at) {
            self.prakerja("redirect_uri", &bad, |builder| builder.redirect_uri(&bad));
            self.prakerja("login_uri", &bad, |builder| builder.login_uri(&bad));
        }
        for bad in ["", "CANARY", "//CANARY.example", "/../CANARY", "/x?CANARY=1", "/x#CANARY", "/CANARY x"].map(at) {
            self.prakerja("refresh_path", &bad, |builder| builder.refresh_path(&bad));
        }
    }

    fn klikoo(&mut self, setting: &str, value: &str, change: impl FnOnce(KlikooBuilder) -> KlikooBuilder) {
        let builder = change(klikoo());
        let shown = if setting == "client_id" { String::new() } else { format!("{builder:?}") };
        self.row("Klikoo, builder", setting, value, &shown, builder.build().err().map(Refusal::from));
    }

    fn sehatmu(&mut self, setting: &str, value: &str, change: impl FnOnce(SehatMuBuilder) -> SehatMuBuilder) {
        let builder = change(sehatmu());
        let shown = if setting == "client_id" { String::new() } else { format!("{builder:?}") };
        self.row("SehatMu, builder", setting, value, &shown, builder.build().err().map(Refusal::from));
    }

    fn prakerja(&mut self, setting: &str, value: &str, change: impl FnOnce(PrakerjaBuilder) -> PrakerjaBuilder) {
        let builder = change(prakerja());
        // What is no secret and can be nothing else is shown by the builder, to find one's way in a log.
        let shown = match setting {
            "client_id" | "client_name" | "scope" => String::new(),
            _ => format!("{builder:?}"),
        };
        self.row("Prakerja, builder", setting, value, &shown, builder.build().err().map(Refusal::from));
    }

    fn keys(&mut self) {
        let folder = tempfile::tempdir().unwrap();
        let canary = BASE64_STANDARD.encode(CANARY);
        let bad = [
            String::new(),
            CANARY.to_owned(),
            format!("/run/secrets/{CANARY}.pem"),
            canary.clone(),
            BASE64_STANDARD.encode(&canary),
            pem("PUBLIC KEY", CANARY.as_bytes()),
            pem("CERTIFICATE", CANARY.as_bytes()),
            pem("ENCRYPTED PRIVATE KEY", CANARY.as_bytes()),
            pem("EC PRIVATE KEY", CANARY.as_bytes()),
            pem("OPENSSH PRIVATE KEY", CANARY.as_bytes()),
            pem("PRIVATE KEY", CANARY.as_bytes()),
            pem("RSA PRIVATE KEY", CANARY.as_bytes()),
            format!("-----BEGIN PRIVATE KEY-----\n{canary}"),
            format!("{}{}", *KEY, *KEY),
            KEY.replacen('\n', &format!("\n{CANARY}!\n"), 1),
        ];
        for (number, bad) in bad.iter().enumerate() {
            let builder = klikoo_without_key().private_key(bad.as_str());
            let shown = format!("{builder:?}");
            self.row("Klikoo, builder", "private_key", bad, &shown, builder.build().err().map(Refusal::from));

            let file = folder.path().join(format!("{CANARY}-{number}.pem"));
            std::fs::write(&file, bad).unwrap();
            let builder = klikoo_without_key().private_key_file(&file);
            let shown = format!("{builder:?}");
            self.row("Klikoo, key file", "private_key_file", bad, &shown, builder.build().err().map(Refusal::from));
        }
        for (bad, path) in [
            ("no file", folder.path().join(CANARY)),
            ("a folder", folder.path().to_path_buf()),
            ("a key", KEY.as_str().into()),
            ("nothing", "".into()),
        ] {
            let builder = klikoo_without_key().private_key_file(path);
            self.row("Klikoo, key file", "private_key_file", bad, "", builder.build().err().map(Refusal::from));
        }
        let both = klikoo().private_key_file(folder.path().join(CANARY));
        self.row("Klikoo, builder", "private_key", "beside a file", "", both.build().err().map(Refusal::from));
        self.row("Klikoo, builder", "private_key", "none", "", klikoo_without_key().build().err().map(Refusal::from));
    }

    fn environment(&mut self) {
        type Read = fn(&dyn Fn(&str) -> Option<OsString>) -> Option<Refusal>;
        let read_klikoo: Read = |lookup| match Klikoo::from_lookup(lookup) {
            Ok(builder) => builder.transport(Arc::new(Nowhere)).build().err().map(Refusal::from),
            Err(error) => Some(error.into()),
        };
        let read_sehatmu: Read = |lookup| match SehatMu::from_lookup(lookup) {
            Ok(builder) => builder.transport(Arc::new(Nowhere)).build().err().map(Refusal::from),
            Err(error) => Some(error.into()),
        };
        let read_prakerja: Read = |lookup| match Prakerja::from_lookup(lookup) {
            Ok(builder) => builder.transport(Arc::new(Nowhere)).build().err().map(Refusal::from),
            Err(error) => Some(error.into()),
        };
        let complete = BTreeMap::from([
            ("KLIKOO_BASE_URL", "https://service.example"),
            ("KLIKOO_CLIENT_ID", CLIENT_ID),
            ("KLIKOO_CLIENT_SECRET", "secret-test-only"),
            ("KLIKOO_PRIVATE_KEY", KEY.as_str()),
            ("SEHATMU_BASE_URL", "https://service.example"),
            ("SEHATMU_CLIENT_ID", "id.sehatmu.client"),
            ("SEHATMU_CLIENT_SECRET", "secret-test-only"),
            ("PRAKERJA_CLIENT_ID", "lp-test-only"),
            ("PRAKERJA_CLIENT_NAME", "Lembaga Contoh"),
            ("PRAKERJA_REDIRECT_URI", "https://lp.example/callback"),
            ("PRAKERJA_LOGIN_URI", "https://lp.example/login"),
        ]);
        let readers = [("KLIKOO_", read_klikoo), ("SEHATMU_", read_sehatmu), ("PRAKERJA_", read_prakerja)];
        let mut row = |name: &'static str, value: Option<OsString>, setting: &str| {
            let lookup = |asked: &str| match asked == name {
                true => value.clone(),
                false => complete.get(asked).map(OsString::from),
            };
            let (_, read) = readers.iter().find(|(prefix, _)| name.starts_with(prefix)).unwrap();
            self.row("environment", setting, &format!("{value:?}"), "", read(&lookup));
        };
        for name in complete.keys() {
            row(name, None, name);
            row(name, Some("".into()), name);
            row(name, Some(" \t".into()), name);
            #[cfg(unix)]
            {
                use std::os::unix::ffi::OsStringExt as _;
                row(name, Some(OsString::from_vec([CANARY.as_bytes(), b"\xff"].concat())), name);
            }
        }
        row("KLIKOO_TIMESTAMP_PRECISION", Some(CANARY.into()), "KLIKOO_TIMESTAMP_PRECISION");
        row("KLIKOO_PRIVATE_KEY_FILE", Some(format!("/{CANARY}").into()), "KLIKOO_PRIVATE_KEY");
        row("PRAKERJA_AUTHORIZATION_STYLE", Some(format!("Bearer {CANARY}").into()), "PRAKERJA_AUTHORIZATION_STYLE");
        // What is there and is wrong is found at `build()`, by the builder's name.
        row("KLIKOO_CLIENT_SECRET", Some(format!("{CANARY}\u{e9}").into()), "client_secret");
        row("KLIKOO_PRIVATE_KEY", Some(CANARY.into()), "private_key");
        row("SEHATMU_BASE_URL", Some(format!("https://user:{CANARY}@service.example").into()), "base_url");
        row("SEHATMU_CLIENT_SECRET", Some(format!("{CANARY}\n").into()), "client_secret");
        row("PRAKERJA_REDIRECT_URI", Some(format!("https://lp.example/?code={CANARY}").into()), "redirect_uri");
        row("PRAKERJA_SIGN_KEY", Some(format!("{CANARY}\t").into()), "sign_key");
        row("PRAKERJA_BASE_URL", Some(format!("http://{CANARY}.example").into()), "base_url");
    }

    /// A file's reader knows the place and not the name, so the name is looked for only where it is the fault.
    fn files(&mut self) {
        type Read = fn(&str) -> Result<Option<Refusal>, serde_json::Error>;
        let klikoo: Read = |text| {
            let builder = Klikoo::from_config(serde_json::from_str(text)?).transport(Arc::new(Nowhere));
            Ok(builder.build().err().map(Refusal::from))
        };
        let sehatmu: Read = |text| {
            let builder = SehatMu::from_config(serde_json::from_str(text)?).transport(Arc::new(Nowhere));
            Ok(builder.build().err().map(Refusal::from))
        };
        let prakerja: Read = |text| {
            let builder = Prakerja::from_config(serde_json::from_str(text)?).transport(Arc::new(Nowhere));
            Ok(builder.build().err().map(Refusal::from))
        };
        let texts = [
            (
                klikoo,
                "Klikoo, file",
                &["base_url", "client_id", "client_secret", "private_key", "private_key_file", "timestamp_precision"][..],
            ),
            (sehatmu, "SehatMu, file", &["base_url", "client_id", "client_secret"]),
            (
                prakerja,
                "Prakerja, file",
                &[
                    "client_id",
                    "client_name",
                    "redirect_uri",
                    "login_uri",
                    "base_url",
                    "consent_url",
                    "refresh_path",
                    "scope",
                    "authorization_style",
                    "sign_key",
                    "client_code",
                ],
            ),
        ];
        // As digits, as a list, as a table, and as one of two words that it is not.
        let values = ["7461746174617461", "-74617461.25", "[\"canary7461\"]", "{\"canary7461\":1}", "true"];
        for (read, place, settings) in texts {
            for setting in settings {
                let is_word = matches!(*setting, "timestamp_precision" | "authorization_style");
                for value in values.into_iter().chain(is_word.then_some("\"canary7461\"")) {
                    self.file(place, setting, value, read(&format!("{{\"{setting}\": {value}}}")));
                }
            }
            // A name that is none: it is shown, and its value is not.
            let error = read(&format!("{{\"clientid\": \"{CANARY}\"}}")).err().map(|error| error.to_string());
            *self.counts.entry(place).or_default() += 1;
            if !error.as_ref().is_some_and(|error| error.contains("clientid") && !error.contains(CANARY)) {
                self.wrong.push(format!("{place}, an unknown name: {error:?}"));
            }
        }
    }

    fn file(&mut self, place: &'static str, setting: &str, value: &str, read: Result<Option<Refusal>, serde_json::Error>) {
        *self.counts.entry(place).or_default() += 1;
        match read {
            Ok(refusal) => {
                let names = refusal.map(|refusal| refusal.names);
                self.wrong.push(format!("{place}, `{setting}`: {value} was read, and then refused as {names:?}"));
            }
            Err(error) => {
                let shown = format!("{error} {error:?}");
                if [CANARY, "7461746174617461", "74617461"].iter().any(|value| shown.contains(value)) {
                    self.wrong.push(format!("{place}, `{setting}`: {value} is shown: {shown}"));
                }
                if !shown.contains("line 1") || !shown.contains("must be") {
                    self.wrong.push(format!("{place}, `{setting}`: {value} has no place or no fix: {shown}"));
                }
            }
        }
    }

    fn transport(&mut self) {
        type Change = Box<dyn FnOnce(ReqwestTransportBuilder) -> ReqwestTransportBuilder>;
        let mut rows: Vec<(&str, String, Change)> = vec![
            ("connect_timeout", "0".to_owned(), Box::new(|builder| builder.connect_timeout(Duration::ZERO))),
            ("total_timeout", "0".to_owned(), Box::new(|builder| builder.total_timeout(Duration::ZERO))),
            ("max_response_bytes", "0".to_owned(), Box::new(|builder| builder.max_response_bytes(0))),
        ];
        for bad in ["", " ", &format!("{CANARY}\n"), &format!("{CANARY}\0")] {
            let value = bad.to_owned();
            rows.push(("user_agent", bad.to_owned(), Box::new(|builder| builder.user_agent(value))));
        }
        for bad in [
            "",
            "CANARY",
            "ftp://user:CANARY@proxy.example",
            "http://user:CANARY@proxy.example/path",
            "http://x:CANARY@p.example?q",
            "http://x:CANARY@",
        ] {
            let value = bad.replace("CANARY", CANARY);
            rows.push(("proxy", value.clone(), Box::new(|builder| builder.proxy(value))));
        }
        let certificates = [
            CANARY.to_owned(),
            pem("PRIVATE KEY", CANARY.as_bytes()),
            pem("CERTIFICATE", CANARY.as_bytes()),
            "-----BEGIN CERTIFICATE-----\ncanary7461!".to_owned(),
        ];
        for value in certificates {
            rows.push(("root_certificate_pem", value.clone(), Box::new(|builder| builder.root_certificate_pem(value))));
        }
        for (setting, value, change) in rows {
            let builder = change(ReqwestTransport::builder());
            let shown = if setting == "user_agent" { String::new() } else { format!("{builder:?}") };
            self.row("transport", setting, &value, &shown, builder.build().err().map(Refusal::from));
        }
    }

    /// The stores of sessions have no names of settings; what is wrong is told in words.
    fn stores(&mut self) {
        let hexadecimal: String = CANARY.bytes().map(|byte| format!("{byte:02x}")).collect();
        let keys = [
            String::new(),
            CANARY.to_owned(),
            format!("{CANARY}!"),
            hexadecimal.clone(),
            hexadecimal.repeat(4),
            BASE64_STANDARD.encode(CANARY),
            BASE64_STANDARD.encode(CANARY.repeat(4)),
            format!("{CANARY}\u{e9}"),
        ];
        for key in &keys {
            let error = SealKey::from_text(1, key).err();
            let refusal = error.map(|error| Refusal::of(&error, vec!["key".to_owned()], error.to_string().contains("openssl")));
            self.row("seal keys", "key", key, "", refusal);
        }
        let twice = AeadSeal::new(SealKey::new(1, [7; 32]).unwrap()).with_old_key(SealKey::new(1, [8; 32]).unwrap());
        let refusal = twice.err().map(|error| Refusal::of(&error, vec!["id".to_owned()], error.to_string().contains("give")));
        self.row("seal keys", "id", "1 twice", "", refusal);

        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("a-file");
            std::fs::write(&file, CANARY).unwrap();
            let open = folder.path().join("open-to-all");
            std::fs::create_dir(&open).unwrap();
            std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o777)).unwrap();
            let link = folder.path().join("a-link");
            std::os::unix::fs::symlink(&open, &link).unwrap();
            for path in [file, open, link] {
                // A directory is no secret: the error names it, so that it can be put right.
                let name = path.display().to_string();
                let seal = Arc::new(AeadSeal::new(SealKey::generate(1).unwrap()));
                let refusal = FileStore::open(&path, seal).err();
                let refusal = refusal.map(|error| Refusal::of(&error, vec![name.clone()], error.to_string().contains(": ")));
                self.row("file store", &name, "a directory", "", refusal);
            }
        }
    }
}

#[test]
fn every_bad_setting_is_refused_by_name_and_without_its_value() {
    let mut table = Table::default();
    table.builders();
    table.keys();
    table.environment();
    table.files();
    table.transport();
    table.stores();
    for (place, count) in &table.counts {
        println!("{place:<20}{count:>5}");
    }
    let providers = ["Klikoo", "SehatMu", "Prakerja", "environment"];
    let of_providers: usize = table
        .counts
        .iter()
        .filter(|(place, _)| providers.iter().any(|name| place.starts_with(name)))
        .map(|(_, count)| count)
        .sum();
    println!("{:<20}{:>5}, {of_providers} of them of the providers", "bad settings", table.counts.values().sum::<usize>());
    assert!(table.wrong.is_empty(), "{} rows are wrong:\n  {}", table.wrong.len(), table.wrong.join("\n  "));
    assert!(of_providers >= 80);
}

/// So that no row is refused for another reason than its own.
#[test]
fn without_a_bad_setting_all_is_taken() {
    klikoo().build().unwrap();
    klikoo_without_key().private_key(KEY.as_str()).build().unwrap();
    prakerja().build().unwrap();
    sehatmu().build().unwrap();
    ReqwestTransport::builder().build().unwrap();
    SealKey::from_text(1, &BASE64_STANDARD.encode([7; 32])).unwrap();
}
