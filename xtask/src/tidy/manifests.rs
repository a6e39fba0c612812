//! The crates' `Cargo.toml`.

use std::collections::BTreeSet;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::tree::{Findings, Tree, line_of};

const SHARED: &str = "Cargo.toml";

pub(super) fn check(tree: &Tree, findings: &mut Findings) {
    let shared = tree.text(SHARED).and_then(|text| parse(SHARED, text, findings));
    let shared = shared.as_ref().and_then(|manifest| manifest.get("workspace")?.get_ref().get("dependencies"));
    let members: Vec<_> = tree
        .ending("/Cargo.toml")
        .filter_map(|(path, text)| Some((path, text, parse(path, text, findings)?)))
        // A package with a workspace of its own follows its own rules.
        .filter(|(_, _, manifest)| !manifest.contains_key("workspace"))
        .collect();
    let own: BTreeSet<&str> = members.iter().filter_map(|(_, _, manifest)| name(manifest)).collect();
    for (path, text, manifest) in &members {
        let lints = manifest.get("lints").and_then(|lints| lints.get_ref().get("workspace"));
        if lints.and_then(|value| value.get_ref().as_bool()) != Some(true) {
            findings.add(path, 1, "does not take the workspace's lints", "write `[lints]` and `workspace = true`");
        }
        // What is never published needs nothing that is.
        let is_published = manifest.get("package").is_none_or(|package| !is_false(package.get_ref().get("publish")));
        for (key, value) in development(manifest).filter(|_| is_published) {
            let shown = key.get_ref().as_ref();
            if !own.contains(text_at(value, "package").unwrap_or(shown)) {
                continue;
            }
            let line = line_of(text, key.span().start);
            let what = format!("the development dependency `{shown}` is of this workspace");
            if bool_at(value, "workspace") {
                if shared.and_then(|shared| shared.get_ref().get(shown)).is_some_and(has_version) {
                    let remedy =
                        format!("take the version of `{shown}` out of `[workspace.dependencies]`, or give its path here: {WHY}");
                    findings.add(path, line, format!("{what} and has a version"), remedy);
                }
            } else if has_version(value) {
                findings.add(path, line, format!("{what} and has a version"), format!("take it out: {WHY}"));
            } else if text_at(value, "path").is_none() {
                findings.add(path, line, format!("{what} and is not one by its path"), format!("give its path: {WHY}"));
            }
        }
    }
}

const WHY: &str = "a published package leaves out what has a path alone, and so it needs no published test crates";

fn parse<'a>(path: &str, text: &'a str, findings: &mut Findings) -> Option<DeTable<'a>> {
    match DeTable::parse(text) {
        Ok(table) => Some(table.into_inner()),
        Err(error) => {
            let line = line_of(text, error.span().map_or(0, |span| span.start));
            findings.add(path, line, format!("is no TOML ({})", error.message()), "mend it");
            None
        }
    }
}

fn name<'a>(manifest: &'a DeTable<'_>) -> Option<&'a str> {
    text_at(manifest.get("package")?, "name")
}

type Dependency<'a, 'i> = (&'a Spanned<std::borrow::Cow<'i, str>>, &'a Spanned<DeValue<'i>>);

/// The development dependencies, those of single platforms too.
fn development<'a, 'i>(manifest: &'a DeTable<'i>) -> impl Iterator<Item = Dependency<'a, 'i>> {
    let all = manifest.get("dev-dependencies");
    let platforms = manifest.get("target").and_then(|target| target.get_ref().as_table()).into_iter().flat_map(DeTable::values);
    let tables = all.into_iter().chain(platforms.filter_map(|platform| platform.get_ref().get("dev-dependencies")));
    tables.filter_map(|table| table.get_ref().as_table()).flat_map(DeTable::iter)
}

/// `"1"`, or a table with a version.
fn has_version(value: &Spanned<DeValue<'_>>) -> bool {
    value.get_ref().is_str() || text_at(value, "version").is_some()
}

fn text_at<'a>(value: &'a Spanned<DeValue<'_>>, key: &str) -> Option<&'a str> {
    value.get_ref().get(key)?.get_ref().as_str()
}

fn is_false(value: Option<&Spanned<DeValue<'_>>>) -> bool {
    value.and_then(|value| value.get_ref().as_bool()) == Some(false)
}

fn bool_at(value: &Spanned<DeValue<'_>>, key: &str) -> bool {
    value.get_ref().get(key).and_then(|value| value.get_ref().as_bool()) == Some(true)
}
