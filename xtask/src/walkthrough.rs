//! Follows `docs/adding-a-provider.md` step by step, in a copy of the workspace.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::ops::Range;
use std::path::Path;
use std::process::{Command, Stdio};

use pulldown_cmark::{CodeBlockKind, Event, Parser, Tag, TagEnd};

use crate::files;
use crate::step::{self, output, root};

const GUIDE: &str = "docs/adding-a-provider.md";
/// Largest guide.
const MOST_BYTES: u64 = 1024 * 1024;
/// Where the copy is made, from the root.
const COPY: &str = "target/walkthrough";

/// Something that the guide tells its reader to do.
#[derive(Debug, PartialEq, Eq)]
struct Step {
    /// The line in the guide where its text begins.
    line: usize,
    does: Does,
    text: String,
}

#[derive(Debug, PartialEq, Eq)]
enum Does {
    /// A change to what is there, for `git apply`.
    Edit,
    /// Commands for a shell.
    Run,
}

/// Runs every step of the guide, then holds the result to the rules of the house.
pub(crate) fn check() -> Result<(), String> {
    let guide = files::read_text(&root().join(GUIDE), MOST_BYTES)?.ok_or_else(|| format!("there is no `{GUIDE}`"))?;
    let steps = steps(&guide);
    if steps.is_empty() {
        return Err(format!("`{GUIDE}` has no step: a step is a fence of `sh` or `diff`"));
    }
    let copy = root().join(COPY);
    copy_workspace(&copy)?;
    let before = crates(&copy)?;
    for step in &steps {
        let what = step.text.lines().next().unwrap_or_default();
        println!("{GUIDE}:{}: {what}", step.line);
        run(step, &copy).map_err(|error| format!("{GUIDE}:{}: this step fails:\n{error}", step.line))?;
    }
    let after = crates(&copy)?;
    let mut commands = vec!["xtask codegen --check".to_owned(), "xtask tidy".to_owned(), "fmt --all --check".to_owned()];
    for made in after.difference(&before) {
        commands.push(format!("clippy --package {made} --all-targets --all-features -- --deny warnings"));
        commands.push(format!("test --package {made} --no-default-features"));
    }
    if after == before {
        return Err(format!("`{GUIDE}` adds no provider"));
    }
    for command in commands {
        println!("cargo {command}");
        let mut cargo = step::cargo(&command.split(' ').collect::<Vec<_>>());
        output(prepared(&mut cargo, &copy)).map_err(|error| format!("what the guide leads to is not in order: {error}"))?;
    }
    fs::remove_dir_all(&copy).map_err(|error| format!("cannot remove `{COPY}`: {error}"))
}

/// The fences of `sh` and `diff`, in their order.
fn steps(guide: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut is_step = false;
    let line_of = |span: &Range<usize>| guide.get(..span.start).unwrap_or_default().matches('\n').count() + 2;
    for (event, span) in Parser::new(guide).into_offset_iter() {
        match event {
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(language))) => {
                let does = match &*language {
                    "diff" => Does::Edit,
                    "sh" => Does::Run,
                    _ => continue,
                };
                is_step = true;
                steps.push(Step { line: line_of(&span), does, text: String::new() });
            }
            Event::Text(text) if is_step => {
                if let Some(step) = steps.last_mut() {
                    step.text.push_str(&text);
                }
            }
            Event::End(TagEnd::CodeBlock) => is_step = false,
            _ => {}
        }
    }
    steps
}

fn run(step: &Step, copy: &Path) -> Result<(), String> {
    match step.does {
        Does::Edit => {
            let mut apply = Command::new("git");
            fed(prepared(apply.args(["apply", "--whitespace=nowarn", "-"]), copy), &step.text)
        }
        Does::Run => fed(prepared(Command::new("bash").args(["-eu", "-o", "pipefail", "-s"]), copy), &step.text),
    }
}

/// In the copy, with the build of the workspace itself: packages from elsewhere are compiled there already.
fn prepared<'c>(command: &'c mut Command, copy: &Path) -> &'c mut Command {
    command.current_dir(copy).env("CARGO_TARGET_DIR", root().join("target"))
}

