//! The sandbox as a program, and the providers as a person would start them after pasting its `export` lines.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, missing_docs, reason = "a test may panic")]

use std::collections::HashMap;
use std::ffi::OsString;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use examples::{agree_in_browser, call_api, call_authorized};
use provider_klikoo::Klikoo;
use provider_prakerja::Prakerja;
use provider_sehatmu::SehatMu;
use transport_reqwest::ReqwestTransport;

/// The program, ended with the test.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts the sandbox and reads what it exports.
fn start() -> (Program, HashMap<String, OsString>) {
    let here = std::env::current_exe().unwrap();
    let program = here.ancestors().nth(2).unwrap().join("token-sandbox");
    assert!(program.exists(), "run `cargo build -p token-sandbox` first; `cargo test --workspace` does");
    let mut child = Command::new(program).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let program = Program(child);
    let mut exports = HashMap::new();
    for line in lines.map_while(Result::ok) {
        let Some((name, value)) = line.strip_prefix("export ").and_then(|export| export.split_once('=')) else { continue };
        exports.insert(name.to_owned(), OsString::from(value.trim_matches('\'')));
        // The last one: the program goes on and its output never ends.
        if name == "KLIKOO_PRIVATE_KEY" {
            break;
        }
    }
    (program, exports)
}

#[tokio::test]
async fn what_the_sandbox_exports_is_all_that_from_env_needs() {
    let (_program, exports) = start();
    let lookup = |name: &str| exports.get(name).cloned();
    let transport = ReqwestTransport::new().unwrap();

    let sehatmu = SehatMu::from_lookup(lookup).unwrap().build().unwrap();
    let url = format!("{}/oauth/me", exports["SEHATMU_BASE_URL"].to_str().unwrap());
    assert_eq!(call_api(&transport, &url, &sehatmu.token().await.unwrap()).await.unwrap(), 200);

    let klikoo = Klikoo::from_lookup(lookup).unwrap().build_authorizer().unwrap();
    let url = format!("{}/v1/open-api/balance", exports["KLIKOO_BASE_URL"].to_str().unwrap());
    assert_eq!(call_authorized(&transport, &url, &klikoo).await.unwrap(), 200);

    let prakerja = Prakerja::from_lookup(lookup).unwrap().build().unwrap();
    // The URL that we make and the one that the service signs for: both lead to a login.
    for login in [prakerja.begin_login().unwrap(), prakerja.generate_login_url_unverified().await.unwrap()] {
        let raw_query = agree_in_browser(&transport, &login.url).await.unwrap();
        let token = prakerja.exchange(login.pending.callback(&raw_query).unwrap()).await.unwrap();
        assert!(prakerja.profile(&token).await.unwrap().name().is_some());
    }
}
