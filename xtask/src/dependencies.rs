//! Who may depend on whom, and how much each library brings along.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::step::{cargo, output, root, say};

/// What holds for a library.
struct Rule {
    /// The crates of this workspace that it may build on.
    may_use: &'static [&'static str],
    /// Packages that must be nowhere in its tree.
    never: &'static [&'static str],
    limit: Limit,
}

enum Limit {
    None,
    /// Distinct packages in all, itself included.
    Packages(usize),
    /// Packages besides itself that are not in the tree of reqwest with rustls and JSON.
    OverReqwest(usize),
}

const NO_HTTP_CLIENT: &[&str] = &["hyper", "reqwest", "rustls", "tokio-rustls", "url", "aws-lc-rs", "native-tls", "openssl"];

/// As above, with the crypto library that TLS uses.
const NO_TLS: &[&str] = &["hyper", "reqwest", "rustls", "tokio-rustls", "url", "native-tls", "openssl"];

const NO_TLS_AT_ALL: &[&str] = &["rustls", "tokio-rustls", "aws-lc-rs", "native-tls", "openssl"];

const RULES: &[(&str, Rule)] = &[
    ("token-core", Rule { may_use: &[], never: NO_HTTP_CLIENT, limit: Limit::Packages(30) }),
    // Which TLS there is, the program says that has the HTTP client.
    ("token-middleware", Rule { may_use: &["token-core"], never: NO_TLS_AT_ALL, limit: Limit::Packages(31) }),
    ("token-sandbox", Rule { may_use: &["token-core"], never: &["reqwest"], limit: Limit::None }),
    ("token-store", Rule { may_use: &["token-core"], never: NO_TLS, limit: Limit::Packages(36) }),
    ("token-testkit", Rule { may_use: &["token-core"], never: &["reqwest"], limit: Limit::None }),
    ("transport-reqwest", Rule { may_use: &["token-core"], never: &[], limit: Limit::None }),
];

/// Every provider without a row of its own.
const PROVIDER: Rule = Rule { may_use: &["token-core", "transport-reqwest"], never: &[], limit: Limit::OverReqwest(12) };

/// The crates that alone may name reqwest: the transport, and the layer for programs that have it anyway.
const NAME_REQWEST: [&str; 2] = ["token-middleware", "transport-reqwest"];

/// Prints the counts and checks every rule.
pub(crate) fn check() -> Result<(), String> {
    let reqwest = tree_of_reqwest()?;
    let own = libraries()?;
    let mut faults = Vec::new();
    say!("{:<20} {:>9} {:>14}", "library", "packages", "over reqwest");
    for library in &own {
        let Some(rule) = rule_of(library) else {
            faults.push(format!("{library} has no row in `xtask/src/dependencies.rs` that says on whom it may depend"));
            continue;
        };
        // With every feature on and with build scripts: an optional dependency is one too.
        let whole = tree(&["--package", library, "--all-features", "--edges", "normal,build"])?;
        let tree = tree(&["--package", library, "--edges", "normal"])?;
        // Itself is no package that it adds.
        let over = tree.difference(&reqwest).count().saturating_sub(1);
        say!("{library:<20} {:>9} {over:>14}", tree.len());

        let names: BTreeSet<String> = whole.iter().filter_map(|package| package.split(' ').next()).map(str::to_owned).collect();
        for used in names.intersection(&own).filter(|used| *used != library) {
            if !rule.may_use.contains(&used.as_str()) {
                faults.push(format!("{library} depends on {used}, which it must not know of"));
            }
        }
        for never in rule.never.iter().filter(|never| names.contains(**never)) {
            faults.push(format!("{never} is in the tree of {library}"));
        }
        if !NAME_REQWEST.contains(&library.as_str()) && direct(library)?.contains("reqwest") {
            faults.push(format!("{library} names reqwest, which {} alone may", NAME_REQWEST.join(" and ")));
        }
        match rule.limit {
            Limit::Packages(most) if tree.len() > most => {
                faults.push(format!("{library} has {} packages in its tree, at most {most} are allowed", tree.len()));
            }
            Limit::OverReqwest(most) if over > most => {
                let more: Vec<_> = tree.difference(&reqwest).cloned().collect();
                faults.push(format!("{library} adds {over} packages over reqwest, at most {most} are allowed: {more:?}"));
            }
            _ => {}
        }
    }
    for (name, _) in RULES.iter().filter(|(name, _)| !own.contains(*name)) {
        faults.push(format!("`xtask/src/dependencies.rs` has a row for {name}, which is not there"));
    }
    if faults.is_empty() { Ok(()) } else { Err(format!("dependencies that must not be:\n  {}", faults.join("\n  "))) }
}

