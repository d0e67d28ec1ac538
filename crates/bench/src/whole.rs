//! From a number to a whole one, in the one place that may lose something.

/// The nearest whole number; 0 of what is negative or none.
#[expect(clippy::cast_possible_truncation, reason = "`as` takes the nearest number that there is")]
pub(crate) fn whole(number: f64) -> u64 {
    number.round() as u64
}

/// The same as a count.
pub(crate) fn count(number: f64) -> usize {
    usize::try_from(whole(number)).unwrap_or(usize::MAX)
}

/// The same of microseconds.
pub(crate) fn micros(seconds: f64) -> i64 {
    i64::try_from(whole(seconds * 1e6)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_number_is_nothing_and_what_is_too_large_is_the_largest() {
        assert_eq!([-1.0, f64::NAN, 2.5, f64::INFINITY].map(whole), [0, 0, 3, u64::MAX]);
        assert_eq!((count(7.4), micros(0.000_001_4)), (7, 1));
    }
}
