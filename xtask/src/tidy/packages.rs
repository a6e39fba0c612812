//! What every crate brings along, and what every provider has besides.

use std::path::Path;

use super::markdown;
use super::tree::{Findings, Tree};

/// Where the services are listed for people.
const READMES: &[&str] = &["README.md", "README.id.md"];

pub(super) fn check(tree: &Tree, findings: &mut Findings) {
    for name in tree.crates() {
        let folder = format!("crates/{name}");
        for file in ["Cargo.toml", "CHANGELOG.md", "README.md", "LICENSE-APACHE", "LICENSE-MIT"] {
            let path = format!("{folder}/{file}");
            if !tree.exists(&path) {
                findings.add(&path, 1, "is missing", format!("every crate has one; `crates/token-core/{file}` shows how"));
            }
        }
        let changelog = format!("{folder}/CHANGELOG.md");
        if let Some(text) = tree.text(&changelog)
            && !markdown::headings(text).iter().any(|heading| heading.contains("Unreleased"))
        {
            findings.add(&changelog, 1, "has no heading for what comes next", "write `## Unreleased` above the releases");
        }
        if let Some(service) = name.strip_prefix("provider-") {
            provider(tree, service, findings);
        }
    }
    for (path, _) in tree.ending(".md") {
        let service = path.strip_prefix("docs/providers/").and_then(|name| name.strip_suffix(".md"));
        if let Some(service) = service.filter(|service| !tree.exists(&format!("crates/provider-{service}/Cargo.toml"))) {
            let remedy =
                format!("`cargo xtask new-provider {service}` makes it; what is no service's page belongs elsewhere in `docs`");
            findings.add(path, 1, format!("there is no crate `provider-{service}`"), remedy);
        }
    }
}

fn provider(tree: &Tree, service: &str, findings: &mut Findings) {
    let page = format!("docs/providers/{service}.md");
    let service_page = format!("crates/provider-{service}/SERVICE.md");
    let target = format!("../../{page}");
    if tree.text(&page).is_none() {
        findings.add(
            &page,
            1,
            "is missing",
            format!("every provider has a page; it is what `provider-{service}` is generated from"),
        );
    }
    let is_page = match tree.symlink(&service_page) {
        Some(symlink) => symlink == Path::new(&target),
        // A checkout without symlinks has copies.
        None => !cfg!(unix) && tree.text(&service_page).is_some_and(|text| tree.text(&page) == Some(text)),
    };
    if !is_page {
        let remedy = format!("make it one: `ln -sf {target} {service_page}`");
        findings.add(&service_page, 1, format!("is no symlink to `{target}`"), remedy);
    }
    for readme in READMES {
        let linked = tree.text(readme).map(markdown::links_of_tables).unwrap_or_default();
        let folder = format!("crates/provider-{service}");
        if !linked.iter().any(|link| link.trim_end_matches('/') == folder) {
            findings.add(readme, 1, format!("no row of its tables links to `{folder}`"), "give the service its row");
        }
    }
}
