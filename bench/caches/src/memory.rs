//! What a cache holds beyond its strings.

use std::time::Duration;

use allocation_counter::measure;
use bench_shared::{Cell, Column, Options, Report};
use tokio::runtime::Runtime;

use crate::ours::{Bare, Cached};
use crate::peers;
use crate::server::{Server, Service};
use crate::subject::{Lost, Subject};
use crate::time::{one_thread, pause};

/// The most that one of our caches may hold, in bytes; what its provider holds is the provider's affair, and a line of its own.
const LIMIT: f64 = 1_024.0;
/// Caches that are made before the first one counts, so that connections and pools are there.
const WARM: usize = 16;

pub(crate) fn run(server: &Server, options: &Options, caches: usize) -> Result<Report, String> {
    let columns = vec![
        Column::new("bytes beyond its strings", "bytes", 0),
        Column::new("bytes of its strings", "strings", 0),
        Column::new("blocks", "blocks", 1),
    ];
    let title = format!(
        "What one of {caches} caches holds that share a client and have a token each. The strings are the token, ids, secrets, the URL, and for ours the header; each counts once."
    );
    let mut report = Report::new("memory", title, columns);
    let mut lost = Lost::default();
    macro_rules! subjects {
        ($($subject:ty),* $(,)?) => {
            $(if options.wants(<$subject>::NAME) {
                show::<$subject>(&mut report, &mut lost, server, caches)?;
            })*
        };
    }
    subjects!(
        Bare,
        Cached,
        peers::Aliri,
        peers::GoogleToken,
        peers::Azure,
        peers::ObjectStore,
        peers::Aws,
        peers::Huskarl,
        peers::Reqsign,
        peers::GcpAuth,
        peers::Yup,
    );
    lost.tell(&mut report);
    report.note("The second line has SehatMu as its provider, with settings and a parsed URL of its own; the target is about the cache alone.");
    report.note("Background tasks and timers that a cache keeps alive are in its bytes.");
    Ok(report)
}

fn show<S: Subject>(report: &mut Report, lost: &mut Lost, server: &Server, caches: usize) -> Result<(), String> {
    let service = Service { latency_ms: 0, ..Service::default() };
    let site = server.site(service)?;
    let strings = match S::strings(&site.base) {
        Ok(strings) => strings as f64,
        Err(reason) => {
            report.left_out(S::NAME, reason);
            return Ok(());
        }
    };
    let Some((bytes, blocks)) = lost.or_lost(S::NAME, held::<S>(&one_thread()?, &site.base, caches))? else { return Ok(()) };
    let beyond = bytes / caches as f64 - strings;
    report.row(S::NAME, vec![beyond.into(), strings.into(), Cell::from(blocks / caches as f64)]);
    if S::NAME == Bare::NAME {
        report.target(S::NAME, LIMIT, "bytes", beyond);
    }
    Ok(())
}

/// Bytes and blocks of all caches together.
fn held<S: Subject>(runtime: &Runtime, base: &str, caches: usize) -> Result<(f64, f64), String> {
    let client = runtime.block_on(S::client())?;
    let warm = runtime.block_on(fill::<S>(&client, base, WARM))?;
    let mut outcome = Ok(Vec::new());
    // Everything runs on this thread, so whatever a cache leaves behind is counted.
    let counted = measure(|| outcome = runtime.block_on(fill::<S>(&client, base, caches)));
    let filled = outcome?;
    drop((warm, filled));
    Ok((counted.bytes_current as f64, counted.count_current as f64))
}

async fn fill<S: Subject>(client: &S::Client, base: &str, caches: usize) -> Result<Vec<S>, String> {
    let mut filled = Vec::with_capacity(caches);
    for _ in 0..caches {
        let subject = S::cold(client, base).await?;
        subject.get().await?;
        filled.push(subject);
    }
    // What is only on its way out is not held.
    pause(Duration::from_millis(50)).await;
    Ok(filled)
}
