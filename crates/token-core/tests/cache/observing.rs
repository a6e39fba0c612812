//! What a cache tells of itself.

use crate::bench::{Bench, Does, HOUR};

#[tokio::test]
async fn debug_shows_no_secret() {
    let bench = Bench::new(|_| Does::Gives("canary-token", HOUR));
    bench.served().await;
    let shown = format!("{:?} {:#?}", bench.cache, bench.cache);
    assert!(!shown.contains("canary"), "{shown}");
}
