//! The sessions of many users: what they hold, what a hit takes, and all of them due at once.

mod clock;
mod expiry;
mod grant;
mod hot;
mod memory;
mod users;

use std::process::ExitCode;

use bench_shared::{
    Report, SESSIONS_HELP, SessionsCommand, SessionsMode as Mode, SessionsOptions as Options, Verdict, machine, say, tell,
};

fn main() -> ExitCode {
    let outcome = match SessionsCommand::read(std::env::args_os()) {
        Ok(SessionsCommand::Help) => say(SESSIONS_HELP).map(|()| 0),
        Ok(SessionsCommand::Measure(options)) => measure(&options),
        Err(error) => Err(format!("{error}; `--help` says what it takes")),
    };
    outcome.map_or_else(
        |error| {
            eprintln!("error: {error}");
            ExitCode::from(Verdict::NotMeasured.exit_status())
        },
        ExitCode::from,
    )
}

/// Measures every mode, and gives the exit status.
fn measure(options: &Options) -> Result<u8, String> {
    if !options.json {
        say(&format!("{}, {}.\n\n", today(), machine()))?;
    }
    let mut verdict = Verdict::Met;
    for mode in &options.modes {
        let report: Report = match *mode {
            Mode::Memory { sessions } => memory::run(options, sessions)?,
            Mode::Hot { sessions } => hot::run(options, sessions)?,
            Mode::Expiry { users } => expiry::run(options, users)?,
        };
        verdict = verdict.max(tell(&report, options.json)?);
    }
    Ok(verdict.exit_status())
}

/// The date by UTC.
#[expect(clippy::disallowed_methods, reason = "a table says when it was measured")]
fn today() -> String {
    jiff::Timestamp::now().strftime("%-d %B %Y").to_string()
}
