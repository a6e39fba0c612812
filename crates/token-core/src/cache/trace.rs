//! What happens in a cache as spans and events of `tracing`, for the feature `tracing`. The names and fields are part of the public interface.

use tracing::{Span, debug, info, info_span, warn};

use super::observer::CacheEvent;

/// The target of everything here.
const TARGET: &str = "token_core::cache";

/// A clock that is off by more than this, in seconds, is worth a warning: signed requests begin to be refused at about this.
const WRONG_CLOCK: u64 = 60;

/// The span of one request. It belongs to no caller, and follows from the span of the one that began it.
pub(super) fn span(provider: &'static str, number: u64) -> Span {
    let span = info_span!(target: TARGET, parent: None, "token_refresh", provider, number);
    span.follows_from(Span::current());
    span
}

/// What every caller would cause is no event: a hit, a token that is due, a wait.
pub(super) fn event(provider: &'static str, event: &CacheEvent) {
    match event {
        CacheEvent::ClockOffset { seconds } if seconds.unsigned_abs() > WRONG_CLOCK => {
            warn!(target: TARGET, provider, seconds, "token_clock_offset");
        }
        CacheEvent::ClockOffset { seconds } => debug!(target: TARGET, provider, seconds, "token_clock_offset"),
        CacheEvent::Hold { length, error } => {
            let (kind, remedy) = (error.kind(), error.remedy());
            warn!(target: TARGET, provider, seconds = length.as_secs_f64(), ?kind, ?remedy, "token_hold");
        }
        CacheEvent::Invalidated { generation } => info!(target: TARGET, provider, generation, "token_invalidated"),
        CacheEvent::RefreshBegan { number } => debug!(target: TARGET, provider, number, "token_refresh_began"),
        CacheEvent::RefreshEnded { number, result: Ok(generation), took } => {
            info!(target: TARGET, provider, number, generation, seconds = took.as_secs_f64(), "token_refresh_ended");
        }
        CacheEvent::RefreshEnded { number, result: Err(kind), took } => {
            warn!(target: TARGET, provider, number, ?kind, seconds = took.as_secs_f64(), "token_refresh_failed");
        }
        CacheEvent::NotStored { error } => warn!(target: TARGET, provider, kind = ?error.kind(), "session_not_stored"),
        CacheEvent::Stored => info!(target: TARGET, provider, "session_stored"),
        CacheEvent::Due | CacheEvent::Hit | CacheEvent::Wait => {}
    }
}
