//! Many callers at once who find no token: how many requests they cause, and how long they wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use bench_shared::{Cell, Column, Options, Report, Stopwatch, median, most_requests, quantile};
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::ours::{Built, Cached, OURS};
use crate::server::{Server, Service};
use crate::subject::{Lost, Subject, cold};
use crate::time::{pause, two_workers};
use crate::{floors, peers};

const RUNS: usize = 5;
/// Failing runs take some peers long.
const FAILING_RUNS: usize = 3;
/// A caller that waited this long for a failing service stops.
const GIVE_UP: Duration = Duration::from_secs(5);
/// Nobody is watched longer than this.
const LATEST: Duration = Duration::from_secs(20);
/// When the followers of a caller that goes away come, and when it goes.
const FOLLOW: Duration = Duration::from_millis(10);
const LEAVE: Duration = Duration::from_millis(25);
/// How long, and how often, callers ask on after a failure.
const ASK_ON: Duration = Duration::from_secs(1);
const ASK_AGAIN: Duration = Duration::from_millis(10);

/// What our cache may take, in units of the service's own time.
const LIMIT: f64 = 1.15;
/// The shortest that the first pause of our cache comes to by default: half of 250 ms is certain, and half is chance.
const SHORTEST_PAUSE: Duration = Duration::from_millis(125);

const ALIRI: &str = "its first token is there before the watcher is, so nobody finds none; a first request that fails is the error of its constructor";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Stampede,
    Cancel,
    Fail(u16),
}

/// What happens in one run.
#[derive(Clone, Copy)]
struct Plan {
    kind: Kind,
    callers: usize,
}

/// How one run went.
struct Run {
    requests: f64,
    connections: f64,
    milliseconds: f64,
    errors: f64,
    /// Requests while callers asked on after the failure.
    more: f64,
}

pub(crate) fn stampede(server: &Server, options: &Options, callers: usize) -> Result<Report, String> {
    let title = format!("{callers} callers find no token, and the service takes 50 ms.");
    measure(server, options, Plan { kind: Kind::Stampede, callers }, Report::new("stampede", title, columns(false)))
}

pub(crate) fn cancel(server: &Server, options: &Options, followers: usize) -> Result<Report, String> {
    let title = format!(
        "A caller finds no token, {followers} more come {} ms later, and {} ms after that the first goes away. The service takes 50 ms.",
        FOLLOW.as_millis(),
        (LEAVE - FOLLOW).as_millis()
    );
    measure(server, options, Plan { kind: Kind::Cancel, callers: followers }, Report::new("cancel", title, columns(false)))
}

pub(crate) fn fail(server: &Server, options: &Options, status: u16, callers: usize) -> Result<Report, String> {
    let title = format!(
        "{callers} callers find no token, and the service answers {status} after 50 ms. Who has no answer after {} s gives up. Then all ask on every {} ms for {} s.",
        GIVE_UP.as_secs(),
        ASK_AGAIN.as_millis(),
        ASK_ON.as_secs()
    );
    let name = if status == 401 { "fail401" } else { "fail503" };
    measure(server, options, Plan { kind: Kind::Fail(status), callers }, Report::new(name, title, columns(true)))
}

fn columns(is_failing: bool) -> Vec<Column> {
    let mut columns = vec![
        Column::new("requests", "requests", 0),
        Column::new("most", "most_requests", 0),
        Column::new("connections", "connections", 0),
        Column::new("median ms", "median_ms", 1),
        Column::new("best ms", "best_ms", 1),
        Column::new("× 50 ms", "ratio", 2),
        Column::new("callers with an error", "errors", 0),
    ];
    if is_failing {
        columns.push(Column::new("requests while asking on", "more_requests", 0));
    }
    columns
}

type Once = fn(&Server, Plan) -> Result<Run, String>;

