//! Every check that a change must pass.

mod docs;

use std::time::Instant;

use crate::step::{self, Failure, cargo, output, root, say};
use crate::{codegen, dependencies, tidy, walkthrough};

struct Check {
    name: &'static str,
    what: &'static str,
    run: fn() -> Result<(), String>,
}

const CHECKS: &[Check] = &[
    Check { name: "format", what: "the code is formatted", run: format },
    Check { name: "codegen", what: "the generated code is what the tables say", run: generated },
    Check { name: "tidy", what: "the house rules that no other tool holds", run: house_rules },
    Check { name: "dependencies", what: "who may depend on whom, and how much each library brings", run: dependencies::check },
    Check { name: "bench", what: "the benchmarks, which are no part of the workspace, are in order", run: bench },
    Check { name: "lints", what: "clippy finds nothing, in all targets and features", run: lints },
    Check { name: "tests", what: "the README's test command", run: tests },
    Check {
        name: "features",
        what: "the tests again, with what another crate may switch on in reqwest and serde_json",
        run: features,
    },
    Check { name: "interleavings", what: "the cache, under many interleavings of its threads", run: interleavings },
    Check { name: "race", what: "a user's refresh token, while two processes that use it are killed again and again", run: race },
    Check { name: "quickstart", what: "the README's first command", run: quickstart },
    Check { name: "alone", what: "each provider built and tested by itself, and without its default features", run: alone },
    Check { name: "walkthrough", what: "the guide to adding a provider, step by step in a copy", run: walkthrough::check },
    Check { name: "docs", what: "docs as docs.rs builds them: no broken link, and help for every code", run: docs::check },
    Check { name: "licences", what: "licences, bans and sources, by cargo-deny", run: licences },
    Check { name: "package", what: "every library can be published", run: package },
];

/// The version of cargo-deny that is installed when the machine has none.
const CARGO_DENY: &str = "0.20.2";

pub(crate) fn list() {
    for check in CHECKS {
        say!("{:<14}{}", check.name, check.what);
    }
}

/// Runs the named checks, or all; stops at the first that fails.
#[expect(clippy::disallowed_methods, reason = "a chore that tells how long it took has no clock to be moved in a test")]
pub(crate) fn run(names: &[String]) -> Result<(), Failure> {
    if let Some(unknown) = names.iter().find(|name| !CHECKS.iter().any(|check| check.name == **name)) {
        return Err(Failure::Trouble(format!("there is no check `{unknown}`; `cargo xtask ci --list` names them")));
    }
    let began = Instant::now();
    let mut times = Vec::new();
    for check in CHECKS.iter().filter(|check| names.is_empty() || names.iter().any(|name| name == check.name)) {
        say!("== {}: {}", check.name, check.what);
        let began = Instant::now();
        (check.run)().map_err(|error| Failure::Found(format!("check `{}`: {error}", check.name)))?;
        times.push((check.name, began.elapsed().as_secs()));
    }
    for (name, seconds) in times {
        say!("{name:<14}{seconds:>5} s");
    }
    say!("{:<14}{:>5} s", "all passed", began.elapsed().as_secs());
    Ok(())
}

fn format() -> Result<(), String> {
    run_cargo(&["fmt", "--all", "--check"])
}

fn generated() -> Result<(), String> {
    codegen::run(&root(), codegen::Mode::Check).map_err(message)
}

fn house_rules() -> Result<(), String> {
    tidy::run(&root()).map_err(message)
}

fn message(failure: Failure) -> String {
    match failure {
        Failure::Found(message) | Failure::Trouble(message) => message,
    }
}

/// The benchmarks are outside the workspace, so no other check sees them.
fn bench() -> Result<(), String> {
    let manifest = ["--manifest-path", "bench/Cargo.toml"];
    run_cargo(&[&["fmt", "--all"], &manifest[..], &["--check"]].concat())?;
    let target = ["--locked", "--target-dir", "target"];
    run_cargo(&[&["clippy"], &manifest[..], &target, &["--all-targets", "--", "--deny", "warnings"]].concat())?;
    // The tests are in the packages that need no peer: clippy has checked the types of `caches`, and to build it takes minutes.
    run_cargo(&[&["test"], &manifest[..], &target, &["--package", "bench-shared", "--package", "codegen"]].concat())
}

fn lints() -> Result<(), String> {
    run_cargo(&["clippy", "--locked", "--workspace", "--all-targets", "--all-features", "--", "--deny", "warnings"])
}

fn tests() -> Result<(), String> {
    run_cargo(&["test", "--locked", "--workspace", "--all-features"])
}

