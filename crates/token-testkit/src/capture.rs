//! Everything that is logged on one thread.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tracing::level_filters::LevelFilter;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::fmt::format::FmtSpan;

/// Keeps what this thread writes to `tracing` and `log`, at every level, until it is dropped.
///
/// Records of other threads are not seen, so use it on a current-thread runtime, as the conformance tests do.
/// The first one in a process becomes the logger of `log`.
///
/// ```
/// # fn main() -> Result<(), token_testkit::CaptureError> {
/// let capture = token_testkit::LogCapture::begin()?;
/// tracing::trace!(user = 7, "asked");
/// assert!(capture.text().contains("asked user=7"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct LogCapture {
    buffer: Buffer,
    _default: DefaultGuard,
}

/// What is logged does not reach the capture: the program has a logger of its own for `log`, or switched the levels off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CaptureError(&'static str);

impl fmt::Display for CaptureError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "records of `{}` cannot be captured: leave its set-up to the kit, and its levels on", self.0)
    }
}

impl std::error::Error for CaptureError {}

impl LogCapture {
    /// Begins, and sees that a record of each kind arrives.
    ///
    /// # Errors
    ///
    /// It does not arrive.
    pub fn begin() -> Result<Self, CaptureError> {
        static LOG: OnceLock<bool> = OnceLock::new();
        LOG.get_or_init(|| tracing_log::LogTracer::init().is_ok());

        let buffer = Buffer::default();
        let writer = buffer.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(LevelFilter::TRACE)
            .with_span_events(FmtSpan::NEW)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        let capture = Self { buffer, _default: tracing::subscriber::set_default(subscriber) };
        // A capture that sees nothing would find nothing wrong.
        tracing::trace!("tracing is captured");
        log::trace!("log is captured");
        for (library, record) in [("tracing", "tracing is captured"), ("log", "log is captured")] {
            if !capture.text().contains(record) {
                return Err(CaptureError(library));
            }
        }
        Ok(capture)
    }

    /// What was written so far.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.buffer.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

#[derive(Clone, Debug, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl io::Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::SecretFinder;

    use super::*;

    #[test]
    fn a_planted_leak_is_found_wherever_it_is_logged() {
        let finder = SecretFinder::new(["client-secret-test-only"]);
        let secret = "client-secret-test-only";
        let plants: [(&str, &dyn Fn()); 5] = [
            ("an event's message", &|| tracing::error!("with {secret}")),
            ("an event's field", &|| tracing::trace!(secret, "asked")),
            ("a field in Debug", &|| tracing::debug!(body = ?secret.as_bytes(), "asked")),
            ("a span without events", &|| drop(tracing::trace_span!("request", secret).entered())),
            ("a record of `log`", &|| log::trace!("with {secret}")),
        ];
        for (what, plant) in plants {
            let capture = LogCapture::begin().unwrap();
            assert_eq!(finder.find(&capture.text()), None, "{what}");
            plant();
            assert!(finder.find(&capture.text()).is_some(), "{what}: {}", capture.text());
        }
    }

    #[test]
    fn a_capture_ends_when_it_is_dropped() {
        let first = LogCapture::begin().unwrap();
        let buffer = first.buffer.clone();
        drop(first);
        tracing::error!("after the end");
        assert!(!String::from_utf8_lossy(&buffer.0.lock().unwrap()).contains("after the end"));
    }
}
