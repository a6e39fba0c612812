//! Markdown: links that lead nowhere, and pages that docs.rs shows too.

use std::collections::BTreeSet;
use std::ops::Range;

use pulldown_cmark::{CodeBlockKind, Event, LinkType, Options, Parser, Tag, TagEnd};

use super::tree::{Findings, Tree, line_of};

/// Words that rustdoc takes for Rust after the backticks of a fence.
const RUST: &[&str] = &["rust", "ignore", "no_run", "should_panic", "compile_fail", "test_harness", "standalone_crate"];

pub(super) fn check(tree: &Tree, findings: &mut Findings) {
    for (path, text) in tree.ending(".md") {
        let is_page = path.starts_with("docs/providers/");
        for (event, span) in events(text) {
            match event {
                // `<mail@example.com>` needs no scheme.
                Event::Start(Tag::Link { link_type: LinkType::Email, .. }) => {}
                Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) if !is_absolute(&dest_url) => {
                    let line = line_of(text, span.start);
                    if is_page && !dest_url.starts_with('#') {
                        let what = format!("`{dest_url}` is a relative link, and docs.rs shows this page too");
                        findings.add(path, line, what, "write the whole address, or link within the page");
                    } else if let Some(what) = dead(tree, path, text, &dest_url) {
                        findings.add(path, line, what, "mend the link");
                    }
                }
                Event::Start(Tag::CodeBlock(kind)) if is_page && is_rust(&kind) => {
                    let what = "rustdoc takes this block for Rust";
                    findings.add(path, line_of(text, span.start), what, "fence it and name its language, such as `text`");
                }
                _ => {}
            }
        }
    }
}

/// The texts of the headings.
pub(super) fn headings(text: &str) -> Vec<String> {
    let mut headings = Vec::new();
    let mut is_inside = false;
    for (event, _) in events(text) {
        match event {
            Event::Start(Tag::Heading { .. }) => {
                is_inside = true;
                headings.push(String::new());
            }
            Event::End(TagEnd::Heading(_)) => is_inside = false,
            Event::Text(words) | Event::Code(words) if is_inside => {
                if let Some(heading) = headings.last_mut() {
                    heading.push_str(&words);
                }
            }
            _ => {}
        }
    }
    headings
}

/// Where the links in the cells of tables lead.
pub(super) fn links_of_tables(text: &str) -> BTreeSet<String> {
    let mut links = BTreeSet::new();
    let mut is_inside = false;
    for (event, _) in events(text) {
        match event {
            Event::Start(Tag::Table(_)) => is_inside = true,
            Event::End(TagEnd::Table) => is_inside = false,
            Event::Start(Tag::Link { dest_url, .. }) if is_inside => {
                links.insert(dest_url.into_string());
            }
            _ => {}
        }
    }
    links
}

fn events(text: &str) -> impl Iterator<Item = (Event<'_>, Range<usize>)> {
    Parser::new_ext(text, Options::ENABLE_TABLES).into_offset_iter()
}

/// Whether a link has a scheme: `https:`, `mailto:`.
fn is_absolute(link: &str) -> bool {
    link.split_once(':').is_some_and(|(scheme, _)| scheme.chars().all(|at| at.is_ascii_alphanumeric() || "+-.".contains(at)))
}

/// What is wrong with a link to a file or a place of this repository.
fn dead(tree: &Tree, from: &str, text: &str, link: &str) -> Option<String> {
    let (file, fragment) = link.split_once('#').unwrap_or((link, ""));
    let Some(path) = (if file.is_empty() { Some(from.to_owned()) } else { resolve(from, file) }) else {
        return Some(format!("`{link}` leads out of the repository"));
    };
    if !tree.exists(&path) {
        return Some(format!("`{link}` leads to no file"));
    }
    // Places are looked for in Markdown alone.
    let target = if file.is_empty() { Some(text) } else { tree.text(&path).filter(|_| path.ends_with(".md")) };
    let is_place = fragment.is_empty() || target.is_none_or(|target| places(target).contains(fragment));
    (!is_place).then(|| format!("`{link}` leads to no heading and no anchor"))
}

/// The path that a relative link leads to; `None` if it climbs out of the root.
fn resolve(from: &str, link: &str) -> Option<String> {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in link.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// What a fragment can name: headings as the forge names them, and `<a id="...">`.
fn places(text: &str) -> BTreeSet<String> {
    let mut places = BTreeSet::new();
    for heading in headings(text) {
        let kept = heading.to_lowercase().replace(' ', "-");
        let slug: String = kept.chars().filter(|at| at.is_alphanumeric() || "-_".contains(*at)).collect();
        let numbered = (1..).map(|number| format!("{slug}-{number}"));
        let free = std::iter::once(slug.clone()).chain(numbered).find(|place| !places.contains(place));
        places.extend(free);
    }
    for (event, _) in events(text) {
        if let Event::Html(html) | Event::InlineHtml(html) = event {
            let ids = html.split("id=\"").skip(1).filter_map(|rest| rest.split('"').next());
            places.extend(ids.map(str::to_owned));
        }
    }
    places
}

/// Whether rustdoc would take a block for Rust: an indented one, or a fence that names no other language.
fn is_rust(kind: &CodeBlockKind<'_>) -> bool {
    let CodeBlockKind::Fenced(info) = kind else { return true };
    let mut words = info.split([',', ' ', '\t']).filter(|word| !word.is_empty());
    // rustdoc takes a block for Rust if any word says so, or if no word says otherwise.
    let is_said = info.split([',', ' ', '\t']).any(|word| word == "rust" || word.starts_with("ignore"));
    is_said || words.all(|word| RUST.contains(&word) || word.starts_with("edition"))
}