/// The tests of all that sends, reads or serves, with the features on that `crates/token-testkit/trials/outside` names.
///
/// In a target folder of its own, as the cfg is a flag of rustc and so every package is built anew.
fn features() -> Result<(), String> {
    let mut arguments = vec!["test", "--locked", "--all-features", "--lib", "--tests", "--target-dir", "target/outside"];
    let providers = dependencies::providers()?;
    let packages = ["outside", "token-core", "token-middleware", "token-sandbox", "transport-reqwest", "trials"];
    for package in packages.into_iter().chain(providers.iter().map(String::as_str)) {
        arguments.extend(["--package", package]);
    }
    // They take a minute, and no feature makes a leak or a crowd.
    let long = [
        "nothing_is_left_of_100_000_providers",
        "nothing_grows_in_24_days",
        "thousands_of_callers_get_live_tokens_while_a_fifth",
    ];
    arguments.push("--");
    arguments.extend(long.into_iter().flat_map(|name| ["--skip", name]));
    let mut command = cargo(&arguments);
    // What is built once and run once needs neither.
    command.env("CARGO_INCREMENTAL", "0").env("CARGO_PROFILE_DEV_DEBUG", "0");
    step::run(command.env("RUSTFLAGS", "--cfg token_outside"))
}

/// The tests have had a first look at this; here it is searched through, and told how far.
fn interleavings() -> Result<(), String> {
    let mut command = cargo(&["test", "--locked", "--package", "interleavings", "--", "--nocapture"]);
    step::run(command.env("INTERLEAVINGS", "1000"))
}

/// As above. With the features of all crates, so that nothing is built anew.
fn race() -> Result<(), String> {
    let mut command = cargo(&["test", "--locked", "--workspace", "--all-features", "--test", "race", "--", "--nocapture"]);
    step::run(command.env("RACE_KILLS", "1000"))
}

fn quickstart() -> Result<(), String> {
    run_cargo(&["run", "--locked", "--package", "examples", "--example", "quickstart"])
}

fn alone() -> Result<(), String> {
    for provider in dependencies::providers()? {
        run_cargo(&["test", "--locked", "--package", &provider])?;
        run_cargo(&["test", "--locked", "--package", &provider, "--no-default-features"])?;
        // As a program has it: what only tests depend on switches features of others on, such as serde's `derive`, and hides that they are wanted.
        for features in [&[][..], &["--no-default-features"], &["--features", "serde"]] {
            run_cargo(&[&["check", "--locked", "--package", &provider], features].concat())?;
        }
    }
    for features in ["", "reqwest-middleware", "tower"] {
        run_cargo(&["check", "--locked", "--package", "token-middleware", "--features", features])?;
    }
    run_cargo(&["check", "--locked", "--package", "token-core"])
}

fn licences() -> Result<(), String> {
    let installed = output(&mut cargo(&["deny", "--version"])).is_ok();
    let tools = root().join("target/tools");
    if !installed && !tools.join("bin/cargo-deny").exists() {
        let folder = tools.to_string_lossy().into_owned();
        say!("cargo-deny is not here; installing it under `target/tools`");
        run_cargo(&[
            "install",
            "cargo-deny",
            "--version",
            CARGO_DENY,
            "--locked",
            "--no-default-features",
            "--profile",
            "dev",
            "--root",
            &folder,
            "--target-dir",
            &format!("{folder}/build"),
        ])?;
    }
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let paths = std::iter::once(tools.join("bin")).chain(std::env::split_paths(&paths));
    let path = std::env::join_paths(paths).map_err(|error| format!("PATH: {error}"))?;
    // Advisories need a database that is fetched from elsewhere; the other three checks need nothing but the lockfile and the sources.
    let mut command = cargo(&[
        "deny",
        "--locked",
        "--workspace",
        "--all-features",
        // It is there to have what we ban, and nothing depends on it.
        "--exclude",
        "outside",
        "check",
        "--hide-inclusion-graph",
        "licenses",
        "bans",
        "sources",
    ]);
    step::run(command.env("PATH", path))
}

/// Packs every library. Building from the packages is left out: it would compile everything a second time, and the lists of files are what goes wrong.
fn package() -> Result<(), String> {
    let arguments = [
        "package",
        "--locked",
        "--workspace",
        "--exclude",
        "examples",
        "--exclude",
        "interleavings",
        "--exclude",
        "outside",
        "--exclude",
        "trials",
        "--exclude",
        "xtask",
        "--no-verify",
        "--allow-dirty",
    ];
    run_cargo(&arguments)
}

fn run_cargo(arguments: &[&str]) -> Result<(), String> {
    step::run(&mut cargo(arguments))
}
