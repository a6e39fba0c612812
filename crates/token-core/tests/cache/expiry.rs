//! When a token is over.

use std::time::SystemTime;

use crate::bench::{Bench, Does, HOUR, numbered};

#[tokio::test]
async fn no_token_is_served_past_its_end_less_the_skew() {
    let bench = Bench::new(|call| Does::Gives(numbered(call), HOUR));
    bench.served().await;
    bench.advance(3_570);
    assert_eq!(bench.served().await, "token-2");
}

#[tokio::test]
async fn a_machine_that_slept_and_a_wall_clock_set_back_prolong_nothing() {
    let bench = Bench::new(|call| Does::Gives(numbered(call), HOUR));
    bench.served().await;
    bench.clock.sleep_machine(HOUR);
    assert_eq!(bench.served().await, "token-2", "the monotonic clock stood still while the machine slept");
    bench.clock.set_wall(SystemTime::UNIX_EPOCH);
    bench.advance(3_600);
    assert_eq!(bench.served().await, "token-3", "the wall clock says that no time has gone by");
}