/// Runs a command that reads `text`; what it prints is told only if it fails.
fn fed(command: &mut Command, text: &str) -> Result<(), String> {
    let cannot = |error| format!("cannot run it: {error}");
    let streams = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = streams.spawn().map_err(cannot)?;
    let mut input = child.stdin.take();
    // A command that ends early does not read all; its own words say why.
    input.as_mut().map(|input| input.write_all(text.as_bytes()).ok());
    drop(input);
    let output = child.wait_with_output().map_err(cannot)?;
    if output.status.success() {
        return Ok(());
    }
    let [printed, complained] = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    Err(format!("{text}{printed}{complained}{}", output.status))
}

fn crates(copy: &Path) -> Result<BTreeSet<String>, String> {
    let cannot = |error| format!("cannot read `{COPY}/crates`: {error}");
    let entries = fs::read_dir(copy.join("crates")).map_err(cannot)?;
    entries.map(|entry| Ok(entry.map_err(cannot)?.file_name().to_string_lossy().into_owned())).collect()
}

/// Copies what git knows of, or would if it were added, into a repository of its own: `git apply` looks for one.
fn copy_workspace(copy: &Path) -> Result<(), String> {
    let cannot = |error| format!("cannot copy the workspace to `{COPY}`: {error}");
    if copy.exists() {
        fs::remove_dir_all(copy).map_err(cannot)?;
    }
    let list = ["ls-files", "--cached", "--others", "--exclude-standard", "-z"];
    let listed = output(Command::new("git").args(list).current_dir(root()))?;
    for path in listed.split_terminator('\0') {
        let (from, to) = (root().join(path), copy.join(path));
        // One that is deleted and not committed yet is still listed.
        let Ok(metadata) = fs::symlink_metadata(&from) else { continue };
        fs::create_dir_all(to.parent().unwrap_or(copy)).map_err(cannot)?;
        if metadata.is_symlink() {
            symlink(&from, &to).map_err(cannot)?;
        } else {
            fs::copy(&from, &to).map_err(cannot)?;
        }
    }
    output(Command::new("git").args(["init", "--quiet"]).current_dir(copy)).map(drop)
}

#[cfg(unix)]
fn symlink(from: &Path, to: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(fs::read_link(from)?, to)
}

#[cfg(not(unix))]
fn symlink(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::copy(from, to).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fences_of_sh_and_diff_are_the_steps() {
        let guide = "# Guide\n\n```sh\none\ntwo\n```\n\nWords `sh`.\n\n```rust\nfn no() {}\n```\n\n- in a list:\n\n  ```diff\n  --- a\n  +++ b\n  ```\n\n```text\nno\n```\n";
        let step = |line, does, text: &str| Step { line, does, text: text.to_owned() };
        assert_eq!(steps(guide), [step(4, Does::Run, "one\ntwo\n"), step(17, Does::Edit, "--- a\n+++ b\n")]);
        assert_eq!(steps("no fence"), []);
    }

    #[test]
    fn a_step_that_fails_says_what_it_printed() {
        let copy = tempfile::tempdir().unwrap();
        let step = |does, text: &str| Step { line: 1, does, text: text.to_owned() };
        run(&step(Does::Run, "pwd\ntest -n \"$CARGO_TARGET_DIR\"\n"), copy.path()).unwrap();
        let error = run(&step(Does::Run, "echo before\nfalse\necho after\n"), copy.path()).unwrap_err();
        assert!(error.contains("\nbefore\n") && !error.contains("\nafter\n"), "{error}");
        assert!(run(&step(Does::Run, "echo $no_such_variable\n"), copy.path()).is_err());
        output(Command::new("git").args(["init", "--quiet"]).current_dir(copy.path())).unwrap();
        let patch = "--- a/file\n+++ b/file\n@@ -1 +1 @@\n-old\n+new\n";
        assert!(run(&step(Does::Edit, patch), copy.path()).unwrap_err().contains("file"));
        fs::write(copy.path().join("file"), "old\n").unwrap();
        run(&step(Does::Edit, patch), copy.path()).unwrap();
        assert_eq!(fs::read_to_string(copy.path().join("file")).unwrap(), "new\n");
    }
}
