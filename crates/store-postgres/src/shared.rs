//! What all connections of a process have in common: when they must be made anew, how often steps may be tried
//! again, and what the last look at the server said.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::budget::Budget;

/// What the server said is believed this long.
const BELIEVED: Duration = Duration::from_secs(5);

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    pub(crate) renewal: Renewal,
    pub(crate) budget: Budget,
    /// Why the server could not be reached, and when that was seen.
    away: Mutex<Option<(Instant, String)>>,
}

impl Shared {
    /// Notes what a look at the server said: nothing, if it is there.
    pub(crate) fn note(&self, away: Option<String>) {
        *self.away.lock().unwrap_or_else(PoisonError::into_inner) =
            away.map(|reason| (Instant::now(), reason));
    }

    /// Why the server is away, if it was a moment ago.
    pub(crate) fn away(&self) -> Option<String> {
        let away = self.away.lock().unwrap_or_else(PoisonError::into_inner);
        away.as_ref().filter(|(at, _)| at.elapsed() < BELIEVED).map(|(_, reason)| reason.clone())
    }
}

/// Since when connections are trusted. Older ones lead to a server that is gone, or is no primary any more, and
/// are closed when their turn comes; new ones look the server's name up again.
#[derive(Debug, Default)]
pub(crate) struct Renewal(Mutex<Option<Instant>>);

impl Renewal {
    /// From now on only new ones are trusted.
    pub(crate) fn renew(&self) {
        *self.lock() = Some(Instant::now());
    }

    /// Whether a connection of this age is too old.
    pub(crate) fn concerns(&self, age: Duration) -> bool {
        self.lock().is_some_and(|since| age >= since.elapsed())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_renewal_concerns_what_is_older_and_nothing_else() {
        let renewal = Renewal::default();
        assert!(!renewal.concerns(Duration::MAX));
        renewal.renew();
        assert!(renewal.concerns(Duration::from_secs(3600)));
        assert!(!renewal.concerns(Duration::ZERO));
    }
}
