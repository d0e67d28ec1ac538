//! The database's clock, as far as a coordinator has seen it: for what is shown, never for what is decided.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use chrono::{DateTime, TimeDelta, Utc};
use distrack_telemetry::traces;

/// The last reading, and when it was taken.
#[derive(Debug, Default)]
pub(crate) struct DatabaseClock(Mutex<Option<(Instant, DateTime<Utc>)>>);

impl DatabaseClock {
    /// Notes what it says now.
    pub(crate) fn reads(&self, at: DateTime<Utc>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), at));
    }

    /// What it says now; this machine's clock until it was read.
    pub(crate) fn now(&self) -> DateTime<Utc> {
        let read = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((when, at)) = read else { return traces::now().into() };
        at + TimeDelta::from_std(when.elapsed()).unwrap_or_default()
    }
}
