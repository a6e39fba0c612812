//! Everything that is written: records of `tracing` and `log` at every level, what is shown of a value, panics.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Debug;
use std::io;
use std::panic;
use std::sync::{Mutex, OnceLock, PoisonError};

use tokio::sync::{Mutex as Turn, MutexGuard};
use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_log::NormalizeEvent as _;
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

#[derive(Debug, Default)]
pub(crate) struct Output {
    text: Mutex<Vec<u8>>,
    origins: Mutex<BTreeMap<String, usize>>,
    turn: Turn<()>,
}

impl Output {
    /// The one of this process. It hears of all threads.
    pub(crate) fn get() -> &'static Self {
        static OUTPUT: OnceLock<&'static Output> = OnceLock::new();
        OUTPUT.get_or_init(|| {
            let output: &'static Self = Box::leak(Box::default());
            tracing_log::LogTracer::init().unwrap();
            let everything = tracing_subscriber::fmt::layer()
                .with_span_events(FmtSpan::FULL)
                .with_ansi(false)
                .with_writer(move || Writer(output));
            let subscriber = tracing_subscriber::registry().with(everything).with(Origins(output)).with(LevelFilter::TRACE);
            tracing::subscriber::set_global_default(subscriber).unwrap();
            let usual = panic::take_hook();
            panic::set_hook(Box::new(move |panicked| {
                // What fails on a test's own thread is for whoever reads the test.
                if std::thread::current().name().is_some_and(|name| name.contains("holds_a_secret") || name.contains("planted::"))
                {
                    return usual(panicked);
                }
                output.add(&format!("{panicked} {panicked:?} {}", std::backtrace::Backtrace::force_capture()));
            }));
            output
        })
    }

    pub(crate) async fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    pub(crate) fn add(&self, text: &str) {
        let mut all = self.text.lock().unwrap_or_else(PoisonError::into_inner);
        all.extend_from_slice(text.as_bytes());
        all.push(b'\n');
    }

    /// A value in each way in which a program may print it.
    pub(crate) fn show(&self, value: &(impl Debug + ?Sized)) {
        self.add(&format!("{value:?}\n{value:#?}"));
    }

    /// An error with all that is behind it.
    pub(crate) fn show_error(&self, error: &(dyn Error + 'static)) {
        let mut next = Some(error);
        while let Some(error) = next {
            self.add(&format!("{error}\n{error:#}\n{error:?}\n{error:#?}"));
            next = error.source();
        }
    }

    pub(crate) fn length(&self) -> usize {
        self.text.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// What was written from there on.
    pub(crate) fn since(&self, start: usize) -> String {
        String::from_utf8_lossy(&self.text.lock().unwrap_or_else(PoisonError::into_inner)[start..]).into_owned()
    }

    /// How many records came from where.
    pub(crate) fn origins(&self) -> BTreeMap<String, usize> {
        self.origins.lock().unwrap().clone()
    }
}

struct Writer(&'static Output);

impl io::Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.text.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Origins(&'static Output);

impl<S: Subscriber> Layer<S> for Origins {
    fn on_event(&self, event: &tracing::Event<'_>, _context: Context<'_, S>) {
        let of_log = event.normalized_metadata();
        let target = of_log.as_ref().map_or(event.metadata().target(), |metadata| metadata.target());
        let origin = target.split("::").next().unwrap_or_default().to_owned();
        *self.0.origins.lock().unwrap().entry(origin).or_default() += 1;
    }
}
