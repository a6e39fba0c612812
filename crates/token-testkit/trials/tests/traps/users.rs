//! The three providers, each with all its calls, and their secrets.

use std::error::Error as _;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use provider_klikoo::Klikoo;
use provider_prakerja::Prakerja;
use provider_sehatmu::SehatMu;
use token_core::settings::{SettingFault, SettingsError};
use token_core::{Clock, Error, ErrorKind, Expiry, Token, TokenProvider, Transport};
use token_testkit::{ManualClock, SecretFinder};

const KLIKOO_SECRET: &str = "klikoo-client-secret/test+only=0001";
const SEHATMU_SECRET: &str = "sehatmu-client-secret/test+only=0001";
const CODE: &str = "prakerja-code.test-only_0001";
const REFRESH_TOKEN: &str = "prakerja-refresh-token.test-only_0001";
const ACCESS_TOKEN: &str = "prakerja-access-token.test-only_0001";
const SIGN_KEY: &str = "prakerja-sign-key/test+only=0001";

/// What the services give. It is a secret too, once it was given.
const TOKEN: &str = "token-from-the-service.test-only_0001";

/// Made anew for each run.
static PRIVATE_KEY: LazyLock<String> = LazyLock::new(|| {
    let key = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let der: Pkcs8V1Der<'_> = key.as_der().unwrap();
    let base64 = BASE64_STANDARD.encode(der.as_ref());
    let lines: Vec<_> = base64.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"))
});

/// A provider as a program uses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum User {
    Klikoo,
    Prakerja,
    SehatMu,
}

/// What a call came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Fails(ErrorKind),
    Fine,
    /// The error, or its causes, showed a secret.
    Shows,
}

type Outcomes = Vec<(&'static str, Outcome)>;

impl User {
    pub(crate) const ALL: [Self; 3] = [Self::Klikoo, Self::Prakerja, Self::SehatMu];

    /// All that the provider holds or is given, and of the private key four lines from its middle.
    pub(crate) fn finder(self) -> SecretFinder {
        let held: Vec<&str> = match self {
            Self::Klikoo => std::iter::once(KLIKOO_SECRET).chain(PRIVATE_KEY.lines().skip(5).take(4)).collect(),
            Self::Prakerja => vec![CODE, REFRESH_TOKEN, ACCESS_TOKEN, SIGN_KEY],
            Self::SehatMu => vec![SEHATMU_SECRET],
        };
        SecretFinder::new(held.into_iter().chain([TOKEN]))
    }

    /// What its service answers to the request with this head, in JSON.
    pub(crate) fn good(self, head: &str) -> String {
        let data = |data: &str| format!(r#"{{"message":"no error","success":true,"errorCode":"0","data":{{{data}}}}}"#);
        match self {
            Self::Klikoo => format!(
                r#"{{"response_code":"200012000","data":{{"access_token":"{TOKEN}","token_type":"Bearer","expires_in":900}}}}"#
            ),
            Self::Prakerja if head.contains("/user_profile") => data(r#""name":"Peserta","user_id":"7""#),
            Self::Prakerja if head.contains("/authorize") => {
                data(r#""redirect_url":"https://oauth.prakerja.go.id/consent-sso?state=x""#)
            }
            Self::Prakerja => data(&format!(
                r#""access_token":"{TOKEN}","expires_in":"3600","refresh_token":"{REFRESH_TOKEN}","scope":"name","token_type":"Bearer""#
            )),
            Self::SehatMu => format!(r#"{{"accessToken":"{TOKEN}","accessTokenExpiresAt":"2026-11-24T00:00:00.000Z"}}"#),
        }
    }

    /// Makes every call twice, so that what the first one brought would tell in the second.
    pub(crate) async fn ask(self, base_url: &str, transport: Arc<dyn Transport>) -> Result<Outcomes, SettingsError> {
        let clock = Arc::new(ManualClock::sleeping_moves_time());
        match self {
            Self::Klikoo => {
                let builder = Klikoo::builder()
                    .base_url(base_url)
                    .client_id("3f9c8962-4c4b-4bb6-b3c1-8fc883519c02")
                    .client_secret(KLIKOO_SECRET)
                    .private_key(PRIVATE_KEY.as_str())
                    .clock(clock)
                    .transport(transport);
                let (cached, bare) = (builder.clone().build()?, builder.build_uncached()?);
                Ok(self.tokens(&cached, &bare).await)
            }
            Self::SehatMu => {
                let builder = SehatMu::builder()
                    .base_url(base_url)
                    .client_id("id.sehatmu.client")
                    .client_secret(SEHATMU_SECRET)
                    .clock(clock)
                    .transport(transport);
                let (cached, bare) = (builder.clone().build()?, builder.build_uncached()?);
                Ok(self.tokens(&cached, &bare).await)
            }
            Self::Prakerja => {
                let builder = Prakerja::builder()
                    .client_id("lp-test-only")
                    .client_name("Lembaga Contoh")
                    .redirect_uri("https://lp.example/callback")
                    .login_uri("https://lp.example/login")
                    .base_url(base_url)
                    .sign_key(SIGN_KEY)
                    .clock(Arc::clone(&clock) as _)
                    .transport(transport);
                Ok(self.login(&builder.build()?, &clock).await)
            }
        }
    }

    /// The names of the settings that are refused; `None` if none is.
    pub(crate) async fn refused_setting(self, base_url: &str, transport: Arc<dyn Transport>) -> Option<String> {
        let error = self.ask(base_url, transport).await.err()?;
        let names: Vec<_> = error.faults().iter().map(SettingFault::setting).collect();
        Some(names.join(", "))
    }

    async fn tokens(self, cached: &dyn TokenProvider, bare: &dyn TokenProvider) -> Outcomes {
        let mut outcomes = Vec::new();
        for _ in 0..2 {
            outcomes.push(("token", self.outcome(bare.token().await)));
            outcomes.push(("cached token", self.outcome(cached.token().await)));
        }
        outcomes
    }

    async fn login(self, prakerja: &Prakerja, clock: &ManualClock) -> Outcomes {
        let token = Token::bearer(ACCESS_TOKEN, Expiry::After(Duration::from_secs(3_600)), clock.now()).build().unwrap();
        let mut outcomes = Vec::new();
        for _ in 0..2 {
            let login = prakerja.begin_login().unwrap();
            let state = login.url.rsplit_once("&state=").unwrap().1.to_owned();
            let code = login.pending.callback(&format!("code={CODE}&state={state}")).unwrap();
            outcomes.push(("exchange", self.outcome(prakerja.exchange(code).await)));
            let user = prakerja.user_from_refresh_token(REFRESH_TOKEN).build();
            outcomes.push(("refresh", self.outcome(user.token().await)));
            outcomes.push(("profile", self.outcome(prakerja.profile(&token).await)));
            outcomes.push(("login URL", self.outcome(prakerja.generate_login_url_unverified().await)));
        }
        outcomes
    }

    fn outcome<T>(self, result: Result<T, Error>) -> Outcome {
        let Err(error) = result else { return Outcome::Fine };
        let mut shown = format!("{error} {error:?} {error:#?}");
        let mut cause = error.source();
        while let Some(error) = cause {
            shown.push_str(&format!(" {error} {error:?}"));
            cause = error.source();
        }
        if self.finder().find(&shown).is_some() { Outcome::Shows } else { Outcome::Fails(error.kind()) }
    }
}
