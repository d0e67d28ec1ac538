//! Ending attempts that somebody cannot read, instead of offering them for ever.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use distrack_core::{AttemptRef, Cause, Outcome, Output};
use distrack_store::{AttemptEvent, AttemptReport};
use tracing::{error, warn};

use crate::Coordinator;

/// Fails attempts that this build cannot read, in the background.
pub(crate) fn fail(coordinator: &Arc<Coordinator>, unreadable: Vec<(AttemptRef, String)>) {
    for (attempt, reason) in unreadable {
        warn!(task_id = %attempt.task, reason, "a claimed task cannot be read");
        let coordinator = Arc::clone(coordinator);
        let reason = format!("the coordinator cannot read the task: {reason}");
        coordinator.deliveries.clone().spawn(async move { end(&coordinator, attempt, reason).await });
    }
}

/// Fails an attempt for good. Tried until the store has heard it: nobody else will end it.
pub(crate) async fn end(coordinator: &Coordinator, attempt: AttemptRef, reason: String) {
    let outcome = Outcome { final_failure: true, ..Outcome::failure(Cause::SpawnFailed, reason) };
    let event = AttemptEvent::Finished { ago: Duration::ZERO, ran: None, outcome, output: Output::default() };
    let report = AttemptReport { attempt, session: None, jitter: 0.0, event };
    while let Err(failure) = coordinator.recorder.record(vec![report.clone()], HashMap::new()).await {
        if !failure.is_retryable() {
            error!(error = %failure, task_id = %attempt.task, "an attempt cannot be ended");
            return;
        }
        if coordinator.wait(Duration::from_secs(1)).await.is_stopping() {
            return;
        }
    }
}
