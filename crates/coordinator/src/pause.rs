//! Waiting in a loop that must end when the coordinator stops.

use std::time::Duration;

use crate::Coordinator;

/// Why a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waited {
    /// The time is over.
    Elapsed,
    /// The coordinator stops.
    Stopping,
}

impl Waited {
    pub(crate) fn is_stopping(self) -> bool {
        self == Self::Stopping
    }
}

impl Coordinator {
    /// Waits for `duration`, or until the coordinator stops.
    pub(crate) async fn wait(&self, duration: Duration) -> Waited {
        tokio::select! {
            () = tokio::time::sleep(duration) => Waited::Elapsed,
            () = self.shutdown.cancelled() => Waited::Stopping,
        }
    }
}

/// A duration spread by a fifth to both sides, so that equals do not act in step.
pub(crate) fn jittered(duration: Duration) -> Duration {
    duration.mul_f64(0.8 + 0.4 * rand::random::<f64>())
}
