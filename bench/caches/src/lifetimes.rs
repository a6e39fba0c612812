//! Tokens that live short, and tokens that are due for a refresh.

use std::time::Duration;

use bench_shared::{Column, Options, Report, Stopwatch, median, quantile};

use crate::ours::{ALWAYS_DUE, AlwaysDue, Cached, OURS};
use crate::peers;
use crate::server::{Server, Service};
use crate::subject::{Lost, Subject, cold};
use crate::time::{pause, two_workers};

const RUNS: usize = 3;
const SHORT_CALLS: u32 = 40;
const SHORT_PAUSE: Duration = Duration::from_millis(10);

const WINDOW_TASKS: usize = 16;
const WINDOW: Duration = Duration::from_secs(2);
const WINDOW_PAUSE: Duration = Duration::from_millis(1);
/// The most that 99 of 100 calls may take, in microseconds.
const WINDOW_LIMIT: f64 = 10.0;

/// What is done with a subject, for tokens that live so many seconds.
type Work<T> = fn(&Server, u64) -> Result<T, String>;

/// Every subject of both modes, with what to do with it.
macro_rules! subjects {
    ($options:expr, $work:ident, $($own:ty),*) => {{
        let mut subjects: Vec<(&'static str, Work<_>)> = Vec::new();
        subjects!(@ subjects, $options, $work, $($own),*);
        subjects!(@ subjects, $options, $work, peers::GoogleToken, peers::Azure, peers::ObjectStore, peers::Aws, peers::Huskarl);
        subjects!(@ subjects, $options, $work, peers::Reqsign, peers::GcpAuth, peers::Yup, peers::Aliri);
        subjects
    }};
    (@ $list:ident, $options:expr, $work:ident, $($subject:ty),*) => {
        $(if $options.wants(<$subject>::NAME) {
            $list.push((<$subject>::NAME, $work::<$subject> as Work<_>));
        })*
    };
}

pub(crate) fn short(server: &Server, options: &Options, lifetimes: &[u64]) -> Result<Report, String> {
    let columns =
        lifetimes.iter().map(|seconds| Column::new(format!("{seconds} s"), format!("requests_{seconds}_s"), 0)).collect();
    let title =
        format!("Requests for {SHORT_CALLS} calls, one every {} ms, when a token lives so long.", SHORT_PAUSE.as_millis());
    let mut report = Report::new("short", title, columns);
    let runs = options.runs.unwrap_or(RUNS);
    let mut lost = Lost::default();
    for (name, work) in subjects!(options, requests, Cached) {
        let count = |lifetime: &u64| (0..runs).map(|_| work(server, *lifetime)).collect::<Result<Vec<f64>, String>>();
        let counts: Result<Vec<_>, String> = lifetimes.iter().map(count).collect();
        let Some(counts) = lost.or_lost(name, counts)? else { continue };
        for (lifetime, counts) in lifetimes.iter().zip(&counts) {
            if name == OURS && *lifetime == 15 {
                let most = quantile(counts, 1.0);
                report.target(format!("{SHORT_CALLS} calls with a token that lives 15 s"), 1.0, "request", most);
            }
        }
        report.row(name, counts.iter().map(|counts| median(counts).into()).collect());
    }
    lost.tell(&mut report);
    report.note(format!("Medians of {runs} runs each."));
    Ok(report)
}

fn requests<S: Subject>(server: &Server, lifetime: u64) -> Result<f64, String> {
    let site = server.site(Service { latency_ms: 5, lifetime, ..Service::default() })?;
    two_workers()?.block_on(async {
        let subject: S = cold(&site.base).await?;
        for _ in 0..SHORT_CALLS {
            subject.get().await?;
            pause(SHORT_PAUSE).await;
        }
        Ok::<(), String>(())
    })?;
    Ok(site.counts()?.0 as f64)
}

/// How one run went: the calls, in microseconds, and the requests meanwhile.
struct Calls {
    microseconds: Vec<f64>,
    requests: f64,
}

pub(crate) fn window(server: &Server, options: &Options, lifetime: u64) -> Result<Report, String> {
    let columns = vec![
        Column::new("p50 µs", "p50_us", 1),
        Column::new("p99 µs", "p99_us", 1),
        Column::new("longest µs", "longest_us", 0),
        Column::new("% over 5 ms", "percent_over_5_ms", 1),
        Column::new("requests", "requests", 0),
    ];
    let title = format!(
        "{WINDOW_TASKS} tasks call every ms for {} s, a token lives {lifetime} s, and the service takes 50 ms.",
        WINDOW.as_secs()
    );
    let mut report = Report::new("window", title, columns);
    let runs = options.runs.unwrap_or(RUNS);
    let subjects: Vec<(&'static str, Work<Calls>)> = subjects!(options, calls, Cached, AlwaysDue);
    let mut outcomes: Vec<Vec<Calls>> = subjects.iter().map(|_| Vec::new()).collect();
    let mut lost = Lost::default();
    for _ in 0..runs {
        for ((name, work), outcomes) in subjects.iter().zip(&mut outcomes) {
            if !lost.has(name) {
                outcomes.extend(lost.or_lost(name, work(server, lifetime))?);
            }
        }
    }
    for ((name, _), runs) in subjects.iter().zip(&outcomes).filter(|((name, _), _)| !lost.has(name)) {
        let each = |figure: &dyn Fn(&Calls) -> f64| median(&runs.iter().map(figure).collect::<Vec<_>>());
        let p99 = each(&|run| quantile(&run.microseconds, 0.99));
        let slow = |run: &Calls| run.microseconds.iter().filter(|call| **call > 5_000.0).count() as f64;
        report.row(
            *name,
            vec![
                each(&|run| quantile(&run.microseconds, 0.5)).into(),
                p99.into(),
                each(&|run| quantile(&run.microseconds, 1.0)).into(),
                each(&|run| 100.0 * slow(run) / run.microseconds.len() as f64).into(),
                each(&|run| run.requests).into(),
            ],
        );
        if *name == ALWAYS_DUE {
            report.target("p99 of calls while a token is valid and due", WINDOW_LIMIT, "µs", p99);
        }
    }
    lost.tell(&mut report);
    report.note(format!("Medians of {runs} runs each, the subjects in turn."));
    report.note(
        "Each cache has a window of its own. Ours is the last 20 to 28 % of the lifetime, so a second line has a policy by which each token is due at once: every call of it is one within the window, and one refresh follows the other.",
    );
    Ok(report)
}

fn calls<S: Subject>(server: &Server, lifetime: u64) -> Result<Calls, String> {
    let site = server.site(Service { lifetime, ..Service::default() })?;
    two_workers()?.block_on(async {
        let subject: S = cold(&site.base).await?;
        subject.get().await?;
        let (before, _) = site.counts()?;
        let watch = Stopwatch::start();
        let task = |subject: S| async move {
            let mut microseconds = Vec::with_capacity(4_096);
            while watch.elapsed() < WINDOW {
                let call = Stopwatch::start();
                subject.get().await?;
                microseconds.push(call.elapsed().as_nanos() as f64 / 1e3);
                pause(WINDOW_PAUSE).await;
            }
            Ok::<_, String>(microseconds)
        };
        let tasks: Vec<_> = (0..WINDOW_TASKS).map(|_| tokio::spawn(task(subject.clone()))).collect();
        let mut microseconds = Vec::new();
        for task in tasks {
            microseconds.extend(task.await.map_err(|error| error.to_string())??);
        }
        let (all, _) = site.counts()?;
        Ok(Calls { microseconds, requests: (all - before) as f64 })
    })
}