fn measure(server: &Server, options: &Options, plan: Plan, mut report: Report) -> Result<Report, String> {
    let mut subjects: Vec<(&'static str, Once, Vec<Run>)> = Vec::new();
    macro_rules! subjects {
        ($($subject:ty),* $(,)?) => {
            $(if options.wants(<$subject>::NAME) {
                subjects.push((<$subject>::NAME, once::<$subject>, Vec::new()));
            })*
        };
    }
    let is_failing = matches!(plan.kind, Kind::Fail(_));
    if plan.kind == Kind::Stampede {
        subjects.push((
            floors::Request::NAME,
            |server, plan| once::<floors::Request>(server, Plan { callers: 1, ..plan }),
            Vec::new(),
        ));
        subjects!(floors::Woken);
    }
    subjects!(Cached);
    if is_failing {
        subjects!(Built);
    }
    subjects!(
        peers::GoogleToken,
        peers::Azure,
        peers::ObjectStore,
        peers::Aws,
        peers::Huskarl,
        peers::Reqsign,
        peers::GcpAuth,
        peers::Yup,
    );
    let runs = options.runs.unwrap_or(if is_failing { FAILING_RUNS } else { RUNS });
    let mut lost = Lost::default();
    for _ in 0..runs {
        for (name, once, outcomes) in &mut subjects {
            if !lost.has(name) {
                outcomes.extend(lost.or_lost(name, once(server, plan))?);
            }
        }
    }
    for (name, _, runs) in &subjects {
        if !lost.has(name) {
            show(&mut report, plan, name, runs);
        }
    }
    lost.tell(&mut report);
    if options.wants(peers::Aliri::NAME) {
        report.left_out(peers::Aliri::NAME, ALIRI);
    }
    report
        .note(format!("Medians of {runs} runs each, the subjects in turn; `most` is the largest number of requests in one run."));
    Ok(report)
}

fn show(report: &mut Report, plan: Plan, name: &str, runs: &[Run]) {
    let figures = |figure: fn(&Run) -> f64| runs.iter().map(figure).collect::<Vec<_>>();
    let requests = figures(|run| run.requests);
    let times = figures(|run| run.milliseconds);
    let more = figures(|run| run.more);
    let errors = figures(|run| run.errors);
    let ratio = median(&times) / Service::default().latency_ms as f64;
    let mut cells = vec![
        median(&requests).into(),
        quantile(&requests, 1.0).into(),
        median(&figures(|run| run.connections)).into(),
        median(&times).into(),
        quantile(&times, 0.0).into(),
        Cell::from(ratio),
        median(&errors).into(),
    ];
    if let Kind::Fail(_) = plan.kind {
        cells.push(median(&more).into());
    }
    report.row(name, cells);
    if name != OURS {
        return;
    }
    // Requests by the worst run: one too many is one too many.
    let most = quantile(&requests, 1.0);
    report.target(format!("requests for {} callers", plan.callers), 1.0, "request", most);
    match plan.kind {
        Kind::Stampede | Kind::Cancel => {
            report.target("time until all have a token", LIMIT, "× 50 ms", ratio);
            report.target("callers without a token", 0.0, "callers", quantile(&errors, 1.0));
        }
        Kind::Fail(401) => {
            report.target("requests while asking on, as the refusal is held", 0.0, "requests", quantile(&more, 1.0))
        }
        Kind::Fail(_) => {
            let latency = Duration::from_millis(Service::default().latency_ms);
            let allowed = most_requests(latency + ASK_ON, latency, SHORTEST_PAUSE);
            let all = runs.iter().map(|run| run.requests + run.more).fold(0.0, f64::max);
            report.target(
                "requests with those while asking on, one for each pause that fits",
                f64::from(allowed),
                "requests",
                all,
            );
        }
    }
}

fn once<S: Subject>(server: &Server, plan: Plan) -> Result<Run, String> {
    let status = if let Kind::Fail(status) = plan.kind { status } else { 200 };
    let site = server.site(Service { status, ..Service::default() })?;
    let patience = if status == 200 { None } else { Some(GIVE_UP) };
    let runtime = two_workers()?;
    let (milliseconds, errors, (requests, connections)) = runtime.block_on(async {
        let subject: S = cold(&site.base).await?;
        let crowd = Arc::new(Crowd { waiting: plan.callers.into(), errors: 0.into(), all_served: Notify::new() });
        let watch = Stopwatch::start();
        if plan.kind == Kind::Cancel {
            leave_early(&subject).await;
        }
        for _ in 0..plan.callers {
            tokio::spawn(Arc::clone(&crowd).join(subject.clone(), patience));
        }
        // Whoever waits here does so once, as waiting for each caller would take longer than many a cache.
        let _ = timeout(LATEST, crowd.all_served.notified()).await;
        let milliseconds = watch.milliseconds();
        let errors = crowd.errors.load(SeqCst) + crowd.waiting.load(SeqCst);
        let counts = site.counts()?;
        if status != 200 {
            ask_on(&subject, plan.callers).await;
        }
        Ok::<_, String>((milliseconds, errors as f64, counts))
    })?;
    // A request that nobody waits for counts too.
    runtime.block_on(pause(Duration::from_millis(20)));
    let (all, _) = site.counts()?;
    let (requests, more) = if status == 200 { (all, 0) } else { (requests, all - requests) };
    Ok(Run { requests: requests as f64, connections: connections as f64, milliseconds, errors, more: more as f64 })
}

/// The callers of one run.
struct Crowd {
    waiting: AtomicUsize,
    errors: AtomicUsize,
    all_served: Notify,
}

impl Crowd {
    /// Is one of them. No timer is set for a caller with endless patience, as that takes time too.
    async fn join<S: Subject>(self: Arc<Self>, subject: S, patience: Option<Duration>) {
        let has_token = match patience {
            None => subject.get().await.is_ok(),
            Some(patience) => call(&subject, patience).await,
        };
        self.errors.fetch_add(usize::from(!has_token), SeqCst);
        if self.waiting.fetch_sub(1, SeqCst) == 1 {
            self.all_served.notify_one();
        }
    }
}

/// Whether there is a token in time.
async fn call<S: Subject>(subject: &S, patience: Duration) -> bool {
    timeout(patience, subject.get()).await.is_ok_and(|answer| answer.is_ok())
}

/// A caller that will go away while others wait.
async fn leave_early<S: Subject>(subject: &S) {
    let leader = subject.clone();
    let leader = tokio::spawn(async move { leader.get().await.is_ok() });
    pause(FOLLOW).await;
    tokio::spawn(async move {
        pause(LEAVE - FOLLOW).await;
        leader.abort();
    });
}

async fn ask_on<S: Subject>(subject: &S, callers: usize) {
    let watch = Stopwatch::start();
    let ask = |subject: S| async move {
        while let Some(left) = ASK_ON.checked_sub(watch.elapsed()) {
            call(&subject, left).await;
            pause(ASK_AGAIN).await;
        }
    };
    let callers: Vec<_> = (0..callers).map(|_| tokio::spawn(ask(subject.clone()))).collect();
    for caller in callers {
        // It cannot fail, and if it did, only fewer requests would be seen.
        let _ = caller.await;
    }
}
