//! The machine's clocks, set forward by hand: hours go by between two lines.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use token_core::{Clock, Moment, SystemClock};

/// Ahead of the machine's clocks by as many seconds as it was told. It waits for real.
#[derive(Debug, Default)]
pub(crate) struct Ahead(AtomicU64);

impl Ahead {
    pub(crate) fn advance(&self, by: Duration) {
        self.0.fetch_add(by.as_secs(), Ordering::SeqCst);
    }
}

#[async_trait]
impl Clock for Ahead {
    fn now(&self) -> Moment {
        let (now, ahead) = (SystemClock.now(), Duration::from_secs(self.0.load(Ordering::SeqCst)));
        Moment::new(now.wall() + ahead, now.monotonic() + ahead)
    }

    async fn sleep(&self, duration: Duration) {
        SystemClock.sleep(duration).await;
    }
}
