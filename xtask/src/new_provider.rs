//! A new provider, ready to be edited: client credentials by RFC 6749, with a page, tests and rows in the READMEs.

mod made;
mod name;
mod template;

use std::fs;
use std::path::Path;

use self::made::Made;
use self::name::Name;
use self::template::{FILES, GENERATED, LISTINGS, Listing, PAGE, SYMLINKS, fill};
use crate::codegen;
use crate::files;
use crate::step::{self, Failure, cargo, output};

/// Largest README that is read.
const MOST_BYTES: u64 = 1024 * 1024;

/// Makes the provider, or leaves everything as it was.
pub(crate) fn run(root: &Path, name: &str) -> Result<(), Failure> {
    let name = Name::parse(name)?;
    let made = make(root, &name)?;
    // Adds the new crate to the lockfile and touches nothing else in it. Without the network: what the crate needs is there already.
    output(cargo(&["update", "--workspace", "--offline", "--quiet"]).current_dir(root))?;
    let formatted = output(cargo(&["fmt", "--package", &format!("provider-{}", name.kebab)]).current_dir(root));
    made.keep();
    if formatted.is_err() {
        anstream::eprintln!(
            "warning: the new files could not be formatted: `rustup component add rustfmt`, then `cargo fmt --all`"
        );
    }
    step::print(&next_steps(&name));
    Ok(())
}

fn make<'r>(root: &'r Path, name: &Name) -> Result<Made<'r>, Failure> {
    refuse_taken(root, name)?;
    let mut listings = Vec::new();
    for listing in LISTINGS {
        listings.push((listing.page, with_row(root, listing, name)?));
    }
    let mut made = Made::in_root(root);
    for (path, text) in FILES {
        made.file(&fill(path, name), &fill(text, name))?;
    }
    for (path, target) in SYMLINKS {
        made.symlink(&fill(path, name), &fill(target, name))?;
    }
    for (page, (before, after)) in listings {
        made.change(page, before, after)?;
    }
    made.will_have(&fill(GENERATED, name))?;
    codegen::run(root, codegen::Mode::Write).map_err(|failure| {
        let (Failure::Found(message) | Failure::Trouble(message)) = failure;
        format!("no provider was made, as `cargo xtask codegen` does not work: {message}")
    })?;
    Ok(made)
}

/// Whatever is there already stays as it is.
fn refuse_taken(root: &Path, name: &Name) -> Result<(), String> {
    let (crates, pages) = (list(root, "crates")?, list(root, codegen::PAGES)?);
    let crates = crates.iter().filter_map(|entry| Some((entry.strip_prefix("provider-")?, format!("crates/{entry}"))));
    let pages = pages.iter().filter_map(|entry| Some((entry.strip_suffix(".md")?, format!("{}/{entry}", codegen::PAGES))));
    for (taken, path) in crates.chain(pages) {
        if taken == name.kebab {
            let provider = format!("`provider-{taken}` cannot be made, as `{path}` is there already");
            return Err(format!("{provider}: take another name, or put that aside and take over from it what you need"));
        }
        if Name::letters(taken) == Name::letters(&name.kebab) {
            let names = format!("`{}` and `{taken}` of `{path}` differ in hyphens only", name.kebab);
            return Err(format!("{names}, and one would be mistaken for the other: take another name"));
        }
    }
    Ok(())
}

/// The names of what is in a folder; none if there is no such folder.
fn list(root: &Path, folder: &str) -> Result<Vec<String>, String> {
    let path = root.join(folder);
    if !path.exists() {
        return Ok(Vec::new());
    }
    let cannot = |error| format!("cannot read `{folder}`: {error}");
    let entries = fs::read_dir(path).map_err(cannot)?;
    entries.map(|entry| Ok(entry.map_err(cannot)?.file_name().to_string_lossy().into_owned())).collect()
}

