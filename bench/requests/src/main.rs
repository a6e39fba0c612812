//! What a token costs a request: a layer beside none, a signature beside its hashes, and a hundred refusals at once.

mod lanes;
mod overhead;
mod signature;
mod storm;

use std::process::ExitCode;

use bench_shared::{Report, Verdict, machine, say, tell};

const HELP: &str = "\
What a token costs a request.

    requests [--json] [MODE ...]

Modes, all of them unless some are named:
    overhead    a request with a cached token, beside the same client without the layer
    signature   Klikoo's signature for a body of 1 KiB, beside its two hashes alone
    storm       a hundred requests whose token is refused at once, by tower and by reqwest

Exit status: 0 if the targets are met, 1 if one is missed, 2 if it could not measure.
";

type Mode = (&'static str, fn() -> Result<Report, String>);

const MODES: [Mode; 3] = [("overhead", overhead::run), ("signature", signature::run), ("storm", storm::run)];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    measure(&arguments).map_or_else(
        |error| {
            eprintln!("error: {error}");
            ExitCode::from(Verdict::NotMeasured.exit_status())
        },
        ExitCode::from,
    )
}

/// Measures the modes that are named, and gives the exit status.
fn measure(arguments: &[String]) -> Result<u8, String> {
    if arguments.iter().any(|argument| argument == "--help") {
        return say(HELP).map(|()| 0);
    }
    let json = arguments.iter().any(|argument| argument == "--json");
    let named: Vec<_> = arguments.iter().filter(|argument| *argument != "--json").collect();
    if let Some(unknown) = named.iter().find(|name| MODES.iter().all(|(mode, _)| mode != *name)) {
        return Err(format!("there is no mode `{unknown}`; `--help` says what it takes"));
    }
    if !json {
        say(&format!("{}, {}.\n\n", today(), machine()))?;
    }
    let mut verdict = Verdict::Met;
    for (mode, run) in MODES {
        if named.is_empty() || named.iter().any(|name| *name == mode) {
            verdict = verdict.max(tell(&run()?, json)?);
        }
    }
    Ok(verdict.exit_status())
}

/// The date by UTC.
#[expect(clippy::disallowed_methods, reason = "a table says when it was measured")]
fn today() -> String {
    jiff::Timestamp::now().strftime("%-d %B %Y").to_string()
}
