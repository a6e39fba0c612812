//! One bad answer, and a service that is healthy again at once: when do callers get a token?

use std::sync::Barrier;
use std::time::Duration;

use bench_shared::{Column, Options, Report, Stopwatch, median, quantile};

use crate::ours::{Built, Cached, OURS};
use crate::peers;
use crate::server::{Server, Service};
use crate::subject::{Lost, Subject, cold};
use crate::time::{one_thread, pause};

const RUNS: usize = 3;
/// How long we look at a peer, and at our own cache, whose hold after refused credentials is 60 s.
const PEER_LIMIT: Duration = Duration::from_secs(15);
const OWN_LIMIT: Duration = Duration::from_secs(75);
const ASK_AGAIN: Duration = Duration::from_millis(5);

/// What a caller may wait: the first pause, or the hold; and the time of two requests and of one more question, as the end is seen by asking.
const PAUSE_LIMIT: f64 = 250.0 + 15.0;
const HOLD_LIMIT: f64 = 60_000.0 + 15.0;

/// How one run went.
struct Run {
    /// Whether the caller heard of the bad answer, and was not served by a second attempt within the first call.
    is_failed: bool,
    /// From the first question to a token; `None` if none came within the limit.
    healed_ms: Option<f64>,
    requests: f64,
}

pub(crate) fn run(server: &Server, options: &Options, status: u16) -> Result<Report, String> {
    let columns = vec![
        Column::new("first call failed", "first_failed", 0),
        Column::new("a token after ms", "healed_ms", 0),
        Column::new("at the latest ms", "worst_ms", 0),
        Column::new("requests", "requests", 0),
    ];
    let title = format!(
        "The service answers {status} to the first request, and is healthy from then on. A caller asks, and asks again every {} ms until there is a token.",
        ASK_AGAIN.as_millis()
    );
    let mut report = Report::new("recover", title, columns);
    let runs = options.runs.unwrap_or(RUNS);
    let mut subjects: Vec<(&'static str, Once)> = Vec::new();
    macro_rules! subjects {
        ($($subject:ty),* $(,)?) => {
            $(if options.wants(<$subject>::NAME) {
                subjects.push((<$subject>::NAME, once::<$subject>));
            })*
        };
    }
    subjects!(
        Cached,
        Built,
        peers::GoogleToken,
        peers::Azure,
        peers::ObjectStore,
        peers::Aws,
        peers::Huskarl,
        peers::Reqsign,
        peers::GcpAuth,
        peers::Yup,
    );
    // They hardly do anything but wait, so all wait at once.
    let all_made = Barrier::new(subjects.len() * runs);
    let outcomes: Vec<Result<Vec<Run>, String>> = std::thread::scope(|scope| {
        let all_made = &all_made;
        let begin = |once: Once| (0..runs).map(|_| scope.spawn(move || once(server, status, all_made))).collect::<Vec<_>>();
        let begun: Vec<_> = subjects.iter().map(|(_, once)| begin(*once)).collect();
        begun
            .into_iter()
            .map(|runs| runs.into_iter().map(|run| run.join().map_err(|_| "a run panicked".to_owned())?).collect())
            .collect()
    });
    let mut lost = Lost::default();
    for ((name, _), runs) in subjects.iter().zip(outcomes) {
        if let Some(runs) = lost.or_lost(name, runs)? {
            show(&mut report, name, &runs, status);
        }
    }
    lost.tell(&mut report);
    if options.wants(peers::Aliri::NAME) {
        report.left_out(
            peers::Aliri::NAME,
            "a first request that fails is the error of its constructor, and there is no watcher that could recover",
        );
    }
    report.note(format!(
        "Medians of {runs} runs each, all at the same time. A dash: not within {} s, or {} s for ours.",
        PEER_LIMIT.as_secs(),
        OWN_LIMIT.as_secs()
    ));
    Ok(report)
}

type Once = fn(&Server, u16, &Barrier) -> Result<Run, String>;

fn show(report: &mut Report, name: &str, runs: &[Run], status: u16) {
    let healed: Vec<f64> = runs.iter().map(|run| run.healed_ms.unwrap_or(f64::INFINITY)).collect();
    let figures = |figure: fn(&Run) -> f64| median(&runs.iter().map(figure).collect::<Vec<_>>());
    let worst = quantile(&healed, 1.0);
    report.row(
        name,
        vec![
            bench_shared::Cell::Text(if runs.iter().all(|run| run.is_failed) { "yes" } else { "no" }.to_owned()),
            median(&healed).into(),
            worst.into(),
            figures(|run| run.requests).into(),
        ],
    );
    if name == OURS {
        let (what, limit) = if status == 401 { ("the hold", HOLD_LIMIT) } else { ("the first pause", PAUSE_LIMIT) };
        report.target(format!("healthy again after one {status}, within {what}"), limit, "ms", worst);
    }
}

fn once<S: Subject>(server: &Server, status: u16, all_made: &Barrier) -> Result<Run, String> {
    let make = || {
        let site = server.site(Service { latency_ms: 0, status, failures: 1, ..Service::default() })?;
        let runtime = one_thread()?;
        let subject: S = runtime.block_on(cold(&site.base))?;
        Ok::<_, String>((site, runtime, subject))
    };
    let made = make();
    // To make a client takes the processor longer than a request, and who asks should have it. A run that failed must not keep the others waiting.
    all_made.wait();
    let (site, runtime, subject) = made?;
    let limit = if S::NAME.starts_with("TokenCache") { OWN_LIMIT } else { PEER_LIMIT };
    runtime.block_on(async {
        let watch = Stopwatch::start();
        let mut is_failed = false;
        let healed_ms = loop {
            let Some(left) = limit.checked_sub(watch.elapsed()) else { break None };
            if matches!(tokio::time::timeout(left, subject.get()).await, Ok(Ok(_))) {
                break Some(watch.milliseconds());
            }
            is_failed = true;
            pause(ASK_AGAIN).await;
        };
        Ok(Run { is_failed, healed_ms, requests: site.counts()?.0 as f64 })
    })
}
