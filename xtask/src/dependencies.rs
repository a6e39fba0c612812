//! Who may depend on whom, and how much each library brings along.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::step::{cargo, output, root};

struct Library {
    name: &'static str,
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
const PROVIDER: &[&str] = &["token-core", "transport-reqwest"];

const LIBRARIES: &[Library] = &[
    Library { name: "token-core", may_use: &[], never: NO_HTTP_CLIENT, limit: Limit::Packages(30) },
    Library { name: "transport-reqwest", may_use: &["token-core"], never: &[], limit: Limit::None },
    Library { name: "provider-klikoo", may_use: PROVIDER, never: &[], limit: Limit::OverReqwest(12) },
    Library { name: "provider-prakerja", may_use: PROVIDER, never: &[], limit: Limit::OverReqwest(12) },
    Library { name: "provider-sehatmu", may_use: PROVIDER, never: &[], limit: Limit::OverReqwest(12) },
    Library { name: "token-sandbox", may_use: &["token-core"], never: &["reqwest"], limit: Limit::None },
    Library { name: "token-testkit", may_use: &["token-core"], never: &["reqwest"], limit: Limit::None },
];

/// The crate that alone may name reqwest.
const REQWEST_BEHIND: &str = "transport-reqwest";

/// Prints the counts and checks every rule.
pub(crate) fn check() -> Result<(), String> {
    let reqwest = tree_of_reqwest()?;
    let own: BTreeSet<String> = LIBRARIES.iter().map(|library| library.name.to_owned()).collect();
    let mut faults = unknown_libraries()?;
    println!("{:<20} {:>9} {:>14}", "library", "packages", "over reqwest");
    for library in LIBRARIES {
        // With every feature on and with build scripts: an optional dependency is one too.
        let whole = tree(&["--package", library.name, "--all-features", "--edges", "normal,build"])?;
        let tree = tree(&["--package", library.name, "--edges", "normal"])?;
        // Itself is no package that it adds.
        let over = tree.difference(&reqwest).count().saturating_sub(1);
        println!("{:<20} {:>9} {over:>14}", library.name, tree.len());

        let names: BTreeSet<String> = whole.iter().filter_map(|package| package.split(' ').next()).map(str::to_owned).collect();
        for used in names.intersection(&own).filter(|used| *used != library.name) {
            if !library.may_use.contains(&used.as_str()) {
                faults.push(format!("{} depends on {used}, which it must not know of", library.name));
            }
        }
        for never in library.never.iter().filter(|never| names.contains(**never)) {
            faults.push(format!("{never} is in the tree of {}", library.name));
        }
        if library.name != REQWEST_BEHIND && direct(library.name)?.contains("reqwest") {
            faults.push(format!("{} names reqwest, which {REQWEST_BEHIND} alone may", library.name));
        }
        match library.limit {
            Limit::Packages(most) if tree.len() > most => {
                faults.push(format!("{} has {} packages in its tree, at most {most} are allowed", library.name, tree.len()));
            }
            Limit::OverReqwest(most) if over > most => {
                let more: Vec<_> = tree.difference(&reqwest).cloned().collect();
                faults.push(format!("{} adds {over} packages over reqwest, at most {most} are allowed: {more:?}", library.name));
            }
            _ => {}
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(format!("dependencies that must not be:\n  {}", faults.join("\n  "))) }
}

/// A new library must be given its rules here before it passes.
fn unknown_libraries() -> Result<Vec<String>, String> {
    let folder = root().join("crates");
    let entries = fs::read_dir(&folder).map_err(|error| format!("cannot read `crates`: {error}"))?;
    let mut faults = Vec::new();
    for entry in entries {
        let name = entry.map_err(|error| format!("cannot read `crates`: {error}"))?.file_name().to_string_lossy().into_owned();
        if !LIBRARIES.iter().any(|library| library.name == name) {
            faults.push(format!("{name} has no row in `xtask/src/dependencies.rs` that says on whom it may depend"));
        }
    }
    Ok(faults)
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
    fn a_line_of_the_tree_is_a_name_and_a_version() {
        assert_eq!(name_and_version("http v1.5.0").as_deref(), Some("http v1.5.0"));
        assert_eq!(name_and_version("token-core v0.1.0 (/a/path) (*)").as_deref(), Some("token-core v0.1.0"));
        assert_eq!(name_and_version(""), None);
    }
}
