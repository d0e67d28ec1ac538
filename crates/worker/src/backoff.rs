//! How long to wait after calls that fail, and when a batch is to blame itself.

use std::time::Duration;

use tokio::time::Instant;
use tonic::Code;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_secs(10);
/// After how many failures in a row a batch is thought to be what the coordinator stumbles over.
const BLAMED_AFTER: u32 = 3;

/// The failures in a row of one kind of call.
#[derive(Debug)]
pub(crate) struct Backoff {
    failures: u32,
    /// How many of the last ones may be the batch's own fault.
    suspicious: u32,
    /// Before this, no call is to be made.
    pub(crate) until: Instant,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { failures: 0, suspicious: 0, until: Instant::now() }
    }
}

impl Backoff {
    /// Counts a failure. Says whether it is the first in a row.
    pub(crate) fn failed(&mut self, code: Code) -> bool {
        let pause = (FIRST_PAUSE * 2_u32.saturating_pow(self.failures.min(10))).min(LAST_PAUSE);
        self.until = Instant::now() + pause.mul_f64(rand::random_range(0.5..1.0));
        self.failures = self.failures.saturating_add(1);
        self.suspicious = if may_be_its_own_fault(code) { self.suspicious.saturating_add(1) } else { 0 };
        self.failures == 1
    }

    /// Whether what was sent last is to blame, as far as one can tell from here.
    pub(crate) fn blames_the_batch(&self) -> bool {
        self.suspicious >= BLAMED_AFTER
    }

    /// Counts from the beginning.
    pub(crate) fn succeeded(&mut self) {
        (self.failures, self.suspicious) = (0, 0);
    }
}

/// Whether a call may have failed for what it carries. The others say that nobody is there, or that nobody
/// is wanted.
fn may_be_its_own_fault(code: Code) -> bool {
    matches!(
        code,
        Code::Internal
            | Code::DeadlineExceeded
            | Code::Unknown
            | Code::DataLoss
            | Code::OutOfRange
            | Code::ResourceExhausted
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_blamed_for_failures_in_a_row_that_may_be_its_own_and_for_no_others() {
        let mut backoff = Backoff::default();
        let mut after = |codes: &[Code]| {
            for code in codes {
                backoff.failed(*code);
            }
            let blamed = backoff.blames_the_batch();
            backoff.succeeded();
            blamed
        };
        assert!(after(&[Code::Internal, Code::DeadlineExceeded, Code::Internal]));
        assert!(!after(&[Code::Internal; 2]));
        assert!(!after(&[Code::Unavailable; 9]));
        assert!(!after(&[Code::Internal, Code::Internal, Code::Unavailable, Code::Internal]));
    }

    #[test]
    fn pauses_grow_and_stay_within_bounds() {
        let mut backoff = Backoff::default();
        assert!(backoff.failed(Code::Unavailable));
        assert!(!backoff.failed(Code::Unavailable));
        assert!(backoff.until > Instant::now() + FIRST_PAUSE / 2);
        for _ in 0..40 {
            backoff.failed(Code::Unavailable);
        }
        assert!(backoff.until <= Instant::now() + LAST_PAUSE);
    }
}
