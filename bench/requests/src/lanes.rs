//! Subjects side by side: short slices in turn, round after round.

use std::time::Duration;

use allocation_counter::measure;
use bench_shared::{Worked, median};

const ROUNDS: usize = 61;
const SLICE: Duration = Duration::from_millis(8);
const COUNTED: u64 = 1_000;

/// A subject, and its figures so far.
pub(crate) struct Lane<'a> {
    pub(crate) name: &'static str,
    call: Box<dyn FnMut() + 'a>,
    calls: u64,
    times: Vec<f64>,
    /// In one call.
    pub(crate) allocations: f64,
}

impl<'a> Lane<'a> {
    pub(crate) fn new(name: &'static str, call: impl FnMut() + 'a) -> Self {
        Self { name, call: Box::new(call), calls: 0, times: Vec::new(), allocations: f64::NAN }
    }

    /// Finds how many calls fill a slice, and counts what they allocate.
    fn calibrate(&mut self) {
        self.take(COUNTED);
        let counted = measure(|| (0..COUNTED).for_each(|_| (self.call)()));
        self.allocations = counted.count_total as f64 / COUNTED as f64;
        self.calls = (SLICE.as_nanos() as f64 / self.take(COUNTED)) as u64 + 1;
    }

    /// Nanoseconds of a call, on the processor, as it waits for nothing.
    fn take(&mut self, calls: u64) -> f64 {
        let worked = Worked::start();
        (0..calls).for_each(|_| (self.call)());
        worked.nanoseconds() / calls as f64
    }

    /// Nanoseconds of a call.
    pub(crate) fn median(&self) -> f64 {
        median(&self.times)
    }

    /// What it takes more than `floor`, in the middle of all rounds.
    pub(crate) fn over(&self, floor: &Self) -> f64 {
        median(&self.times.iter().zip(&floor.times).map(|(own, floor)| own - floor).collect::<Vec<_>>())
    }

    /// How many times what `floor` takes, in the middle of all rounds.
    pub(crate) fn ratio(&self, floor: &Self) -> f64 {
        median(&self.times.iter().zip(&floor.times).map(|(own, floor)| own / floor).collect::<Vec<_>>())
    }
}

/// Measures them all, in an order that begins with another one each round.
pub(crate) fn race(lanes: &mut [Lane<'_>]) -> usize {
    lanes.iter_mut().for_each(Lane::calibrate);
    for round in 0..ROUNDS {
        let (before, from) = lanes.split_at_mut(round % lanes.len());
        for lane in from.iter_mut().chain(before) {
            let time = lane.take(lane.calls);
            lane.times.push(time);
        }
    }
    ROUNDS
}
