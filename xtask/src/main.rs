//! Chores of this workspace: `cargo xtask --help`. It depends on no crate of the workspace, so it works when they do not compile.

mod ci;
mod codegen;
mod dependencies;
mod files;
mod import;
mod markdown;
mod new_provider;
mod step;
mod tidy;
mod walkthrough;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use lexopt::{Arg, Parser};

use crate::step::Failure;

const HELP: &str = "\
Chores of this workspace.

Usage: cargo xtask [--root <DIR>] <COMMAND>

Error codes (the tables in docs/providers/*.md are their one source):
  codegen                      write crates/provider-*/src/error/generated.rs from the tables
  codegen --check              write nothing; show what is stale, missing or orphaned, and fail
  import <SERVICE> <FILE>      compare a service's own page, as saved from a browser (text, HTML or
                               Markdown), with our table; SERVICE is klikoo, prakerja or sehatmu
  import --write <SERVICE> <FILE>
                               the same, and take codes, statuses, names and messages over

A new service:
  new-provider <NAME>          make crates/provider-NAME with its page, its tests and its README rows

Checks:
  ci                           run every check, as the continuous integration does
  ci --list                    list the checks by name
  ci <NAME>...                 run the named checks only
  dependencies                 show how many packages each library adds, and check who depends on whom
  tidy                         the house rules that no other tool holds

Options:
      --root <DIR>             work on another copy of the workspace
  -h, --help                   show this page

Exit status: 0 if all is well; 1 if something was found (a fault in a table, a stale file, a page
that differs, a check that failed); 2 if the command could not be carried out.

Colours are left out when the output is no terminal or NO_COLOR is set; CLICOLOR_FORCE=1 keeps them.
";

#[derive(Debug, PartialEq, Eq)]
enum Task {
    Ci(Vec<String>),
    Codegen(codegen::Mode),
    Dependencies,
    Help,
    Import { service: String, file: PathBuf, write: bool },
    ListChecks,
    NewProvider(String),
    Tidy,
}

fn main() -> ExitCode {
    let outcome = match parse(Parser::from_env()) {
        Ok((root, task)) => step::set_root(root).map_err(Failure::Trouble).and_then(|()| run(task)),
        Err(error) => Err(Failure::Trouble(format!("{error}\nTry `cargo xtask --help`."))),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let (message, status) = match failure {
                Failure::Found(message) => (message, 1),
                Failure::Trouble(message) => (message, 2),
            };
            anstream::eprintln!("error: {message}");
            ExitCode::from(status)
        }
    }
}

fn run(task: Task) -> Result<(), Failure> {
    let root = step::root();
    match task {
        Task::Ci(names) => ci::run(&names),
        Task::Codegen(mode) => codegen::run(&root, mode),
        Task::Dependencies => dependencies::check().map_err(Failure::Found),
        Task::Help => {
            step::print(HELP);
            Ok(())
        }
        Task::Import { service, file, write } => import::run(&root, &service, &file, write),
        Task::ListChecks => {
            ci::list();
            Ok(())
        }
        Task::NewProvider(name) => new_provider::run(&root, &name),
        Task::Tidy => tidy::run(&root),
    }
}

/// What the arguments ask for, and in which copy of the workspace.
fn parse(mut arguments: Parser) -> Result<(Option<PathBuf>, Task), lexopt::Error> {
    let mut root = None;
    let mut flags: Vec<&str> = Vec::new();
    let mut words: Vec<OsString> = Vec::new();
    while let Some(argument) = arguments.next()? {
        match argument {
            Arg::Short('h') | Arg::Long("help") => return Ok((None, Task::Help)),
            Arg::Long("root") if root.is_none() => root = Some(PathBuf::from(arguments.value()?)),
            Arg::Long("check") => flags.push("--check"),
            Arg::Long("list") => flags.push("--list"),
            Arg::Long("write") => flags.push("--write"),
            Arg::Value(word) => words.push(word),
            other => return Err(other.unexpected()),
        }
    }
    let mut words = words.into_iter();
    let Some(command) = words.next().map(|word| word.to_string_lossy().into_owned()) else {
        return match flags.first() {
            Some(flag) => Err(format!("`{flag}` wants a command").into()),
            None => Ok((root, Task::Help)),
        };
    };
    let words: Vec<OsString> = words.collect();
    let texts = || words.iter().map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>();
    let task = match (command.as_str(), flags.as_slice(), words.as_slice()) {
        ("ci", ["--list"], []) => Task::ListChecks,
        ("ci", [], _) => Task::Ci(texts()),
        ("codegen", [], []) => Task::Codegen(codegen::Mode::Write),
        ("codegen", ["--check"], []) => Task::Codegen(codegen::Mode::Check),
        ("dependencies", [], []) => Task::Dependencies,
        ("import", [] | ["--write"], [service, file]) => {
            Task::Import { service: service.to_string_lossy().into_owned(), file: PathBuf::from(file), write: !flags.is_empty() }
        }
        ("import", ..) => return Err("`import` wants a service and a file: `cargo xtask import prakerja page.txt`".into()),
        ("new-provider", [], [name]) => Task::NewProvider(name.to_string_lossy().into_owned()),
        ("new-provider", ..) => return Err("`new-provider` wants one name: `cargo xtask new-provider satusehat`".into()),
        ("tidy", [], []) => Task::Tidy,
        ("ci" | "codegen" | "dependencies" | "tidy", ..) => {
            let extra = flags.iter().map(|flag| (*flag).to_owned()).chain(texts()).collect::<Vec<_>>().join(" ");
            return Err(format!("`{command}` does not take `{extra}`").into());
        }
        _ => return Err(format!("there is no command `{command}`").into()),
    };
    Ok((root, task))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> Result<Task, lexopt::Error> {
        parse(Parser::from_args(arguments)).map(|(_, task)| task)
    }

    #[test]
    fn commands_are_read_and_mistakes_are_told() {
        let import = |write| Task::Import { service: "klikoo".to_owned(), file: PathBuf::from("page.html"), write };
        let cases: &[(&[&str], Task)] = &[
            (&[], Task::Help),
            (&["ci", "--help"], Task::Help),
            (&["ci", "--list"], Task::ListChecks),
            (&["ci"], Task::Ci(Vec::new())),
            (&["ci", "format", "tests"], Task::Ci(vec!["format".to_owned(), "tests".to_owned()])),
            (&["codegen"], Task::Codegen(codegen::Mode::Write)),
            (&["codegen", "--check"], Task::Codegen(codegen::Mode::Check)),
            (&["dependencies"], Task::Dependencies),
            (&["import", "klikoo", "page.html"], import(false)),
            (&["import", "klikoo", "page.html", "--write"], import(true)),
            (&["--root", "elsewhere", "new-provider", "bank"], Task::NewProvider("bank".to_owned())),
            (&["tidy"], Task::Tidy),
        ];
        for (arguments, task) in cases {
            assert_eq!(parsed(arguments).as_ref().ok(), Some(task), "{arguments:?}");
        }
        let wrong: &[&[&str]] = &[
            &["build"],
            &["--list"],
            &["--root"],
            &["ci", "--lost"],
            &["ci", "--check"],
            &["codegen", "--write"],
            &["codegen", "--check", "--check"],
            &["codegen", "klikoo"],
            &["dependencies", "extra"],
            &["import", "klikoo"],
            &["import", "--check", "klikoo", "page"],
            &["new-provider"],
            &["new-provider", "one", "two"],
            &["tidy", "--root", "a", "--root", "b"],
        ];
        for arguments in wrong {
            assert!(parsed(arguments).is_err(), "{arguments:?}");
        }
    }
}
