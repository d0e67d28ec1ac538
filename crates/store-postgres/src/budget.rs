//! How often steps may be tried again: a database in trouble must not be asked twice by everybody.

use std::sync::atomic::{AtomicI64, Ordering};

/// What a try earns, in hundredths of another one: 10 %.
const EARNED: i64 = 10;
/// What another try costs.
const COST: i64 = 100;
/// The most that can be saved up: this many tries beyond the share.
const MOST: i64 = 20 * COST;

/// The tries that are left beyond the first ones.
#[derive(Debug)]
pub(crate) struct Budget(AtomicI64);

impl Default for Budget {
    fn default() -> Self {
        Self(AtomicI64::new(MOST))
    }
}

impl Budget {
    /// A step is tried for the first time.
    pub(crate) fn earn(&self) {
        let _ =
            self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| Some((left + EARNED).min(MOST)));
    }

    /// A step is to be tried again. False if too many were.
    pub(crate) fn spend(&self) -> bool {
        let spent = |left: i64| (left >= COST).then(|| left - COST);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, spent).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn once_the_savings_are_spent_one_try_in_ten_may_be_repeated() {
        let budget = Budget::default();
        let saved = (0..1000).filter(|_| budget.spend()).count();
        assert_eq!(saved, 20);
        let repeated = (0..1000)
            .filter(|_| {
                budget.earn();
                budget.spend()
            })
            .count();
        assert_eq!(repeated, 100);
    }
}
