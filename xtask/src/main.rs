//! Chores of this workspace: `cargo xtask --help`. It depends on no crate of the workspace, so it works when they do not compile.

mod ci;
mod dependencies;
mod step;

use std::process::ExitCode;

use lexopt::{Arg, Parser};

const HELP: &str = "\
Chores of this workspace.

Usage: cargo xtask <COMMAND>

Commands:
  ci                 run every check, as the continuous integration does
  ci --list          list the checks by name
  ci <NAME>...       run the named checks only
  dependencies       show how many packages each library adds, and check who depends on whom

Options:
  -h, --help         show this page

A check that fails names the command that failed, so that you can run it by itself.
";

enum Task {
    Ci(Vec<String>),
    Dependencies,
    Help,
    ListChecks,
}

fn main() -> ExitCode {
    let outcome = match parse(Parser::from_env()) {
        Ok(Task::Help) => {
            print!("{HELP}");
            Ok(())
        }
        Ok(Task::ListChecks) => {
            ci::list();
            Ok(())
        }
        Ok(Task::Ci(names)) => ci::run(&names),
        Ok(Task::Dependencies) => dependencies::check(),
        Err(error) => Err(format!("{error}\nTry `cargo xtask --help`.")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

fn parse(mut arguments: Parser) -> Result<Task, lexopt::Error> {
    let mut command = None;
    let mut names = Vec::new();
    let mut list = false;
    while let Some(argument) = arguments.next()? {
        match argument {
            Arg::Short('h') | Arg::Long("help") => return Ok(Task::Help),
            Arg::Long("list") if command.as_deref() == Some("ci") => list = true,
            Arg::Value(value) if command.is_none() => command = Some(value.to_string_lossy().into_owned()),
            Arg::Value(value) if command.as_deref() == Some("ci") => names.push(value.to_string_lossy().into_owned()),
            other => return Err(other.unexpected()),
        }
    }
    match command.as_deref() {
        Some("ci") if list => Ok(Task::ListChecks),
        Some("ci") => Ok(Task::Ci(names)),
        Some("dependencies") => Ok(Task::Dependencies),
        Some(other) => Err(format!("there is no command `{other}`").into()),
        None => Ok(Task::Help),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> Result<Task, lexopt::Error> {
        parse(Parser::from_args(arguments))
    }

    #[test]
    fn commands_are_read_and_mistakes_are_told() {
        assert!(matches!(parsed(&[]), Ok(Task::Help)));
        assert!(matches!(parsed(&["ci", "--help"]), Ok(Task::Help)));
        assert!(matches!(parsed(&["ci", "--list"]), Ok(Task::ListChecks)));
        assert!(matches!(parsed(&["ci", "format", "tests"]), Ok(Task::Ci(names)) if names == ["format", "tests"]));
        for wrong in [&["build"][..], &["--list"], &["ci", "--lost"], &["dependencies", "extra"]] {
            assert!(parsed(wrong).is_err(), "{wrong:?}");
        }
    }
}
