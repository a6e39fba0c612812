//! The token cache beside its peers: the same calls, the same token server, one process.

mod crowd;
mod fetch;
mod floors;
mod hot;
mod lifetimes;
mod memory;
mod ours;
mod peers;
mod recover;
mod server;
mod subject;
mod time;

use std::process::{Command, ExitCode};

use bench_shared::{CachesCommand, HELP, Mode, Options, Report, Verdict, machine, say, tell};

use self::server::Server;

fn main() -> ExitCode {
    let outcome = match CachesCommand::read(std::env::args_os()) {
        Ok(CachesCommand::Help) => say(HELP).map(|()| 0),
        Ok(CachesCommand::Serve) => server::serve().map(|()| 0),
        Ok(CachesCommand::Measure(options)) => without_proxies().map_or_else(|| measure(&options), Ok),
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

/// Where the environment names a proxy, some peers would send through it what is meant for loopback. So the program starts itself anew without, and this is how that ended.
fn without_proxies() -> Option<u8> {
    let is_proxy = |name: &str| name.to_lowercase().ends_with("_proxy");
    let proxies: Vec<_> = std::env::vars_os().map(|(name, _)| name).filter(|name| name.to_str().is_some_and(is_proxy)).collect();
    if proxies.is_empty() {
        return None;
    }
    let mut again = Command::new(std::env::current_exe().ok()?);
    again.args(std::env::args_os().skip(1));
    for proxy in proxies {
        again.env_remove(proxy);
    }
    let status = again.status().ok()?.code().and_then(|code| u8::try_from(code).ok());
    Some(status.unwrap_or(Verdict::NotMeasured.exit_status()))
}

/// Measures every mode, and gives the exit status.
fn measure(options: &Options) -> Result<u8, String> {
    // Several peers bring several of them, and then each wants to be told.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let server = Server::start()?;
    if !options.json {
        say(&format!("{}, {}.\n\n", today(), machine()))?;
    }
    let mut verdict = Verdict::Met;
    for mode in &options.modes {
        let report = measure_one(&server, options, mode)?;
        verdict = verdict.max(tell(&report, options.json)?);
    }
    Ok(verdict.exit_status())
}

/// The date by UTC.
#[expect(clippy::disallowed_methods, reason = "a table says when it was measured")]
fn today() -> String {
    jiff::Timestamp::now().strftime("%-d %B %Y").to_string()
}

fn measure_one(server: &Server, options: &Options, mode: &Mode) -> Result<Report, String> {
    match mode {
        Mode::Hot => hot::run(server, options),
        Mode::Stampede { callers } => crowd::stampede(server, options, *callers),
        Mode::Cancel { followers } => crowd::cancel(server, options, *followers),
        Mode::Fail { status, callers } => crowd::fail(server, options, *status, *callers),
        Mode::Recover { status } => recover::run(server, options, *status),
        Mode::Short { lifetimes } => lifetimes::short(server, options, lifetimes),
        Mode::Window { lifetime } => lifetimes::window(server, options, *lifetime),
        Mode::Memory { caches } => memory::run(server, options, *caches),
    }
}
