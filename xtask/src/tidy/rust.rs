//! Rust sources, read as tokens: what a comment or a string says is no code.

use proc_macro2::{TokenStream, TokenTree};

use super::tree::{Findings, Tree, line_of};
use crate::codegen;

/// The lint, in two parts, as this file is looked at too.
const UNSAFE: &str = concat!("unsafe", "_code");

/// The allocator of the tests that search freed memory for secrets.
const WITH_UNSAFE: &str = "crates/token-testkit/trials/tests/wiping/allocator.rs";

pub(super) fn check(tree: &Tree, findings: &mut Findings) {
    for (path, text) in tree.ending(".rs") {
        if path.ends_with("/generated.rs") {
            header(tree, path, text, findings);
        }
        if path != WITH_UNSAFE
            && let Some(at) = text.find(UNSAFE)
        {
            findings.add(
                path,
                line_of(text, at),
                "names the lint against unsafe code",
                "take it out: one test alone is excepted",
            );
        }
        // The tokens are only read where they can matter.
        let has_generated = text.contains("mod generated");
        if !text.contains("dbg") && !has_generated {
            continue;
        }
        let tokens: TokenStream = match text.parse() {
            Ok(tokens) => tokens,
            Err(error) => {
                findings.add(path, 1, format!("cannot be read as Rust ({error})"), "let `cargo check` show the place");
                continue;
            }
        };
        if has_generated && is_formatted(tokens.clone()) {
            let line = text.lines().take_while(|line| !line.contains("mod generated")).count() + 1;
            findings.add(path, line, "`mod generated;` without `#[rustfmt::skip]`", "write it on the line before");
        }
        for line in debugging(text, tokens) {
            findings.add(path, line, "a `dbg!` was left here", "take it out");
        }
    }
}

/// A generated file says so, and where it comes from.
fn header(tree: &Tree, path: &str, text: &str, findings: &mut Findings) {
    let own = path.strip_prefix("crates/provider-").and_then(|rest| rest.split('/').next());
    let pages = tree.ending(".md").filter_map(|(path, _)| path.strip_prefix("docs/providers/")?.strip_suffix(".md"));
    let mut sources = pages.filter(|page| own.is_none_or(|own| own == *page));
    if !sources.any(|page| text.starts_with(&codegen::header(page))) {
        let remedy = "let `cargo xtask codegen` write it, or give a file that is written by hand another name";
        findings.add(path, 1, "does not begin with the line that says from which page it is generated", remedy);
    }
}

/// Whether rustfmt would see a generated file: it would give a long table another shape than the generator.
fn is_formatted(tokens: TokenStream) -> bool {
    let items = syn::parse2::<syn::File>(tokens).map(|file| file.items).unwrap_or_default();
    items.iter().any(|item| match item {
        syn::Item::Mod(module) => module.ident == "generated" && module.content.is_none() && !module.attrs.iter().any(is_skip),
        _ => false,
    })
}

fn is_skip(attribute: &syn::Attribute) -> bool {
    attribute.path().segments.iter().map(|segment| segment.ident.to_string()).eq(["rustfmt", "skip"])
}

/// The lines with a `dbg!`. clippy finds them too, but not in tests, where `clippy.toml` allows them while one works.
fn debugging(text: &str, tokens: TokenStream) -> Vec<usize> {
    let all = count(tokens);
    if all == 0 {
        return Vec::new();
    }
    // Tokens know their places only by a feature of proc-macro2 that slows codegen down by a tenth. Which of the words is code shows when it becomes another.
    let is_code = |at: usize| {
        let (before, after) = (text.get(..at)?, text.get(at + "dbg".len()..)?);
        let tokens = format!("{before}___{after}").parse().ok()?;
        (count(tokens) < all).then_some(line_of(text, at))
    };
    text.match_indices("dbg").filter_map(|(at, _)| is_code(at)).collect()
}

/// How many `dbg!` there are, at every depth.
fn count(tokens: TokenStream) -> usize {
    let mut count = 0;
    let mut streams = vec![tokens];
    while let Some(stream) = streams.pop() {
        let tokens: Vec<_> = stream.into_iter().collect();
        count += tokens.windows(3).filter(|three| is_dbg(three)).count();
        streams.extend(tokens.into_iter().filter_map(|token| match token {
            TokenTree::Group(group) => Some(group.stream()),
            _ => None,
        }));
    }
    count
}

fn is_dbg(tokens: &[TokenTree]) -> bool {
    matches!(tokens, [TokenTree::Ident(name), TokenTree::Punct(mark), TokenTree::Group(_)] if name == "dbg" && mark.as_char() == '!')
}
