//! The edges of our histograms, in seconds unless said otherwise.
//!
//! A promise that an alert watches lies on an edge, so that the share which kept it is exact.

/// From being due to the start: milliseconds matter, and so do hours.
pub const START_DELAY: [f64; 16] =
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0];

/// How long a command runs.
pub const RUN: [f64; 15] =
    [0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 600.0, 1800.0, 3600.0, 14_400.0, 86_400.0];

/// Calls over HTTP and gRPC: what the semantic conventions advise.
pub const CALL: [f64; 14] = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// Steps of the store, and whatever else should take milliseconds.
pub const DB: [f64; 12] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5];

/// How many things went together.
pub const BATCH: [f64; 11] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0];

/// Bytes: each edge is four times the one before it, 1 MiB to 16 GiB.
pub const BYTES: [f64; 8] = [
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
    268_435_456.0,
    1_073_741_824.0,
    4_294_967_296.0,
    17_179_869_184.0,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_edge_is_above_the_one_before_it() {
        let all: [&[f64]; 6] = [&START_DELAY, &RUN, &CALL, &DB, &BATCH, &BYTES];
        for edges in all {
            assert!(edges.is_sorted_by(|low, high| low < high), "{edges:?}");
        }
    }

    #[test]
    fn what_is_promised_lies_on_an_edge() {
        for promise in [0.1, 1.0, 5.0] {
            assert!(START_DELAY.contains(&promise), "{promise}");
        }
    }
}
