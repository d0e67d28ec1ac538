//! How long things took: a histogram of constant relative precision, from a microsecond to an hour.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

const LONGEST_MICROS: u64 = 3_600_000_000;
/// Three digits of every value are kept.
const DIGITS: u8 = 3;

/// How long many things took.
#[derive(Clone, Debug)]
pub(crate) struct Latencies(Histogram<u64>);

impl Latencies {
    /// Of nothing yet.
    pub(crate) fn new() -> Self {
        Self(Histogram::new_with_bounds(1, LONGEST_MICROS, DIGITS).expect("these bounds are valid"))
    }

    /// Of these, in microseconds.
    pub(crate) fn of(micros: impl IntoIterator<Item = i64>) -> Self {
        let mut all = Self::new();
        micros.into_iter().for_each(|micros| all.record_micros(micros));
        all
    }

    /// Adds one.
    pub(crate) fn record(&mut self, took: Duration) {
        self.record_micros(i64::try_from(took.as_micros()).unwrap_or(i64::MAX));
    }

    /// Adds one, in microseconds. What took no time counts, too.
    pub(crate) fn record_micros(&mut self, micros: i64) {
        self.0.saturating_record(u64::try_from(micros).unwrap_or(0));
    }

    /// Adds all of another one.
    pub(crate) fn add(&mut self, other: &Self) {
        self.0.add(&other.0).expect("both have the same bounds");
    }

    /// How many.
    pub(crate) fn count(&self) -> u64 {
        self.0.len()
    }

    /// Milliseconds below which this part of them is.
    pub(crate) fn at(&self, part: f64) -> f64 {
        self.0.value_at_quantile(part) as f64 / 1e3
    }

    /// What is reported of them.
    pub(crate) fn spread(&self) -> Spread {
        Spread {
            count: self.count(),
            mean: self.0.mean() / 1e3,
            p50: self.at(0.5),
            p90: self.at(0.9),
            p99: self.at(0.99),
            p999: self.at(0.999),
            max: self.0.max() as f64 / 1e3,
        }
    }
}

/// A distribution, in milliseconds.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Spread {
    pub(crate) count: u64,
    pub(crate) mean: f64,
    pub(crate) p50: f64,
    pub(crate) p90: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
    pub(crate) max: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_exact_to_three_digits_over_the_whole_range() {
        let spread = Latencies::of(1..=100_000).spread();
        let close = |value: f64, expected: f64| (value / expected - 1.0).abs() < 0.001;
        assert!(close(spread.p50, 50.0) && close(spread.p99, 99.0) && close(spread.max, 100.0), "{spread:?}");
        assert_eq!(spread.count, 100_000);
    }

    #[test]
    fn what_is_too_long_or_negative_is_counted_at_the_end_and_the_beginning() {
        let mut latencies = Latencies::of([-5, 0]);
        latencies.record(Duration::from_secs(1 << 40));
        assert_eq!(latencies.count(), 3);
        assert_eq!(latencies.at(0.3), 0.0);
        assert!(latencies.spread().max > 3.5e6);
    }

    #[test]
    fn two_of_them_added_are_as_if_all_had_been_recorded_in_one() {
        let mut one = Latencies::of(1..=50);
        one.add(&Latencies::of(51..=100));
        assert_eq!(one.spread(), Latencies::of(1..=100).spread());
    }
}
