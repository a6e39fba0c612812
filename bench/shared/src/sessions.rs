//! The command line of `sessions`.

use std::ffi::OsString;

use lexopt::{Arg, Parser, ValueExt};

/// What `--help` prints.
pub const HELP: &str = "\
Measures many users' sessions: what they hold, what a hit takes, and all of them due at once.

Usage: sessions [OPTIONS] [MODE [NUMBER]]

  all                everything below, in the sizes that the targets name (default)
  memory [N]         bytes held by each of N sessions (1000000)
  hot [N]            a hit among N sessions, at one thread and at two (1000000)
  expiry [USERS]     the tokens of so many users end in the same second (10000)

Options:
  --json             one line of JSON for each subject; the targets go to standard error
  --only A,B         only subjects whose names contain one of these, beside the floor
  --runs N           how often each subject of `expiry` is measured, or in `hot` how many rounds
  --help             this text

Exit status: 0 if the targets are met, 1 if one is missed, 2 if it could not measure.
";

/// What the program is to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Command {
    /// Say how it is used.
    Help,
    /// Measure.
    Measure(Options),
}

/// What to measure, and how to show it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// In this order.
    pub modes: Vec<Mode>,
    /// For programs.
    pub json: bool,
    /// Parts of names; empty for all subjects.
    pub only: Vec<String>,
    /// Instead of the mode's own number.
    pub runs: Option<usize>,
}

impl Options {
    /// Whether a subject of this name is wanted.
    pub fn wants(&self, subject: &str) -> bool {
        crate::options::is_wanted(&self.only, subject)
    }
}

/// One thing to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are the numbers that `HELP` explains")]
pub enum Mode {
    /// `memory`
    Memory { sessions: usize },
    /// `hot`
    Hot { sessions: usize },
    /// `expiry`
    Expiry { users: usize },
}

impl Command {
    /// Reads the arguments, the first of which is the program's name.
    ///
    /// # Errors
    ///
    /// A sentence that says what is wrong with them.
    pub fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, String> {
        let mut parser = Parser::from_iter(arguments);
        let (mut options, mut words) = (Options::default(), Vec::new());
        while let Some(argument) = parser.next().map_err(|error| error.to_string())? {
            match argument {
                Arg::Short('h') | Arg::Long("help") => return Ok(Self::Help),
                Arg::Long("json") => options.json = true,
                Arg::Long("only") => options.only = crate::options::list(&mut parser)?,
                Arg::Long("runs") => options.runs = Some(crate::options::runs(&mut parser)?),
                Arg::Value(word) => words.push(word.string().map_err(|error| error.to_string())?),
                other => return Err(other.unexpected().to_string()),
            }
        }
        let mut words = words.iter().map(String::as_str);
        let mode = words.next().unwrap_or("all");
        let number = words.next().map(|word| match word.parse::<u32>() {
            Ok(0) | Err(_) => Err(format!("`{word}` is not a number from 1 to {}", u32::MAX)),
            Ok(number) => Ok(usize::try_from(number).unwrap_or(usize::MAX)),
        });
        options.modes = modes(mode, number.transpose()?)?;
        match words.next() {
            Some(word) => Err(format!("`{word}` is one number too many")),
            None => Ok(Self::Measure(options)),
        }
    }
}

fn modes(mode: &str, number: Option<usize>) -> Result<Vec<Mode>, String> {
    let memory = Mode::Memory { sessions: number.unwrap_or(1_000_000) };
    let hot = Mode::Hot { sessions: number.unwrap_or(1_000_000) };
    let expiry = Mode::Expiry { users: number.unwrap_or(10_000) };
    match mode {
        "all" if number.is_some() => Err("`all` takes no number".to_owned()),
        "all" => Ok(vec![memory, hot, expiry]),
        "memory" => Ok(vec![memory]),
        "hot" => Ok(vec![hot]),
        "expiry" => Ok(vec![expiry]),
        _ => Err(format!("there is no mode `{mode}`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Command, String> {
        Command::read(std::iter::once("sessions").chain(line.split_whitespace()).map(OsString::from))
    }

    fn measured(line: &str) -> Options {
        match read(line) {
            Ok(Command::Measure(options)) => options,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn modes_take_a_number_or_their_own() {
        let all = [Mode::Memory { sessions: 1_000_000 }, Mode::Hot { sessions: 1_000_000 }, Mode::Expiry { users: 10_000 }];
        for (line, modes) in [
            ("", &all[..]),
            ("all", &all),
            ("memory", &all[..1]),
            ("hot", &all[1..2]),
            ("expiry", &all[2..]),
            ("memory 7", &[Mode::Memory { sessions: 7 }]),
            ("hot 8", &[Mode::Hot { sessions: 8 }]),
            ("expiry 9", &[Mode::Expiry { users: 9 }]),
        ] {
            assert_eq!(measured(line).modes, modes, "{line}");
        }
    }

    #[test]
    fn options_stand_anywhere() {
        let options = measured("--runs 3 expiry --only=FileStore,prakerja 5 --json");
        assert_eq!((options.runs, options.json), (Some(3), true));
        assert!(options.wants("Sessions, FileStore") && options.wants("Prakerja") && !options.wants("MemoryStore"));
        assert_eq!(read("hot --help"), Ok(Command::Help));
    }

    #[test]
    fn what_cannot_be_done_is_refused() {
        for line in ["cold", "all 3", "hot x", "hot 0", "expiry 1 2", "memory 5000000000", "--runs 0", "--runs x", "--fast"] {
            assert!(read(line).is_err(), "{line}");
        }
    }
}
