//! When a task is tried again: exponential backoff with full jitter, and what a lost worker means.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What becomes of a task whose worker was lost while it held an attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnLost {
    /// Try again: the command may run more than once (at least once).
    #[default]
    Retry,
    /// Fail: the command never runs twice (at most once).
    Fail,
}

impl OnLost {
    /// The number that both stores keep.
    pub fn code(self) -> i16 {
        match self {
            Self::Retry => 0,
            Self::Fail => 1,
        }
    }

    /// The rule of a stored number, if it is one.
    pub fn from_code(code: i16) -> Option<Self> {
        match code {
            0 => Some(Self::Retry),
            1 => Some(Self::Fail),
            _ => None,
        }
    }
}

/// The wait before the next attempt: a random part of `initial × 2^(failures − 1)`, at most `max`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Backoff {
    /// The upper bound of the first wait.
    pub initial: Duration,
    /// The upper bound of every wait.
    pub max: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { initial: Duration::from_secs(1), max: Duration::from_secs(300) }
    }
}

impl Backoff {
    /// The wait after the `failures`-th failure (from 1). `jitter` in `0.0..=1.0` picks the part of the bound.
    pub fn delay(&self, failures: u32, jitter: f64) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        let bound = self.initial.saturating_mul(1 << doublings).min(self.max);
        bound.mul_f64(jitter.clamp(0.0, 1.0))
    }
}

/// How often a task may be tried, and what counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RetryPolicy {
    /// Attempts that may end by themselves; lost and interrupted ones do not count.
    pub max_attempts: u32,
    /// The wait between them.
    pub backoff: Backoff,
    /// What a lost worker means.
    pub on_lost: OnLost,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { max_attempts: 1, backoff: Backoff::default(), on_lost: OnLost::default() }
    }
}
