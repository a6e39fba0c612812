//! The tokens of many users end in the same second, and all of the users come back.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bench_shared::{Cell, Column, Report, SessionsOptions as Options, Stopwatch, median, quantile, root};
use provider_prakerja::Prakerja;
use token_core::{Clock, Error, MemoryStore, RefreshGrant, SessionStore, Sessions, Token};
use token_sandbox::Sandbox;
use token_store::{AeadSeal, FileStore, SealKey};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

use crate::clock::Ahead;
use crate::grant::{Mint, Seen, Slow};
use crate::users::{self, Name, shown};

const RUNS: usize = 3;
const LATENCY: Duration = Duration::from_millis(50);
/// What `Sessions` lets be under way at once by default.
const IN_FLIGHT: usize = 64;
/// How many ask at once for each user.
const CALLERS: usize = 2;
/// The most that it may take with a store that takes no time, in units of what the latency alone comes to.
const LIMIT: f64 = 1.15;

const IN_MEMORY: &str = "MemoryStore";
const IN_FILES: &str = "FileStore";
const PRAKERJA: &str = "MemoryStore, Prakerja over HTTP";

/// What one run came to.
struct Outcome {
    requests: f64,
    twice: f64,
    most: f64,
    milliseconds: f64,
    failed: f64,
}

pub(crate) fn run(options: &Options, users: usize) -> Result<Report, String> {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().map_err(shown)?;
    let runs = options.runs.unwrap_or(RUNS);
    let columns = vec![
        Column::new("requests", "requests", 0),
        Column::new("tokens sent twice", "sent_twice", 0),
        Column::new("most under way", "most_under_way", 0),
        Column::new("median ms", "median_ms", 0),
        Column::new("best ms", "best_ms", 0),
        Column::new("× ideal", "ratio", 3),
        Column::new("callers with an error", "errors", 0),
    ];
    let ideal = users as f64 / IN_FLIGHT as f64 * LATENCY.as_secs_f64() * 1e3;
    let title = format!(
        "The tokens of {users} users end in the same second, and {CALLERS} callers for each ask at once. The service takes {} ms, and {IN_FLIGHT} requests may be under way: {ideal:.1} ms at best.",
        LATENCY.as_millis()
    );
    let mut report = Report::new("expiry", title, columns);
    for (name, measure) in SUBJECTS {
        if !options.wants(name) {
            continue;
        }
        let outcomes: Vec<Outcome> = (0..runs).map(|_| measure(&runtime, users)).collect::<Result<_, _>>()?;
        let worst = |figure: fn(&Outcome) -> f64| outcomes.iter().map(figure).fold(0.0, f64::max);
        let times: Vec<f64> = outcomes.iter().map(|outcome| outcome.milliseconds).collect();
        let (requests, twice) = (worst(|outcome| outcome.requests), worst(|outcome| outcome.twice));
        let (most, failed) = (worst(|outcome| outcome.most), worst(|outcome| outcome.failed));
        let ratio = median(&times) / ideal;
        let cells = [requests, twice, most, median(&times), quantile(&times, 0.0), ratio, failed];
        report.row(name, cells.map(Cell::from).to_vec());
        // Who got a token got a new one, so that nobody failed says that there was one request for each user at least.
        report.target(format!("{name}, requests"), users as f64, "requests", requests);
        report.target(format!("{name}, callers without a new token"), 0.0, "callers", failed);
        report.target(format!("{name}, refresh tokens sent twice"), 0.0, "tokens", twice);
        report.target(format!("{name}, requests under way"), IN_FLIGHT as f64, "requests", most);
        if name == IN_MEMORY {
            report.target(format!("{name}, time"), LIMIT, "× ideal", ratio);
        }
    }
    report.note(format!("Runs of each: {runs}. The time is their median, every other figure the largest."));
    report.note(
        "The time ends when the last caller has its token; then each user is asked for once more, which must make no request.",
    );
    report.note(format!("{IN_FILES}: a refresh is two reads, two writes that are on the disk before it goes on, and a lease, all of it while it counts as under way."));
    report.note(format!("{PRAKERJA}: the provider, on its own transport, against the sandbox in this process. The sandbox has no latency of its own, so it is waited for in front of each request."));
    Ok(report)
}

type Measure = fn(&Runtime, usize) -> Result<Outcome, String>;

const SUBJECTS: [(&str, Measure); 3] = [(IN_MEMORY, in_memory), (IN_FILES, in_files), (PRAKERJA, prakerja)];

fn in_memory(runtime: &Runtime, users: usize) -> Result<Outcome, String> {
    let clock = Arc::new(Ahead::default());
    runtime.block_on(minted(&clock, Arc::new(MemoryStore::new()), users))
}

