//! The store's clock: the process that owns the file is the clock, since SQLite's own has milliseconds only.

use std::sync::{Mutex, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Says what time it is, in microseconds since the epoch; never less than it said before.
///
/// When the system's clock is set back, it goes on at its own pace instead of standing still: whatever is
/// due or leased would be frozen until the system's clock had caught up.
#[derive(Debug)]
pub(crate) struct Clock {
    system: fn() -> i64,
    last: Mutex<(i64, Instant)>,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self::over(system_micros)
    }

    fn over(system: fn() -> i64) -> Self {
        Self { system, last: Mutex::new((system(), Instant::now())) }
    }

    pub(crate) fn now(&self) -> i64 {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        // The system's clock is read first: a pause between the two then never counts twice.
        let system = (self.system)();
        let instant = Instant::now();
        let since = i64::try_from((instant - last.1).as_micros()).unwrap_or(0);
        *last = (system.max(last.0.saturating_add(since)), instant);
        last.0
    }
}

#[expect(clippy::disallowed_methods, reason = "the process that owns the file is the database's clock")]
fn system_micros() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_clock_never_goes_back_and_never_stands_still() {
        static SYSTEM: AtomicI64 = AtomicI64::new(5_000_000);
        let clock = Clock::over(|| SYSTEM.load(Ordering::SeqCst));
        assert!(clock.now() >= 5_000_000);
        SYSTEM.store(9_000_000, Ordering::SeqCst);
        let before = clock.now();
        assert!(before >= 9_000_000);

        SYSTEM.store(1_000_000, Ordering::SeqCst);
        let started = Instant::now();
        while clock.now() < before + 2_000 {
            assert!(clock.now() >= before);
            assert!(started.elapsed() < Duration::from_secs(10), "the clock stands still");
        }
    }

    #[test]
    fn the_clock_tells_the_system_time() {
        let clock = Clock::new();
        let (before, now, after) = (system_micros(), clock.now(), system_micros());
        assert!(before <= now && now <= after + 1_000, "{before} {now} {after}");
    }
}