/// The names of the providers' crates.
pub(crate) fn providers() -> Result<Vec<String>, String> {
    Ok(libraries()?.into_iter().filter(|name| is_provider(name)).collect())
}

/// The names of the crates under `crates`.
fn libraries() -> Result<BTreeSet<String>, String> {
    let cannot = |error| format!("cannot read `crates`: {error}");
    let entries = fs::read_dir(root().join("crates")).map_err(cannot)?;
    entries.map(|entry| Ok(entry.map_err(cannot)?.file_name().to_string_lossy().into_owned())).collect()
}

fn is_provider(name: &str) -> bool {
    name.starts_with("provider-")
}

/// A library that is no provider must be given its row before it passes.
fn rule_of(name: &str) -> Option<&'static Rule> {
    let row = RULES.iter().find(|(library, _)| *library == name).map(|(_, rule)| rule);
    row.or_else(|| is_provider(name).then_some(&PROVIDER))
}

/// The distinct packages, as `name version`, that `cargo tree` finds with these arguments.
fn tree(arguments: &[&str]) -> Result<BTreeSet<String>, String> {
    let fixed = ["tree", "--locked", "--prefix", "none", "--format", "{p}"];
    let text = output(&mut cargo(&[&fixed[..], arguments].concat()))?;
    Ok(text.lines().filter_map(name_and_version).collect())
}

/// What a library names in its own manifest, by name.
fn direct(library: &str) -> Result<BTreeSet<String>, String> {
    let packages = tree(&["--package", library, "--all-features", "--edges", "normal,build", "--depth", "1"])?;
    Ok(packages.iter().filter_map(|package| package.split(' ').next()).map(str::to_owned).collect())
}

/// `name v1.2.3 (path or mark)` → `name v1.2.3`
fn name_and_version(line: &str) -> Option<String> {
    let mut words = line.split(' ');
    Some(format!("{} {}", words.next().filter(|name| !name.is_empty())?, words.next()?))
}

/// What reqwest with rustls and JSON brings by itself, in the versions of our lockfile: measured on a package that has only that.
fn tree_of_reqwest() -> Result<BTreeSet<String>, String> {
    let folder = root().join("target/xtask/reqwest-alone");
    let manifest = "[package]\nname = \"reqwest-alone\"\nedition = \"2024\"\n\n[dependencies]\n\
        reqwest = { version = \"0.13\", default-features = false, features = [\"json\", \"rustls\"] }\n\n[workspace]\n";
    write(&folder.join("Cargo.toml"), manifest.as_bytes())?;
    write(&folder.join("src/lib.rs"), b"")?;
    let lock = fs::read(root().join("Cargo.lock")).map_err(|error| format!("cannot read `Cargo.lock`: {error}"))?;
    write(&folder.join("Cargo.lock"), &lock)?;
    let mut command = cargo(&["tree", "--prefix", "none", "--format", "{p}", "--edges", "normal"]);
    let text = output(command.current_dir(&folder))?;
    Ok(text.lines().filter_map(name_and_version).collect())
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), String> {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(path, bytes))
        .map_err(|error| format!("cannot write `{}`: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_has_its_rule_without_a_row() {
        let may_use = |name| rule_of(name).map(|rule| rule.may_use);
        assert_eq!(may_use("provider-of-tomorrow"), Some(&["token-core", "transport-reqwest"][..]));
        assert_eq!(may_use("token-core"), Some(&[][..]));
        assert_eq!(may_use("token-of-tomorrow"), None);
    }

    #[test]
    fn a_line_of_the_tree_is_a_name_and_a_version() {
        assert_eq!(name_and_version("http v1.5.0").as_deref(), Some("http v1.5.0"));
        assert_eq!(name_and_version("token-core v0.1.0 (/a/path) (*)").as_deref(), Some("token-core v0.1.0"));
        assert_eq!(name_and_version(""), None);
    }
}
