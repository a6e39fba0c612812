//! The command line of `caches`.

use std::ffi::OsString;

use lexopt::{Arg, Parser, ValueExt};

/// What `--help` prints.
pub const HELP: &str = "\
Measures the token cache beside its peers, against a token server on loopback.

Usage: caches [OPTIONS] [MODE [NUMBERS]]

  all                everything below, in the sizes that the targets name (default)
  hot                a cached call: nanoseconds and allocations
  stampede [N]       N callers find no token (10000)
  cancel [N]         the same with N followers of a caller that goes away (100)
  fail401 [N]        N callers are answered 401 (50)
  fail503 [N]        N callers are answered 503 (50)
  recover [STATUS]   the service is healthy again after one such answer (401, then 503)
  short [TTL]        40 calls with tokens that live so many seconds (120, 45 and 15)
  window [TTL]       calls while a token is valid and due for a refresh (120)
  memory [N]         bytes held by each of N caches (1000)

Options:
  --json             one line of JSON for each subject; the targets go to standard error
  --only A,B         only subjects whose names contain one of these, beside the floor
  --runs N           how often each subject is measured, or in `hot` how many rounds
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
    /// Be the token server; for the program itself.
    Serve,
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
        is_wanted(&self.only, subject)
    }
}

/// One thing to measure.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are the numbers that `HELP` explains")]
pub enum Mode {
    /// `hot`
    Hot,
    /// `stampede`
    Stampede { callers: usize },
    /// `cancel`
    Cancel { followers: usize },
    /// `fail401` and `fail503`
    Fail { status: u16, callers: usize },
    /// `recover`
    Recover { status: u16 },
    /// `short`
    Short { lifetimes: Vec<u64> },
    /// `window`
    Window { lifetime: u64 },
    /// `memory`
    Memory { caches: usize },
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
                Arg::Long("only") => options.only = list(&mut parser)?,
                Arg::Long("runs") => options.runs = Some(runs(&mut parser)?),
                Arg::Value(word) => words.push(word.string().map_err(|error| error.to_string())?),
                other => return Err(other.unexpected().to_string()),
            }
        }
        let mut words = words.iter().map(String::as_str);
        let mode = words.next().unwrap_or("all");
        if mode == "serve" {
            return Ok(Self::Serve);
        }
        let number = words.next().map(|word| match word.parse() {
            Ok(0) | Err(_) => Err(format!("`{word}` is not a number from 1 on")),
            Ok(number) => Ok(number),
        });
        options.modes = modes(mode, number.transpose()?)?;
        match words.next() {
            Some(word) => Err(format!("`{word}` is one number too many")),
            None => Ok(Self::Measure(options)),
        }
    }
}

/// Whether a subject is among those that were asked for; it is if none were.
pub(crate) fn is_wanted(only: &[String], subject: &str) -> bool {
    let subject = subject.to_lowercase();
    only.is_empty() || only.iter().any(|part| subject.contains(&part.to_lowercase()))
}

pub(crate) fn list(parser: &mut Parser) -> Result<Vec<String>, String> {
    let names = parser.value().and_then(|value| value.string()).map_err(|error| error.to_string())?;
    Ok(names.split(',').map(str::to_owned).collect())
}

pub(crate) fn runs(parser: &mut Parser) -> Result<usize, String> {
    let runs = parser.value().and_then(|value| value.parse()).map_err(|error| error.to_string())?;
    if runs == 0 { Err("`--runs` takes a number from 1 on".to_owned()) } else { Ok(runs) }
}

fn modes(mode: &str, number: Option<u64>) -> Result<Vec<Mode>, String> {
    let size = |default| number.map_or(default, |number| usize::try_from(number).unwrap_or(usize::MAX));
    Ok(match mode {
        "all" | "hot" if number.is_some() => return Err(format!("`{mode}` takes no number")),
        "all" => vec![
            Mode::Hot,
            Mode::Stampede { callers: 10_000 },
            Mode::Cancel { followers: 100 },
            Mode::Fail { status: 401, callers: 50 },
            Mode::Fail { status: 503, callers: 50 },
            Mode::Recover { status: 401 },
            Mode::Recover { status: 503 },
            Mode::Short { lifetimes: vec![120, 45, 15] },
            Mode::Window { lifetime: 120 },
            Mode::Memory { caches: 1_000 },
        ],
        "hot" => vec![Mode::Hot],
        "stampede" => vec![Mode::Stampede { callers: size(10_000) }],
        "cancel" => vec![Mode::Cancel { followers: size(100) }],
        "fail401" => vec![Mode::Fail { status: 401, callers: size(50) }],
        "fail503" => vec![Mode::Fail { status: 503, callers: size(50) }],
        "recover" => match number {
            None => vec![Mode::Recover { status: 401 }, Mode::Recover { status: 503 }],
            Some(401) => vec![Mode::Recover { status: 401 }],
            Some(503) => vec![Mode::Recover { status: 503 }],
            Some(_) => return Err("`recover` takes 401 or 503".to_owned()),
        },
        "short" => vec![Mode::Short { lifetimes: number.map_or(vec![120, 45, 15], |number| vec![number]) }],
        "window" => vec![Mode::Window { lifetime: number.unwrap_or(120) }],
        "memory" => vec![Mode::Memory { caches: size(1_000) }],
        _ => return Err(format!("there is no mode `{mode}`")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Command, String> {
        Command::read(std::iter::once("caches").chain(line.split_whitespace()).map(OsString::from))
    }

    fn measured(line: &str) -> Options {
        match read(line) {
            Ok(Command::Measure(options)) => options,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn no_mode_is_every_mode() {
        assert_eq!(measured("").modes.len(), 10);
        assert_eq!(measured(""), measured("all"));
    }

    #[test]
    fn modes_take_a_number_or_their_own() {
        for (line, modes) in [
            ("hot", vec![Mode::Hot]),
            ("stampede", vec![Mode::Stampede { callers: 10_000 }]),
            ("stampede 7", vec![Mode::Stampede { callers: 7 }]),
            ("cancel 3", vec![Mode::Cancel { followers: 3 }]),
            ("fail401", vec![Mode::Fail { status: 401, callers: 50 }]),
            ("fail503 9", vec![Mode::Fail { status: 503, callers: 9 }]),
            ("recover", vec![Mode::Recover { status: 401 }, Mode::Recover { status: 503 }]),
            ("recover 503", vec![Mode::Recover { status: 503 }]),
            ("short 15", vec![Mode::Short { lifetimes: vec![15] }]),
            ("window 330", vec![Mode::Window { lifetime: 330 }]),
            ("memory", vec![Mode::Memory { caches: 1_000 }]),
        ] {
            assert_eq!(measured(line).modes, modes, "{line}");
        }
    }

    #[test]
    fn options_stand_anywhere() {
        let options = measured("--runs 3 cancel --only=Google,yup 5 --json");
        assert_eq!((options.runs, options.json), (Some(3), true));
        assert!(options.wants("google-cloud-auth") && options.wants("YUP") && !options.wants("azure"));
        assert_eq!(read("serve"), Ok(Command::Serve));
        assert_eq!(read("hot --help"), Ok(Command::Help));
    }

    #[test]
    fn what_cannot_be_done_is_refused() {
        for line in
            ["cold", "hot 3", "all 3", "stampede x", "stampede 0", "cancel 1 2", "recover 500", "--runs 0", "--runs x", "--fast"]
        {
            assert!(read(line).is_err(), "{line}");
        }
    }
}