fn in_files(runtime: &Runtime, users: usize) -> Result<Outcome, String> {
    let clock = Arc::new(Ahead::default());
    // Where a program would have them: the system's folder for temporary files may be memory.
    let folder = tempfile::tempdir_in(target()?).map_err(shown)?;
    let seal = AeadSeal::new(SealKey::generate(1).map_err(shown)?);
    let store = FileStore::open(folder.path().join("sessions"), Arc::new(seal)).map_err(shown)?;
    let outcome = runtime.block_on(minted(&clock, Arc::new(store), users));
    folder.close().map_err(shown)?;
    outcome
}

/// The folder for what is built.
fn target() -> Result<PathBuf, String> {
    let folder = root().join("target");
    std::fs::create_dir_all(&folder).map_err(shown)?;
    Ok(folder)
}

async fn minted(clock: &Arc<Ahead>, store: Arc<dyn SessionStore>, users: usize) -> Result<Outcome, String> {
    let stage = Stage::new(Mint(Arc::clone(clock) as _), clock, store, users);
    let tokens = (0..users).map(|user| users::token(user, 0, clock.now())).collect::<Result<_, _>>()?;
    stage.all_due(tokens).await
}

fn prakerja(runtime: &Runtime, users: usize) -> Result<Outcome, String> {
    runtime.block_on(async {
        let clock = Arc::new(Ahead::default());
        let sandbox = Sandbox::builder().clock(Arc::clone(&clock) as _).start().await.map_err(shown)?;
        let credentials = sandbox.prakerja_credentials();
        let prakerja = Prakerja::builder()
            .base_url(sandbox.prakerja_base_url())
            .consent_url(sandbox.prakerja_consent_url())
            .client_id(credentials.client_id())
            .client_name(credentials.client_name())
            .redirect_uri(credentials.redirect_uri())
            .login_uri(credentials.login_uri())
            .clock(Arc::clone(&clock) as _)
            .build()
            .map_err(shown)?;
        let mut tokens = Vec::with_capacity(users);
        for _ in 0..users {
            let login = prakerja.begin_login().map_err(shown)?;
            let callback = sandbox.approve_consent(&login.url).map_err(shown)?;
            let (_, query) = callback.split_once('?').ok_or("the callback has no query")?;
            let code = login.pending.callback(query).map_err(shown)?;
            tokens.push(prakerja.exchange(code).await.map_err(shown)?);
        }
        let outcome = Stage::new(prakerja, &clock, Arc::new(MemoryStore::new()), users).all_due(tokens).await;
        sandbox.shutdown().await;
        outcome
    })
}

/// Sessions of a service that is counted.
struct Stage<G> {
    sessions: Sessions<Slow<G>>,
    clock: Arc<Ahead>,
    seen: Arc<Seen>,
    users: usize,
}

impl<G: RefreshGrant + 'static> Stage<G> {
    fn new(service: G, clock: &Arc<Ahead>, store: Arc<dyn SessionStore>, users: usize) -> Self {
        let seen = Arc::new(Seen::default());
        let service = Slow { service, latency: LATENCY, seen: Arc::clone(&seen) };
        let sessions = Sessions::builder(service, store).capacity(users).clock(Arc::clone(clock) as _).build();
        Self { sessions, clock: Arc::clone(clock), seen, users }
    }

    async fn all_due(self, tokens: Vec<Token>) -> Result<Outcome, String> {
        self.log_in(tokens).await?;
        self.clock.advance(2 * users::LIFETIME);
        let watch = Stopwatch::start();
        let mut callers = JoinSet::new();
        for caller in 0..self.users * CALLERS {
            let (sessions, name) = (self.sessions.clone(), Name::of(caller % self.users));
            callers.spawn(async move { sessions.get(name.as_str())?.token().await });
        }
        let mut failed = 0;
        while let Some(caller) = callers.join_next().await {
            failed += usize::from(caller.map_err(shown)?.is_err());
        }
        let milliseconds = watch.milliseconds();
        for user in 0..self.users {
            let session = self.sessions.get(Name::of(user).as_str()).map_err(shown)?;
            failed += usize::from(session.try_token().is_none());
        }
        self.sessions.close().await.map_err(shown)?;
        let (requests, twice, most) = self.seen.figures();
        Ok(Outcome { requests, twice, most, milliseconds, failed: failed as f64 })
    }

    /// As many at a time as refreshes, since a store may take its time.
    async fn log_in(&self, tokens: Vec<Token>) -> Result<(), String> {
        let mut under_way: JoinSet<Result<(), Error>> = JoinSet::new();
        for (user, token) in tokens.into_iter().enumerate() {
            if under_way.len() == IN_FLIGHT
                && let Some(ended) = under_way.join_next().await
            {
                ended.map_err(shown)?.map_err(shown)?;
            }
            let sessions = self.sessions.clone();
            under_way.spawn(async move { sessions.log_in(Name::of(user).as_str(), token).await.map(|_| ()) });
        }
        while let Some(ended) = under_way.join_next().await {
            ended.map_err(shown)?.map_err(shown)?;
        }
        Ok(())
    }
}
