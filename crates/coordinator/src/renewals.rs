//! Whether this coordinator can tell the store that its workers live.
//!
//! While it cannot, their leases run out for everybody else: it takes no heartbeats, so that they go to a
//! coordinator that can, and it loses nobody.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Since when heartbeats wait to be stored; `None` while none does.
#[derive(Debug, Default)]
pub(crate) struct Renewals(Mutex<Option<Instant>>);

impl Renewals {
    /// Heartbeats are to be stored now.
    pub(crate) fn begin(&self) {
        self.lock().get_or_insert_with(Instant::now);
    }

    /// None waits any more.
    pub(crate) fn succeeded(&self) {
        *self.lock() = None;
    }

    /// Whether some have waited for longer than `limit`.
    pub(crate) fn overdue(&self, limit: Duration) -> bool {
        self.lock().is_some_and(|since| since.elapsed() > limit)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renewals_are_overdue_from_the_first_one_that_failed_until_one_succeeds() {
        let renewals = Renewals::default();
        assert!(!renewals.overdue(Duration::ZERO), "there is none");
        renewals.begin();
        let first = *renewals.lock();
        renewals.begin();
        assert_eq!(*renewals.lock(), first);
        assert!(!renewals.overdue(Duration::from_secs(3600)));
        while !renewals.overdue(Duration::ZERO) {
            std::thread::yield_now();
        }
        renewals.succeeded();
        assert!(!renewals.overdue(Duration::ZERO));
    }
}
