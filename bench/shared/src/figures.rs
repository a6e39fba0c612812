//! What many measurements come to.

use std::time::Duration;

/// The figure in the middle; of an even number the larger one. NaN of none.
pub fn median(figures: &[f64]) -> f64 {
    quantile(figures, 0.5)
}

/// The figure below which a share of them lies; `share` goes from 0, the smallest, to 1, the largest. NaN of none.
pub fn quantile(figures: &[f64], share: f64) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().saturating_sub(1);
    sorted.get((last as f64 * share).round() as usize).copied().unwrap_or(f64::NAN)
}

/// How far the middle half of the figures lies apart, as a share of their median.
pub fn spread(figures: &[f64]) -> f64 {
    (quantile(figures, 0.75) - quantile(figures, 0.25)) / median(figures)
}

/// The most requests that a service may see in `time` from one cache whose first request fails, when each takes `request`
/// and the pause after the first is at least `pause`, after the second twice that, and so on.
pub fn most_requests(time: Duration, request: Duration, pause: Duration) -> u32 {
    let (mut begins, mut pause, mut requests) = (Duration::ZERO, pause, 0);
    while begins < time {
        requests += 1;
        begins += request + pause;
        pause *= 2;
    }
    requests
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_do_not_depend_on_the_order() {
        let figures = [4.0, 1.0, 3.0, 5.0, 2.0];
        assert_eq!((quantile(&figures, 0.0), median(&figures), quantile(&figures, 1.0)), (1.0, 3.0, 5.0));
        assert_eq!(spread(&figures), 2.0 / 3.0);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn pauses_double() {
        let most =
            |time, pause| most_requests(Duration::from_millis(time), Duration::from_millis(50), Duration::from_millis(pause));
        // One at 0, one at 175, one at 475, one at 1,025.
        assert_eq!([1, 175, 176, 476, 1_025, 1_026].map(|time| most(time, 125)), [1, 1, 2, 3, 3, 4]);
    }
}
