//! What a new provider is made of: the provider of an invented "New Service", whose name is replaced.

use super::name::Name;

macro_rules! in_crate {
    ($path:literal) => {
        (concat!("crates/provider-new-service/", $path), include_str!(concat!("../../templates/provider/", $path)))
    };
}

/// Path from the root, and text.
pub(super) const FILES: &[(&str, &str)] = &[
    in_crate!("Cargo.toml"),
    in_crate!("README.md"),
    in_crate!("CHANGELOG.md"),
    in_crate!("src/lib.rs"),
    in_crate!("src/config.rs"),
    in_crate!("src/provider.rs"),
    in_crate!("src/request.rs"),
    in_crate!("src/response.rs"),
    in_crate!("src/error.rs"),
    in_crate!("tests/conformance.rs"),
    in_crate!("tests/settings.rs"),
    in_crate!("tests/token.rs"),
    (PAGE, include_str!("../../templates/page.md")),
];

pub(super) const PAGE: &str = "docs/providers/new-service.md";

/// What `cargo xtask codegen` makes of the page.
pub(super) const GENERATED: &str = "crates/provider-new-service/src/error/generated.rs";

/// Path from the root of a symlink, and where it points to from its own folder.
pub(super) const SYMLINKS: &[(&str, &str)] = &[
    ("crates/provider-new-service/LICENSE-APACHE", "../../LICENSE-APACHE"),
    ("crates/provider-new-service/LICENSE-MIT", "../../LICENSE-MIT"),
    ("crates/provider-new-service/SERVICE.md", "../../docs/providers/new-service.md"),
];

/// A page with a table of all services: how the table begins, and the row that it gets.
pub(super) struct Listing {
    pub(super) page: &'static str,
    pub(super) header: &'static str,
    pub(super) row: &'static str,
}

pub(super) const LISTINGS: &[Listing] = &[
    Listing {
        page: "README.md",
        header: "| service | crate |",
        row: "| New Service | [`provider-new-service`](crates/provider-new-service) | base URL, client id, client secret | as long as the service says |\n",
    },
    Listing {
        page: "README.id.md",
        header: "| layanan | crate |",
        row: "| New Service | [`provider-new-service`](crates/provider-new-service) | base URL, client id, client secret | selama yang disebut layanan |\n",
    },
];

/// Replaces the invented name by `name`, in every spelling. In one pass, as a name may hold the invented one.
pub(super) fn fill(text: &str, name: &Name) -> String {
    let spellings = [
        ("new-service", &name.kebab),
        ("new_service", &name.snake),
        ("NEW_SERVICE", &name.upper),
        ("NewService", &name.camel),
        ("New Service", &name.title),
    ];
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let found = spellings.iter().find_map(|(invented, own)| Some((own, rest.strip_prefix(invented)?)));
        if let Some((own, after)) = found {
            filled.push_str(own);
            rest = after;
        } else {
            filled.push(first);
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
        }
    }
    filled
}
