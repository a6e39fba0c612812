//! The documentation as docs.rs builds it, and whether the codes' help leads anywhere in it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::step::{self, cargo, root, say};
use crate::{dependencies, files};

/// Largest generated file, and largest page of the documentation, that is read.
const MOST_BYTES: u64 = 64 * 1024 * 1024;

pub(super) fn check() -> Result<(), String> {
    let mut command = cargo(&["doc", "--locked", "--workspace", "--no-deps", "--all-features"]);
    // docs.rs sets `docsrs`, and only with it a provider's documentation holds the service's page.
    step::run(command.env("RUSTDOCFLAGS", "--deny warnings --cfg docsrs"))?;
    let documentation = target().join("doc");
    let mut faults = Vec::new();
    let mut count = 0;
    for provider in dependencies::providers()? {
        let path = format!("crates/{provider}/src/error/generated.rs");
        let source = files::read_text(&root().join(&path), MOST_BYTES)?.unwrap_or_default();
        let urls = urls(&source);
        if urls.is_empty() {
            faults.push(format!("`{path}` has no `https://docs.rs/...` for its codes"));
        }
        count += urls.len();
        faults.extend(dead(&documentation, &provider, &urls)?);
    }
    if faults.is_empty() {
        say!("{count} help URLs, and each leads to a place in the documentation");
        return Ok(());
    }
    Err(format!("help that leads nowhere:\n  {}", faults.join("\n  ")))
}

fn target() -> PathBuf {
    // An absolute path replaces the root, a relative one is the root's.
    root().join(std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
}

/// The strings of a source that are addresses on docs.rs.
fn urls(source: &str) -> BTreeSet<&str> {
    source.split('"').filter(|text| text.starts_with("https://docs.rs/")).collect()
}

/// What is wrong with the addresses, each of which belongs to a page of the provider's documentation and an anchor in it.
fn dead(documentation: &Path, provider: &str, urls: &BTreeSet<&str>) -> Result<Vec<String>, String> {
    let base = format!("https://docs.rs/{provider}/latest/");
    let library = format!("{}/", provider.replace('-', "_"));
    let mut faults = Vec::new();
    let mut page = (String::new(), BTreeSet::new());
    for url in urls {
        let (address, anchor) = url.split_once('#').unwrap_or((url, ""));
        let Some(file) = address.strip_prefix(&base).filter(|file| file.starts_with(&library)) else {
            faults.push(format!("{url} is not in the documentation of {provider}"));
            continue;
        };
        // They are sorted, so a page is read once for all its anchors.
        if page.0 != file {
            match files::read_text(&documentation.join(file), MOST_BYTES)? {
                Some(html) => page = (file.to_owned(), ids(&html)),
                None => {
                    faults.push(format!("{url}: there is no page `{file}`"));
                    continue;
                }
            }
        }
        if !anchor.is_empty() && !page.1.contains(anchor) {
            faults.push(format!("{url}: the page has no `id=\"{anchor}\"`"));
        }
    }
    Ok(faults)
}

fn ids(html: &str) -> BTreeSet<String> {
    html.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn help_that_leads_nowhere_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let service = folder.path().join("provider_new_bank/service");
        fs::create_dir_all(&service).unwrap();
        fs::write(service.join("index.html"), "<p><a id=\"e1\"></a><h2 id='e2' data-id=\"e3\" class=\"x\" id=\"e4\">").unwrap();
        let page = "https://docs.rs/provider-new-bank/latest/provider_new_bank/service/index.html";
        let cases = [
            (page.to_owned(), ""),
            (format!("{page}#e1"), ""),
            (format!("{page}#e4"), ""),
            (format!("{page}#e3"), "has no `id=\"e3\"`"),
            (format!("{page}#e"), "has no `id=\"e\"`"),
            (page.replace("index", "other"), "there is no page `provider_new_bank/service/other.html`"),
            (page.replace("new", "old"), "not in the documentation of provider-new-bank"),
            (page.replace("provider_new_bank", "../secrets"), "not in the documentation of provider-new-bank"),
        ];
        for (url, wanted) in cases {
            let source =
                format!("const A: &str = \"{url}\";\nconst B: &str = \"https://example.com\"; // https://docs.rs/elsewhere\n");
            let urls = urls(&source);
            assert_eq!(urls.iter().copied().collect::<Vec<_>>(), [url.as_str()]);
            let faults = dead(folder.path(), "provider-new-bank", &urls).unwrap();
            match faults.as_slice() {
                [] => assert_eq!(wanted, "", "{url}"),
                [fault] => assert!(!wanted.is_empty() && fault.contains(wanted), "{fault}"),
                more => panic!("{more:?}"),
            }
        }
    }
}