/// The page as it is, and with a row for the new provider at the end of its table.
fn with_row(root: &Path, listing: &Listing, name: &Name) -> Result<(String, String), String> {
    let Listing { page, header, row } = listing;
    let before = files::read_text(&root.join(page), MOST_BYTES)?.ok_or_else(|| format!("there is no `{page}`"))?;
    let lines: Vec<&str> = before.split_inclusive('\n').collect();
    let first = lines.iter().position(|line| line.starts_with(header));
    let end = first.map(|first| first + lines.iter().skip(first).take_while(|line| line.starts_with('|')).count());
    let Some((table, rest)) = end.and_then(|end| lines.split_at_checked(end)) else {
        return Err(format!(
            "`{page}` has no table that begins with `{header}`, so a new provider cannot be listed: bring it back"
        ));
    };
    let after = [&table.concat(), &*fill(row, name), &rest.concat()].concat();
    Ok((before, after))
}

fn next_steps(name: &Name) -> String {
    let made = FILES.iter().map(|(path, _)| *path).chain([GENERATED]).chain(SYMLINKS.iter().map(|(path, _)| *path));
    let made: String = made.map(|path| format!("  {path}\n")).collect();
    let steps = format!(
        "\
Made:
{made}\
Changed: README.md and README.id.md have a row for it, Cargo.lock knows it.

It works as it stands, against any server that keeps to RFC 6749:
  cargo test --package provider-new-service

What comes next:
  1. {PAGE}: what the service's own pages say, and its error codes; then `cargo xtask codegen`.
  2. src/config.rs and src/request.rs: the path, the settings, what is sent.
  3. src/response.rs and src/error.rs: what comes back.
  4. tests/: the same in tests/conformance.rs and in the stub in tests/token.rs.
  5. The two rows, README.md and CHANGELOG.md of the crate; then `cargo xtask ci`.
docs/adding-a-provider.md goes through it with a real service.
"
    );
    fill(&steps, name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use tempfile::TempDir;

    use super::*;

    fn name(text: &str) -> Name {
        Name::parse(text).unwrap()
    }

    /// A workspace with our READMEs and nothing else.
    fn workspace() -> TempDir {
        let root = tempfile::tempdir().unwrap();
        for page in LISTINGS.iter().map(|listing| listing.page) {
            fs::copy(step::root().join(page), root.path().join(page)).unwrap();
        }
        fs::create_dir(root.path().join("crates")).unwrap();
        root
    }

    /// Everything below `root`: the texts of files, the targets of symlinks.
    fn everything(root: &Path) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        let mut folders = vec![root.to_path_buf()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let text = match fs::read_link(&path) {
                    Ok(target) => format!("-> {}", target.display()),
                    Err(_) if path.is_dir() => "a folder".to_owned(),
                    Err(_) => fs::read_to_string(&path).unwrap(),
                };
                found.insert(path.strip_prefix(root).unwrap().to_string_lossy().into_owned(), text);
                if path.is_dir() {
                    folders.push(path);
                }
            }
        }
        found
    }

    #[test]
    fn a_provider_of_any_name_is_whole() {
        let longest = "x".repeat(40);
        for text in ["satusehat", "my-bank", "b2b", "z", &longest, "new-service", "brand-new-service-2"] {
            let (root, name) = (workspace(), name(text));
            let root = root.path();
            make(root, &name).unwrap().keep();
            codegen::run(root, codegen::Mode::Check).unwrap();

            let made = everything(root);
            let lib = format!("crates/provider-{text}");
            for (path, content) in &made {
                if path.ends_with(".rs") {
                    assert!(syn::parse_file(content).is_ok(), "{path}");
                }
                let lower = content.to_lowercase().replace([' ', '_'], "-");
                let invented = lower.matches("new-service").count() + lower.matches("newservice").count();
                assert!(invented == 0 || text.contains("new-service"), "{path}");
            }
            let generated = &made[&format!("{lib}/src/error/generated.rs")];
            assert!(generated.contains(&format!("pub enum {}ErrorCode {{", name.camel)));
            assert!(made[&format!("{lib}/src/config.rs")].contains(&format!("\"{}_CLIENT_ID\"", name.upper)));
            assert!(made[&format!("{lib}/README.md")].contains(&format!("use provider_{}::{};", name.snake, name.camel)));
            assert_eq!(made[&format!("{lib}/SERVICE.md")], format!("-> ../../docs/providers/{text}.md"));
            assert!(root.join(&lib).join("SERVICE.md").is_file());
            for Listing { page, header, .. } in LISTINGS {
                let table = made[*page].split("\n\n").find(|part| part.starts_with(header)).unwrap();
                let row = format!("| {} | [`provider-{text}`](crates/provider-{text}) | ", name.title);
                assert!(table.lines().last().unwrap().starts_with(&row), "{table}");
            }
        }
    }

    #[test]
    fn the_invented_name_is_replaced_once() {
        let text = "New Service: provider-new-service, provider_new_service::NewServiceBuilder, NEW_SERVICE_URL, renew_services";
        let filled = "Brand New Service: provider-brand-new-service, provider_brand_new_service::BrandNewServiceBuilder, \
            BRAND_NEW_SERVICE_URL, rebrand_new_services";
        assert_eq!(fill(text, &name("brand-new-service")), filled);
    }

    #[test]
    fn what_is_taken_is_refused_and_left_alone() {
        let cases = [
            ("crates/provider-my-bank/src/lib.rs", "my-bank", "`crates/provider-my-bank` is there already"),
            ("crates/provider-my-bank/src/lib.rs", "mybank", "differ in hyphens only"),
            ("crates/provider-mybank/notes", "my-bank", "differ in hyphens only"),
            ("crates/provider-my-bank", "my-bank", "is there already"),
            ("docs/providers/my-bank.md", "my-bank", "`docs/providers/my-bank.md` is there already"),
            ("docs/providers/mybank.md", "my-bank", "differ in hyphens only"),
            ("docs", "my-bank", "cannot make `docs/providers/my-bank.md`"),
        ];
        for (taken, text, why) in cases {
            let root = workspace();
            let root = root.path();
            fs::create_dir_all(root.join(taken).parent().unwrap()).unwrap();
            fs::write(root.join(taken), "somebody's").unwrap();
            let before = everything(root);
            match make(root, &name(text)).map(drop) {
                Err(Failure::Trouble(message)) => assert!(message.contains(why), "{message}"),
                other => panic!("{taken}: {other:?}"),
            }
            assert_eq!(everything(root), before, "{taken}");
        }
        let root = workspace();
        make(root.path(), &name("my-bank")).unwrap().keep();
        let before = everything(root.path());
        assert!(make(root.path(), &name("my-bank")).is_err());
        assert_eq!(everything(root.path()), before);
        assert!(make(root.path(), &name("my-bank-2")).is_ok());
    }

    #[test]
    fn a_run_that_cannot_end_leaves_everything_as_it_was() {
        let faulty_page = "# Post\n\n<!-- codegen: errors PostErrorCode -->\n\nNo table.\n";
        let cases: [(&str, &str, &str); 3] = [
            ("docs/providers/post.md", faulty_page, "`cargo xtask codegen` does not work: "),
            ("README.id.md", "# No table\n", "`README.id.md` has no table"),
            ("README.md", "| service |\n|---|\n", "`README.md` has no table"),
        ];
        for (path, text, why) in cases {
            let root = workspace();
            let root = root.path();
            fs::create_dir_all(root.join("docs/providers")).unwrap();
            fs::write(root.join(path), text).unwrap();
            let before = everything(root);
            match make(root, &name("my-bank")).map(drop) {
                Err(Failure::Trouble(message)) => assert!(message.contains(why), "{message}"),
                other => panic!("{path}: {other:?}"),
            }
            assert_eq!(everything(root), before, "{path}");
        }
        // What comes after the files may fail as well.
        let root = workspace();
        let before = everything(root.path());
        drop(make(root.path(), &name("my-bank")).unwrap());
        assert_eq!(everything(root.path()), before);
    }
}
