//! Proxies that the environment names.
//!
//! A program cannot change its own environment in safe Rust, so these tests run this very binary again with another one.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use token_core::Transport;
use transport_reqwest::ReqwestTransport;

use crate::Tally;
use crate::certificates::{Authority, server_config};
use crate::listener::{Listener, Manner, answer};
use crate::naive::Naive;
use crate::users::{Outcome, User};

const BASES: &str = "TRAPS_BASES";
const ROOT: &str = "TRAPS_ROOT";
const NAIVE: &str = "TRAPS_NAIVE";

const NAMES: [&str; 6] = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];

/// Runs [`child`] in this environment, and gives what it printed of each provider and base URL: `Klikoo https Fine`.
async fn run_child(variables: BTreeMap<&'static str, String>) -> Vec<String> {
    let child = move || {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "environment::child", "--nocapture", "--test-threads=1"]);
        for name in NAMES.into_iter().chain(["NO_PROXY", "no_proxy", "REQUEST_METHOD"]) {
            command.env_remove(name);
        }
        command.envs(variables).output().unwrap()
    };
    let output = tokio::task::spawn_blocking(child).await.unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && text.contains("1 passed"), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text.lines().filter_map(|line| line.split_once("CALL ")).map(|(_, call)| call.to_owned()).collect()
}

#[tokio::test]
async fn child() {
    let Ok(bases) = std::env::var(BASES) else { return };
    let transport: Arc<dyn Transport> = match std::env::var(NAIVE) {
        Ok(_) => Arc::new(Naive::new()),
        Err(_) => {
            let root = std::env::var(ROOT).unwrap();
            // If a proxy that does not answer were asked, this would soon be told.
            let patience = Duration::from_millis(500);
            Arc::new(ReqwestTransport::builder().root_certificate_pem(root).connect_timeout(patience).build().unwrap())
        }
    };
    // Two for each provider, in order.
    let mut bases = bases.split(' ');
    for user in User::ALL {
        for _ in 0..2 {
            let base_url = bases.next().unwrap();
            let outcomes = user.ask(base_url, Arc::clone(&transport)).await.unwrap();
            let scheme = base_url.split(':').next().unwrap();
            for (_, outcome) in outcomes {
                println!("\nCALL {user:?} {scheme} {outcome:?}");
            }
        }
    }
}

#[tokio::test]
async fn no_proxy_of_the_environment_gets_a_secret() {
    let mut tally = Tally::default();
    let authority = Authority::new();
    let mut services = Vec::new();
    for user in User::ALL {
        let good = move |head: &str| answer("200 OK", &[], &user.good(head));
        services.push((user, "http", Listener::start(Manner::Plain, good).await));
        services.push((user, "https", Listener::start(Manner::Tls(Arc::new(server_config(&authority))), good).await));
    }
    let bases: Vec<_> = services.iter().map(|(_, scheme, service)| service.url(scheme)).collect();
    let whole = |trap: &Listener| {
        trap.leak(&User::Klikoo.finder()).or(trap.leak(&User::Prakerja.finder())).or(trap.leak(&User::SehatMu.finder()))
    };

    let sets = NAMES.iter().map(std::slice::from_ref).chain([&NAMES[..]]);
    for names in sets {
        for scheme in ["http", "https", "socks5h"] {
            let trap = Listener::start(Manner::Plain, |_| answer("200 Connected", &[], "")).await;
            let mut variables: BTreeMap<_, _> = names.iter().map(|name| (*name, trap.url(scheme))).collect();
            variables.insert(BASES, bases.join(" "));
            variables.insert(ROOT, authority.pem());
            let calls = run_child(variables.clone()).await;
            let what = format!("{} names a proxy of {scheme}", names.join(" and "));
            for (user, base, _) in &services {
                let fine = format!("{user:?} {base} {:?}", Outcome::Fine);
                let (good, all) = calls
                    .iter()
                    .filter(|call| call.starts_with(&format!("{user:?} {base} ")))
                    .fold((0, 0), |(good, all), call| (good + usize::from(*call == fine), all + 1));
                tally.expect(all > 0 && good == all, || format!("{what}, {user:?} over {base}: {good} of {all} calls were fine"));
                tally.note(trap.bytes().len());
            }
            tally.expect(trap.connections() == 0, || format!("{what}: the proxy was called"));
            let leak = whole(&trap);
            tally.expect(leak.is_none(), || format!("{what}: {leak:?} at the proxy"));

            if scheme == "http" {
                variables.insert(NAIVE, "1".to_owned());
                run_child(variables).await;
                tally.caught += usize::from(whole(&trap).is_some());
            }
        }
    }
    assert!(tally.caught >= 3, "only {} of the traps catch anything", tally.caught);
    tally.end("environment", 25);
}
